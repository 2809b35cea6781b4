package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// writePair writes a certificate for host and its key to dir.
func writePair(t testing.TB, dir, host string, key crypto.Signer) Pair {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{filepath.Join(dir, host+".crt"), filepath.Join(dir, host+".key")}
	writeFile(t, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return p
}

// writeFile replaces a file in one step, as an operator should.
func writeFile(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func newECDSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// attempt runs the handshake of a control connection and returns what both sides
// think of it.
func attempt(t testing.TB, id *Identity, cfg *tls.Config) (info Info, cs tls.ConnectionState, server, client error) {
	t.Helper()
	srv, cli := tcpPair(t)
	c := newControl(t, id, NewBinding(), srv)
	tc := tls.Client(cli, cfg)
	done := make(chan error, 1)
	go func() { done <- tc.Handshake() }()
	server = c.handshake()
	if server != nil {
		srv.CloseWrite()
	}
	client = <-done
	return c.Info(), tc.ConnectionState(), server, client
}

func TestSNI(t *testing.T) {
	dir := t.TempDir()
	id := newIdentityWith(t, Options{Pairs: []Pair{
		writePair(t, dir, "a.example", newECDSA(t)),
		writePair(t, dir, "b.example", newRSA(t)),
		writePair(t, dir, "c.example", newECDSA(t)),
	}})
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, tt := range []struct {
		name, sni string
		suites    []uint16
		want      string
	}{
		{"first", "a.example", nil, "a.example"},
		{"second", "b.example", nil, "b.example"},
		{"third", "c.example", nil, "c.example"},
		{"unknown", "x.example", nil, "a.example"},
		{"none", "", nil, "a.example"},
		{"none, RSA only", "", rsaOnly, "b.example"},
		{"name whose key it cannot verify", "a.example", rsaOnly, "b.example"},
		{"IPv4 literal", "192.0.2.1", nil, "a.example"},
		{"IPv4 literal, RSA only", "192.0.2.1", rsaOnly, "b.example"},
		{"IPv6 literal", "2001:db8::1", nil, "a.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A Go client never sends an address as a name: ask directly.
			hello := &tls.ClientHelloInfo{
				ServerName: tt.sni, SupportedVersions: []uint16{tls.VersionTLS12}, CipherSuites: tt.suites,
				SupportedCurves: []tls.CurveID{tls.CurveP256}, SupportedPoints: []uint8{0},
				SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256},
			}
			if tt.suites == nil {
				hello.CipherSuites = suites
			}
			got, err := id.certificate(hello)
			if err != nil || got.Leaf.DNSNames[0] != tt.want {
				t.Errorf("got %v, %v, want %s", got.Leaf.DNSNames, err, tt.want)
			}
		})
	}
}

func TestALPN(t *testing.T) {
	id := newIdentity(t)
	const alert = "no application protocol"
	for _, v := range versions {
		for _, tt := range []struct {
			name    string
			offer   []string
			control string // selected, or the alert
			data    string
		}{
			{"none", nil, "", ""},
			{"ftp", []string{"ftp"}, "ftp", "ftp"},
			{"ftp-data", []string{"ftp-data"}, alert, "ftp-data"},
			{"FileZilla", []string{"ftp", "x-filezilla-ftp"}, "ftp", "ftp"},
			{"x-filezilla-ftp", []string{"x-filezilla-ftp"}, alert, alert},
			{"browser", []string{"h2", "http/1.1"}, alert, alert},
			{"browser that knows ftp", []string{"http/1.1", "ftp"}, "ftp", "ftp"},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				cfg := clientConfig(v.v)
				cfg.NextProtos = tt.offer
				info, _, serr, cerr := attempt(t, id, cfg)
				checkALPN(t, "control", info, tt.control, serr, cerr, alert)
				srv, cli := tcpPair(t)
				d := NewDataConn(id, srv, DataOptions{})
				defer d.Release()
				done := make(chan error, 1)
				go func() { done <- tls.Client(cli, cfg).Handshake() }()
				if serr = d.Handshake(); serr != nil {
					srv.CloseWrite()
				}
				checkALPN(t, "data", d.Info(), tt.data, serr, <-done, alert)
			})
		}
	}
}

func checkALPN(t *testing.T, which string, info Info, want string, server, client error, alert string) {
	t.Helper()
	if want != alert {
		if server != nil || client != nil || info.ALPN != want {
			t.Errorf("%s: got %q, %v, %v, want %q", which, info.ALPN, server, client, want)
		}
		return
	}
	if server == nil || client == nil || !strings.Contains(client.Error(), alert) {
		t.Errorf("%s: got %v, %v, want alert 120", which, server, client)
	}
}

