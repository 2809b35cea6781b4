package tlsconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// stickyCache keeps the first ticket for a key and never another one, like a
// client that uses the ticket of its control connection throughout.
type stickyCache struct{ first *tls.ClientSessionState }

func (c *stickyCache) Get(string) (*tls.ClientSessionState, bool) { return c.first, c.first != nil }
func (c *stickyCache) Put(_ string, s *tls.ClientSessionState) {
	if c.first == nil {
		c.first = s
	}
}

// countingCache counts the tickets that arrive.
type countingCache struct {
	tls.ClientSessionCache
	puts int
}

func (c *countingCache) Put(k string, s *tls.ClientSessionState) {
	if s != nil {
		c.puts++
	}
	c.ClientSessionCache.Put(k, s)
}

// A ticket resumes nowhere but on its own session's data connections.
func TestForeignTicket(t *testing.T) {
	for _, v := range versions {
		for _, tt := range []struct {
			name  string
			whose string
			reuse Reuse
			err   error
			bound bool
		}{
			{"own", "A", ReuseBound, nil, true},
			{"own, required", "A", ReuseRequired, nil, true},
			{"own, off", "A", ReuseOff, nil, false},
			{"sibling's", "B", ReuseBound, nil, false},
			{"sibling's, required", "B", ReuseRequired, ErrNotResumed, false},
			{"sibling's, off", "B", ReuseOff, nil, false},
			{"stranger", "", ReuseBound, nil, false},
			{"stranger, required", "", ReuseRequired, ErrNotResumed, false},
			{"stranger, off", "", ReuseOff, nil, false},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				id, a, b := newIdentity(t), NewBinding(), NewBinding()
				caches := map[string]*tls.Config{"A": clientConfig(v.v), "B": clientConfig(v.v), "": clientConfig(v.v)}
				secured(t, id, a, caches["A"])
				secured(t, id, b, caches["B"])
				d, _, err := dataPair(t, id, DataOptions{Binding: a, Reuse: tt.reuse, Direction: Send}, caches[tt.whose])
				if !errors.Is(err, tt.err) {
					t.Fatalf("got %v, want %v", err, tt.err)
				}
				info := d.Info()
				if info.Bound != tt.bound || info.Resumed != tt.bound {
					t.Errorf("got %+v, want bound %v", info, tt.bound)
				}
				if err == nil && info.Session != a.ID() {
					t.Errorf("got session %x, want %x", info.Session, a.ID())
				}
			})
		}
	}
}

// A client whose hello has a good ticket behind a foreign one is let in: only
// TLS 1.3 has several, and crypto/tls as a client sends one, so the gate is
// asked directly.
func TestSecondTicketCounts(t *testing.T) {
	id, a, b := newIdentity(t), NewBinding(), NewBinding()
	seal := func(owner *Binding) []byte {
		ticket, err := id.controlConfig(owner, nil).WrapSession(tls.ConnectionState{}, sessionState(t))
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	g := newGate(id, DataOptions{Binding: a, Reuse: ReuseRequired})
	g.tls13 = true
	for _, tt := range []struct {
		name   string
		ticket []byte
		good   bool
	}{
		{"garbage", []byte("garbage"), false},
		{"foreign", seal(b), false},
		{"own", seal(a), true},
	} {
		ss, err := g.unwrap(tt.ticket, tls.ConnectionState{})
		if err != nil || (ss != nil) != tt.good {
			t.Errorf("%s: got %v, %v, want it accepted: %v", tt.name, ss, err, tt.good)
		}
	}
}

// sessionState returns any state that can be sealed.
func sessionState(t *testing.T) *tls.SessionState {
	t.Helper()
	id, cfg := newIdentity(t), clientConfig(tls.VersionTLS13)
	cache := &stickyCache{}
	cfg.ClientSessionCache = cache
	secured(t, id, NewBinding(), cfg)
	_, ss, err := cache.first.ResumptionState()
	if err != nil || ss == nil {
		t.Fatalf("got %v, %v", ss, err)
	}
	ss.Extra = nil
	return ss
}

// Two data connections with one ticket at the same time, handshakes interleaved.
func TestOneTicketTwice(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
			cfg.ClientSessionCache = &stickyCache{}
			secured(t, id, b, cfg)
			fail := make(chan error, 4)
			for range 2 {
				srv, cli := tcpPair(t)
				d := NewDataConn(id, srv, DataOptions{Binding: b, Reuse: ReuseRequired})
				t.Cleanup(d.Release)
				go func() { fail <- d.Handshake() }()
				go func() { fail <- tls.Client(cli, cfg).Handshake() }()
			}
			for range 4 {
				if err := <-fail; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A ticket of a session that waits moves the connection to that session.
func TestClaim(t *testing.T) {
	for _, v := range versions {
		for _, tt := range []struct {
			name    string
			owner   bool // the port was leased to A
			waits   bool // B waits for a connection
			session string
		}{
			{"B waits on A's port", true, true, "B"},
			{"B does not wait", true, false, "A"},
			{"one port for all", false, true, "B"},
			{"nobody's", false, false, ""},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				id, cfg := newIdentity(t), clientConfig(v.v)
				ids := map[string]*Binding{"A": NewBinding(), "B": NewBinding(), "": {}}
				secured(t, id, ids["B"], cfg)
				asked := 0
				o := DataOptions{Claim: func(got ID) (Direction, bool) {
					asked++
					if got != ids["B"].ID() {
						t.Errorf("asked for %x, want B's %x", got, ids["B"].ID())
					}
					return Send, tt.waits
				}}
				if tt.owner {
					o.Binding = ids["A"]
				}
				d, _, err := dataPair(t, id, o, cfg)
				if err != nil {
					t.Fatal(err)
				}
				info := d.Info()
				if info.Session != ids[tt.session].ID() || info.Bound != tt.waits || asked != 1 {
					t.Errorf("got %+v after %d questions, want session %s", info, asked, tt.session)
				}
			})
		}
	}
}

// Who has seen a ticket but not its secret cannot claim with it, and gets no
// ticket of his own.
func TestStolenTicket(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, a, b := newIdentity(t), NewBinding(), NewBinding()
			victim, thief := clientConfig(v.v), clientConfig(v.v)
			vc, tc := &stickyCache{}, &stickyCache{}
			victim.ClientSessionCache, thief.ClientSessionCache = vc, tc
			secured(t, id, a, victim)
			secured(t, id, b, thief)
			ticket, _, err := vc.first.ResumptionState()
			if err != nil {
				t.Fatal(err)
			}
			_, state, err := tc.first.ResumptionState()
			if err != nil {
				t.Fatal(err)
			}
			if tc.first, err = tls.NewResumptionState(ticket, state); err != nil {
				t.Fatal(err)
			}
			d, _, err := dataPair(t, id, DataOptions{Claim: func(ID) (Direction, bool) { return Send, true }}, thief)
			if err == nil || d.Info().Session != (ID{}) {
				t.Errorf("got %v and %+v, want a failed handshake", err, d.Info())
			}
		})
	}
}

