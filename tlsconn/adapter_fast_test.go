package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"testing"
)

// Every kind of handshake of a control connection ends with records of ours, and
// nothing of crypto/tls is left: full and resumed, with a ticket and without, with
// a HelloRetryRequest.
func TestControlTakeOver(t *testing.T) {
	for _, v := range gcmLayers {
		for _, tt := range []struct {
			name             string
			tickets, resumed bool
			retry            bool
		}{
			{"full", true, false, false},
			{"no tickets", false, false, false},
			{"resumed", true, true, false},
			{"full, retry", true, false, true},
			{"resumed, retry", true, true, true},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
				useSuite(t, cfg, v.suite)
				if !tt.tickets {
					cfg.ClientSessionCache = nil
				}
				if tt.resumed {
					secured(t, id, b, cfg)
				}
				if tt.retry {
					cfg.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.X25519}
					id.base.CurvePreferences = []tls.CurveID{tls.X25519}
				}
				c, tc := secured(t, id, b, cfg)
				if i := c.Info(); !i.Fast || i.Unfit || i.Resumed != tt.resumed || i.Session != b.ID() {
					t.Fatalf("got %+v", i)
				}
				if c.tc != nil || c.hs != nil {
					t.Errorf("holds tls.Conn %v, handshake %v", c.tc, c.hs)
				}
				converse(t, c, tc)
			})
		}
	}
}

// converse moves messages of many sizes both ways, to the end of TLS.
func converse(t *testing.T, c *control, tc *tls.Conn) {
	t.Helper()
	for _, n := range []int{1, 100, 4095, maxPlaintext, maxPlaintext + 1, 3 * maxPlaintext} {
		p := make([]byte, n)
		rand.Read(p)
		fail := make(chan error, 1)
		go func() { _, err := tc.Write(p); fail <- err }()
		if got, err := c.readFull(n); !bytes.Equal(got, p) || err != nil {
			t.Fatalf("%d bytes up: got %d, %v", n, len(got), err)
		}
		if err := <-fail; err != nil {
			t.Fatal(err)
		}
		c.say(string(p))
		got := make([]byte, n)
		if _, err := io.ReadFull(tc, got); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("%d bytes down: %v", n, err)
		}
	}
	c.CloseNotify()
	c.flush()
	if _, err := tc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("client got %v, want close_notify", err)
	}
	if err := tc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.readFull(1); err != io.EOF {
		t.Errorf("got %v, want close_notify", err)
	}
}

// ChaCha20 stays with crypto/tls, and so does everything with EngineStd; that is no
// misfit.
func TestControlOtherSuite(t *testing.T) {
	for _, v := range versions {
		for _, tt := range []struct {
			engine Engine
			suite  uint16
		}{{EngineFast, tls.TLS_CHACHA20_POLY1305_SHA256}, {EngineStd, tls.TLS_AES_128_GCM_SHA256}} {
			t.Run(fmt.Sprint(v.name, " ", tls.CipherSuiteName(tt.suite)), func(t *testing.T) {
				defer func(e Engine) { engine = e }(engine)
				engine = tt.engine
				cfg := clientConfig(v.v)
				useSuite(t, cfg, tt.suite)
				c, tc := secured(t, newIdentity(t), NewBinding(), cfg)
				if i := c.Info(); i.Fast || i.Unfit || c.tc == nil || c.rec != nil {
					t.Fatalf("got %+v", i)
				}
				converse(t, c, tc)
			})
		}
	}
}

// Whatever part of a handshake is not as expected, crypto/tls goes on.
func TestControlUnfit(t *testing.T) {
	for _, v := range gcmLayers {
		for _, tt := range []struct {
			name  string
			spoil func(p *tap)
		}{
			{"server key", func(p *tap) { p.serverTraffic[0] ^= 1; p.serverFlight[0] ^= 1; p.master[5] ^= 1 }},
			{"last record", func(p *tap) { p.last[len(p.last)-1] ^= 1 }},
			{"torn write", func(p *tap) { p.torn = true }},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				srv, cli := tcpPair(t)
				cfg := clientConfig(v.v)
				useSuite(t, cfg, v.suite)
				c := newControl(t, newIdentity(t), NewBinding(), srv)
				tc := tls.Client(cli, cfg)
				done := make(chan error, 1)
				go func() { done <- tc.Handshake() }()
				for c.hs == nil {
					if err := c.fetch(func() error { _, err := c.Step(); return err }); err != nil {
						t.Fatal(err)
					}
				}
				hs, next := c.hs, c.hs.next
				hs.next = func() (struct{}, bool) {
					v, parked := next()
					if !parked {
						tt.spoil(hs.tap)
					}
					return v, parked
				}
				c.flush()
				if err := errors.Join(c.handshake(), <-done); err != nil {
					t.Fatal(err)
				}
				if i := c.Info(); i.Fast || !i.Unfit || c.tc == nil || c.rec != nil {
					t.Fatalf("got %+v", i)
				}
				c.say("220 ready\r\n")
				expect(t, tc, "220 ready\r\n")
				converse(t, c, tc)
			})
		}
	}
}

