package dataplane

import (
	"net"

	"fastftps/tlsconn"
)

// tlsSide is what a session's data connections run TLS with. Our side is
// always the TLS server, in active mode too (RFC 4217 section 7). A nil
// tlsSide is a session whose control connection is clear.
type tlsSide struct {
	identity *tlsconn.Identity
	binding  *tlsconn.Binding
	reuse    tlsconn.Reuse
}

// server prepares TLS on a connection; nothing is read or written yet.
func (s *tlsSide) server(c *net.TCPConn, dir tlsconn.Direction) *tlsconn.DataConn {
	return tlsconn.NewDataConn(s.identity, c, tlsconn.DataOptions{Binding: s.binding, Reuse: s.reuse, Direction: dir})
}

// tickets reports whether the session's tickets can tell its connections from
// those of others.
func (s *tlsSide) tickets() bool { return s != nil && s.reuse != tlsconn.ReuseOff }

// early is a handshake begun before the transfer command.
type early struct {
	done chan struct{} // closed when err is final
	sec  *tlsconn.DataConn
	err  error
}

// isHello reports whether b begins as a TLS record with a ClientHello does.
func isHello(b []byte) bool {
	return len(b) >= 6 && b[0] == 0x16 && b[1] == 3 && b[5] == 1
}
