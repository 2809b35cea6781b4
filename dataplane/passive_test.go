package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"fastftps/tlsconn"
)

// portRange returns n neighbouring ports that are free now.
func portRange(t testing.TB, n int) (lo, hi uint16) {
	t.Helper()
	for range 100 {
		lo := 20000 + rand.IntN(12000-n) // below the ports that the kernel gives away
		var held []net.Listener
		for p := lo; p < lo+n; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				break
			}
			held = append(held, l)
		}
		for _, l := range held {
			l.Close()
		}
		if len(held) == n {
			return uint16(lo), uint16(lo + n - 1)
		}
	}
	t.Fatal("no free range of ports")
	return 0, 0
}

func rangePlane(t testing.TB, n int) *Plane {
	t.Helper()
	lo, hi := portRange(t, n)
	return newPlane(t, Config{PortLow: lo, PortHigh: hi})
}

// download runs one download and checks its bytes.
func (s *peer) download(want []byte) Result {
	s.t.Helper()
	to := s.passive()
	s.start(Job{File: newMemFile(want), Length: int64(len(want))})
	s.expect(s.dial(to), want)
	return s.want(CauseOK)
}

// expect reads a whole download.
func (s *peer) expect(c io.Reader, want []byte) {
	s.t.Helper()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("got %d bytes, %v, want %d equal ones", len(got), err, len(want))
	}
}

func TestPassiveOrders(t *testing.T) {
	p := rangePlane(t, 4)
	want := noise(1, 100)
	job := func() Job { return Job{File: newMemFile(want), Length: int64(len(want))} }
	for _, tt := range []struct {
		name string
		run  func(s *peer)
	}{
		{"command first", func(s *peer) {
			to := s.passive()
			s.start(job())
			s.expect(s.dial(to), want)
		}},
		{"connection first", func(s *peer) {
			c := s.dial(s.passive())
			until(s.t, "the connection is held", func() bool { return s.held() })
			s.start(job())
			s.expect(c, want)
		}},
		{"second connection is dropped", func(s *peer) {
			to := s.passive()
			c := s.dial(to)
			until(s.t, "the connection is held", func() bool { return s.held() })
			s.expect(s.dial(to), nil)
			s.start(job())
			s.expect(c, want)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newPeer(t, p)
			tt.run(s)
			s.want(CauseOK)
			if s.Armed() {
				t.Error("the endpoint is still there after its transfer")
			}
		})
	}
}

// held reports whether a connection waits for its transfer.
func (s *peer) held() bool {
	s.plane.pool.mu.Lock()
	defer s.plane.pool.mu.Unlock()
	return s.lease != nil && s.lease.conn != nil
}

func TestPassivePortsOfOneAddress(t *testing.T) {
	const n = 5
	p := rangePlane(t, n)
	seen := make(map[uint16]bool)
	var peers []*peer
	for range n {
		s := newPeer(t, p)
		peers = append(peers, s)
		seen[s.passive().Port()] = true
	}
	if len(seen) != n {
		t.Errorf("%d sessions of one address got %d ports", n, len(seen))
	}
	dry := newPeer(t, p)
	if _, err := dry.Passive(true); !errors.Is(err, ErrNoPort) {
		t.Errorf("got %v, want %v", err, ErrNoPort)
	}
	newPeer(t, p, at("127.0.0.2")).passive() // the range of another address
	peers[0].Drop()
	dry.passive()
	if got := p.stats.Listeners.Load(); got != n {
		t.Errorf("got %d listeners, want %d", got, n)
	}
}

func TestPassiveReplacesEndpoint(t *testing.T) {
	p := rangePlane(t, 8)
	s := newPeer(t, p)
	old := s.dial(s.passive())
	until(t, "the connection is held", s.held)
	to := s.passive()
	s.expect(old, nil)
	if n := p.stats.Leases.Load(); n != 1 {
		t.Errorf("got %d leases, want 1", n)
	}
	s.start(Job{File: newMemFile([]byte("x")), Length: 1})
	s.expect(s.dial(to), []byte("x"))
	s.want(CauseOK)
}

// A port comes back only when at least half of the others were used.
func TestPassivePortsRest(t *testing.T) {
	const n = 16
	p := rangePlane(t, n)
	s := newPeer(t, p)
	last := make(map[uint16]int)
	var order []uint16
	for i := range 10 * n {
		port := s.passive().Port()
		if before, ok := last[port]; ok && i-before < n/2 {
			t.Fatalf("port %d was used again after %d others", port, i-before-1)
		}
		last[port] = i
		order = append(order, port)
	}
	if len(last) != n {
		t.Errorf("got %d different ports, want %d", len(last), n)
	}
	steady := true
	for i := n; i < 2*n; i++ {
		steady = steady && order[i] == order[i-n]
	}
	if steady {
		t.Error("the order of ports repeats")
	}
}

