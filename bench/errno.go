package bench

import (
	"cmp"
	"syscall"

	"golang.org/x/sys/unix"
)

func errnoName(e syscall.Errno) string { return cmp.Or(unix.ErrnoName(e), e.Error()) }
