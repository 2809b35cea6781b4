package dataplane

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// notSent bounds what the kernel holds of data that is not yet on the wire
// (TCP_NOTSENT_LOWAT): a stalled reader then costs 0.3 MB instead of 3.9 MB,
// and what is sent is still in the cache. The buffers themselves stay with the
// kernel's autotuning. A reader that was quick gets notSentQuick: the transfer is
// woken a quarter as often, which is most of what a download in clear costs. What
// sendfile gives in clear are pages of the cache, no copies: maxPages transfers at a
// time get notSentPages. The kernel counts them as memory of TCP, and keeps them while
// the reader stalls.
const (
	notSent      = 256 << 10
	notSentQuick = 1 << 20
	notSentPages = 4 << 20
)

// gathered is for how many bytes a quick upload in clear is woken (SO_RCVLOWAT).
// The peer's FIN ends the wait, and so does a full buffer. Under TLS a peer may end with
// close_notify alone, and would never be heard.
const gathered = 256 << 10

// tuneListener sets what accepted connections inherit.
func tuneListener(_, _ string, c syscall.RawConn) error { return tune(c) }

// tuneDialer also lets several connections share the source port.
func tuneDialer(_, _ string, c syscall.RawConn) error {
	if err := tune(c); err != nil {
		return err
	}
	return control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
}

func tune(c syscall.RawConn) error {
	return control(c, func(fd int) error { return setNotSent(fd, notSent) })
}

func setNotSent(fd, n int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
}

// keepMore lets the kernel hold n bytes of what is not yet sent. Without it all goes on
// as it is.
func keepMore(c *net.TCPConn, n int) {
	_ = onFD(c, func(fd int) error { return setNotSent(fd, n) })
}

// gather has reads of c wait for n bytes, or the end. Without it all goes on as it is.
func gather(c *net.TCPConn, n int) {
	_ = onFD(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) })
}

// onFD calls f with the connection's descriptor.
func onFD(c *net.TCPConn, f func(fd int) error) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return control(rc, f)
}

func control(c syscall.RawConn, f func(fd int) error) error {
	var ferr error
	if err := c.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// wireBytes returns how many bytes the peer has acknowledged and sent; 0
// without a connection.
func wireBytes(c *net.TCPConn) (n uint64) {
	if c == nil {
		return 0
	}
	_ = onFD(c, func(fd int) error {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked + info.Bytes_received
		}
		return nil
	})
	return n
}

// hangUp tells whether the peer has ended its side or reset the connection,
// without reading: whatever else it sent may lie before the FIN.
type hangUp struct {
	rc   syscall.RawConn
	fds  [1]unix.PollFd
	look func(fd uintptr)
}

func newHangUp(c *net.TCPConn) *hangUp {
	h := new(hangUp)
	h.rc, _ = c.SyscallConn() // fails for a nil connection only
	h.look = func(fd uintptr) {
		h.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
		if n, err := unix.Poll(h.fds[:], 0); err != nil || n == 0 {
			h.fds[0].Revents = 0
		}
	}
	return h
}

func (h *hangUp) seen() bool {
	if h.rc.Control(h.look) != nil {
		return true
	}
	return h.fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// peekInto copies what has arrived, without reading it. again: nothing yet. A
// socket that was reset is not touched: to ask it would take its error away,
// and the read that follows would find a clean end where the peer broke off.
func peekInto(fd uintptr, b []byte) (n int, again bool) {
	if ready := arrived(fd); ready&(unix.POLLERR|unix.POLLHUP) != 0 || ready == 0 {
		return 0, ready == 0
	}
	n, _, err := unix.Recvfrom(int(fd), b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return 0, err == unix.EAGAIN || err == unix.EINTR
	}
	return n, false
}

// arrived polls a socket for input, its end and errors, and takes nothing.
func arrived(fd uintptr) int16 {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	for {
		switch _, err := unix.Poll(fds[:], 0); err {
		case unix.EINTR:
		case nil:
			return fds[0].Revents
		default:
			return unix.POLLERR
		}
	}
}

// isQuiet reports whether the peer has sent nothing, not even its FIN.
func isQuiet(c *net.TCPConn) bool {
	var ready int16
	err := onFD(c, func(fd int) error {
		ready = arrived(uintptr(fd))
		return nil
	})
	return err == nil && ready == 0
}

func isReset(err error) bool {
	for _, e := range []error{
		unix.ECONNRESET, unix.ECONNABORTED, unix.EPIPE, unix.ETIMEDOUT,
		unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOTCONN, net.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isAddrTaken reports whether a source port could not be used.
func isAddrTaken(err error) bool {
	return errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EACCES)
}

// lookout watches the receiving side of a connection without reading.
type lookout struct {
	rc     syscall.RawConn
	n      int
	arrive func(fd uintptr) bool
	count  func(fd uintptr)
}

func newLookout(c *net.TCPConn) *lookout {
	l := new(lookout)
	l.rc, _ = c.SyscallConn() // fails for a nil connection only
	l.arrive = func(fd uintptr) bool { return arrived(fd) != 0 }
	l.count = func(fd uintptr) {
		var err error
		if l.n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ); err != nil {
			l.n = 0
		}
	}
	return l
}

// wait returns when bytes, the peer's FIN or an error have arrived.
func (l *lookout) wait() error { return l.rc.Read(l.arrive) }

// queued returns how many bytes have arrived.
func (l *lookout) queued() int {
	if l.rc.Control(l.count) != nil {
		return 0
	}
	return l.n
}

// helloWaits reports whether a ClientHello has arrived on c, without reading.
func helloWaits(c *net.TCPConn) bool {
	var b [6]byte
	var n int
	err := onFD(c, func(fd int) error {
		n, _ = peekInto(uintptr(fd), b[:])
		return nil
	})
	return err == nil && isHello(b[:n])
}
