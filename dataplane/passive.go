package dataplane

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"fastftps/tlsconn"
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
	ghosts []*ghost // all of them, the oldest first, for sweep

	unclaimed map[*net.TCPConn]struct{} // on shared ports, until their ticket is seen
}

// group is the ports of one local address, the longest unused first: queue is
// a ring that starts at head.
type group struct {
	pool  *passivePool
	local netip.Addr
	queue []*port
	head  int
	held  map[netip.Addr]int // ports leased, by client address
}

// port is one listener, nil until first used.
type port struct {
	group   *group
	number  uint16
	ln      *net.TCPListener
	retry   time.Time               // not bound before, when binding failed
	clients map[netip.Addr][]*lease // the oldest first; more than one: a shared port
	ghosts  map[netip.Addr]*ghost
}

// ghost is a lease that ended without its connection.
type ghost struct {
	port   *port
	client netip.Addr
	owner  *Channel
	until  time.Time
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

	shared  bool // others of the same address wait, or waited, on the same port
	claimed bool // a handshake on a shared port has shown this session's ticket
	met     bool // its connection has come
	gone    bool
}

func newPassivePool(p *Plane) *passivePool {
	return &passivePool{plane: p, groups: make(map[netip.Addr]*group), unclaimed: make(map[*net.TCPConn]struct{})}
}

// take leases a port of the local address to a client.
func (p *passivePool) take(local, client netip.Addr, owner *Channel) (*lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.plane.stopping.Load() {
		return nil, ErrClosed
	}
	g := p.groupLocked(local)
	pt := g.freeLocked(client, owner)
	if pt == nil && owner.tls.tickets() {
		pt = g.shareLocked(client)
	}
	if pt == nil {
		p.plane.stats.NoPort.Add(1)
		return nil, ErrNoPort
	}
	return p.leaseLocked(pt, client, owner), nil
}

func (p *passivePool) leaseLocked(pt *port, client netip.Addr, owner *Channel) *lease {
	l := &lease{port: pt, index: len(p.leases), client: client, owner: owner, tls: owner.tls, made: time.Now()}
	l.shared = l.tls.tickets() && pt.hauntedLocked(client, owner)
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

// hauntedLocked reports whether a connection for another session of the client
// may still come to the port.
func (pt *port) hauntedLocked(client netip.Addr, owner *Channel) bool {
	gh := pt.ghosts[client]
	return gh != nil && gh.owner != owner
}

// hauntLocked remembers a lease that ended without its connection.
func (p *passivePool) hauntLocked(l *lease) {
	gh := &ghost{port: l.port, client: l.client, owner: l.owner, until: time.Now().Add(lateAfter)}
	l.port.ghosts[l.client] = gh
	p.ghosts = append(p.ghosts, gh)
}

// exorciseLocked forgets the ghosts that are old enough at the time now.
func (p *passivePool) exorciseLocked(now time.Time) {
	n := 0
	for n < len(p.ghosts) && !now.Before(p.ghosts[n].until) {
		if gh := p.ghosts[n]; gh.port.ghosts[gh.client] == gh {
			delete(gh.port.ghosts, gh.client)
		}
		n++
	}
	p.ghosts = slices.Delete(p.ghosts, 0, n)
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
	if l.conn != nil {
		l.conn.Close()
	}
	return l.t
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
		if p.plane.full() {
			return ErrOverload
		}
		l.t = t
		p.plane.stats.Waiting.Add(1)
		return nil
	}
	t.arrived(l.conn, l.early)
	if err := p.plane.submit(t); err != nil {
		t.arrived(nil, nil)
		return err
	}
	p.popLocked(l)
	return nil
}

func (p *passivePool) groupLocked(local netip.Addr) *group {
	if g := p.groups[local]; g != nil {
		return g
	}
	g := &group{pool: p, local: local, held: make(map[netip.Addr]int)}
	if lo, hi := int(p.plane.cfg.PortLow), int(p.plane.cfg.PortHigh); lo != 0 {
		for n := lo; n <= hi; n++ {
			g.queue = append(g.queue, g.newPort(uint16(n)))
		}
		for i := range g.queue {
			j := i + random(len(g.queue)-i)
			g.queue[i], g.queue[j] = g.queue[j], g.queue[i]
		}
	}
	p.groups[local] = g
	return g
}