// A record of which the caller's buffer takes a part at a time stays whole while
// more is pushed, and what follows it is no part of Rest before its turn.
func TestLongRecordInPieces(t *testing.T) { bothEngines(t, testLongRecordInPieces) }

func testLongRecordInPieces(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			first, second := bytes.Repeat([]byte("a"), maxPlaintext), bytes.Repeat([]byte("b"), 3000)
			long, next := f.seal(typeApplicationData, first), f.seal(typeApplicationData, second)
			if err := c.Push(long); err != nil {
				t.Fatal(err)
			}
			var got, pushed []byte
			buf := make([]byte, 700)
			for len(got) < len(first)+len(second) {
				if engine == EngineFast && !c.Ready() {
					t.Fatalf("not ready after %d bytes", len(got))
				}
				n, err := c.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, buf[:n]...); len(got) < len(first) && !bytes.Equal(c.Rest(), pushed) {
					t.Fatalf("got rest of %d bytes, want %d", len(c.Rest()), len(pushed))
				}
				m := min(len(next), 500)
				if err := c.Push(next[:m]); err != nil {
					t.Fatal(err)
				}
				pushed, next = append(pushed, next[:m]...), next[m:]
			}
			if !bytes.Equal(got, append(first, second...)) {
				t.Error("got other bytes")
			}
			if _, err := c.Read(buf); err != ErrWouldBlock || c.in != nil {
				t.Errorf("got %v, holds %v", err, c.in != nil)
			}
		})
	}
}

// A key that has done enough is followed by the next one; TLS 1.2 has none.
func TestControlKeyLimit(t *testing.T) {
	const limit = 3
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, tc := secured(t, newIdentity(t), NewBinding(), clientConfig(v.v))
			c.rec.out.limit = limit
			for range 20 {
				_, err := c.Write([]byte("200 OK\r\n"))
				if v.v == tls.VersionTLS12 && err != nil {
					c.CloseNotify()
					if n := c.rec.out.seq; !errors.Is(err, errKeyLimit) || n != limit || len(c.Pending()) > 0 {
						t.Errorf("got %v after %d records", err, n)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				c.flush()
				expect(t, tc, "200 OK\r\n")
			}
			if n := c.rec.out.seq; v.v == tls.VersionTLS12 || n > limit+1 {
				t.Errorf("%d records under the last key", n)
			}
		})
	}
}

// What sleeps goes on where it was: same key, next number, before and after a
// KeyUpdate, in either direction. crypto/tls never sleeps.
func TestSleep(t *testing.T) { bothEngines(t, testSleep) }

func testSleep(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			sleep := func() {
				t.Helper()
				if got, want := c.Awake(), engine == EngineFast; got != want {
					t.Fatalf("awake: got %v, want %v", got, want)
				}
				if c.Sleep(); c.Awake() {
					t.Fatal("does not sleep")
				}
			}
			talk := func(s string) {
				t.Helper()
				f.send(f.seal(typeApplicationData, []byte(s)))
				if got, err := c.readFull(len(s)); string(got) != s || err != nil {
					t.Fatalf("got %q, %v", got, err)
				}
				c.say(s)
				if typ, p := f.open(); typ != typeApplicationData || string(p) != s {
					t.Fatalf("got record %d %q", typ, p)
				}
			}
			sleep()
			talk("one")
			talk("two")
			sleep()
			talk("three")
			if v.v == tls.VersionTLS13 {
				sleep()
				f.send(f.keyUpdate(1), f.seal(typeApplicationData, []byte("x")))
				if _, err := c.readFull(1); err != nil {
					t.Fatal(err)
				}
				c.flush()
				if typ, _ := f.open(); typ != typeHandshake {
					t.Fatalf("got record %d, want a KeyUpdate", typ)
				}
				f.server.update()
				sleep()
				talk("four")
			}
			sleep()
			c.CloseNotify()
			if got := c.alert(f); got != alertCloseNotify {
				t.Errorf("got alert %d, want close_notify", got)
			}
		})
	}
}

// A forged record wakes what sleeps, and ends it.
func TestForgedAsleep(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			c.Sleep()
			rec := f.seal(typeApplicationData, []byte("DELE x\r\n"))
			rec[len(rec)-1] ^= 1
			f.send(rec)
			_, err := c.readFull(1)
			wantBreach(t, c, f, err, "", errBadMAC, alertBadRecordMAC)
		})
	}
}

// Nothing is left of the secrets.
func TestControlWiped(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, _ := secured(t, newIdentity(t), NewBinding(), clientConfig(v.v))
			r := c.rec
			if r.out.iv == [gcmNonce]byte{} || r.in.iv == [gcmNonce]byte{} {
				t.Fatal("no secrets at all")
			}
			c.Close()
			for _, h := range []*half{&r.in.half, &r.out.half} {
				wantWiped(t, h)
			}
		})
	}
}
