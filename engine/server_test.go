package engine

import (
	"bufio"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/dataplane"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/tlsconn"
)

// server is an engine on loopback with one listener of each mode and one user,
// "demo" with the password "secret", whose home is root.
type server struct {
	*Engine
	t       testing.TB
	root    string
	metrics *metrics.Server
	served  chan error
}

// reactors are the implementations that every test of the engine runs on.
var reactors = []string{"netpoll", "net"}

// eachReactor runs f on a fresh server for each reactor.
func eachReactor(t *testing.T, change func(*Config), f func(t *testing.T, s *server)) {
	t.Helper()
	for _, r := range reactors {
		t.Run(r, func(t *testing.T) {
			f(t, start(t, func(c *Config) {
				c.Reactor = r
				if change != nil {
					change(c)
				}
			}))
		})
	}
}

// start starts a server; it ends with the test.
func start(t testing.TB, change func(*Config)) *server {
	t.Helper()
	root := t.TempDir()
	s := &server{t: t, root: root, metrics: metrics.NewServer("test", "", ""), served: make(chan error, 1)}
	conf := Config{
		Listen: []Listen{
			{Addr: "127.0.0.1:0", Mode: session.Explicit, RequireTLS: true},
			{Addr: "127.0.0.1:0", Mode: session.Implicit},
			{Addr: "127.0.0.1:0", Mode: session.Plain},
		},
		Session:  sessionConfig(root),
		Data:     dataplane.Config{Engine: recordEngine()},
		Identity: identity(t),
		Metrics:  s.metrics,
	}
	if testing.Verbose() {
		conf.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if change != nil {
		change(&conf)
	}
	e, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	s.Engine = e
	go func() { s.served <- e.Serve() }()
	t.Cleanup(s.stop)
	return s
}

// recordEngine is who seals and opens records where a test does not say: FASTFTPS_TLS_ENGINE.
func recordEngine() tlsconn.Engine {
	if os.Getenv("FASTFTPS_TLS_ENGINE") == "std" {
		return tlsconn.EngineStd
	}
	return tlsconn.EngineFast
}

// sessionConfig is what the sessions of a test server share.
func sessionConfig(root string) session.Config {
	return session.Config{
		Greeting: "fastftps ready",
		Auth:     auth.Single("demo", "secret", root, auth.ReadWrite),
		OpenFS: func(_ context.Context, u *auth.User) (storage.FS, error) {
			return osfs.New(u.Home, osfs.Options{})
		},
		ModeZ: true, MaxAttempts: 3, MaxBadCommands: 10, MaxPendingCommands: 64, MaxPendingBytes: 16 << 10, MaxGlob: 10000,
		MaxIdle: time.Hour, IdleTimeout: 5 * time.Minute,
	}
}

// identity is a self-signed certificate of the test's own.
func identity(t testing.TB) *tlsconn.Identity {
	t.Helper()
	id, err := tlsconn.NewIdentity(tlsconn.Options{SelfSigned: filepath.Join(t.TempDir(), "cert.pem")})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
	if err := <-s.served; err != nil {
		s.t.Errorf("serve: %v", err)
	}
}

// addr is the address of the listener with the given mode.
func (s *server) addr(m session.Mode) string { return s.Addrs()[m].String() }

// dial connects a client in the given mode; it is closed with the test.
func (s *server) dial(m session.Mode, change func(*ftpclient.Options)) *ftpclient.Client {
	s.t.Helper()
	c, err := s.connect(m, change)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// connect is dial for goroutines that may not end the test.
func (s *server) connect(m session.Mode, change func(*ftpclient.Options)) (*ftpclient.Client, error) {
	o := ftpclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}}
	switch m {
	case session.Explicit:
		o.Security = ftpclient.Explicit
	case session.Implicit:
		o.Security = ftpclient.Implicit
	}
	if change != nil {
		change(&o)
	}
	return ftpclient.Dial(context.Background(), s.addr(m), o)
}

