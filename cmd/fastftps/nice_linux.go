package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// nice gives the rest of a goroutine a thread of its own that yields to all
// others; the thread ends with it. Where that is refused nothing is lost.
func nice() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
}
