package ftpclient

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/codec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const peerTimeout = 10 * time.Second

// peer is the server's side of a scripted session. Its methods end the script,
// with a test error, when the client does not follow it.
type peer struct {
	t      *testing.T
	server *tls.Config
	conn   net.Conn // TCP, or TLS over tcp
	tcp    *net.TCPConn
	r      *bufio.Reader
	ln     net.Listener // of the passive data connection
	to     string       // address for the active one
	secure bool         // PROT P
	resume []bool       // of each private data connection: did it resume?
}

// play listens, runs the script against the first connection and returns the
// address to dial. The test ends when the script has.
func play(t *testing.T, script func(p *peer)) (addr string) {
	t.Helper()
	return playWith(t, &tls.Config{Certificates: []tls.Certificate{certificate()}}, script)
}

func playWith(t *testing.T, server *tls.Config, script func(p *peer)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer ln.Close()
		_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(peerTimeout))
		conn, err := ln.Accept()
		if err != nil {
			t.Errorf("peer: %v", err)
			return
		}
		p := &peer{t: t, server: server, tcp: conn.(*net.TCPConn)}
		defer p.close()
		p.use(conn)
		script(p)
	}()
	t.Cleanup(func() { <-done })
	return ln.Addr().String()
}

func (p *peer) close() {
	p.conn.Close()
	if p.ln != nil {
		p.ln.Close()
	}
}

func (p *peer) use(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(peerTimeout))
	p.conn, p.r = conn, bufio.NewReader(conn)
}

func (p *peer) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("peer: "+format, args...)
	runtime.Goexit()
}

func (p *peer) check(err error) {
	p.t.Helper()
	if err != nil {
		p.fail("%v", err)
	}
}

// reply sends a reply, or several, as they are.
func (p *peer) reply(lines ...string) {
	p.t.Helper()
	_, err := io.WriteString(p.conn, strings.Join(lines, "\r\n")+"\r\n")
	p.check(err)
}

// line reads one command, "" when the client is gone.
func (p *peer) line() string {
	line, err := p.r.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads a command and answers it.
func (p *peer) expect(want string, lines ...string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.fail("got %q, want %q", got, want)
	}
	if len(lines) > 0 {
		p.reply(lines...)
	}
}

func (p *peer) startTLS() {
	p.t.Helper()
	conn := tls.Server(bytewise{p.tcp}, p.server)
	p.use(conn)
	p.check(conn.Handshake())
}

// bytewise keeps crypto/tls from reading past the record that it needs: what
// follows the last one is clear text.
type bytewise struct{ net.Conn }

func (b bytewise) Read(p []byte) (int, error) { return b.Conn.Read(p[:min(len(p), 1)]) }

// stopTLS sends close_notify and, if the client is to answer, waits for its.
func (p *peer) stopTLS(answered bool) {
	p.t.Helper()
	p.check(p.conn.(*tls.Conn).CloseWrite())
	if answered {
		if _, err := p.r.ReadByte(); err != io.EOF {
			p.fail("got %v, want close_notify", err)
		}
	}
	p.use(p.tcp)
}

// listen opens the passive port.
func (p *peer) listen() netip.AddrPort {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	p.check(err)
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(peerTimeout))
	p.ln = ln
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// epsv answers an EPSV.
func (p *peer) epsv() {
	p.t.Helper()
	p.expect("EPSV", "229 "+string(codec.AppendEPSV(nil, p.listen().Port())))
}

// data returns the data connection, without TLS.
func (p *peer) data() *net.TCPConn {
	p.t.Helper()
	var conn net.Conn
	var err error
	if p.ln != nil {
		conn, err = p.ln.Accept()
		p.ln.Close()
		p.ln = nil
	} else {
		conn, err = net.DialTimeout("tcp", p.to, peerTimeout)
	}
	p.check(err)
	_ = conn.SetDeadline(time.Now().Add(peerTimeout))
	return conn.(*net.TCPConn)
}

// secured returns the data connection after the handshake, if there is one.
func (p *peer) secured() net.Conn {
	p.t.Helper()
	conn := net.Conn(p.data())
	if !p.secure {
		return conn
	}
	secured := tls.Server(conn, p.server)
	p.check(secured.Handshake())
	p.resume = append(p.resume, secured.ConnectionState().DidResume)
	return secured
}

// certificate returns the peer's certificate, made once.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

// trusting returns a configuration that trusts the peer's certificate.
func trusting() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: roots}
}

// dial is Dial for tests: it fails the test and closes the client at its end.
func dial(t *testing.T, addr string, o Options) *Client {
	t.Helper()
	if o.Security != Clear && o.TLS == nil {
		o.TLS = trusting()
	}
	c, err := Dial(context.Background(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
