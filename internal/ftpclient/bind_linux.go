package ftpclient

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindAddressOnly has bind take the source address but leave the port to
// connect: the port then needs to be free towards one destination only, and a
// load of short connections from one address does not run out of ports.
func bindAddressOnly(_, _ string, raw syscall.RawConn) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if ctlErr != nil {
		return ctlErr
	}
	return err
}
