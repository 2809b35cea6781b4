package dataplane

import (
	"net/netip"
	"sync"

	"fastftps/internal/netblock"
	"fastftps/tlsconn"
)

// early is a handshake begun before the transfer command.
type early struct {
	done chan struct{} // closed when err is final
	sec  *tlsconn.DataConn
	err  error

	left bool // no transfer will come for it; guarded by the pool's mutex
}

// leave says that no transfer will come. Whoever made the handshake wipes its secrets at
// its end, or they are wiped now. The caller holds the pool's mutex.
func (e *early) leave() {
	if e == nil {
		return
	}
	select {
	case <-e.done:
		e.sec.Release()
	default:
		e.left = true
	}
}

// earlySlots counts the handshakes that are made before the transfer command:
// each holds a goroutine until the peer has done its part, up to the handshake
// timeout. One client has at most a quarter of them, so that who stops in the
// middle keeps out no more than himself.
type earlySlots struct {
	mu   sync.Mutex // guards the fields below
	all  int
	each map[netip.Addr]int // by netblock
}

func newEarlySlots() *earlySlots { return &earlySlots{each: make(map[netip.Addr]int)} }

// take takes one of limit slots, if the client may.
func (s *earlySlots) take(client netip.Addr, limit int) bool {
	client = netblock.Of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= limit || s.each[client] >= max(1, limit/4) {
		return false
	}
	s.all++
	s.each[client]++
	return true
}

// give gives it back.
func (s *earlySlots) give(client netip.Addr) {
	client = netblock.Of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.each[client]--; s.each[client] == 0 {
		delete(s.each, client)
	}
}

// tryEarly runs f, a handshake with the client, on a goroutine of its own if
// there is a slot for it.
func (p *Plane) tryEarly(client netip.Addr, f func()) bool {
	if !p.early.take(client, p.cfg().MaxEarly) {
		return false
	}
	p.helpers.Go(func() {
		defer p.early.give(client)
		f()
	})
	return true
}