func TestPassiveStranger(t *testing.T) {
	p := rangePlane(t, 2)
	s := newPeer(t, p)
	to := s.passive()
	stranger := newPeer(t, p, at("127.0.0.9"))
	stranger.expect(stranger.dial(to), nil)
	s.start(Job{File: newMemFile([]byte("mine")), Length: 4})
	stranger.expect(stranger.dial(to), nil)
	s.expect(s.dial(to), []byte("mine"))
	s.want(CauseOK)
	if n := p.stats.Strangers.Load(); n != 2 {
		t.Errorf("got %d strangers, want 2", n)
	}
}

func TestPassiveLimits(t *testing.T) {
	p := rangePlane(t, 2)
	t.Run("unused lease", func(t *testing.T) {
		s := newPeer(t, p)
		c := s.dial(s.passive())
		until(t, "the connection is held", s.held)
		p.Sweep(time.Now().Add(59 * time.Second))
		if !s.Armed() {
			t.Fatal("the lease ended early")
		}
		p.Sweep(time.Now().Add(61 * time.Second))
		if s.Armed() {
			t.Error("the lease did not end")
		}
		s.expect(c, nil)
		if err := s.Start(Job{File: newMemFile(nil)}); !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("got %v, want %v", err, ErrNoEndpoint)
		}
	})
	t.Run("nobody connects", func(t *testing.T) {
		s := newPeer(t, p)
		s.passive()
		u := new(memUpload)
		s.start(Job{Upload: u})
		p.Sweep(time.Now().Add(29 * time.Second))
		p.Sweep(time.Now().Add(31 * time.Second))
		s.want(CauseNoConn)
		u.wantEnd(t, false)
	})
	t.Run("abort", func(t *testing.T) {
		s := newPeer(t, p)
		s.passive()
		f := newMemFile(nil)
		s.start(Job{File: f, Length: 1})
		if err := s.Start(Job{}); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want %v", err, ErrBusy)
		}
		s.Abort()
		s.want(CauseAborted)
		if !f.closed {
			t.Error("the file is open")
		}
	})
	for name, g := range map[string]int64{"waiting": p.stats.Waiting.Load(), "leases": p.stats.Leases.Load()} {
		if g != 0 {
			t.Errorf("gauge %s: got %d, want 0", name, g)
		}
	}
}

func TestPassiveWithoutRange(t *testing.T) {
	p := newPlane(t, Config{AutoPorts: 40})
	s := newPeer(t, p)
	for range 200 {
		s.passive()
	}
	if n := p.stats.Listeners.Load(); n != autoPortsMin {
		t.Errorf("one session: got %d listeners, want %d", n, autoPortsMin)
	}
	var last error
	for range 50 {
		_, last = newPeer(t, p).Passive(true)
	}
	if !errors.Is(last, ErrNoPort) {
		t.Errorf("got %v, want %v", last, ErrNoPort)
	}
	if n := p.stats.Listeners.Load(); n != 40 {
		t.Errorf("got %d listeners, want 40", n)
	}
	s.download(noise(2, 1000))
}

// A port that another program holds is passed over.
func TestPassivePortTaken(t *testing.T) {
	lo, hi := portRange(t, 3)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lo+1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newPlane(t, Config{PortLow: lo, PortHigh: hi})
	a, b := newPeer(t, p), newPeer(t, p)
	for _, s := range []*peer{a, b} {
		if got := s.passive().Port(); got == lo+1 {
			t.Errorf("got the port that is taken")
		}
	}
	if _, err := newPeer(t, p).Passive(true); !errors.Is(err, ErrNoPort) {
		t.Errorf("got %v, want %v", err, ErrNoPort)
	}
}

func TestAdvertise(t *testing.T) {
	p := newPlane(t, Config{})
	out := netip.MustParseAddr("198.51.100.7")
	s := newPeer(t, p, func(o *Options) {
		o.Advertise = out
		o.Client = netip.MustParseAddr("::ffff:127.0.0.1")
	})
	s.from = loopback
	to := s.passive()
	if to.Addr() != out {
		t.Errorf("got %v, want %v", to.Addr(), out)
	}
	s.start(Job{File: newMemFile([]byte("x")), Length: 1})
	s.expect(s.dial(netip.AddrPortFrom(loopback, to.Port())), []byte("x"))
	s.want(CauseOK)
}