// A stranger who wins the race for a data port gets a full handshake, but no
// ticket that would make him look bound afterwards.
func TestStrangerGetsNoTicket(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
			cache := &countingCache{ClientSessionCache: cfg.ClientSessionCache}
			cfg.ClientSessionCache = cache
			for range 2 {
				d, tc, err := dataPair(t, id, DataOptions{Binding: b, Direction: Send}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				transfer(t, d, tc, []byte("x"), 1)
				if d.Info().Bound || cache.puts > 0 {
					t.Errorf("got %+v and %d tickets", d.Info(), cache.puts)
				}
			}
		})
	}
}

// Downloads renew the ticket, uploads on TLS 1.3 do not. On TLS 1.2 the new one is
// a part of the handshake.
func TestTicketsByDirection(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version uint16
		dir     Direction
		want    int
	}{
		{"1.3 download", tls.VersionTLS13, Send, 1},
		{"1.3 upload", tls.VersionTLS13, Receive, 0},
		{"1.2 download", tls.VersionTLS12, Send, 1},
		{"1.2 upload", tls.VersionTLS12, Receive, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, b, cfg := newIdentity(t), NewBinding(), clientConfig(tt.version)
			cache := &countingCache{ClientSessionCache: cfg.ClientSessionCache}
			cfg.ClientSessionCache = cache
			secured(t, id, b, cfg)
			cache.puts = 0
			d, tc, err := dataPair(t, id, DataOptions{Binding: b, Reuse: ReuseRequired, Direction: tt.dir}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			transfer(t, d, tc, []byte("x"), 1)
			if cache.puts != tt.want {
				t.Errorf("got %d tickets, want %d", cache.puts, tt.want)
			}
		})
	}
}

// exactConn reads one record at a time and leaves the next one in the socket, as
// OpenSSL does.
type exactConn struct {
	*net.TCPConn
	span span
}

func (c *exactConn) Read(p []byte) (int, error) {
	want := headerLen - c.span.seen
	if c.span.left > 0 {
		want = c.span.left
	}
	n, err := c.TCPConn.Read(p[:min(len(p), want)])
	c.span.next(p[:n])
	return n, err
}

// rudely uploads size bytes with a client that closes right behind its
// close_notify, without having read anything since the handshake. The server
// reads only then, so much is still on the client's side: if something unread
// waits there, the close becomes a reset and the rest is lost.
func rudely(t *testing.T, id *Identity, o DataOptions, cfg *tls.Config, size int) (Info, int64, error) {
	t.Helper()
	srv, cli := tcpPair(t)
	if err := cli.SetWriteBuffer(4 * size); err != nil {
		t.Fatal(err)
	}
	d := NewDataConn(id, srv, o)
	defer d.Release()
	done := make(chan error, 1)
	go func() {
		tc := tls.Client(&exactConn{TCPConn: cli}, cfg)
		_, err := tc.Write(make([]byte, size))
		done <- errors.Join(err, tc.Close())
	}()
	if err := d.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, d)
	return d.Info(), n, err
}

