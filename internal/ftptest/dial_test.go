package ftptest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// TestNetwork plays against a server that speaks from a script of its own: each
// kind of step goes over real connections.
func TestNetwork(t *testing.T) {
	const text = `-- transcript --
S: 220 Ready
C: AUTH TLS
S: 234 Go
T: handshake a.example
C: EPSV
S: 229 Here (|||*|)
C: STOR
S: 150 Go
D: tls
D: > "data"
D: close
S: 226 TLS "data" EOF
C: REIN
S: 220 Ready
T: close_notify
C: PASV
S: 227 Here (127,0,0,1,*).
C: RETR
S: 150 Go
D: < "hello\n"
S: 226 Done
C: PASV
S: 227 Here (127,0,0,1,*).
C: STOR
S: 150 Go
D: > "da"
D: cut
S: 226 clear "da" reset
C: PORT {port}
S: 200 OK
C: RETR
S: 150 Go
D: < "hello\n"
S: 226 Done
C: QUIT
E: closed
`
	script, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- (&peer{config: serverConfig(t)}).serve(l) }()
	n, err := Dial(context.Background(), l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := script.Play(n, 0)
	if err != nil {
		t.Errorf("play: %v", err)
	}
	if diff := Diff(got, script.Text()); diff != "" {
		t.Error(diff)
	}
	if err := n.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("server: %v", err)
	}
}

// serverConfig has a certificate of the test's own.
func serverConfig(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// slow reads a byte at a time, so that TLS takes none that lie behind its end.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) { return s.Conn.Read(p[:min(1, len(p))]) }

// peer is the server of TestNetwork.
type peer struct {
	config *tls.Config
	raw    net.Conn
	conn   net.Conn
	in     *bufio.Reader
	port   net.Listener // passive
	active string
}

func (p *peer) use(c net.Conn) { p.conn, p.in = c, bufio.NewReader(c) }

func (p *peer) say(format string, args ...any) error {
	_, err := fmt.Fprintf(p.conn, format+"\r\n", args...)
	return err
}

// serve plays the server of one connection.
func (p *peer) serve(l net.Listener) (err error) {
	if p.raw, err = l.Accept(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.raw.Close()) }()
	p.use(p.raw)
	if err = p.raw.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for err = p.say("220 Ready"); err == nil; {
		var line string
		if line, err = p.in.ReadString('\n'); err != nil {
			return err
		}
		if line == "QUIT\r\n" {
			return nil
		}
		err = p.answer(strings.TrimSuffix(line, "\r\n"))
	}
	return err
}

func (p *peer) answer(line string) (err error) {
	switch verb, arg, _ := strings.Cut(line, " "); verb {
	case "AUTH":
		err = p.say("234 Go")
		p.use(tls.Server(slow{p.raw}, p.config))
		return err
	case "REIN":
		tlsConn := p.conn.(*tls.Conn)
		if err = errors.Join(p.say("220 Ready"), tlsConn.CloseWrite()); err != nil {
			return err
		}
		if _, err = p.in.ReadByte(); err != io.EOF {
			return fmt.Errorf("after close_notify: %w", err)
		}
		p.use(p.raw)
		return p.raw.SetDeadline(time.Now().Add(patience)) // CloseWrite let no more be written
	case "EPSV", "PASV":
		if p.port, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		port := address(p.port.Addr()).Port()
		if verb == "EPSV" {
			return p.say("229 Here (|||%d|)", port)
		}
		return p.say("227 Here (127,0,0,1,%d,%d).", port>>8, port&0xff)
	case "PORT":
		var hi, lo int
		if _, err = fmt.Sscanf(arg, "127,0,0,1,%d,%d", &hi, &lo); err != nil {
			return err
		}
		p.active = fmt.Sprintf("127.0.0.1:%d", hi<<8|lo)
		return p.say("200 OK")
	}
	return p.transfer(line)
}

// transfer does RETR in clear, and STOR under TLS if the control connection is.
func (p *peer) transfer(verb string) error {
	if err := p.say("150 Go"); err != nil {
		return err
	}
	c, err := p.dataConn()
	if err != nil {
		return err
	}
	if verb == "RETR" {
		_, err = io.WriteString(c, "hello\n")
		return errors.Join(err, c.Close(), p.say("226 Done"))
	}
	level := "clear"
	if _, ok := p.conn.(*tls.Conn); ok {
		level, c = "TLS", tls.Server(c, p.config)
	}
	got, err := io.ReadAll(c)
	end := "EOF"
	if err != nil {
		end = "reset"
	}
	c.Close()
	return p.say("226 %s %q %s", level, got, end)
}

func (p *peer) dataConn() (net.Conn, error) {
	if p.active != "" {
		return net.Dial("tcp", p.active)
	}
	c, err := p.port.Accept()
	return c, errors.Join(err, p.port.Close())
}
