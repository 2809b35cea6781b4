package dataplane

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"fastftps/tlsconn"
)

// A client has a quarter of the slots for handshakes before the command, in
// IPv6 a /64 counts as one, and all clients together have no more than all.
func TestEarlySlots(t *testing.T) {
	s, a, b := newEarlySlots(), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	take := func(client netip.Addr, limit int, want bool) {
		t.Helper()
		if got := s.take(client, limit); got != want {
			t.Errorf("%v of %d: got %v, want %v", client, limit, got, want)
		}
	}
	take(a, 8, true)
	take(a, 8, true)
	take(a, 8, false)
	take(b, 8, true)
	take(b, 3, false)
	s.give(a)
	take(a, 8, true)
	six, near := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	take(six, 5, true)
	take(near, 5, false)
	for _, client := range []netip.Addr{a, a, b, six} {
		s.give(client)
	}
	if s.all != 0 || len(s.each) != 0 {
		t.Errorf("%d slots and %d clients are left", s.all, len(s.each))
	}
}

// Peers of one address that stop in their handshake on a shared port keep out
// neither the sessions of another address nor, beyond their share, anybody.
func TestSharedPortStalled(t *testing.T) { eachEngine(t, testSharedPortStalled) }

func testSharedPortStalled(t *testing.T) {
	lo, hi := portRange(t, 1)
	p, id := newPlane(t, Config{PortLow: lo, PortHigh: hi, MaxEarly: 8}), identity(t)
	session := func(client netip.Addr) *peer {
		s := newPeer(t, p, underTLS(id), func(o *Options) { o.Client = client })
		s.login(id)
		s.passive()
		return s
	}
	there := netip.MustParseAddr("127.0.0.2")
	peers := []*peer{session(loopback), session(loopback), session(there), session(there)}
	to := netip.AddrPortFrom(loopback, lo)
	for range 2 {
		peers[0].dial(to)
	}
	until(t, "the share is taken", func() bool { return p.pool.strangers() == 2 })
	if _, err := peers[0].dial(to).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one more: got %v, want the end", err)
	}
	if n := p.stats.EarlyRefused.Load(); n != 1 {
		t.Errorf("got %d refused, want 1", n)
	}
	other := peers[2]
	other.start(Job{File: newMemFile([]byte("other")), Length: 5, Private: true})
	other.expect(other.tls(other.dial(to)), []byte("other"))
	other.want(CauseOK)
}

// strangers is how many connections have not shown their ticket.
func (p *passivePool) strangers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.unclaimed)
}

// A client that would finish its handshake before its command, and finds no
// slot, finishes it after the command. That it had to wait counts once.
func TestEarlyHandshakePutOff(t *testing.T) { eachEngine(t, testEarlyHandshakePutOff) }

func testEarlyHandshakePutOff(t *testing.T) {
	lo, hi := portRange(t, 4)
	p, id := newPlane(t, Config{PortLow: lo, PortHigh: hi, MaxEarly: 4}), identity(t)
	held := func() (*peer, netip.AddrPort) {
		s := newPeer(t, p, underTLS(id))
		s.login(id)
		return s, s.passive()
	}
	stalled, to := held()
	if _, err := stalled.dial(to).Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}); err != nil {
		t.Fatal(err)
	}
	sweep := func() { p.Sweep(time.Now().Add(2 * helloPatience)) }
	until(t, "the slot is taken", func() bool { sweep(); return p.stats.EarlyHandshakes.Load() == 1 })
	if n := p.stats.EarlyRefused.Load(); n != 0 {
		t.Errorf("%d put off, want none", n)
	}

	s, to := held()
	c := s.tls(s.dial(to))
	shook := make(chan error, 1)
	go func() { shook <- c.Handshake() }()
	until(t, "it is put off", func() bool { sweep(); return p.stats.EarlyRefused.Load() > 0 })
	sweep()
	if n := p.stats.EarlyRefused.Load(); n != 1 {
		t.Errorf("counted %d times, want once", n)
	}
	s.start(Job{File: newMemFile([]byte("later")), Length: 5, Private: true})
	if err := <-shook; err != nil {
		t.Fatal(err)
	}
	s.expect(c, []byte("later"))
	s.want(CauseOK)
}

// TestAbandonedHandshake: of a handshake for which no transfer comes no key is left.
func TestAbandonedHandshake(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"another endpoint": func(s *peer) { s.passive() },
		"session gone":     func(s *peer) { s.Close() },
		"lapsed":           func(s *peer) { s.plane.Sweep(time.Now().Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			lo, hi := portRange(t, 2)
			p, id := newPlane(t, Config{PortLow: lo, PortHigh: hi}), identity(t)
			s := newPeer(t, p, underTLS(id))
			s.login(id)
			c := s.tls(s.dial(s.passive()))
			shook := make(chan error, 1)
			go func() { shook <- c.Handshake() }()
			until(t, "the early handshake begins", func() bool {
				p.Sweep(time.Now().Add(2 * helloPatience))
				return p.stats.EarlyHandshakes.Load() == 1
			})
			if err := <-shook; err != nil {
				t.Fatal(err)
			}
			e := s.lease.early
			<-e.done
			end(s)
			if !sealsNothing(e.sec) {
				t.Error("its key is still there")
			}
		})
	}
}

// sealsNothing reports whether a connection has no key to seal with any more.
func sealsNothing(c *tlsconn.DataConn) (yes bool) {
	defer func() { yes = recover() != nil }()
	_, _ = c.Write([]byte("x"))
	return false
}
