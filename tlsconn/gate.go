package tlsconn

import (
	"crypto/tls"
	"slices"
)

// Reuse is the rule for resumption on data connections. Under every rule a
// ticket resumes only for the session that it was issued to.
type Reuse uint8

const (
	// ReuseBound is the default: the session's own ticket resumes, any
	// other and none at all are a full handshake (RFC 4217 section 10.2
	// leaves the choice to the server; Python's ftplib and curl on TLS 1.2
	// cannot resume).
	ReuseBound Reuse = iota
	// ReuseRequired ends every other handshake with ErrNotResumed.
	ReuseRequired
	// ReuseOff neither takes nor issues tickets.
	ReuseOff
)

// Direction is the way the file bytes of a data connection go, as the server
// sees it.
type Direction uint8

const (
	// Receive is an upload, or not yet known. No ticket is issued on TLS 1.3:
	// it would follow the handshake, and a client that closes at once after
	// its last byte without having read it resets the connection and loses
	// what was under way. On TLS 1.2 a ticket is part of the handshake.
	Receive Direction = iota
	// Send is a download or a listing. The client reads to the end, so it
	// gets a new ticket if it resumed; clients that use a ticket once need it.
	Send
)

// Extensions of a ClientHello (IANA TLS ExtensionType values).
const (
	extSessionTicket = 35
	extPreSharedKey  = 41
)

// gate decides on one data connection's tickets. crypto/tls calls it during the
// handshake through a private Config, which the gate changes while the
// handshake goes on: there is no other way to accept a ticket and yet issue none.
//
// Only a connection that resumed with a ticket of the session gets a new one in
// the session's name. So bound means an unbroken chain back to the control
// connection, and nobody can enter it by winning a race for a data port.
type gate struct {
	id    *Identity
	cfg   *tls.Config
	reuse Reuse
	dir   Direction
	owner *Binding // nil when only a ticket can tell
	claim func(ID) (Direction, bool)
	tap   *tap // nil: the records stay with crypto/tls

	tls13   bool
	bound   bool // a ticket of session was unsealed; crypto/tls may still refuse it
	session ID
}

func newGate(id *Identity, o DataOptions) *gate {
	g := &gate{id: id, reuse: o.Reuse, dir: o.Direction, owner: o.Binding, claim: o.Claim}
	g.cfg = id.base.Clone()
	g.cfg.NextProtos = dataProtos
	if o.Engine == EngineFast {
		g.tap = new(tap)
		g.cfg.KeyLogWriter = g.tap
	}
	if o.Reuse == ReuseOff {
		g.cfg.SessionTicketsDisabled = true
		return g
	}
	g.cfg.GetConfigForClient = g.hello
	g.cfg.UnwrapSession = g.unwrap
	g.cfg.WrapSession = g.wrap
	g.cfg.GetCertificate = g.certificate
	return g
}

// hello sees the ClientHello first. A TLS 1.3 client without a ticket never
// comes to unwrap, so its new ticket is switched off here.
func (g *gate) hello(h *tls.ClientHelloInfo) (*tls.Config, error) {
	ext := uint16(extSessionTicket)
	g.tls13 = g.cfg.MaxVersion != tls.VersionTLS12 && slices.Contains(h.SupportedVersions, tls.VersionTLS13)
	if g.tls13 {
		ext = extPreSharedKey
	}
	if slices.Contains(h.Extensions, ext) {
		return nil, nil
	}
	if g.reuse == ReuseRequired {
		return nil, ErrNotResumed
	}
	g.cfg.SessionTicketsDisabled = true
	return nil, nil
}

// unwrap opens a ticket; a ClientHello may hold several. With nil it does not
// resume, and the next one is tried or a full handshake follows.
func (g *gate) unwrap(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	ss, err := g.id.base.DecryptTicket(ticket, cs)
	if err != nil {
		return nil, err
	}
	if ss != nil && g.admits(ss) {
		g.cfg.SessionTicketsDisabled = g.tls13 && g.dir != Send
		if g.tap != nil && !g.tls13 {
			g.tap.ticket(ss)
		}
		return ss, nil
	}
	if g.reuse == ReuseRequired && !g.tls13 {
		return nil, ErrNotResumed // on TLS 1.3 certificate has the last word
	}
	g.cfg.SessionTicketsDisabled = true
	return nil, nil
}

// admits reports whether a ticket names the session that owns the connection,
// or one that claims it now.
func (g *gate) admits(ss *tls.SessionState) bool {
	id, ok := boundTo(ss)
	switch {
	case !ok:
		return false
	case g.owner != nil && g.owner.id == id:
	case g.claim == nil || g.bound:
		return false
	default:
		if g.dir, ok = g.claim(id); !ok {
			return false
		}
	}
	g.bound, g.session = true, id
	return true
}

// wrap seals a new ticket. Extra is empty in each new state, also when the
// connection was resumed, so the id goes in every time.
func (g *gate) wrap(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	if cs.DidResume && g.bound {
		bind(ss, g.session)
	}
	return g.id.base.EncryptTicket(cs, ss)
}

// certificate is asked for on TLS 1.3 only when no ticket was good; on TLS 1.2
// always, before the ticket is looked at.
func (g *gate) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if g.reuse == ReuseRequired && g.tls13 {
		return nil, ErrNotResumed
	}
	return g.id.certificate(h)
}

// finish judges the handshake that has ended.
func (g *gate) finish(cs tls.ConnectionState) (Info, error) {
	info := infoOf(cs)
	info.Bound = cs.DidResume && g.bound
	switch {
	case info.Bound:
		info.Session = g.session
	case g.reuse == ReuseRequired:
		return info, ErrNotResumed
	case g.owner != nil:
		info.Session = g.owner.id
	}
	return info, nil
}
