package dataplane

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	autoPortsMin  = 32               // without a range: ports to open before one is used again
	sharedMax     = 256              // leases of one address on one port
	openTries     = 64               // failed binds that one PASV puts up with
	portHeldOff   = 30 * time.Second // before a port that could not be bound is tried again
	acceptHeldOff = 50 * time.Millisecond
	lateAfter     = 10 * time.Second // how late a connection for an ended lease may come
	helloPatience = time.Second      // a held connection with a ClientHello waits so long for its command
)

// passivePool keeps one listener a port for good and lets sessions take turns
// on it. A lease, the pair of client address and port, says whose a connection
// is. Sessions whose addresses differ share a port, so a range of R ports
// serves R pending transfers an address. A listener a port, not a session,
// saves a quarter of the CPU that a short transfer costs.
//
// Ports are handed out first-in first-out, so that a late connection for an
// ended lease finds none, and by chance among the older half, so that nobody
// can tell the next one (RFC 2577 section 8).
//
// When all ports are leased to one address, sessions under TLS may lease one
// of them a second time: a range of one port then serves everybody. On a port
// leased so the connection must show, in its ClientHello, a ticket of the
// session that it is meant for. One that shows none is closed, for to guess
// would hand one session's file to another. So it stays until the last lease of
// the address on that port is gone, and so it is when another session of the
// address has just left the port without its connection: that may still come.
// Clear sessions keep off such a port while there is another; on a range too
// small for that nothing can tell two clear sessions of one address apart.
type passivePool struct {
	plane *Plane
	wg    sync.WaitGroup // accept goroutines

	mu     sync.Mutex // guards the fields below and those of group, port and lease
	closed bool
	groups map[netip.Addr]*group
	leases []*lease // all of them, for sweep
	ghosts []*ghost // all of them, for sweep

	unclaimed map[*net.TCPConn]struct{} // on shared ports, until their ticket is seen
}

// lease is one session's right to a connection from its client's address.
//
//	waiting for both → connection held (conn) or transfer started (t) → gone
type lease struct {
	port   *port
	index  int // in passivePool.leases
	client netip.Addr
	owner  *Channel
	tls    *tlsSide // nil for a session without
	made   time.Time

	t     *transfer    // started, waiting for its connection
	conn  *net.TCPConn // arrived, waiting for its transfer
	since time.Time    // when conn arrived
	early *early       // handshake under way on conn, or done
	late  bool         // no slot was free for it at first

	tickets bool // its connection will show a ticket
	shared  bool // others of the same address wait, or waited, on the same port
	claimed bool // a handshake on a shared port has shown this session's ticket
	met     bool // its connection has come
	gone    bool
}

func newPassivePool(p *Plane) *passivePool {
	return &passivePool{plane: p, groups: make(map[netip.Addr]*group), unclaimed: make(map[*net.TCPConn]struct{})}
}

// take leases a port of the local address to a client; tickets says that its connection
// will show one.
func (p *passivePool) take(local, client netip.Addr, owner *Channel, tickets bool) (*lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.plane.stopping.Load() {
		return nil, ErrClosed
	}
	g := p.groupLocked(local)
	pt := g.freeLocked(client, owner)
	if pt == nil && tickets {
		pt = g.shareLocked(client)
	}
	if pt == nil {
		p.plane.stats.NoPort.Add(1)
		return nil, ErrNoPort
	}
	return p.leaseLocked(pt, client, owner, tickets), nil
}

func (p *passivePool) leaseLocked(pt *port, client netip.Addr, owner *Channel, tickets bool) *lease {
	l := &lease{port: pt, index: len(p.leases), client: client, owner: owner, tls: owner.tls, tickets: tickets, made: time.Now()}
	l.shared = tickets && pt.hauntedLocked(client, owner)
	p.leases = append(p.leases, l)
	p.plane.stats.Leases.Add(1)
	others := pt.clients[client]
	pt.clients[client] = append(others, l)
	if len(others) == 0 {
		pt.group.held[client]++
		return l
	}
	l.shared = true
	for _, o := range others {
		o.shared = true
	}
	return l
}

// popLocked ends a lease. Its connection and transfer are the caller's.
func (p *passivePool) popLocked(l *lease) {
	if l.gone {
		return
	}
	l.gone = true
	last := p.leases[len(p.leases)-1]
	p.leases[l.index], last.index = last, l.index
	p.leases[len(p.leases)-1] = nil
	p.leases = p.leases[:len(p.leases)-1]

	pt, g := l.port, l.port.group
	rest := slices.DeleteFunc(pt.clients[l.client], func(o *lease) bool { return o == l })
	if len(rest) > 0 {
		pt.clients[l.client] = rest
	} else {
		delete(pt.clients, l.client)
		if g.held[l.client]--; g.held[l.client] == 0 {
			delete(g.held, l.client)
		}
	}
	p.plane.stats.Leases.Add(-1)
	if !l.met {
		p.hauntLocked(l)
	}
}

