package ftpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Security says when the control connection becomes TLS.
type Security uint8

// The kinds of security.
const (
	Clear    Security = iota // never
	Explicit                 // after AUTH (RFC 4217 section 4)
	Implicit                 // from the first byte ([MS-FTPS] section 3.1.5.1)
)

// DefaultTimeout is each step's deadline when Options name none.
const DefaultTimeout = 10 * time.Second

// Options say how to connect. The zero value is plain FTP.
type Options struct {
	Security Security
	// Auth is the mechanism that Explicit asks for; "" means TLS.
	Auth string
	// TLS is cloned. Where it has no server name it gets the host that is
	// dialled, and where it has no session cache one of its own: control and
	// data connections share it, so that the data connections resume.
	TLS *tls.Config
	// NoResume keeps data connections from resuming.
	NoResume bool

	Timeout time.Duration // of each step; DefaultTimeout when 0
	// Local is the address that control and data connections come from; the
	// zero Addr leaves the choice to the system.
	Local netip.Addr
	// Endpoint is how data connections are set up.
	Endpoint Endpoint
}

// Client is a control connection. The exported fields may be set between steps.
type Client struct {
	Timeout  time.Duration // of each step from now on
	Endpoint Endpoint      // how data connections are set up from now on
	// Private: data connections are TLS (PROT P). Implicit clients begin so,
	// without a word to the server ([MS-FTPS] section 3.1.5.1); Protect sets
	// it, a test that negotiates by hand sets it itself.
	Private bool
	// Deflate: transfers are zlib streams (MODE Z). Mode sets it.
	Deflate bool
	// DataTLS is what private data connections are made with.
	DataTLS *tls.Config

	conn   *Conn
	r      *bufio.Reader
	tls    *tls.Config
	dialer net.Dialer
}

// Dial connects, secures the connection as asked for and reads the greeting.
func Dial(ctx context.Context, addr string, o Options) (*Client, error) {
	c, err := Connect(ctx, addr, o)
	if err != nil {
		return nil, err
	}
	if err := c.open(o); err != nil {
		c.conn.Close()
		return nil, fmt.Errorf("open session with %s: %w", addr, err)
	}
	return c, nil
}

func (c *Client) open(o Options) error {
	if o.Security == Implicit {
		if err := c.StartTLS(); err != nil {
			return err
		}
	}
	if err := c.Greeting(); err != nil || o.Security != Explicit {
		return err
	}
	mechanism := o.Auth
	if mechanism == "" {
		mechanism = "TLS"
	}
	return c.Auth(mechanism)
}

