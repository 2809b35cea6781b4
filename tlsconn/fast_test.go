package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"testing"
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
