package ftpclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrTruncated: the peer ended a TLS connection without close_notify. crypto/tls
// itself reports that as a plain io.EOF when it happens between two records.
var ErrTruncated = errors.New("TLS connection ended without close_notify")

// Conn is a control or data connection: TCP, or TLS over TCP. Each call has a
// deadline of its own.
type Conn struct {
	wire    *wire
	tls     *tls.Conn // nil in clear
	timeout time.Duration
}

// wire is the TCP connection as TLS sees it. It remembers whether the peer's FIN
// was read: under TLS that must not come before close_notify.
type wire struct {
	*net.TCPConn
	fin bool
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.TCPConn.Read(p)
	if err == io.EOF {
		w.fin = true
	}
	return n, err
}

func newConn(tcp *net.TCPConn, timeout time.Duration) *Conn {
	return &Conn{wire: &wire{TCPConn: tcp}, timeout: timeout}
}

// startTLS puts TLS on top. The handshake runs with the first Read or Write, or
// with Handshake.
func (c *Conn) startTLS(cfg *tls.Config) { c.tls = tls.Client(c.wire, cfg) }

// TCP returns the connection under TLS, for bytes that no TLS library would
// send. It has no deadlines but those of the last step.
func (c *Conn) TCP() *net.TCPConn { return c.wire.TCPConn }

// TLS returns the state of TLS, nil in clear.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	state := c.tls.ConnectionState()
	return &state
}

// Handshake runs the TLS handshake now. In clear it does nothing.
func (c *Conn) Handshake() error {
	if c.tls == nil {
		return nil
	}
	c.arm()
	if err := c.tls.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return nil
}

// Read reads, with io.EOF at an orderly end: FIN in clear, close_notify under
// TLS. A FIN without close_notify is ErrTruncated.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err // FIN here is no end of data
	}
	c.arm()
	if c.tls == nil {
		return c.wire.Read(p)
	}
	n, err := c.tls.Read(p)
	if err == io.EOF && c.wire.fin {
		err = ErrTruncated
	}
	return n, err
}

// Write writes all of p or fails.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	c.arm()
	if c.tls == nil {
		return c.wire.Write(p)
	}
	return c.tls.Write(p)
}

// CloseWrite ends our direction as it should be ended: close_notify under TLS,
// then FIN. Reading can go on.
func (c *Conn) CloseWrite() error {
	c.arm()
	if c.tls != nil {
		if err := c.tls.CloseWrite(); err != nil {
			return err
		}
	}
	return c.wire.CloseWrite()
}

// Close ends both directions at once, with close_notify when TLS stands. What
// the peer sent and nobody read makes the kernel send RST after it.
func (c *Conn) Close() error {
	if c.tls != nil {
		return c.tls.Close()
	}
	return c.wire.Close()
}

// CloseWriteBare sends FIN with no close_notify before it, on the end of a
// record: the upload looks whole to whoever does not look for close_notify.
func (c *Conn) CloseWriteBare() error { return c.wire.CloseWrite() }

// CloseWriteInRecord sends the beginning of a TLS record and then FIN.
func (c *Conn) CloseWriteInRecord() error {
	c.arm()
	const applicationData, length = 23, 1024
	head := []byte{applicationData, 3, 3, length >> 8, length & 0xFF, 'c', 'u', 't'}
	if _, err := c.wire.Write(head); err != nil {
		return err
	}
	return c.wire.CloseWrite()
}

// CloseNotifyThen sends close_notify and then p, as it is.
func (c *Conn) CloseNotifyThen(p []byte) error {
	c.arm()
	if err := c.tls.CloseWrite(); err != nil {
		return err
	}
	c.arm() // CloseWrite leaves a deadline in the past
	_, err := c.wire.Write(p)
	return err
}

// Reset ends the connection with RST (SO_LINGER 0): the peer may lose even what
// was sent before.
func (c *Conn) Reset() error {
	if err := c.wire.SetLinger(0); err != nil {
		return err
	}
	return c.wire.Close()
}

// arm gives the next step its deadline. It fails on a closed connection only,
// as will the step.
func (c *Conn) arm() { _ = c.wire.SetDeadline(time.Now().Add(c.timeout)) }