// Connect makes the TCP connection and nothing more. What Dial would do next are
// StartTLS for Implicit, Greeting, and Auth for Explicit.
func Connect(ctx context.Context, addr string, o Options) (*Client, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	c := &Client{
		Timeout:  o.Timeout,
		Endpoint: o.Endpoint,
		Private:  o.Security == Implicit,
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	c.configure(host, o)
	tcp, err := c.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.conn = newConn(tcp, c.Timeout)
	c.r = bufio.NewReaderSize(control{c}, 1<<10)
	return c, nil
}

// configure derives what connections are made with.
func (c *Client) configure(host string, o Options) {
	if o.Local.IsValid() {
		c.dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(o.Local, 0))
		c.dialer.Control = bindAddressOnly
	}
	c.tls = &tls.Config{}
	if o.TLS != nil {
		c.tls = o.TLS.Clone()
	}
	if c.tls.ServerName == "" {
		c.tls.ServerName = host
	}
	if c.tls.ClientSessionCache == nil {
		c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	c.tls.DynamicRecordSizingDisabled = true // one Write is one record
	c.DataTLS = c.tls.Clone()
	c.DataTLS.NextProtos = nil // no client offers ALPN on data connections
	if o.NoResume {
		c.DataTLS.ClientSessionCache = nil
	}
}

func (c *Client) dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := c.dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// control is the reader's view of the control connection.
type control struct{ c *Client }

func (s control) Read(p []byte) (int, error) {
	s.c.conn.timeout = s.c.Timeout
	return s.c.conn.Read(p)
}

// Conn returns the control connection. Reading from it bypasses what ReadReply
// has buffered.
func (c *Client) Conn() *Conn { return c.conn }

// Close ends the control connection without QUIT, with close_notify under TLS.
func (c *Client) Close() error { return c.conn.Close() }

// Quit says QUIT and waits for 221. The server may still be closing; see
// ReadEnd. Close is still to be called.
func (c *Client) Quit() error {
	_, err := c.Do("QUIT", 221)
	return err
}

// Send sends bytes as they are: several commands, halves of them, rubbish. Under
// TLS one call is one record, up to 16 KiB.
func (c *Client) Send(raw string) error {
	c.conn.timeout = c.Timeout
	_, err := c.conn.Write([]byte(raw))
	return err
}

// ReadReply reads the next reply.
func (c *Client) ReadReply() (Reply, error) {
	reply, err := readReply(c.r)
	if err != nil {
		return Reply{}, fmt.Errorf("read reply: %w", err)
	}
	return reply, nil
}

// Cmd sends one command line and reads one reply; a reply that says no is no
// error here. The line is encoded as names must be: 0xFF doubled (RFC 3659
// section 2.2) and CR as CR NUL (RFC 2640 section 3.1). LF and NUL cannot be sent
// in a command: that is what Send is for.
func (c *Client) Cmd(line string) (Reply, error) {
	if strings.ContainsAny(line, "\n\x00") {
		return Reply{}, fmt.Errorf("command %q holds LF or NUL", line)
	}
	if err := c.Send(wireForm.Replace(line) + "\r\n"); err != nil {
		return Reply{}, fmt.Errorf("send command: %w", err)
	}
	return c.ReadReply()
}

var wireForm = strings.NewReplacer("\xff", "\xff\xff", "\r", "\r\x00")

// Do is Cmd for when one reply is right: any other is a *ReplyError, wrapped
// with the verb. See Reply.Expect for want.
func (c *Client) Do(line string, want int) (Reply, error) {
	reply, err := c.Cmd(line)
	if err == nil {
		err = reply.Expect(want)
	}
	if err != nil {
		verb, _, _ := strings.Cut(line, " ") // arguments can be passwords
		return reply, fmt.Errorf("%s: %w", verb, err)
	}
	return reply, nil
}

// Greeting reads the 220 that opens a session, after a 120 if there is one.
func (c *Client) Greeting() error {
	reply, err := c.ReadReply()
	if err == nil && reply.Code == 120 {
		reply, err = c.ReadReply()
	}
	if err == nil {
		err = reply.Expect(220)
	}
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	return nil
}

// Auth says AUTH and, after 234, starts TLS.
func (c *Client) Auth(mechanism string) error {
	if _, err := c.Do("AUTH "+mechanism, 234); err != nil {
		return err
	}
	return c.StartTLS()
}

// StartTLS runs a TLS handshake on the control connection. Bytes that the server
// sent before it are an error: they would be clear text in a private session.
func (c *Client) StartTLS() error {
	if n := c.r.Buffered(); n > 0 {
		return fmt.Errorf("%d bytes in clear before TLS", n)
	}
	c.conn.timeout = c.Timeout
	c.conn.startTLS(c.tls)
	return c.conn.Handshake()
}

// StopTLS waits for the server's close_notify, as it follows the replies to CCC
// and REIN, sends ours if answer is set, and goes on in clear on the same TCP
// connection. Some clients never answer. The server must not speak first after
// its close_notify: what it said would be lost.
func (c *Client) StopTLS(answer bool) error {
	if c.conn.tls == nil {
		return errors.New("no TLS to stop")
	}
	if err := c.ReadEnd(); err != nil {
		return err
	}
	if answer {
		if err := c.conn.tls.CloseWrite(); err != nil {
			return fmt.Errorf("send close_notify: %w", err)
		}
	}
	c.conn.tls = nil
	c.r.Reset(control{c})
	return nil
}

// ReadEnd waits for the server to end the connection and returns nil when it
// does so in order: FIN in clear, close_notify under TLS (else ErrTruncated). A
// further byte is an error.
func (c *Client) ReadEnd() error {
	b, err := c.r.ReadByte()
	switch {
	case err == nil:
		return fmt.Errorf("got %q, not the end of the connection", b)
	case errors.Is(err, io.EOF):
		return nil
	}
	return fmt.Errorf("read end: %w", err)
}

// Login says USER and, if the server asks for it, PASS.
func (c *Client) Login(user, password string) error {
	reply, err := c.Cmd("USER " + user)
	if err == nil && reply.Code == 331 {
		reply, err = c.Cmd("PASS " + password)
	}
	if err == nil {
		err = reply.Expect(23)
	}
	if err != nil {
		return fmt.Errorf("log in as %s: %w", user, err)
	}
	return nil
}

// Protect sets the protection level of data connections, P or C, with PBSZ 0
// and PROT (RFC 4217 sections 8 and 9).
func (c *Client) Protect(level string) error {
	if _, err := c.Do("PBSZ 0", 200); err != nil {
		return err
	}
	if _, err := c.Do("PROT "+level, 200); err != nil {
		return err
	}
	c.Private = level == "P"
	return nil
}

// Type sets the representation type: "I", "A", …
func (c *Client) Type(t string) error {
	_, err := c.Do("TYPE "+t, 200)
	return err
}

// Mode sets the transfer mode: "S" or "Z".
func (c *Client) Mode(mode string) error {
	if _, err := c.Do("MODE "+mode, 200); err != nil {
		return err
	}
	c.Deflate = mode == "Z"
	return nil
}

// Size asks for the size of a file, in bytes in TYPE I.
func (c *Client) Size(path string) (int64, error) {
	reply, err := c.Do("SIZE "+path, 213)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(reply.Text(), 10, 64)
}

// Pwd asks for the working directory.
func (c *Client) Pwd() (string, error) {
	reply, err := c.Do("PWD", 257)
	if err != nil {
		return "", err
	}
	return unquote(reply.Text())
}

// unquote reads the path at the start of a 257's text (RFC 959 appendix II).
func unquote(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, `"`)
	for i := 0; ok && i < len(rest); i++ {
		switch {
		case rest[i] != '"':
		case strings.HasPrefix(rest[i:], `""`):
			i++
		default:
			path := strings.ReplaceAll(rest[:i], `""`, `"`)
			return strings.ReplaceAll(path, "\xff\xff", "\xff"), nil
		}
	}
	return "", fmt.Errorf("no quoted path in %q", text)
}