// drop ends a lease and closes what waits on it. It returns the transfer that
// was waiting, which the caller must end.
func (p *passivePool) drop(l *lease) *transfer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.gone {
		return nil
	}
	p.popLocked(l)
	l.hangUp()
	return l.t
}

// hangUp closes the connection that waits on the lease.
func (l *lease) hangUp() {
	if l.conn != nil {
		l.early.leave()
		l.conn.Close()
	}
}

// armed reports whether the lease still stands.
func (p *passivePool) armed(l *lease) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !l.gone
}

// start joins a transfer and a lease. With the connection already there the
// transfer runs at once; else it waits without a goroutine.
func (p *passivePool) start(l *lease, t *transfer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case l.gone:
		return ErrNoEndpoint
	case l.conn == nil:
		l.t = t
		p.plane.stats.Waiting.Add(1)
		return nil
	}
	t.arrived(l.conn, l.early)
	p.plane.submit(t)
	p.popLocked(l)
	return nil
}

// arrive finds the lease of a connection. A stranger's is closed, and whoever
// waits on the port goes on waiting.
func (pt *port) arrive(c *net.TCPConn) {
	p := pt.group.pool
	client := unmap(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()).WithZone("")
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ls := pt.clients[client]; {
	case len(ls) == 0:
		p.plane.stats.Strangers.Add(1)
		c.Close()
	case !ls[0].shared:
		p.deliverLocked(ls[0], c, nil)
	case p.closed:
		c.Close()
	default:
		identity := ls[0].tls.identity
		c.SetDeadline(time.Now().Add(p.plane.cfg().TLSTimeout))
		if !p.plane.tryEarly(client, func() { pt.identify(client, c, identity) }) {
			p.plane.stats.EarlyRefused.Add(1)
			c.Close()
			return
		}
		p.unclaimed[c] = struct{}{}
	}
}

// deliverLocked gives a connection to a lease: to the transfer that waits for
// it, or to be held until that comes. A lease takes one connection.
func (p *passivePool) deliverLocked(l *lease, c *net.TCPConn, e *early) {
	surplus := l.met || p.closed
	l.met = true
	switch {
	case surplus:
		p.plane.stats.Surplus.Add(1)
		e.leave()
		c.Close()
	case l.t != nil:
		p.popLocked(l)
		p.plane.stats.Waiting.Add(-1)
		l.t.arrived(c, e)
		p.plane.submit(l.t)
	default:
		l.conn, l.early, l.since = c, e, time.Now()
	}
}

// sweep ends what has waited too long at the time now, and lets clients that
// finish their handshake before they send the command do so.
func (p *passivePool) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exorciseLocked(now)
	for i := len(p.leases) - 1; i >= 0; i-- { // popLocked moves the last one to i
		switch l := p.leases[i]; {
		case l.t != nil:
			if now.Sub(l.t.started) >= p.plane.cfg().ConnectWait {
				p.plane.stats.ConnectTimeouts.Add(1)
				p.expireLocked(l, CauseNoConn)
			}
		case now.Sub(l.made) >= p.plane.cfg().LeaseTTL:
			p.plane.stats.LeasesExpired.Add(1)
			p.expireLocked(l, CauseNoConn)
		case l.conn != nil && l.early == nil && l.tls != nil && now.Sub(l.since) >= helloPatience:
			p.handshakeLocked(l)
		}
	}
}

func (p *passivePool) expireLocked(l *lease, why Cause) {
	p.popLocked(l)
	l.hangUp()
	if l.t != nil {
		p.plane.stats.Waiting.Add(-1)
		p.plane.endEarly(l.t, why, nil)
	}
}

// stop ends the waits of all transfers; close closes the listeners as well.
func (p *passivePool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.leases) - 1; i >= 0; i-- {
		p.expireLocked(p.leases[i], CauseShutdown)
	}
}

func (p *passivePool) close() {
	p.stop()
	p.mu.Lock()
	p.closed = true
	for _, g := range p.groups {
		for _, pt := range g.queue {
			if pt.ln != nil {
				pt.ln.Close()
				p.plane.stats.Listeners.Add(-1)
			}
		}
	}
	for c := range p.unclaimed {
		c.SetDeadline(longAgo)
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// unmap makes IPv4 in IPv6 plain IPv4, so that both compare as one.
func unmap(a netip.Addr) netip.Addr { return a.Unmap() }