// login is dial and a login; under explicit TLS the data connections are
// private too.
func (s *server) login(m session.Mode, change func(*ftpclient.Options)) *ftpclient.Client {
	s.t.Helper()
	c := s.dial(m, change)
	if err := c.Login("demo", "secret"); err != nil {
		s.t.Fatal(err)
	}
	if m == session.Explicit {
		if err := c.Protect("P"); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := c.Type("I"); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// local is an address of the loopback net, for clients that must differ.
func local(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, n}) }

// modes are the three kinds of listener.
var modes = map[string]session.Mode{"explicit": session.Explicit, "implicit": session.Implicit, "plain": session.Plain}

// TestLocalAddress: a session knows at which of the host's addresses it was reached,
// also when its listener is bound to all of them. 0.0.0.0 is all of IPv4 and nothing else.
func TestLocalAddress(t *testing.T) {
	listeners := []struct {
		addr           string
		taken, refused []string
	}{
		{"127.0.0.1:0", []string{"127.0.0.1"}, []string{"127.0.0.2", "::1"}},
		{"0.0.0.0:0", []string{"127.0.0.1", "127.0.0.2"}, []string{"::1"}},
		{"[::1]:0", []string{"::1"}, []string{"127.0.0.1"}},
		{"[::]:0", []string{"::1"}, []string{"127.0.0.1"}},
		{":0", []string{"127.0.0.1", "127.0.0.2", "::1"}, nil},
	}
	eachReactor(t, func(c *Config) {
		c.Listen = nil
		for _, l := range listeners {
			c.Listen = append(c.Listen, Listen{Addr: l.addr, Mode: session.Plain})
		}
	}, func(t *testing.T, s *server) {
		for i, l := range listeners {
			at := func(host string) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr(host), s.Addrs()[i].Port())
			}
			for _, host := range l.taken {
				c, err := net.Dial("tcp", at(host).String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := bufio.NewReader(c).ReadString('\n'); err != nil { // the greeting
					t.Fatal(err)
				}
				client := netip.MustParseAddrPort(c.LocalAddr().String())
				var got []netip.AddrPort
				s.conns.each(func(c *conn) bool { return c.remote == client }, func(c *conn) { got = append(got, c.local) })
				if !slices.Equal(got, []netip.AddrPort{at(host)}) {
					t.Errorf("%s: got %v, want %v", l.addr, got, at(host))
				}
			}
			for _, host := range l.refused {
				if c, err := net.Dial("tcp", at(host).String()); err == nil {
					t.Errorf("%s: a connection to %v was taken", l.addr, at(host))
					c.Close()
				}
			}
		}
	})
}

// TestLinkLocal: data connections of a client at a link-local address go over the link
// that its control connection came by, though neither EPRT nor 229 says which.
func TestLinkLocal(t *testing.T) {
	host := linkLocal(t)
	eachReactor(t, func(c *Config) {
		c.Listen = []Listen{{Addr: "[::]:0", Mode: session.Explicit}, {Addr: "[" + host.String() + "]:0", Mode: session.Explicit}}
	}, func(t *testing.T, s *server) {
		for _, ln := range s.Addrs() {
			for _, e := range []ftpclient.Endpoint{ftpclient.EPSV, ftpclient.EPRT} {
				c, err := ftpclient.Dial(t.Context(), netip.AddrPortFrom(host, ln.Port()).String(), ftpclient.Options{
					Security: ftpclient.Explicit, Endpoint: e, TLS: &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Login("demo", "secret"); err != nil {
					t.Fatal(err)
				}
				if err := c.Protect("P"); err != nil {
					t.Fatal(err)
				}
				if _, err := c.List(""); err != nil {
					t.Errorf("%v, endpoint %d: %v", ln, e, err)
				}
			}
		}
	})
}

// linkLocal returns an address of this host that means nothing without its zone.
func linkLocal(t *testing.T) netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				return p.Addr().WithZone(i.Name)
			}
		}
	}
	t.Skip("no interface has a link-local address")
	return netip.Addr{}
}