func TestPolicy(t *testing.T) {
	dir := t.TempDir()
	id := newIdentityWith(t, Options{Pairs: []Pair{
		writePair(t, dir, "e.example", newECDSA(t)), writePair(t, dir, "r.example", newRSA(t)),
	}})
	var all []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		all = append(all, s.ID)
	}
	for _, tt := range []struct {
		name     string
		min, max uint16
		suites   []uint16
		want     uint16 // suite, 0 = refused
	}{
		{"1.3", tls.VersionTLS13, tls.VersionTLS13, nil, tls.TLS_AES_128_GCM_SHA256},
		{"1.2, all suites of Go", tls.VersionTLS12, tls.VersionTLS12, all, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"1.2 RSA key", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		{"1.2 ChaCha20", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		{"ECDHE with CBC", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, 0},
		{"RSA key exchange", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, 0},
		{"RC4, 3DES", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}, 0},
		{"1.1", tls.VersionTLS11, tls.VersionTLS11, all, 0},
		{"1.0", tls.VersionTLS10, tls.VersionTLS10, all, 0},
		{"1.0 to 1.2", tls.VersionTLS10, tls.VersionTLS12, nil, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tt.min, MaxVersion: tt.max, CipherSuites: tt.suites}
			info, _, serr, cerr := attempt(t, id, cfg)
			if tt.want == 0 {
				if serr == nil || cerr == nil || !strings.Contains(cerr.Error(), "remote error") {
					t.Errorf("got %v, %v, want an alert", serr, cerr)
				}
				return
			}
			if serr != nil || info.Suite != tt.want {
				t.Errorf("got %s, %v, want %s", info.SuiteName(), serr, tls.CipherSuiteName(tt.want))
			}
		})
	}
}

func TestVersionBounds(t *testing.T) {
	self := filepath.Join(t.TempDir(), "self.pem")
	for _, tt := range []struct {
		name     string
		min, max uint16
		ok       bool
	}{
		{"default", 0, 0, true},
		{"only 1.3", tls.VersionTLS13, 0, true},
		{"only 1.2", 0, tls.VersionTLS12, true},
		{"1.1", tls.VersionTLS11, 0, false},
		{"turned around", tls.VersionTLS13, tls.VersionTLS12, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewIdentity(Options{SelfSigned: self, MinVersion: tt.min, MaxVersion: tt.max})
			if (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A data connection of a server without TLS 1.3 looks at the right extension of
// a client that offers both.
func TestBoundWithOnly12(t *testing.T) {
	id := newIdentityWith(t, Options{MaxVersion: tls.VersionTLS12})
	b, cfg := NewBinding(), clientConfig(0)
	secured(t, id, b, cfg)
	d, _, err := dataPair(t, id, DataOptions{Binding: b, Reuse: ReuseRequired}, cfg)
	if err != nil || !d.Info().Bound {
		t.Errorf("got %+v, %v", d.Info(), err)
	}
}

func TestKeyMode(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		uid  int
		ok   bool
	}{
		{"0600 root", 0o600, 0, true},
		{"0400 root", 0o400, 0, true},
		{"0640 root", 0o640, 0, true},
		{"0440 root", 0o440, 0, true},
		{"0600 ours", 0o600, 1000, true},
		{"0600 somebody's", 0o600, 1001, false},
		{"0644", 0o644, 0, false},
		{"0660", 0o660, 0, false},
		{"0604", 0o604, 0, false},
		{"0602", 0o602, 0, false},
		{"0601", 0o601, 0, false},
		{"0777", 0o777, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "key")
			writeFile(t, name, []byte("key"))
			if err := errors.Join(os.Chmod(name, tt.mode), os.Chown(name, tt.uid, -1)); err != nil {
				t.Skip("needs root:", err)
			}
			st, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkKeyMode(st, 1000); (err == nil) != tt.ok {
				t.Errorf("got %v, want accepted: %v", err, tt.ok)
			}
		})
	}
}

func TestLooseKey(t *testing.T) {
	pair := writePair(t, t.TempDir(), "a.example", newECDSA(t))
	if err := os.Chmod(pair.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewIdentity(Options{Pairs: []Pair{pair}}); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Errorf("got %v, want the mode refused", err)
	}
	if _, err := NewIdentity(Options{Pairs: []Pair{pair}, LooseKeys: true}); err != nil {
		t.Error(err)
	}
}

func TestBadPairs(t *testing.T) {
	dir := t.TempDir()
	a, b := writePair(t, dir, "a.example", newECDSA(t)), writePair(t, dir, "b.example", newECDSA(t))
	empty := filepath.Join(dir, "empty")
	writeFile(t, empty, nil)
	for _, tt := range []struct {
		name string
		pair Pair
		want string
	}{
		{"key of another", Pair{a.Cert, b.Key}, "does not match"},
		{"turned around", Pair{a.Key, a.Cert}, "failed to find"},
		{"no certificate", Pair{filepath.Join(dir, "none"), a.Key}, "no such file"},
		{"no key", Pair{a.Cert, filepath.Join(dir, "none")}, "no such file"},
		{"empty key", Pair{a.Cert, empty}, "failed to find"},
		{"folder as key", Pair{a.Cert, dir}, "no regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewIdentity(Options{Pairs: []Pair{tt.pair}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := NewIdentity(Options{}); err == nil {
		t.Error("no certificate at all: got no error")
	}
}

// Certificates change under load: broken ones are refused and change nothing,
// good ones are served from the next handshake on, none fails.
func TestReloadUnderLoad(t *testing.T) {
	dir := t.TempDir()
	pair := writePair(t, dir, "a.example", newECDSA(t))
	id := newIdentityWith(t, Options{Pairs: []Pair{pair}})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				a := NewAdapter(id, NewBinding(), engine)
				if err := a.Push(firstFlight(t, clientConfig(tls.VersionTLS13))); err != nil {
					t.Error(err)
				}
				if _, err := a.Step(); err != nil {
					t.Error(err)
				}
				a.Close()
			}
		})
	}
	for range 20 {
		before := id.Fingerprint()
		writeFile(t, pair.Cert, []byte("-----BEGIN CERTIFICATE-----\nbroken"))
		if err := id.Reload(); err == nil || id.Fingerprint() != before {
			t.Errorf("broken pair: got %v, fingerprint changed: %v", err, id.Fingerprint() != before)
		}
		writePair(t, dir, "a.example", newECDSA(t))
		if err := id.Reload(); err != nil || id.Fingerprint() == before {
			t.Errorf("new pair: got %v, fingerprint changed: %v", err, id.Fingerprint() != before)
		}
	}
	stop.Store(true)
	wg.Wait()
}

