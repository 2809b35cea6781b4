package dataplane

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func lowat(t *testing.T, c *net.TCPConn) (n int) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = control(rc, func(fd int) (err error) {
		n, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
