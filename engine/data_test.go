package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// secretFile puts a file into the server's root that nobody else may get.
func (s *server) secretFile() []byte {
	s.t.Helper()
	want := bytes.Repeat([]byte("private data\n"), 10_000)
	if err := os.WriteFile(filepath.Join(s.root, "secret.txt"), want, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return want
}

// dialFrom connects to addr from an address of the loopback net.
func dialFrom(t *testing.T, from netip.Addr, addr netip.AddrPort) *net.TCPConn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// TestStrangerOnPassivePort: a connection from another address neither gets
// data nor ends the owner's wait (RFC 2577 section 4).
func TestStrangerOnPassivePort(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		want := s.secretFile()
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				c := s.login(mode, nil)
				addr, err := c.Passive()
				if err != nil {
					t.Fatal(err)
				}
				before := dialFrom(t, local(9), addr)
				if _, err := c.Do("RETR secret.txt", 150); err != nil {
					t.Fatal(err)
				}
				during := dialFrom(t, local(9), addr)
				for what, stranger := range map[string]*net.TCPConn{"before": before, "during": during} {
					if got, _ := io.ReadAll(stranger); len(got) > 0 {
						t.Errorf("stranger %s the command got %d bytes", what, len(got))
					}
				}
				d, err := c.DialData(addr)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(d)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("the owner got %d bytes, %v; want %d", len(got), err, len(want))
				}
				if _, err := c.Complete(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestForeignTicket: with data_tls_reuse = "required" neither another login's
// ticket nor none at all takes a waiting transfer; with the default such a
// connection is let through by its address, but never resumes.
func TestForeignTicket(t *testing.T) {
	rules := map[string]tlsconn.Reuse{"bound": tlsconn.ReuseBound, "required": tlsconn.ReuseRequired}
	for rule, reuse := range rules {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(rule+"/"+tls.VersionName(version), func(t *testing.T) {
				eachReactor(t, func(c *Config) { c.Reuse = reuse }, func(t *testing.T, s *server) {
					s.secretFile()
					foreignTicket(t, s, reuse, version)
				})
			})
		}
	}
}

func foreignTicket(t *testing.T, s *server, reuse tlsconn.Reuse, version uint16) {
	conf := func() *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, ServerName: "server", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	}
	thief, victim := conf(), conf()
	s.login(session.Implicit, func(o *ftpclient.Options) { o.TLS = thief })
	c := s.login(session.Implicit, func(o *ftpclient.Options) { o.TLS = victim })

	tries := map[string]*tls.Config{"another login's ticket": thief, "no ticket": conf()}
	for name, with := range tries {
		got, resumed := steal(t, c, with)
		if resumed {
			t.Errorf("%s resumed", name)
		}
		if reuse == tlsconn.ReuseRequired && got > 0 {
			t.Errorf("%s took %d bytes", name, got)
		}
		_, err := c.Complete()
		var re *ftpclient.ReplyError
		switch {
		case reuse == tlsconn.ReuseRequired && !(errors.As(err, &re) && re.Code == 522):
			t.Errorf("%s: completion %v, want 522", name, err)
		case reuse == tlsconn.ReuseBound && err != nil:
			t.Errorf("%s: completion %v", name, err)
		}
	}
	var b bytes.Buffer
	if _, err := c.Retr("secret.txt", 0, &b); err != nil {
		t.Errorf("the session's own connection: %v", err)
	}
}

// steal begins a download and connects to its port with another configuration.
func steal(t *testing.T, c *ftpclient.Client, with *tls.Config) (got int64, resumed bool) {
	t.Helper()
	addr, err := c.Passive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do("RETR secret.txt", 150); err != nil {
		t.Fatal(err)
	}
	raw := dialFrom(t, local(1), addr)
	defer raw.Close()
	tc := tls.Client(raw, with)
	if tc.Handshake() != nil {
		return 0, false
	}
	got, _ = io.Copy(io.Discard, tc)
	return got, tc.ConnectionState().DidResume
}

// TestOwnTicketResumes: the client's data connections resume its control
// session, on both versions, in both directions.
func TestOwnTicketResumes(t *testing.T) {
	eachReactor(t, func(c *Config) { c.Reuse = tlsconn.ReuseRequired }, func(t *testing.T, s *server) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := s.login(session.Explicit, func(o *ftpclient.Options) {
				o.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
			})
			for range 3 {
				if _, err := c.Stor("up.bin", 0, bytes.NewReader(make([]byte, 50_000))); err != nil {
					t.Fatalf("%s: %v", tls.VersionName(version), err)
				}
				if _, err := c.Retr("up.bin", 0, io.Discard); err != nil {
					t.Fatalf("%s: %v", tls.VersionName(version), err)
				}
			}
		}
	})
}

// TestRecordEngine: the metrics tell who sealed and opened, on both versions, and
// nothing falls back. A reload does not change it.
func TestRecordEngine(t *testing.T) {
	for e, want := range map[tlsconn.Engine][metrics.NumEngines]int64{
		tlsconn.EngineFast: {metrics.EngineFast: 4}, tlsconn.EngineStd: {metrics.EngineStd: 4},
	} {
		eachReactor(t, func(c *Config) { c.Data.Engine = e }, func(t *testing.T, s *server) {
			s.reload(t, func(c *Config) { c.Data.Engine = tlsconn.EngineFast + tlsconn.EngineStd - e })
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				c := s.login(session.Explicit, func(o *ftpclient.Options) {
					o.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
				})
				_, err := c.Stor("up.bin", 0, bytes.NewReader(make([]byte, 50_000)))
				if err == nil {
					_, err = c.Retr("up.bin", 0, io.Discard)
				}
				if err != nil {
					t.Fatalf("%s: %v", tls.VersionName(version), err)
				}
			}
			for name, n := range want {
				if got := s.metrics.Engines[name].Load(); got != n {
					t.Errorf("engine %d: got %d transfers, want %d", name, got, n)
				}
				if got := s.metrics.ControlEngines[name].Load(); got != n/2 {
					t.Errorf("engine %d: got %d control connections, want %d", name, got, n/2)
				}
			}
		})
	}
}
