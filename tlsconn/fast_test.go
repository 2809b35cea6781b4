package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"fastftps/internal/bufpool"
)

// gcmLayers are what EngineFast serves.
var gcmLayers = []struct {
	name     string
	v, suite uint16
}{
	{"1.2 AES-128", tls.VersionTLS12, tls.TLS_AES_128_GCM_SHA256},
	{"1.2 AES-256", tls.VersionTLS12, tls.TLS_AES_256_GCM_SHA384},
	{"1.3 AES-128", tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256},
	{"1.3 AES-256", tls.VersionTLS13, tls.TLS_AES_256_GCM_SHA384},
}

// Every kind of handshake ends with records of ours: full and resumed, with a
// ticket in the last flight and without, with a HelloRetryRequest.
func TestTakeOver(t *testing.T) {
	for _, v := range gcmLayers {
		for _, tt := range []struct {
			name    string
			resumed bool
			dir     Direction
			reuse   Reuse
			retry   bool
		}{
			{"full", false, Receive, ReuseBound, false},
			{"no tickets", false, Receive, ReuseOff, false},
			{"resumed, no ticket", true, Receive, ReuseBound, false},
			{"resumed, ticket", true, Send, ReuseRequired, false},
			{"full, retry", false, Send, ReuseBound, true},
			{"resumed, retry, ticket", true, Send, ReuseBound, true},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
				useSuite(t, cfg, v.suite)
				if tt.resumed {
					secured(t, id, b, cfg)
				}
				if tt.retry {
					cfg.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.X25519}
					id.base.CurvePreferences = []tls.CurveID{tls.X25519}
				}
				d, tc, err := dataPair(t, id, DataOptions{Binding: b, Direction: tt.dir, Reuse: tt.reuse}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if i := d.Info(); !i.Fast || i.Unfit || d.tc != nil || i.Resumed != tt.resumed {
					t.Fatalf("got %+v", i)
				}
				bothWays(t, d, tc)
			})
		}
	}
}

// bothWays moves bytes in both directions, to the end.
func bothWays(t *testing.T, d *DataConn, tc *tls.Conn) {
	t.Helper()
	up, down := make([]byte, 300_001), make([]byte, 1<<20+3)
	rand.Read(up)
	rand.Read(down)
	fail := make(chan error, 1)
	go func() {
		_, err := tc.Write(up)
		fail <- errors.Join(err, tc.CloseWrite())
	}()
	if got, err := io.ReadAll(d); !bytes.Equal(got, up) || err != nil {
		t.Fatalf("up: got %d bytes, %v", len(got), err)
	}
	if err := <-fail; err != nil {
		t.Fatal(err)
	}
	if got := transfer(t, d, tc, down, 100_000); !bytes.Equal(got, down) {
		t.Errorf("down: got %d bytes that differ", len(got))
	}
}

