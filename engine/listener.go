package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/session"
)

// Listen describes one listening address.
type Listen struct {
	Addr string       // host:port; an empty host means all addresses, 0.0.0.0 and [::] those of one family
	Mode session.Mode // explicit, implicit or plain
	// RequireTLS: on an explicit listener USER before AUTH is refused.
	RequireTLS bool
}

// listener is a listening socket with the admission in front of it. Options
// that accepted sockets inherit are set once, on the listening socket.
type listener struct {
	Listen
	ln     *net.TCPListener
	engine *Engine
	conf   atomic.Pointer[session.Config] // of the sessions of this listener
	once   sync.Once
	closed error
}

// keepAlive finds dead control connections: first probe after a minute, then
// three at 10 s.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}

// listen binds l. The sockets that are accepted have TCP_NODELAY and
// SO_OOBINLINE: the urgent byte of an ABOR stays in the stream (RFC 959
// section 4.1.3).
func (e *Engine) listen(l Listen) (*listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: controlOptions}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), Network(l.Addr), l.Addr)
	if err != nil {
		return nil, err
	}
	return &listener{Listen: l, ln: ln.(*net.TCPListener), engine: e}, nil
}

// Network is the network of package net for an address to listen on. With plain tcp
// 0.0.0.0 would take IPv6 as well, past a firewall that has rules for IPv4 alone.
func Network(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil: // a name, or no host
		return "tcp"
	case ap.Addr().Unmap().Is4():
		return "tcp4"
	}
	return "tcp6"
}

// controlBuffer is the receive buffer of a control connection, in bytes. Commands
// are small, and the event loop cannot stop reading: this bounds what a flood
// can push in one turn of the loop, where the kernel would offer megabytes.
const controlBuffer = 32 << 10

// unreadBuffer is the send buffer of a control connection, in bytes. Left to
// itself the kernel keeps 4 MiB of replies that a client does not read.
const unreadBuffer = 64 << 10

// controlOptions sets the options of a listening control socket.
func controlOptions(_, _ string, rc syscall.RawConn) error {
	var err error
	cerr := rc.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, controlBuffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, unreadBuffer),
		)
	})
	return errors.Join(cerr, err)
}

// AddrPort is the address that is listened on.
func (l *listener) addrPort() netip.AddrPort {
	return l.ln.Addr().(*net.TCPAddr).AddrPort()
}

// close closes the socket, once.
func (l *listener) close() error {
	l.once.Do(func() { l.closed = l.ln.Close() })
	return l.closed
}

// unmapped turns an IPv4-mapped address into IPv4: both name one client. A link-local
// address keeps its zone, without which nothing can be bound to it.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// unzoned is an address as it is compared: none of a network has a zone.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