func (g *group) newPort(number uint16) *port {
	return &port{group: g, number: number, clients: make(map[netip.Addr][]*lease), ghosts: make(map[netip.Addr]*ghost)}
}

// freeLocked returns an open port that the client does not lease, one without
// a ghost if possible; nil when there is none.
func (g *group) freeLocked(client netip.Addr, owner *Channel) *port {
	dry := g.held[client] >= len(g.queue)
	if g.pool.plane.cfg.PortLow == 0 && len(g.queue) < g.pool.plane.cfg.AutoPorts &&
		(dry || len(g.queue) < autoPortsMin) {
		if pt := g.newPort(0); pt.openLocked() == nil {
			g.queue = slices.Insert(g.queue, g.head, pt)
			g.head = (g.head + 1) % len(g.queue)
			return pt
		}
	}
	if dry {
		return nil
	}
	now, tries := time.Now(), openTries
	free := func(pt *port) bool {
		return len(pt.clients[client]) == 0 && pt.usableLocked(now, &tries)
	}
	pt := g.pickLocked(func(pt *port) bool { return !pt.hauntedLocked(client, owner) && free(pt) })
	if pt == nil {
		pt = g.pickLocked(free)
	}
	return pt
}

// usableLocked reports whether the port is open or can be opened, with tries
// failures left.
func (pt *port) usableLocked(now time.Time, tries *int) bool {
	switch {
	case pt.ln != nil:
		return true
	case *tries == 0 || now.Before(pt.retry):
		return false
	case pt.openLocked() == nil:
		return true
	}
	*tries--
	pt.retry = now.Add(portHeldOff)
	return false
}

// shareLocked returns a port that is leased to the client by sessions under
// TLS only; nil when there is none.
func (g *group) shareLocked(client netip.Addr) *port {
	return g.pickLocked(func(pt *port) bool {
		ls := pt.clients[client]
		return len(ls) > 0 && len(ls) < sharedMax && ls[0].tls.tickets()
	})
}

// pickLocked returns a port that fits, any of the older half before the
// others, and makes it the youngest.
func (g *group) pickLocked(fits func(*port) bool) *port {
	n := len(g.queue)
	half := (n + 1) / 2
	if n == 0 {
		return nil
	}
	first := random(half)
	for i := range n {
		if i < half {
			i = (first + i) % half
		}
		at := (g.head + i) % n
		if pt := g.queue[at]; fits(pt) {
			g.queue[at], g.queue[g.head] = g.queue[g.head], pt
			g.head = (g.head + 1) % n
			return pt
		}
	}
	return nil
}

// random returns a number below n that nobody can predict.
func random(n int) int {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return int(binary.NativeEndian.Uint64(b[:]) % uint64(n))
}

// openLocked binds the port and starts its accept goroutine, once. Options set
// on the listener are inherited by what it accepts.
func (pt *port) openLocked() error {
	if pt.ln != nil {
		return nil
	}
	p := pt.group.pool
	lc := net.ListenConfig{KeepAlive: -1, Control: tuneListener} // stalls are found by the sweep
	lc.SetMultipathTCP(false)                                    // security rules for TCP do not bind MPTCP
	addr := net.JoinHostPort(pt.group.local.String(), strconv.Itoa(int(pt.number)))
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	pt.ln = ln.(*net.TCPListener)
	pt.number = uint16(pt.ln.Addr().(*net.TCPAddr).Port)
	p.plane.stats.Listeners.Add(1)
	p.wg.Go(func() { pt.accept(pt.ln) })
	return nil
}