// The proof wants the right message at the right place, under the right nonce.
func TestShows(t *testing.T) {
	finished := append([]byte{msgFinished, 0, 0, 12}, make([]byte, 12)...)
	key, iv := make([]byte, 16), []byte{1, 2, 3, 4}
	f := forgerHalf{t: t, version: tls.VersionTLS12}
	f.setKey(key, iv)
	seal := func(nonce byte, typ byte, p []byte) []byte {
		f.seq = 0
		return f.sealUnder([8]byte{7: nonce}, typ, p)
	}
	for _, tt := range []struct {
		name string
		rec  []byte
		want bool
	}{
		{"finished", seal(0, typeHandshake, finished), true},
		{"other nonce", seal(1, typeHandshake, finished), false},
		{"other message", seal(0, typeHandshake, append([]byte{msgNewSessionTicket}, finished[1:]...)), false},
		{"two messages", seal(0, typeHandshake, append(finished, finished...)), false},
		{"half a message", seal(0, typeHandshake, finished[:8]), false},
		{"no handshake", seal(0, typeApplicationData, finished), false},
		{"two records", append(seal(0, typeHandshake, finished), 22), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o opener
			o.suite, _ = gcmSuiteOf(tls.TLS_AES_128_GCM_SHA256)
			if err := o.setKey(key, iv); err != nil {
				t.Fatal(err)
			}
			if got := o.shows(tt.rec, msgFinished); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// No buffer is held when all was read, and a small one at most when a deadline
// ends the wait for the rest of a record.
func TestBuffersGoBack(t *testing.T) {
	for _, v := range gcmLayers {
		t.Run(v.name, func(t *testing.T) {
			d, f, err := forgedSuite(t, v.v, v.suite, DataOptions{})
			if err != nil {
				t.Fatal(err)
			}
			d.ReadSize(256 << 10)
			buf := make([]byte, 100)
			f.send(f.seal(typeApplicationData, []byte("whole")))
			if n, err := d.Read(buf); n != 5 || err != nil || d.link.buf != nil {
				t.Fatalf("got %d, %v, buffer %v", n, err, d.link.buf != nil)
			}
			f.send(f.seal(typeApplicationData, []byte("whole")), f.seal(typeApplicationData, make([]byte, 10_000))[:5000])
			if n, err := d.Read(buf); n != 5 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			d.link.conn.SetReadDeadline(time.Unix(1, 0))
			if _, err := d.Read(buf); err == nil {
				t.Fatal("got no error")
			}
			if n := len(d.link.buf.B); n > bufpool.Sealed16.Size() {
				t.Errorf("holds %d bytes", n)
			}
		})
	}
}

// ChaCha20 stays with crypto/tls; that is no misfit.
func TestOtherSuite(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			cfg := clientConfig(v.v)
			useSuite(t, cfg, tls.TLS_CHACHA20_POLY1305_SHA256)
			d, tc, err := dataPair(t, newIdentity(t), DataOptions{Binding: NewBinding()}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if i := d.Info(); i.Fast || i.Unfit {
				t.Fatalf("got %+v", i)
			}
			bothWays(t, d, tc)
		})
	}
}

// Whatever part of a handshake is not as expected, crypto/tls goes on.
func TestUnfit(t *testing.T) {
	for _, v := range gcmLayers {
		for _, tt := range []struct {
			name  string
			v     uint16 // 0: both
			spoil func(p *tap)
		}{
			{"server key", tls.VersionTLS13, func(p *tap) { p.serverTraffic[0] ^= 1; p.serverFlight[0] ^= 1 }},
			{"count", tls.VersionTLS13, func(p *tap) { p.nSealed++ }},
			{"master secret", tls.VersionTLS12, func(p *tap) { p.master[5] ^= 1 }},
			{"client random", tls.VersionTLS12, func(p *tap) { p.hello[helloLen-1] ^= 1 }},
			{"server random", tls.VersionTLS12, func(p *tap) { p.reply[helloLen-1] ^= 1 }},
			{"more than Finished", tls.VersionTLS12, func(p *tap) { p.nKey++ }},
			{"long Finished", tls.VersionTLS12, func(p *tap) { p.inLen++ }},
			{"last record", 0, func(p *tap) { p.last[len(p.last)-1] ^= 1 }},
			{"no record", 0, func(p *tap) { p.last = nil }},
			{"torn write", 0, func(p *tap) { p.sent([]byte{23, 3, 3, 0, 9, 1}) }},
		} {
			if tt.v != 0 && tt.v != v.v {
				continue
			}
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				srv, cli := tcpPair(t)
				cfg := clientConfig(v.v)
				useSuite(t, cfg, v.suite)
				d := NewDataConn(newIdentity(t), srv, DataOptions{})
				t.Cleanup(d.Release)
				tc := tls.Client(cli, cfg)
				done := make(chan error, 1)
				go func() { done <- tc.Handshake() }()
				err := d.tc.Handshake()
				tt.spoil(d.link.tap)
				if err := errors.Join(err, d.Handshake(), <-done); err != nil {
					t.Fatal(err)
				}
				if i := d.Info(); i.Fast || !i.Unfit {
					t.Fatalf("got %+v", i)
				}
				bothWays(t, d, tc)
			})
		}
	}
}
