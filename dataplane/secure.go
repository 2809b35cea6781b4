package dataplane

import (
	"net"
	"net/netip"
	"time"

	"fastftps/tlsconn"
)

// tlsSide is what a session's data connections run TLS with. Our side is
// always the TLS server, in active mode too (RFC 4217 section 7). A nil
// tlsSide is a session whose control connection is clear.
type tlsSide struct {
	identity *tlsconn.Identity
	binding  *tlsconn.Binding
	reuse    tlsconn.Reuse
	engine   tlsconn.Engine
}

// server prepares TLS on a connection; nothing is read or written yet.
func (s *tlsSide) server(c *net.TCPConn, dir tlsconn.Direction) *tlsconn.DataConn {
	return tlsconn.NewDataConn(s.identity, c, tlsconn.DataOptions{
		Binding: s.binding, Reuse: s.reuse, Direction: dir, Engine: s.engine,
	})
}

// tickets reports whether the session's tickets can tell its connections from
// those of others.
func (s *tlsSide) tickets() bool { return s != nil && s.reuse != tlsconn.ReuseOff }

// handshake makes a handshake and tells of it, unless it ended because the transfer was
// stopped. t is nil before there is one.
func (p *Plane) handshake(sec *tlsconn.DataConn, t *transfer) error {
	p.stats.Handshaking.Add(1)
	defer p.stats.Handshaking.Add(-1)
	began := time.Now()
	p.gate.step() // a handshake computes for as long as a stretch
	err := sec.Handshake()
	stopped := err != nil && t != nil && t.why(CauseOK) != CauseOK
	if p.cfg().Handshake != nil && !stopped {
		p.cfg().Handshake(sec.Info(), time.Since(began), err)
	}
	return err
}

// isHello reports whether b begins as a TLS record with a ClientHello does.
func isHello(b []byte) bool {
	return len(b) >= 6 && b[0] == 0x16 && b[1] == 3 && b[5] == 1
}

// identify makes the handshake on a shared port and gives the connection to the
// session that the ticket names. A client without one is turned away by an
// alert.
func (pt *port) identify(client netip.Addr, c *net.TCPConn, identity *tlsconn.Identity) {
	p := pt.group.pool
	var claimed *lease
	sec := tlsconn.NewDataConn(identity, c, tlsconn.DataOptions{
		Reuse:  tlsconn.ReuseRequired,
		Engine: p.plane.cfg().Engine,
		Claim: func(id tlsconn.ID) (tlsconn.Direction, bool) {
			var dir tlsconn.Direction
			claimed, dir = pt.claim(client, id)
			return dir, claimed != nil
		},
	})
	err := p.plane.handshake(sec, nil)

	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.unclaimed, c)
	if claimed != nil {
		claimed.claimed = false
	}
	if err != nil || claimed == nil || claimed.gone || p.closed {
		p.plane.stats.Ambiguous.Add(1)
		sec.Release()
		c.Close()
		return
	}
	e := &early{done: make(chan struct{}), sec: sec}
	close(e.done)
	p.deliverLocked(claimed, c, e)
}

// claim finds the session that a ticket names among those that wait on a
// shared port.
func (pt *port) claim(client netip.Addr, id tlsconn.ID) (*lease, tlsconn.Direction) {
	p := pt.group.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range pt.clients[client] {
		if l.conn == nil && !l.claimed && l.tls.binding.ID() == id {
			l.claimed = true
			return l, l.t.direction()
		}
	}
	return nil, tlsconn.Receive
}

// handshakeLocked begins TLS on a held connection whose client has sent a
// ClientHello but no command: some finish the handshake first. It issues no
// ticket, for the transfer may turn out to be an upload.
func (p *passivePool) handshakeLocked(l *lease) {
	if !helloWaits(l.conn) {
		return
	}
	e := &early{done: make(chan struct{}), sec: l.tls.server(l.conn, tlsconn.Receive)}
	l.conn.SetDeadline(time.Now().Add(p.plane.cfg().TLSTimeout)) // Abort may set another one meanwhile
	ok := p.plane.tryEarly(l.client, func() {
		e.err = p.plane.handshake(e.sec, nil)
		p.mu.Lock()
		defer p.mu.Unlock()
		close(e.done)
		if e.left {
			e.sec.Release()
		}
	})
	switch {
	case ok:
		l.early = e
		p.plane.stats.EarlyHandshakes.Add(1)
	case !l.late:
		l.late = true
		p.plane.stats.EarlyRefused.Add(1)
	}
}
