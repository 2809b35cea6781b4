package dataplane

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

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
	owner  *Channel // nil: several
	until  time.Time
}

// hauntedLocked reports whether a connection for another session of the client
// may still come to the port.
func (pt *port) hauntedLocked(client netip.Addr, owner *Channel) bool {
	gh := pt.ghosts[client]
	return gh != nil && gh.owner != owner
}

// hauntLocked remembers a lease that ended without its connection. There is one
// ghost a port and client, however often they part; that of several sessions is
// a stranger to all.
func (p *passivePool) hauntLocked(l *lease) {
	gh := l.port.ghosts[l.client]
	switch {
	case gh == nil:
		gh = &ghost{port: l.port, client: l.client, owner: l.owner}
		l.port.ghosts[l.client] = gh
		p.ghosts = append(p.ghosts, gh)
	case gh.owner != l.owner:
		gh.owner = nil
	}
	gh.until = time.Now().Add(lateAfter)
}

// exorciseLocked forgets the ghosts that are old enough at the time now.
func (p *passivePool) exorciseLocked(now time.Time) {
	p.ghosts = slices.DeleteFunc(p.ghosts, func(gh *ghost) bool {
		if now.Before(gh.until) {
			return false
		}
		delete(gh.port.ghosts, gh.client)
		return true
	})
}

func (p *passivePool) groupLocked(local netip.Addr) *group {
	if g := p.groups[local]; g != nil {
		return g
	}
	g := &group{pool: p, local: local, held: make(map[netip.Addr]int)}
	if lo, hi := int(p.plane.cfg().PortLow), int(p.plane.cfg().PortHigh); lo != 0 {
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
	if g.pool.plane.cfg().PortLow == 0 && len(g.queue) < g.pool.plane.cfg().AutoPorts &&
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

// shareLocked returns a port that is leased to the client by sessions whose connections
// show tickets only; nil when there is none.
func (g *group) shareLocked(client netip.Addr) *port {
	return g.pickLocked(func(pt *port) bool {
		ls := pt.clients[client]
		return len(ls) > 0 && len(ls) < sharedMax && ls[0].tickets
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
