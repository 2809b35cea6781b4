package engine

import "syscall"

// accept takes a connection; its descriptor neither blocks nor survives exec. It is
// syscall's, for that of x/sys asks the socket for its protocol on top.
func accept(fd int) (int, syscall.Sockaddr, error) {
	return syscall.Accept4(fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
}
