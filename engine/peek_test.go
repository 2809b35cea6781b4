package engine

import "golang.org/x/sys/unix"

// peek returns how many bytes of a non-blocking socket's input could be read.
func peek(fd int) int {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return 0
	}
	return n
}
