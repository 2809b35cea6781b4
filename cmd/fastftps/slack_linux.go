package main

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than it asked a sleeping thread of the server may be
// woken (PR_SET_TIMERSLACK). The kernel's default is 50 µs.
const timerSlack = time.Millisecond

// loosenTimers gives all threads of the server timerSlack. Go's runtime has one that
// looks after the others every 20 µs while little is to be done, which costs a seventh
// of the CPU of short transfers; nothing of ours needs a timer that precise. A thread
// can set no slack but its own, new ones inherit it, and that one is there before the
// first line of main: so the program starts over, as the same process. With such a
// slack already (TimerSlackNSec of systemd), or where that is refused, all stays.
func loosenTimers() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil || slack >= int(timerSlack) {
		return
	}
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) == nil {
		_ = syscall.Exec(ownPath(), os.Args, os.Environ()) // returns only if it failed
	}
}

// ownPath is where this program lies, so that ps and pkill know it by its name; or else,
// when it has been replaced or removed, what the kernel still has of it.
func ownPath() string {
	const self = "/proc/self/exe"
	path, err := os.Readlink(self)
	if err != nil {
		return self
	}
	there, err := os.Stat(path)
	if err != nil {
		return self
	}
	if here, err := os.Stat(self); err != nil || !os.SameFile(here, there) {
		return self
	}
	return path
}
