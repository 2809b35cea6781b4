// Package tlsconn is the TLS of the server, on stock crypto/tls.
//
// An Identity holds what all connections share: certificates, policy and
// ticket keys. A Binding is the random id of one control session; it travels
// inside session tickets, so that a data connection can prove that it belongs
// to that session (RFC 4217 section 10.2). An Adapter is the TLS of a control
// connection: bytes in, bytes out, no socket and no goroutine. A DataConn is
// the TLS of a data connection over a socket. After a handshake of crypto/tls both
// seal and open AES-GCM records by themselves, see EngineFast.
//
// Both hand crypto/tls one record at a time and never a byte more. That is what
// lets clear text follow TLS on the same connection (CCC, REIN), and what tells
// an end with close_notify from one without.
package tlsconn

import (
	"crypto/tls"
	"errors"
)

// Errors of connections. They arrive wrapped; use errors.Is.
var (
	// ErrNotTLS says that the first bytes are no TLS handshake: another
	// protocol, or SSLv2. Nothing was answered.
	ErrNotTLS = errors.New("not a TLS handshake")
	// ErrWouldBlock says that no whole record is there yet. It is a
	// temporary net.Error.
	ErrWouldBlock error = wouldBlock{}
	// ErrTruncated says that the peer ended the TCP connection without
	// close_notify.
	ErrTruncated = errors.New("connection ended without close_notify")
	// ErrFlood says that the peer sent more than is kept for it: more
	// than MaxHandshake bytes before the handshake was over, or more than
	// MaxBuffered bytes that nobody read.
	ErrFlood = errors.New("too many unread bytes")
	// ErrLateData, of Drain, says that the peer sent data behind our close_notify and
	// before its own.
	ErrLateData = errors.New("data behind the end of TLS")
	// ErrNotResumed says that a data connection did not resume the TLS
	// session of its control connection, and had to (ReuseRequired).
	ErrNotResumed = errors.New("TLS session of the control connection not resumed")
	// ErrNoHello says that the peer closed the connection before it sent
	// anything.
	ErrNoHello = errors.New("connection closed before the TLS handshake")
)

// wouldBlock is temporary in the sense of net.Error: crypto/tls does not
// remember such an error of its transport and reads again when asked again.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "no whole TLS record yet" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

// Info tells how a handshake ended.
type Info struct {
	Version    uint16 // tls.VersionTLS12 or tls.VersionTLS13
	Suite      uint16 // as registered by IANA
	Resumed    bool   // a ticket was accepted
	Bound      bool   // data connections: the ticket was that of Session
	Session    ID     // the session that the connection belongs to; zero when unknown
	ServerName string // SNI as sent by the client, which may be an IP literal
	ALPN       string // "" when the client did not offer any

	// EngineFast seals and opens the records; or it should have, but took the
	// handshake for none that it knows, and crypto/tls went on. Unfit is a
	// fault of ours, or a Go release that does things differently.
	Fast, Unfit bool
	// The kernel seals, by a key of ours; see DataConn.ToKernel.
	Kernel bool
}

// VersionName returns the protocol version as "TLS 1.3".
func (i Info) VersionName() string { return tls.VersionName(i.Version) }

// SuiteName returns the name of the cipher suite as registered by IANA.
func (i Info) SuiteName() string { return tls.CipherSuiteName(i.Suite) }

// Engine returns who seals and opens the records: "fast", "std", "unfit" for a std
// that should have been fast, or "kernel" where that seals.
func (i Info) Engine() string {
	switch {
	case i.Kernel:
		return "kernel"
	case i.Fast:
		return "fast"
	case i.Unfit:
		return "unfit"
	}
	return "std"
}

func infoOf(cs tls.ConnectionState) Info {
	return Info{
		Version: cs.Version, Suite: cs.CipherSuite, Resumed: cs.DidResume,
		ServerName: cs.ServerName, ALPN: cs.NegotiatedProtocol,
	}
}
