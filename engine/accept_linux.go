package engine

import "golang.org/x/sys/unix"

// accept takes a connection; its descriptor neither blocks nor survives exec.
func accept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
