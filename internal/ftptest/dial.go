package ftptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a Network waits for what a transcript expects.
const patience = 10 * time.Second

// Network is a Server on the other side of a network. It cannot move clocks nor
// make transfers fail: see Script.InMemoryOnly.
type Network struct {
	raw     *net.TCPConn
	control net.Conn // raw, or TLS over it
	in      *bufio.Reader
	config  *tls.Config

	passive  netip.AddrPort // of the last 227 or 229
	listener *net.TCPListener
	active   bool // PORT or EPRT came after the last 227 and 229

	dataRaw *net.TCPConn
	data    net.Conn // dataRaw, or TLS over it
}

// Dial connects to a listener of the given mode. config is for the control
// connection and for data connections, which resume its session; ServerName is
// set from the transcript, so the certificate cannot be checked by name.
func Dial(ctx context.Context, addr string, config *tls.Config) (*Network, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	raw, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("dial %q: no TCP", addr), conn.Close())
	}
	n := &Network{raw: raw, config: config.Clone()}
	n.config.ClientSessionCache = new(lastSession)
	n.use(raw)
	return n, nil
}

// lastSession resumes whatever was learnt last: control and data connections
// differ in their ports, by which a common cache would tell them apart.
type lastSession struct {
	mu    sync.Mutex // guards state
	state *tls.ClientSessionState
}

// Get implements tls.ClientSessionCache.
func (l *lastSession) Get(string) (*tls.ClientSessionState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.state != nil
}

// Put implements tls.ClientSessionCache.
func (l *lastSession) Put(_ string, state *tls.ClientSessionState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
}

// Close closes all connections.
func (n *Network) Close() error {
	err := n.raw.Close()
	if n.dataRaw != nil {
		err = errors.Join(err, n.closeData())
	}
	if n.listener != nil {
		err = errors.Join(err, n.listener.Close())
	}
	return err
}

// use makes c the control connection.
func (n *Network) use(c net.Conn) {
	n.control, n.in = c, bufio.NewReader(c)
}

// Send implements Server.
func (n *Network) Send(p []byte) error {
	if err := n.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := n.control.Write(p)
	return err
}

// Ready implements Server. It sees what came with the last line.
func (n *Network) Ready() bool {
	b, err := n.in.Peek(n.in.Buffered())
	return err == nil && bytes.IndexByte(b, '\n') >= 0
}

// Next implements Server.
func (n *Network) Next(want Kind) (Event, error) {
	if err := n.control.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return Event{}, err
	}
	line, err := n.in.ReadString('\n')
	switch {
	case err == nil:
		line = strings.TrimSuffix(line, "\r\n")
		n.learn(line)
		return Event{Kind: Line, Text: line}, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Event{}, ErrSilent
	case want == EndTLS && errors.Is(err, io.EOF):
		return Event{Kind: EndTLS}, n.endTLS()
	}
	return Event{Kind: Closed}, nil
}

// learn takes the port out of 227 and 229.
func (n *Network) learn(line string) {
	var port int
	switch {
	case strings.HasPrefix(line, "227 "):
		var h [4]int
		var hi, lo int
		_, form, _ := strings.Cut(line, "(")
		if _, err := fmt.Sscanf(form, "%d,%d,%d,%d,%d,%d)", &h[0], &h[1], &h[2], &h[3], &hi, &lo); err != nil {
			return
		}
		port = hi<<8 | lo
	case strings.HasPrefix(line, "229 "):
		_, form, _ := strings.Cut(line, "(|||")
		p, err := strconv.Atoi(strings.TrimRight(form, "|)"))
		if err != nil {
			return
		}
		port = p
	default:
		return
	}
	n.passive, n.active = netip.AddrPortFrom(address(n.raw.RemoteAddr()).Addr(), uint16(port)), false
}

// address is the address of a TCP connection's end.
func address(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// endTLS answers the server's close_notify and goes on in clear.
func (n *Network) endTLS() error {
	c, ok := n.control.(*tls.Conn)
	if !ok {
		return errors.New("no TLS to end")
	}
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("close_notify: %w", err)
	}
	n.use(n.raw)
	return n.raw.SetDeadline(time.Time{}) // CloseWrite let no more be written
}

// Handshake implements Server.
func (n *Network) Handshake(serverName string) error {
	config := n.config.Clone()
	config.ServerName = serverName
	c := tls.Client(n.raw, config)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	n.use(c)
	return nil
}

// DataAddr implements Server.
func (n *Network) DataAddr() (netip.AddrPort, error) {
	if n.listener == nil {
		ip := address(n.raw.LocalAddr()).Addr()
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			return netip.AddrPort{}, err
		}
		n.listener = l
	}
	n.active = true
	return address(n.listener.Addr()), nil
}

// DataOpen implements Server. The handshake is made at the first use: a server
// may start it only once it has got the transfer command.
func (n *Network) DataOpen(private bool) error {
	if n.dataRaw != nil {
		if err := n.closeData(); err != nil {
			return err
		}
	}
	raw, err := n.connect()
	if err != nil {
		return fmt.Errorf("data connection: %w", err)
	}
	n.dataRaw, n.data = raw, raw
	if private {
		config := n.config.Clone()
		config.ServerName = ""
		n.data = tls.Client(raw, config)
	}
	return n.data.SetDeadline(time.Now().Add(patience))
}

// connect makes the data connection in the direction last agreed on.
func (n *Network) connect() (*net.TCPConn, error) {
	if !n.active {
		return net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.passive))
	}
	if err := n.listener.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return n.listener.AcceptTCP()
}

// closeData forgets the data connection.
func (n *Network) closeData() error {
	err := n.dataRaw.Close()
	n.dataRaw, n.data = nil, nil
	return err
}

// DataSend implements Server.
func (n *Network) DataSend(p []byte) error {
	_, err := n.data.Write(p)
	return err
}

// DataRead implements Server.
func (n *Network) DataRead() ([]byte, error) {
	b, err := io.ReadAll(n.data)
	if c, ok := n.data.(*tls.Conn); ok && err == nil {
		err = c.CloseWrite()
	}
	return b, errors.Join(err, n.closeData())
}

// DataEnd implements Server.
func (n *Network) DataEnd(how string) error {
	if how != "close" && how != "cut" {
		return fmt.Errorf("%q is for servers in memory", how)
	}
	c, private := n.data.(*tls.Conn)
	if private {
		if err := c.Handshake(); err != nil { // there may have been nothing to send
			return errors.Join(err, n.closeData())
		}
	}
	switch {
	case how == "cut" && !private:
		return errors.Join(n.dataRaw.SetLinger(0), n.closeData())
	case how == "close" && private:
		if err := c.CloseWrite(); err != nil {
			return errors.Join(err, n.closeData())
		}
	}
	if err := n.dataRaw.CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) { // the server may have ended it first
		return errors.Join(err, n.closeData())
	}
	_, _ = io.Copy(io.Discard, n.dataRaw) // to the server's end, whatever it is; the reply tells
	return n.closeData()
}

// Advance implements Server.
func (n *Network) Advance(time.Duration) error {
	return errors.New("the clock of a server on the network cannot be set")
}
