//go:build !linux

package dataplane

import (
	"errors"
	"net"
	"syscall"
)

// Elsewhere than on Linux the sockets keep the system's options, nothing is
// looked at without reading it, and progress is that of the file bytes.

func tuneListener(_, _ string, _ syscall.RawConn) error { return nil }
func tuneDialer(_, _ string, _ syscall.RawConn) error   { return nil }
func wireBytes(*net.TCPConn) uint64                     { return 0 }
func helloWaits(*net.TCPConn) bool                      { return false }
func keepMore(*net.TCPConn, int)                        {}
func gather(*net.TCPConn, int)                          {}
func isQuiet(*net.TCPConn) bool                         { return false }

const (
	notSentQuick = 0
	gathered     = 0
)

type hangUp struct{}

func newHangUp(*net.TCPConn) hangUp { return hangUp{} }
func (hangUp) seen() bool           { return false }

type lookout struct{}

func newLookout(*net.TCPConn) *lookout { return nil }
func (*lookout) wait() error           { return nil }
func (*lookout) queued() int           { return classes[1].Size() }

func isReset(err error) bool {
	for _, e := range []error{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENOTCONN, net.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isAddrTaken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EACCES)
}