// accept hands each connection to its lease until the pool is closed. An error
// that is not the end (no descriptors) must not spin.
func (pt *port) accept(ln *net.TCPListener) {
	p := pt.group.pool
	for {
		c, err := ln.AcceptTCP()
		if err == nil {
			pt.arrive(c)
			continue
		}
		select {
		case <-p.plane.down:
			return
		case <-time.After(acceptHeldOff):
			p.plane.stats.AcceptErrors.Add(1)
		}
	}
}

// arrive finds the lease of a connection. A stranger's is closed, and whoever
// waits on the port goes on waiting.
func (pt *port) arrive(c *net.TCPConn) {
	p := pt.group.pool
	client := unmap(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ls := pt.clients[client]; {
	case len(ls) == 0:
		p.plane.stats.Strangers.Add(1)
		c.Close()
	case !ls[0].shared:
		p.deliverLocked(ls[0], c, nil)
	default:
		identity := ls[0].tls.identity
		c.SetDeadline(time.Now().Add(p.plane.cfg.TLSTimeout))
		if p.closed || !p.plane.tryEarly(func() { pt.identify(client, c, identity) }) {
			p.plane.stats.Ambiguous.Add(1)
			c.Close()
			return
		}
		p.unclaimed[c] = struct{}{}
	}
}

// identify makes the handshake on a shared port and gives the connection to the
// session that the ticket names. A client without one is turned away by an
// alert.
func (pt *port) identify(client netip.Addr, c *net.TCPConn, identity *tlsconn.Identity) {
	p := pt.group.pool
	var claimed *lease
	sec := tlsconn.NewDataConn(identity, c, tlsconn.DataOptions{
		Reuse: tlsconn.ReuseRequired,
		Claim: func(id tlsconn.ID) (tlsconn.Direction, bool) {
			var dir tlsconn.Direction
			claimed, dir = pt.claim(client, id)
			return dir, claimed != nil
		},
	})
	err := sec.Handshake()

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

// deliverLocked gives a connection to a lease: to the transfer that waits for
// it, or to be held until that comes. A lease takes one connection.
func (p *passivePool) deliverLocked(l *lease, c *net.TCPConn, e *early) {
	surplus := l.met || p.closed
	l.met = true
	switch {
	case surplus:
		p.plane.stats.Surplus.Add(1)
		c.Close()
	case l.t != nil:
		p.popLocked(l)
		p.plane.stats.Waiting.Add(-1)
		l.t.arrived(c, e)
		if err := p.plane.submit(l.t); err != nil {
			p.plane.endEarly(l.t, CauseNoConn, err)
		}
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
			if now.Sub(l.t.started) >= p.plane.cfg.ConnectWait {
				p.expireLocked(l, CauseNoConn)
			}
		case now.Sub(l.made) >= p.plane.cfg.LeaseTTL:
			p.plane.stats.LeasesExpired.Add(1)
			p.expireLocked(l, CauseNoConn)
		case l.conn != nil && l.early == nil && l.tls != nil && now.Sub(l.since) >= helloPatience:
			p.handshakeLocked(l)
		}
	}
}

func (p *passivePool) expireLocked(l *lease, why Cause) {
	p.popLocked(l)
	if l.conn != nil {
		l.conn.Close()
	}
	if l.t != nil {
		p.plane.stats.Waiting.Add(-1)
		p.plane.endEarly(l.t, why, nil)
	}
}

// handshakeLocked begins TLS on a held connection whose client has sent a
// ClientHello but no command: some finish the handshake first. It issues no
// ticket, for the transfer may turn out to be an upload.
func (p *passivePool) handshakeLocked(l *lease) {
	if !helloWaits(l.conn) {
		return
	}
	e := &early{done: make(chan struct{}), sec: l.tls.server(l.conn, tlsconn.Receive)}
	l.conn.SetDeadline(time.Now().Add(p.plane.cfg.TLSTimeout)) // Abort may set another one meanwhile
	ok := p.plane.tryEarly(func() {
		e.err = e.sec.Handshake()
		close(e.done)
	})
	if ok {
		l.early = e
		p.plane.stats.EarlyHandshakes.Add(1)
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
