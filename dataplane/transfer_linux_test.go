package dataplane

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/tlsconn"
)

// modes are the ways in which the bytes of a file can go.
var modes = []struct {
	name string
	job  Job
}{
	{"clear", Job{}},
	{"sealed", Job{Private: true}},
	{"ascii", Job{ASCII: true}},
	{"deflate", Job{Deflate: 6}},
	{"sealed ascii deflate", Job{Private: true, ASCII: true, Deflate: 1}},
}

// sizes go around the edges of blocks.
var sizes = []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 1<<20 + 7}

// encode is what a client makes of a text of ours, or its inverse: TYPE, then MODE.
func encode(j Job, p []byte) []byte {
	if j.ASCII {
		p = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
	}
	if j.Deflate > 0 {
		p = zlibOf(p)
	}
	return p
}

func decode(t testing.TB, j Job, p []byte) []byte {
	t.Helper()
	if j.Deflate > 0 {
		z, err := zlib.NewReader(bytes.NewReader(p))
		if err == nil {
			p, err = io.ReadAll(z)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if j.ASCII {
		p = bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))
	}
	return p
}

// text returns n bytes in lines with no CR.
func text(n int) []byte {
	p := noise(uint64(n), n)
	for i := range p {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return p
}

// end is the client's side of a data connection, under TLS if the job is.
type end struct {
	io.ReadWriter
	sock *net.TCPConn
	tls  *tls.Conn
}

func (s *peer) open(j Job, to netip.AddrPort) *end {
	s.t.Helper()
	e := &end{sock: s.dial(to)}
	e.ReadWriter = e.sock
	if j.Private {
		e.tls = s.tls(e.sock)
		e.ReadWriter = e.tls
	}
	return e
}

// finish ends the client's side in order.
func (e *end) finish() {
	if e.tls != nil {
		e.tls.CloseWrite()
	}
	e.sock.CloseWrite()
}

// reset cuts the connection.
func (e *end) reset() {
	e.sock.SetLinger(0)
	e.sock.Close()
}

func TestAbort(t *testing.T) { eachEngine(t, testAbort) }

func testAbort(t *testing.T) {
	p, id := newPlane(t, Config{Stall: time.Minute}), identity(t)
	for _, how := range []struct {
		name string
		stop func(s *peer)
		want Cause
	}{
		{"abort", func(s *peer) { s.Abort() }, CauseAborted},
		{"session ends", func(s *peer) { s.Channel.Close() }, CauseAborted},
		{"stall", func(s *peer) {
			until(s.t, "the stall is seen", func() bool {
				for i := range 100 {
					p.Sweep(time.Now().Add(time.Duration(i) * time.Minute))
				}
				return s.running.Load() == nil
			})
		}, CauseStalled},
	} {
		for _, m := range modes[:2] {
			t.Run(how.name+"/download/"+m.name, func(t *testing.T) {
				s, j := newPeer(t, p, underTLS(id)), m.job
				j.File, j.Length = newHostFile(t, noise(1, 32<<20)), 32<<20
				e := s.open(j, s.passive())
				s.start(j)
				if _, err := io.ReadFull(e, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				how.stop(s)
				s.want(how.want)
				if _, err := io.Copy(io.Discard, e); err == nil {
					t.Error("the client saw a clean end")
				}
			})
			t.Run(how.name+"/upload/"+m.name, func(t *testing.T) {
				s, j, u := newPeer(t, p, underTLS(id)), m.job, new(memUpload)
				j.Upload = u
				e := s.open(j, s.passive())
				s.start(j)
				e.Write([]byte("the beginning"))
				until(t, "bytes arrive", func() bool { return s.Progress() > 0 })
				how.stop(s)
				s.want(how.want)
				u.wantEnd(t, false)
			})
			if !m.job.Private {
				continue
			}
			t.Run(how.name+"/handshake", func(t *testing.T) {
				s, j := newPeer(t, p, underTLS(id)), m.job
				j.File = newMemFile(nil)
				to := s.passive()
				s.start(j)
				s.dial(to)
				until(t, "the transfer runs", func() bool { return p.stats.Running.Load() > 0 })
				how.stop(s)
				s.want(how.want)
			})
		}
	}
	s := newPeer(t, p)
	s.Abort() // nothing runs
	s.download([]byte("after all"))
	s.Abort()
	if len(s.results) > 0 {
		t.Error("a second result")
	}
}

// Bytes that the peer acknowledges are progress, though the file's do not move.
func TestSlowPeerIsNoStall(t *testing.T) {
	p := newPlane(t, Config{})
	s := newPeer(t, p)
	e := s.open(Job{}, s.passive())
	s.start(Job{File: newMemFile(make([]byte, 64<<20)), Length: 64 << 20})
	now := time.Now()
	for range 20 {
		if _, err := io.ReadFull(e, make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
		run := s.running.Load()
		before := wireBytes(run.conn)
		if _, err := io.ReadFull(e, make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
		until(t, "the peer acknowledges", func() bool { return wireBytes(run.conn) > before })
		now = now.Add(100 * time.Second)
		p.Sweep(now)
	}
	s.Abort()
	s.want(CauseAborted)
}

func TestOverload(t *testing.T) {
	p := newPlane(t, Config{MaxTransfers: 1})
	busy := newPeer(t, p)
	e := busy.open(Job{}, busy.passive())
	busy.start(Job{Upload: new(memUpload)})
	e.Write([]byte("x"))
	until(t, "it runs", func() bool { return busy.Progress() > 0 })

	s, u := newPeer(t, p), new(memUpload)
	to := s.passive()
	if err := s.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) {
		t.Errorf("waiting for a connection: got %v, want %v", err, ErrOverload)
	}
	c := s.dial(to)
	until(t, "the connection is held", s.held)
	if err := s.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) || !s.Armed() {
		t.Errorf("connection held: got %v, armed %v, want %v, true", err, s.Armed(), ErrOverload)
	}
	a := newPeer(t, p)
	a.Active(to)
	if err := a.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) || !a.Armed() {
		t.Errorf("active: got %v, want %v", err, ErrOverload)
	}
	if u.committed+u.discarded > 0 {
		t.Error("the upload of a refused transfer was ended")
	}
	e.finish()
	busy.want(CauseOK)
	s.start(Job{Upload: u}) // same endpoint, same connection
	c.Write([]byte("later"))
	c.CloseWrite()
	s.want(CauseOK)
	if u.String() != "later" {
		t.Errorf("got %q", u.String())
	}
}

// panics at the n-th call.
type panicky struct{ memUpload }

func (p *panicky) Write([]byte) (int, error) { panic("in Write") }

// A panic costs one transfer; its file and connection are closed and the
// others do not notice.
func TestPanic(t *testing.T) {
	p := newPlane(t, Config{})
	other := newPeer(t, p)
	oe := other.open(Job{}, other.passive())
	ou := new(memUpload)
	other.start(Job{Upload: ou})

	s, f := newPeer(t, p), newMemFile(nil)
	f.read = func([]byte) (int, error) { panic("in Read") }
	e := s.open(Job{}, s.passive())
	s.start(Job{File: f, Length: 1})
	if r := s.want(CausePanic); !f.closed || r.Err == nil {
		t.Errorf("closed %v, error %v", f.closed, r.Err)
	}
	if _, err := io.ReadAll(e); err == nil {
		t.Error("the client saw a clean end")
	}
	u := new(panicky)
	e = s.open(Job{}, s.passive())
	s.start(Job{Upload: u})
	e.Write([]byte("x"))
	s.want(CausePanic)
	u.wantEnd(t, false)

	done := newPeer(t, p, func(o *Options) { o.Done = func(Result) { panic("in Done") } })
	e = done.open(Job{}, done.passive())
	done.start(Job{File: newMemFile([]byte("x")), Length: 1})
	done.expect(e, []byte("x"))
	until(t, "the panic is counted", func() bool { return p.stats.Panics.Load() == 3 })

	oe.Write([]byte("unharmed"))
	oe.finish()
	other.want(CauseOK)
	if ou.String() != "unharmed" {
		t.Errorf("got %q", ou.String())
	}
}

func TestStop(t *testing.T) { eachEngine(t, testStop) }

func testStop(t *testing.T) {
	before := descriptors(t)
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t)
	var peers []*peer
	for _, begin := range []func(s *peer){
		func(s *peer) { s.passive(); s.start(Job{Upload: new(memUpload)}) },
		func(s *peer) { s.dial(s.passive()); s.start(Job{Upload: new(memUpload)}) },
		func(s *peer) { s.dial(s.passive()); s.start(Job{Upload: new(memUpload), Private: true}) },
		func(s *peer) {
			s.dial(s.passive())
			s.start(Job{File: newMemFile(make([]byte, 32<<20)), Length: 32 << 20})
		},
	} {
		s := newPeer(t, p, underTLS(id))
		peers = append(peers, s)
		begin(s)
	}
	idle := newPeer(t, p)
	idle.passive()
	closed(t, p)
	closed(t, p)
	for i, s := range peers {
		if r := s.result(); r.Cause != CauseShutdown {
			t.Errorf("transfer %d: got %v, want %v", i, r.Cause, CauseShutdown)
		}
	}
	if _, err := idle.Passive(true); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	idle.Active(netip.MustParseAddrPort("127.0.0.1:1"))
	if err := idle.Start(Job{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	// Left are the clients' ends of three connections.
	until(t, "descriptors return", func() bool { return descriptors(t) <= before+3 })
}

// A transfer that hangs in the disk does not keep the plane, which tells of it.
func TestCloseWithDeadDisk(t *testing.T) {
	p := newPlane(t, Config{})
	s, f := newPeer(t, p), newMemFile(nil)
	reading, release := make(chan struct{}), make(chan struct{})
	f.read = func([]byte) (int, error) {
		close(reading)
		<-release
		return 0, io.EOF
	}
	s.dial(s.passive())
	s.start(Job{File: f, Length: 1})
	<-reading
	if left := p.Close(time.Millisecond); left != 1 {
		t.Errorf("%d transfers are left, want 1", left)
	}
	close(release)
	s.result()
}

// A peer that never closes its side delays neither the result nor the end of
// the plane, and is cut when its time is over.
func TestDrain(t *testing.T) {
	p, id := newPlane(t, Config{DrainTime: time.Hour, MaxDrains: 2}), identity(t)
	for range 4 {
		s := newPeer(t, p, underTLS(id))
		j := Job{File: newMemFile([]byte("x")), Length: 1, Private: true}
		to := s.passive()
		s.start(j)
		s.expect(s.open(j, to), []byte("x"))
		s.want(CauseOK)
	}
	until(t, "two drains", func() bool { return p.stats.Drains.Load() == 2 })
	closed(t, p)
}

// A peer that got its file in clear and does not close its side keeps nothing
// busy; what it sends later does no harm, nor does what it has sent before.
func TestNoDrainInClear(t *testing.T) {
	p := newPlane(t, Config{DrainTime: time.Hour})
	data := bytes.Repeat([]byte("x"), 100<<10)
	for _, chatter := range []bool{false, true} {
		s := newPeer(t, p)
		e := s.open(Job{}, s.passive())
		if chatter {
			if _, err := e.Write([]byte("?")); err != nil {
				t.Fatal(err)
			}
			until(t, "the byte is there", func() bool { return s.held() && !isQuiet(s.lease.conn) })
		}
		s.start(Job{File: newMemFile(data), Length: int64(len(data))})
		s.want(CauseOK)
		drains := map[bool]int64{true: 1}[chatter]
		until(t, "the transfer is over", func() bool { return p.stats.Running.Load() == drains && p.stats.Drains.Load() == drains })
		s.expect(e, data)
		e.sock.Close()
	}
	until(t, "nothing runs", func() bool { return p.stats.Running.Load() == 0 })
}

// A plane that stops between a transfer's result and its drain ends the drain
// all the same.
func TestStopBeforeDrain(t *testing.T) {
	p := newPlane(t, Config{DrainTime: time.Hour})
	s := newPeer(t, p)
	s.dial(s.passive())
	until(t, "the connection is held", s.held)
	x := &transfer{plane: p, ch: s.Channel, conn: s.lease.conn, over: true, quit: make(chan struct{})}
	x.stop(CauseShutdown)
	drained := make(chan struct{})
	go func() {
		x.drain()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(10 * time.Second):
		t.Error("the drain goes on")
		x.conn.SetDeadline(longAgo)
		<-drained
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"defaults", Config{}, true},
		{"one port", Config{PortLow: 5, PortHigh: 5}, true},
		{"upside down", Config{PortLow: 6, PortHigh: 5}, false},
		{"no lower end", Config{PortHigh: 5}, false},
		{"tiny budget", Config{Budget: 1000}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.cfg.withDefaults(); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Options that a listener has are those of its connections.
func TestInheritedOptions(t *testing.T) {
	p := newPlane(t, Config{})
	s := newPeer(t, p)
	s.dial(s.passive())
	until(t, "the connection is held", s.held)
	if got := lowat(t, s.lease.conn); got != notSent {
		t.Errorf("TCP_NOTSENT_LOWAT: got %d, want %d", got, notSent)
	}
}

// A peer is judged once, by the time that its first bytes took.
func TestQuick(t *testing.T) {
	for _, tt := range []struct {
		name        string
		moved       int64
		took        time.Duration
		quick, done bool
	}{
		{"too early", quickBytes - 1, 0, false, false},
		{"slow", quickBytes, quickTime + time.Minute, false, true},
		{"quick", quickBytes, 0, true, true},
	} {
		x := &transfer{started: time.Now().Add(-time.Hour - tt.took), first: time.Hour}
		x.moved.Store(tt.moved)
		if tt.took == 0 {
			x.first = 2 * time.Hour // as if the first byte had just left
		}
		if got := x.quick(); got != tt.quick || x.judged != tt.done {
			t.Errorf("%s: got %v, judged %v, want %v, %v", tt.name, got, x.judged, tt.quick, tt.done)
		}
		if x.quick() && tt.done {
			t.Errorf("%s: judged twice", tt.name)
		}
	}
}

// What a quick peer is given.
func TestQuickOptions(t *testing.T) {
	p := newPlane(t, Config{})
	s := newPeer(t, p)
	s.dial(s.passive())
	until(t, "the connection is held", s.held)
	c := s.lease.conn
	for _, n := range []int{notSentQuick, notSentPages} {
		if keepMore(c, n); lowat(t, c) != n {
			t.Errorf("TCP_NOTSENT_LOWAT: got %d, want %d", lowat(t, c), n)
		}
	}
	gather(c, gathered)
	if got := option(t, c, unix.SOL_SOCKET, unix.SO_RCVLOWAT); got != gathered {
		t.Errorf("SO_RCVLOWAT: got %d, want %d", got, gathered)
	}
}

// As many as may be get pages, and a transfer gives its place back at its end.
func TestPages(t *testing.T) {
	p := newPlane(t, Config{})
	for i := range maxPages + 3 {
		x := &transfer{plane: p}
		if got, want := x.takePages(), i < maxPages; got != want || x.paged != want {
			t.Errorf("number %d: got %v, want %v", i, got, want)
		}
	}
	p.pages.Store(0)
	s := newPeer(t, p)
	for range 3 {
		j := Job{File: newHostFile(t, text(2*quickBytes)), Length: 2 * quickBytes}
		c := s.dial(s.passive())
		s.start(j)
		if n, err := io.Copy(io.Discard, c); n != j.Length || err != nil {
			t.Fatalf("got %d bytes, %v", n, err)
		}
		s.want(CauseOK)
		if n := p.pages.Load(); n != 0 {
			t.Errorf("after the end: got %d, want 0", n)
		}
	}
}

// An upload that is woken for many bytes at a time ends as any other.
func TestGather(t *testing.T) {
	fin := func(c *net.TCPConn) { c.CloseWrite() }
	for _, tt := range []struct {
		name string
		size int
		max  int64
		end  func(*net.TCPConn) // nil: the peer waits
		want Cause
	}{
		{"nothing", 0, 0, fin, CauseOK},
		{"less than that", gathered / 2, 0, fin, CauseOK},
		{"more than that", 3*gathered + 1, 0, fin, CauseOK},
		{"as large as may be", 1000, 1000, fin, CauseOK},
		{"too large", 1001, 1000, fin, CauseQuota},
		{"too large, and open", 1001, 1000, nil, CauseQuota},
		{"too large after much", 2*gathered + 1, 2 * gathered, nil, CauseQuota},
		{"reset", gathered / 2, 0, func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, CauseCut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlane(t, Config{})
			s := newPeer(t, p)
			c := s.dial(s.passive())
			until(t, "the connection is held", s.held)
			gather(s.lease.conn, gathered)
			f := newHostFile(t, nil)
			s.start(Job{Upload: f, MaxBytes: tt.max})
			want := text(tt.size)
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			if tt.end != nil {
				tt.end(c)
			}
			s.want(tt.want)
			f.wantEnd(t, tt.want == CauseOK)
			if got := f.content(t); tt.want == CauseOK && !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want %d equal ones", len(got), len(want))
			}
		})
	}
}

// What is over holds no place: its connection may wait for the peer's FIN, but the next
// transfer begins.
func TestPlaceAfterTheEnd(t *testing.T) {
	p, id := newPlane(t, Config{MaxTransfers: 1}), identity(t)
	for range 3 * maxOwnDrains {
		s := newPeer(t, p, underTLS(id))
		s.login(id)
		e := s.open(Job{Private: true}, s.passive())
		s.start(Job{File: newMemFile([]byte("x")), Length: 1, Private: true})
		if _, err := io.ReadAll(e); err != nil {
			t.Fatal(err)
		}
		s.want(CauseOK) // and the client keeps its side open
	}
	until(t, "all wait for their peers", func() bool { return p.stats.Drains.Load() == 3*maxOwnDrains })
	if n := p.workers.Free(); n < 1 {
		t.Errorf("%d workers are free", n)
	}
}

// A session that leaves its connections open has a few of them waited for; the others
// end at once.
func TestOwnDrains(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	s := newPeer(t, p, underTLS(id))
	s.login(id)
	for range 2 * maxOwnDrains {
		e := s.open(Job{Private: true}, s.passive())
		s.start(Job{File: newMemFile([]byte("x")), Length: 1, Private: true})
		if _, err := io.ReadAll(e); err != nil {
			t.Fatal(err)
		}
		s.want(CauseOK)
	}
	until(t, "some wait", func() bool { return p.stats.Drains.Load() == maxOwnDrains })
	if n := s.drains.Load(); n != maxOwnDrains {
		t.Errorf("%d of them are this session's, want %d", n, maxOwnDrains)
	}
}

// One that waits for its connection counts, and a lower limit holds for all that begin.
func TestLimitCounts(t *testing.T) {
	p := newPlane(t, Config{MaxTransfers: 2})
	a, b, c := newPeer(t, p), newPeer(t, p), newPeer(t, p)
	for _, s := range []*peer{a, b} {
		s.passive()
		s.start(Job{Upload: new(memUpload)})
	}
	c.passive()
	if err := c.Start(Job{Upload: new(memUpload)}); !errors.Is(err, ErrOverload) {
		t.Errorf("beside two that wait: got %v, want %v", err, ErrOverload)
	}
	if err := p.Reload(Config{MaxTransfers: 1}); err != nil {
		t.Fatal(err)
	}
	a.Abort()
	a.want(CauseAborted)
	if err := c.Start(Job{Upload: new(memUpload)}); !errors.Is(err, ErrOverload) {
		t.Errorf("after a reload: got %v, want %v", err, ErrOverload)
	}
	b.Abort()
	b.want(CauseAborted)
	c.start(Job{Upload: new(memUpload)})
	if n := p.stats.Overloads.Load(); n != 2 {
		t.Errorf("%d refusals were counted, want 2", n)
	}
}

// A transfer that waits for a slot to connect is not stalled: the time to connect in is
// over, with the cause of one whose peer does not answer.
func TestDialSlotWait(t *testing.T) {
	p := newPlane(t, Config{MaxDials: 1, DialTimeout: 50 * time.Millisecond})
	give, err := p.dials.take(t.Context(), loopback, func() { t.Error("the first one waits") })
	if err != nil {
		t.Fatal(err)
	}
	s := newPeer(t, p)
	s.Active(netip.AddrPortFrom(loopback, 9))
	s.start(Job{Upload: new(memUpload)})
	s.want(CauseNoConn)
	if n := p.stats.ConnectTimeouts.Load(); n != 1 {
		t.Errorf("counted %d times, want once", n)
	}
	s.Active(netip.AddrPortFrom(loopback, 9))
	s.start(Job{Upload: new(memUpload)})
	s.Abort()
	s.want(CauseAborted)
	give()
	if n := p.stats.DialWaits.Load(); n != 2 {
		t.Errorf("%d waits were counted, want 2", n)
	}
}

// A client has a quarter of the slots to connect, in IPv6 a /64 counts as one, and
// all clients together have no more than all.
func TestDialShares(t *testing.T) {
	s := newDialSlots(8)
	ended, end := context.WithCancel(t.Context())
	end()
	var held []func()
	take := func(addr string, want bool) {
		t.Helper()
		waits := 0
		give, err := s.take(ended, netip.MustParseAddr(addr), func() { waits++ })
		if got := err == nil; got != want || got != (waits == 0) {
			t.Errorf("%s: got a slot: %v, want %v; %d waits", addr, got, want, waits)
		}
		if err == nil {
			held = append(held, give)
		}
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"} {
		take(addr, true)
		take(addr, true)
		if addr != "2001:db8:0:1::1" {
			take(addr, false)
		}
	}
	take("2001:db8::2", false) // of the first one's /64
	take("192.0.2.3", false)   // all are taken
	held[0]()
	held = held[1:]
	take("192.0.2.2", false)
	take("192.0.2.3", true)
	for _, give := range held {
		give()
	}
	if len(s.all) != 0 || len(s.each) != 0 {
		t.Errorf("%d slots and %d clients are left", len(s.all), len(s.each))
	}
}

// Active transfers whose peers do not answer keep out no other client.
func TestDialShareOfOther(t *testing.T) {
	to := blackHole(t)
	p := newPlane(t, Config{MaxDials: 4})
	for range 4 {
		s := newPeer(t, p)
		s.Active(to)
		s.start(Job{Upload: new(memUpload)})
	}
	until(t, "all want a slot", func() bool { return p.stats.DialWaits.Load() == 3 })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newPeer(t, p, at("127.0.0.2"))
	s.Active(l.Addr().(*net.TCPAddr).AddrPort())
	s.start(Job{File: newMemFile([]byte("x")), Length: 1})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.expect(c, []byte("x"))
	s.want(CauseOK)
}

// A handshake that ends because its transfer was stopped is no fault of the peer.
func TestStoppedHandshake(t *testing.T) {
	told := make(chan error, 1)
	p, id := newPlane(t, Config{Handshake: func(_ tlsconn.Info, _ time.Duration, err error) { told <- err }}), identity(t)
	s := newPeer(t, p, underTLS(id))
	s.dial(s.passive())
	s.start(Job{Upload: new(memUpload), Private: true})
	until(t, "the handshake is waited for", func() bool { return p.stats.Handshaking.Load() == 1 })
	s.Abort()
	s.want(CauseAborted)
	select {
	case err := <-told:
		t.Errorf("told of %v", err)
	default:
	}
}
