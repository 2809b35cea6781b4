//go:build unix

package ftptest

import (
	"os"
	"sync"
	"syscall"
)

// DeafPort is a port that refuses connections, at every IPv4 address of the host. It is
// bound for as long as the process lives: the port of a listener that was closed would be
// anybody's, and some other test's server could take the call.
var DeafPort = sync.OnceValues(func() (uint16, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return uint16(sa.(*syscall.SockaddrInet4).Port), nil
})