// A reload does not end the resumption of sessions that run (their tickets).
func TestReloadKeepsTickets(t *testing.T) {
	dir := t.TempDir()
	pair := writePair(t, dir, "a.example", newECDSA(t))
	id, b, cfg := newIdentityWith(t, Options{Pairs: []Pair{pair}}), NewBinding(), clientConfig(tls.VersionTLS13)
	secured(t, id, b, cfg)
	writePair(t, dir, "a.example", newECDSA(t))
	if err := id.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := dataPair(t, id, DataOptions{Binding: b, Reuse: ReuseRequired}, cfg); err != nil {
		t.Error(err)
	}
}

func TestSelfSigned(t *testing.T) {
	name := filepath.Join(t.TempDir(), "self.pem")
	o := Options{SelfSigned: name, Hosts: []string{"ftp.example", "192.0.2.7"}}
	id, err := NewIdentity(o)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(name)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", st.Mode(), err)
	}
	leaf := (*id.certs.Load())[0].Leaf
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "ftp.example", "192.0.2.7"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if left := time.Until(id.Expires()); left < 9*365*24*time.Hour {
		t.Errorf("expires in %v", left)
	}
	if f := id.Fingerprint(); len(f) != 32*3-1 || strings.Count(f, ":") != 31 {
		t.Errorf("got fingerprint %q", f)
	}
	again, err := NewIdentity(o)
	if err != nil || again.Fingerprint() != id.Fingerprint() {
		t.Errorf("second start: got another certificate, %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("got %v in the folder, %v", left, err)
	}
}

// An expired self-signed certificate is replaced; a broken file is not.
func TestSelfSignedRenewal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "self.pem")
	old, err := newSelfSigned(nil, time.Now().AddDate(-selfSignedYears-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, old)
	id := Options{SelfSigned: name}
	if got, err := NewIdentity(id); err != nil || time.Until(got.Expires()) < 0 {
		t.Errorf("got %v, want a new certificate", err)
	}
	writeFile(t, name, []byte("broken"))
	if _, err := NewIdentity(id); err == nil {
		t.Error("broken file: got no error")
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, []byte("broken")) {
		t.Errorf("the broken file now reads %q, %v", got, err)
	}
}