func TestPassiveIPv6(t *testing.T) {
	v6 := netip.MustParseAddr("::1")
	p := newPlane(t, Config{})
	s := newPeer(t, p, func(o *Options) { o.Client, o.Local = v6, v6 })
	if _, err := s.Passive(true); err != nil {
		t.Skip("no IPv6 loopback:", err)
	}
	s.download([]byte("six"))
}

// One port serves several sessions of one address: the ticket decides,
// whatever the order of connections and commands.
func TestOnePortForAll(t *testing.T) { eachEngine(t, testOnePortForAll) }

func testOnePortForAll(t *testing.T) {
	p, id := rangePlane(t, 1), identity(t)
	var peers []*peer
	for range 6 {
		s := newPeer(t, p, underTLS(id))
		s.login(id)
		peers = append(peers, s)
	}
	to := peers[0].passive()
	for _, s := range peers[1:] {
		if got := s.passive(); got != to {
			t.Fatalf("got %v, want %v", got, to)
		}
	}
	if _, err := newPeer(t, p).Passive(true); !errors.Is(err, ErrNoPort) {
		t.Errorf("a clear session on a shared port: got %v, want %v", err, ErrNoPort)
	}
	name := func(i int) []byte { return fmt.Appendf(nil, "file %d", i) }
	begin := func(i int) {
		peers[i].start(Job{File: newMemFile(name(i)), Length: int64(len(name(i))), Private: true})
	}
	for i := range 3 {
		begin(i)
	}
	foreign := newPeer(t, p)
	if got, err := io.ReadAll(foreign.tls(foreign.dial(to))); err == nil {
		t.Errorf("a client without a ticket got %q", got)
	}
	for i := len(peers) - 1; i >= 0; i-- {
		c := peers[i].tls(peers[i].dial(to))
		if err := c.Handshake(); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
		if i >= 3 {
			until(t, "the connection is held", peers[i].held)
			begin(i)
		}
		peers[i].expect(c, name(i))
		if r := peers[i].want(CauseOK); !r.Bound {
			t.Errorf("session %d: not bound", i)
		}
	}
	if n := p.stats.Ambiguous.Load(); n != 1 {
		t.Errorf("got %d ambiguous connections, want 1", n)
	}
}

// The last session on a shared port still gets no connection without its ticket.
func TestSharedPortStaysShared(t *testing.T) { eachEngine(t, testSharedPortStaysShared) }

func testSharedPortStaysShared(t *testing.T) {
	p, id := rangePlane(t, 1), identity(t)
	a, b := newPeer(t, p, underTLS(id)), newPeer(t, p, underTLS(id))
	a.login(id)
	b.login(id)
	to := a.passive()
	b.passive()
	b.Drop()
	if err := b.tls(b.dial(to)).Handshake(); err == nil {
		t.Error("a late connection of another session was taken")
	}
	a.start(Job{File: newMemFile([]byte("a")), Length: 1, Private: true})
	a.expect(a.tls(a.dial(to)), []byte("a"))
	a.want(CauseOK)
}

// A port that a session left without its connection is kept from others of the
// same address for a while; where there is no other, the ticket decides.
func TestLateConnection(t *testing.T) { eachEngine(t, testLateConnection) }

