package ftpclient

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"fastftps/codec"
)

// Endpoint is how a data connection comes about.
type Endpoint uint8

// The ways there are.
const (
	EPSV Endpoint = iota // we connect (RFC 2428 section 3)
	PASV                 // we connect, IPv4 only
	PORT                 // the server connects, IPv4 only
	EPRT                 // the server connects (RFC 2428 section 2)
)

// Passive asks for a port with EPSV or PASV and returns the address to connect
// to: with PASV the one that the server named, with EPSV its own.
func (c *Client) Passive() (netip.AddrPort, error) {
	if c.Endpoint == PASV {
		reply, err := c.Do("PASV", 227)
		if err != nil {
			return netip.AddrPort{}, err
		}
		return parsePASV(reply.Text())
	}
	reply, err := c.Do("EPSV", 229)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := parseEPSV(reply.Text())
	return netip.AddrPortFrom(c.peer(), port), err
}

func (c *Client) peer() netip.Addr {
	return c.conn.TCP().RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

// parsePASV finds (h1,h2,h3,h4,p1,p2) in the text of a 227.
func parsePASV(text string) (netip.AddrPort, error) {
	_, rest, _ := strings.Cut(text, "(")
	inner, _, ok := strings.Cut(rest, ")")
	addr, err := codec.ParsePort([]byte(inner))
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("no address in %q", text)
	}
	return addr, nil
}

// parseEPSV finds (|||port|) in the text of a 229.
func parseEPSV(text string) (uint16, error) {
	_, rest, _ := strings.Cut(text, "(|||")
	digits, _, ok := strings.Cut(rest, "|)")
	port, okPort := codec.ParseInt63([]byte(digits))
	if !ok || !okPort || port > 65535 {
		return 0, fmt.Errorf("no port in %q", text)
	}
	return uint16(port), nil
}

// DialData connects to an address that Passive returned, or to any other. With
// Private it is a TLS connection whose handshake has not begun: see
// Conn.Handshake.
func (c *Client) DialData(addr netip.AddrPort) (*Conn, error) {
	tcp, err := c.dial(context.Background(), addr.String())
	if err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	return c.data(tcp), nil
}

// Listen opens a port on the control connection's own address and announces it
// with EPRT, or PORT. The server connects once a transfer was asked for.
func (c *Client) Listen() (*net.TCPListener, error) {
	local := *c.conn.TCP().LocalAddr().(*net.TCPAddr)
	local.Port = 0
	ln, err := net.ListenTCP("tcp", &local)
	if err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	line := codec.AppendPort([]byte("PORT "), addr)
	if c.Endpoint == EPRT {
		line = codec.AppendEPRT([]byte("EPRT "), addr)
	}
	if _, err := c.Do(string(line), 200); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// Accept waits for the server's data connection. We are the TLS client on it too
// (RFC 4217 section 7).
func (c *Client) Accept(ln *net.TCPListener) (*Conn, error) {
	_ = ln.SetDeadline(time.Now().Add(c.Timeout)) // fails only when Accept will
	tcp, err := ln.AcceptTCP()
	if err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	return c.data(tcp), nil
}

func (c *Client) data(tcp *net.TCPConn) *Conn {
	conn := newConn(tcp, c.Timeout)
	if c.Private {
		conn.startTLS(c.DataTLS)
	}
	return conn
}
