//go:build darwin || freebsd

package engine

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// accept takes a connection; its descriptor neither blocks nor survives exec.
func accept(fd int) (int, syscall.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, sa, err := syscall.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(n)
	if err := unix.SetNonblock(n, true); err != nil {
		return -1, nil, errors.Join(err, unix.Close(n))
	}
	return n, sa, nil
}