func testLateConnection(t *testing.T) {
	id := identity(t)
	t.Run("other ports come first", func(t *testing.T) {
		p := rangePlane(t, 4)
		left := make(map[uint16]bool)
		a, b := newPeer(t, p), newPeer(t, p)
		for range 3 {
			left[a.passive().Port()] = true
		}
		a.Drop()
		for range 10 {
			if port := b.passive().Port(); left[port] {
				t.Fatalf("got port %d, which has a ghost", port)
			}
		}
	})
	t.Run("the only port", func(t *testing.T) {
		p := rangePlane(t, 1)
		a, b := newPeer(t, p, underTLS(id)), newPeer(t, p, underTLS(id))
		a.login(id)
		b.login(id)
		to := a.passive()
		a.Drop()
		b.passive()
		b.start(Job{File: newMemFile([]byte("b")), Length: 1, Private: true})
		if err := a.tls(a.dial(to)).Handshake(); err == nil {
			t.Error("the late connection was taken")
		}
		b.expect(b.tls(b.dial(to)), []byte("b"))
		b.want(CauseOK)
	})
	t.Run("the only port, left by both", func(t *testing.T) {
		p := rangePlane(t, 1)
		a, b := newPeer(t, p, underTLS(id)), newPeer(t, p, underTLS(id))
		a.login(id)
		b.login(id)
		to := a.passive()
		a.Drop()
		b.passive()
		b.passive()
		b.start(Job{File: newMemFile([]byte("b")), Length: 1, Private: true})
		if err := a.tls(a.dial(to)).Handshake(); err == nil {
			t.Error("the late connection was taken")
		}
		b.expect(b.tls(b.dial(to)), []byte("b"))
		b.want(CauseOK)
	})
	t.Run("one ghost a port", func(t *testing.T) {
		p := rangePlane(t, 2)
		a := newPeer(t, p)
		for range 100 {
			a.passive()
		}
		p.pool.mu.Lock()
		defer p.pool.mu.Unlock()
		if n := len(p.pool.ghosts); n > 2 {
			t.Errorf("100 leases left %d ghosts on two ports", n)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		p := rangePlane(t, 1)
		a, b := newPeer(t, p, underTLS(id)), newPeer(t, p, underTLS(id))
		a.passive()
		a.Drop()
		p.Sweep(time.Now().Add(lateAfter + time.Second))
		to := b.passive()
		b.start(Job{File: newMemFile([]byte("b")), Length: 1, Private: true})
		b.expect(b.tls(b.dial(to)), []byte("b")) // no ticket
		b.want(CauseOK)
	})
}

// A clear connection has nothing by which it could be told from another's: its port is
// not shared, and who finds no other hears so at once.
func TestClearIsNotShared(t *testing.T) {
	p, id := rangePlane(t, 1), identity(t)
	a, b := newPeer(t, p, underTLS(id)), newPeer(t, p, underTLS(id))
	to, err := a.Passive(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []bool{false, true} {
		if _, err := b.Passive(private); !errors.Is(err, ErrNoPort) {
			t.Errorf("private %v: got %v, want %v", private, err, ErrNoPort)
		}
	}
	u := new(memUpload)
	a.start(Job{Upload: u})
	c := a.dial(to)
	c.Write([]byte("clear"))
	c.CloseWrite()
	a.want(CauseOK)
	if u.String() != "clear" {
		t.Errorf("got %q", u.String())
	}
	b.passive() // there is room again
	if _, err := a.Passive(false); !errors.Is(err, ErrNoPort) {
		t.Errorf("in clear beside one under TLS: got %v, want %v", err, ErrNoPort)
	}
}

// A client that finishes its handshake before it sends the command gets it.
func TestHandshakeBeforeCommand(t *testing.T) { eachEngine(t, testHandshakeBeforeCommand) }

func testHandshakeBeforeCommand(t *testing.T) {
	p, id := rangePlane(t, 4), identity(t)
	for _, tt := range []struct {
		name    string
		private bool
		want    Cause
	}{{"PROT P", true, CauseOK}, {"PROT C", false, CauseNoConn}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newPeer(t, p, underTLS(id))
			s.login(id)
			c := s.tls(s.dial(s.passive()))
			shook := make(chan error, 1)
			go func() { shook <- c.Handshake() }()
			until(t, "the connection is held", s.held)
			until(t, "the early handshake begins", func() bool {
				p.Sweep(time.Now().Add(2 * time.Second))
				return p.stats.EarlyHandshakes.Swap(0) > 0
			})
			if err := <-shook; err != nil {
				t.Fatal(err)
			}
			s.start(Job{File: newMemFile([]byte("early")), Length: 5, Private: tt.private})
			got, err := io.ReadAll(c)
			if tt.private && (err != nil || string(got) != "early") || !tt.private && len(got) > 0 {
				t.Errorf("got %q, %v", got, err)
			}
			s.want(tt.want)
		})
	}
	t.Run("clear bytes begin nothing", func(t *testing.T) {
		s := newPeer(t, p, underTLS(id))
		c := s.dial(s.passive())
		c.Write([]byte("\x16\x03data that is no hello"))
		until(t, "the connection is held", s.held)
		p.Sweep(time.Now().Add(2 * time.Second))
		u := new(memUpload)
		s.start(Job{Upload: u})
		c.CloseWrite()
		s.want(CauseOK)
		if got := u.String(); got != "\x16\x03data that is no hello" {
			t.Errorf("got %q", got)
		}
	})
}

func TestReuseRequired(t *testing.T) { eachEngine(t, testReuseRequired) }

func testReuseRequired(t *testing.T) {
	p, id := rangePlane(t, 4), identity(t)
	s := newPeer(t, p, underTLS(id), func(o *Options) { o.Reuse = tlsconn.ReuseRequired })
	u := new(memUpload)
	to := s.passive()
	s.start(Job{Upload: u, Private: true})
	if err := s.tls(s.dial(to)).Handshake(); err == nil {
		t.Error("the client believes in its handshake")
	}
	s.want(CauseNotResumed)
	u.wantEnd(t, false)
}