// Rude clients lose no byte: 50 of 50 uploads are whole.
func TestRudeUpload(t *testing.T) {
	const size = 200 << 10
	for _, v := range versions {
		for _, resume := range []bool{true, false} {
			name := v.name + " full"
			if resume {
				name = v.name + " resumed"
			}
			t.Run(name, func(t *testing.T) {
				id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
				if resume {
					secured(t, id, b, cfg)
				}
				whole := 0
				for range 50 {
					info, n, err := rudely(t, id, DataOptions{Binding: b}, cfg, size)
					if info.Bound != resume {
						t.Fatalf("got %+v, want bound %v", info, resume)
					}
					if n == size && err == nil {
						whole++
					}
				}
				if whole != 50 {
					t.Errorf("got %d of 50 uploads whole", whole)
				}
			})
		}
	}
}

// The counter-proof: with the ticket that a download gets, such an upload fails.
func TestRudeUploadWithTicket(t *testing.T) {
	id, b, cfg := newIdentity(t), NewBinding(), clientConfig(tls.VersionTLS13)
	secured(t, id, b, cfg)
	if info, n, err := rudely(t, id, DataOptions{Binding: b, Direction: Send}, cfg, 200<<10); err == nil {
		t.Errorf("got %d bytes whole on %+v: the tests above prove nothing here", n, info)
	}
}

// Tickets work until their key has been rotated out, on both kinds of connection.
func TestRotation(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
			cfg.ClientSessionCache = &stickyCache{}
			now := time.Unix(1e9, 0)
			id.Rotate(now)
			secured(t, id, b, cfg)
			for i := range TicketKeys + 1 {
				want := i < TicketKeys
				d, _, err := dataPair(t, id, DataOptions{Binding: b}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if d.Info().Bound != want {
					t.Errorf("data after %d rotations: got bound %v, want %v", i, d.Info().Bound, want)
				}
				if c, _ := secured(t, id, b, cfg); c.Info().Resumed != want {
					t.Errorf("control after %d rotations: got resumed %v, want %v", i, c.Info().Resumed, want)
				}
				if now = now.Add(TicketInterval); !id.Rotate(now) {
					t.Errorf("no rotation after %v", TicketInterval)
				}
			}
		})
	}
}

func TestRotateClock(t *testing.T) {
	id := newIdentity(t)
	start := time.Unix(1e9, 0)
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  bool
		same  int // keys that are as old as before
	}{
		{"first call starts the clock", 0, false, 1},
		{"too early", TicketInterval - 1, false, 1},
		{"due", TicketInterval, true, 1},
		{"just done", TicketInterval + 1, false, 2},
		{"next", 2 * TicketInterval, true, 2},
		{"slept for two", 4 * TicketInterval, true, 1},
		{"slept for a week", 18 * TicketInterval, true, 0},
		{"clock set back", 0, false, 3},
	} {
		old := append([][32]byte(nil), id.tickets.keys...)
		if got := id.Rotate(start.Add(tt.after)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		same := 0
		for _, k := range id.tickets.keys {
			for _, o := range old {
				if k == o {
					same++
				}
			}
		}
		if same != tt.same || len(id.tickets.keys) > TicketKeys {
			t.Errorf("%s: kept %d keys, want %d; has %d", tt.name, same, tt.same, len(id.tickets.keys))
		}
	}
}

// A client that comes back resumes, and its new session is a new one.
func TestReconnect(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, old, fresh, cfg := newIdentity(t), NewBinding(), NewBinding(), clientConfig(v.v)
			secured(t, id, old, cfg)
			c, _ := secured(t, id, fresh, cfg)
			if !c.Info().Resumed || c.Info().Session != fresh.ID() {
				t.Errorf("got %+v", c.Info())
			}
			d, _, err := dataPair(t, id, DataOptions{Binding: fresh, Reuse: ReuseRequired}, cfg)
			if err != nil || d.Info().Session != fresh.ID() {
				t.Errorf("got %v, %+v", err, d.Info())
			}
			if _, _, err := dataPair(t, id, DataOptions{Binding: old, Reuse: ReuseRequired}, cfg); !errors.Is(err, ErrNotResumed) {
				t.Errorf("on the old session's port: got %v", err)
			}
		})
	}
}

// crypto/tls may refuse a ticket that the gate has let in (too old, another
// version): then a full handshake follows, whose ticket must name nobody.
func TestRefusedTicketIsNotRenewed(t *testing.T) {
	id, b := newIdentity(t), NewBinding()
	for _, resumed := range []bool{true, false} {
		g := newGate(id, DataOptions{Binding: b, Direction: Send})
		g.bound, g.session = true, b.ID()
		ticket, err := g.wrap(tls.ConnectionState{DidResume: resumed}, sessionState(t))
		if err != nil {
			t.Fatal(err)
		}
		ss, err := id.base.DecryptTicket(ticket, tls.ConnectionState{})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := boundTo(ss); ok != resumed || ok && got != b.ID() {
			t.Errorf("resumed %v: got a ticket of %x, %v", resumed, got, ok)
		}
	}
}
