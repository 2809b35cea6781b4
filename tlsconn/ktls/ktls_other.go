//go:build !linux

package ktls

import (
	"errors"
	"syscall"
)

// Probe reports that there is no kernel TLS here.
func Probe() error { return errors.ErrUnsupported }

// Start does nothing.
func Start(syscall.RawConn, Key) (*Sender, error) { return nil, errors.ErrUnsupported }

// Flush is never called: there is no Sender.
func (s *Sender) Flush() error { return errors.ErrUnsupported }

// CloseNotify is never called: there is no Sender.
func (s *Sender) CloseNotify() error { return errors.ErrUnsupported }
