//go:build !linux

package ftpclient

import "syscall"

// bindAddressOnly: see bind_linux.go. Elsewhere bind chooses the port.
func bindAddressOnly(_, _ string, _ syscall.RawConn) error { return nil }
