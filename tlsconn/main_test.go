package tlsconn

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/internal/bufpool"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(bulkPeer); what != "" {
		if err := runBulkPeer(what); err != nil {
			println(err.Error())
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error())
		code = 1
	}
	if out := bufpool.Outstanding(); len(out) > 0 && code == 0 {
		println("buffers not returned:")
		for name, n := range out {
			println("\t", name, n)
		}
		code = 1
	}
	os.Exit(code)
}

// patience bounds every wait in these tests.
const patience = 20 * time.Second

var versions = []struct {
	name string
	v    uint16
}{{"1.2", tls.VersionTLS12}, {"1.3", tls.VersionTLS13}}

// layers are the record layers of a data connection.
var layers = []struct {
	name   string
	v      uint16
	engine Engine
}{
	{"1.2 fast", tls.VersionTLS12, EngineFast},
	{"1.3 fast", tls.VersionTLS13, EngineFast},
	{"1.2 std", tls.VersionTLS12, EngineStd},
	{"1.3 std", tls.VersionTLS13, EngineStd},
}

// engine is what control connections have; see bothEngines.
var engine Engine

var engines = []struct {
	name string
	e    Engine
}{{"fast", EngineFast}, {"std", EngineStd}}

// bothEngines runs a test of control connections with each engine.
func bothEngines(t *testing.T, test func(t *testing.T)) {
	defer func(e Engine) { engine = e }(engine)
	for _, e := range engines {
		engine = e.e
		t.Run(e.name, test)
	}
}

func newIdentity(t testing.TB) *Identity {
	t.Helper()
	return newIdentityWith(t, Options{})
}

// newIdentityWith makes an identity, with a self-signed certificate unless o has any.
func newIdentityWith(t testing.TB, o Options) *Identity {
	t.Helper()
	if len(o.Pairs) == 0 {
		o.SelfSigned = filepath.Join(t.TempDir(), "self.pem")
	}
	id, err := NewIdentity(o)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// clientConfig returns the configuration of a client that keeps tickets in its
// own cache.
func clientConfig(v uint16) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, MinVersion: v, MaxVersion: v,
		ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
}

// tcpPair returns both ends of a TCP connection over loopback.
func tcpPair(t testing.TB) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	for _, e := range []net.Conn{s, c} {
		if err := e.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// control is an Adapter on a socket, moved by hand.
type control struct {
	*Adapter
	t    testing.TB
	sock *net.TCPConn
	cut  func() int // how many bytes to push at a time; nil means all
}

func newControl(t testing.TB, id *Identity, b *Binding, sock *net.TCPConn) *control {
	t.Helper()
	c := &control{Adapter: NewAdapter(id, b, engine), t: t, sock: sock}
	t.Cleanup(c.Close)
	return c
}

// flush sends what is pending.
func (c *control) flush() {
	c.t.Helper()
	if p := c.Pending(); len(p) > 0 {
		if _, err := c.sock.Write(p); err != nil {
			c.t.Fatal(err)
		}
		c.Sent(len(p))
	}
}

// fetch reads once from the socket and pushes it in pieces; after each piece it
// calls step, and stops with its error.
func (c *control) fetch(step func() error) error {
	c.t.Helper()
	buf := make([]byte, 4096)
	n, err := c.sock.Read(buf)
	if n == 0 && err != nil {
		c.PushEOF()
		return step()
	}
	for p := buf[:n]; len(p) > 0; {
		k := len(p)
		if c.cut != nil {
			k = min(k, c.cut())
		}
		if err := c.Push(p[:k]); err != nil {
			return err
		}
		p = p[k:]
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// handshake runs the handshake to its end.
func (c *control) handshake() error {
	c.t.Helper()
	done := false
	for !done {
		err := c.fetch(func() error {
			if done {
				return nil
			}
			var err error
			done, err = c.Step()
			return err
		})
		c.flush()
		if err != nil {
			return err
		}
	}
	return nil
}

// readFull reads n bytes of plaintext.
func (c *control) readFull(n int) ([]byte, error) {
	c.t.Helper()
	var got []byte
	drain := func() error {
		buf := make([]byte, 64)
		for len(got) < n {
			m, err := c.Read(buf[:min(len(buf), n-len(got))])
			got = append(got, buf[:m]...)
			if err == ErrWouldBlock {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := drain()
	for err == nil && len(got) < n {
		err = c.fetch(drain)
	}
	return got, err
}

// secured returns a control connection after the handshake, and its client. The
// client has taken its ticket.
func secured(t testing.TB, id *Identity, b *Binding, cfg *tls.Config) (*control, *tls.Conn) {
	t.Helper()
	srv, cli := tcpPair(t)
	c := newControl(t, id, b, srv)
	tc := tls.Client(cli, cfg)
	done := make(chan error, 1)
	go func() { done <- tc.Handshake() }()
	if err := c.handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.say("220 ready\r\n")
	expect(t, tc, "220 ready\r\n")
	return c, tc
}

// say seals and sends a line.
func (c *control) say(s string) {
	c.t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
	c.flush()
}

// expect reads exactly want.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	for n := 0; n < len(buf); {
		m, err := c.Read(buf[n:])
		if n += m; err != nil && n < len(buf) {
			t.Fatalf("got %q, %v, want %q", buf[:n], err, want)
		}
	}
	if string(buf) != want {
		t.Fatalf("got %q, want %q", buf, want)
	}
}
