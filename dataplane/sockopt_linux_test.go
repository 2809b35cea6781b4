package dataplane

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func lowat(t *testing.T, c *net.TCPConn) int {
	t.Helper()
	return option(t, c, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
}

func option(t *testing.T, c *net.TCPConn, level, name int) (n int) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = control(rc, func(fd int) (err error) {
		n, err = unix.GetsockoptInt(fd, level, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
