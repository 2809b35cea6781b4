//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// netpollBuffer is the size of netpoll's first buffer of a connection. Its
// default of 8 KiB would be kept by every idle connection.
const netpollBuffer = 512

// configureNetpoll sets what is global to the process, before the first
// connection exists.
//
// Callbacks run on the event loop itself. netpoll cannot stop reading: what
// runs elsewhere lets it read on, megabytes until a busy machine gives that
// goroutine a turn, and each command would pay for the wake-up. So input never
// waits in netpoll's buffer; what may block or last is handed to workers by
// conn.input and conn.run.
var configureNetpoll = sync.OnceValue(func() error {
	netpoll.LinkBufferCap = netpollBuffer
	return netpoll.Configure(netpoll.Config{
		BufferSize:   netpollBuffer,
		PollerNum:    pollers(),
		Runner:       func(_ context.Context, f func()) { f() },
		LoggerOutput: netpollLog{},
	})
})

// pollers is the number of event loops: one serves four cores, for a turn on
// it costs microseconds.
func pollers() int { return max(1, runtime.GOMAXPROCS(0)/4) }

// netpollLog drops netpoll's own lines into the debug log: it writes one for
// each connection that a peer resets.
type netpollLog struct{}

func (netpollLog) Write(p []byte) (int, error) {
	slog.Debug("netpoll", slog.String("text", string(p)))
	return len(p), nil
}

// netpollReactor serves control connections from netpoll's event loop.
type netpollReactor struct {
	engine *Engine

	mu    sync.Mutex // guards loops
	loops []netpoll.EventLoop
}

func newNetpollReactor(e *Engine) (reactor, error) {
	if err := configureNetpoll(); err != nil {
		return nil, err
	}
	return &netpollReactor{engine: e}, nil
}

// serve implements reactor.
func (r *netpollReactor) serve(ln *listener) error {
	nl, err := newPollListener(r.engine, ln)
	if err != nil {
		return err
	}
	loop, err := netpoll.NewEventLoop(onRequest, netpoll.WithOnPrepare(r.prepare))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.loops = append(r.loops, loop)
	r.mu.Unlock()
	return loop.Serve(nl)
}

// quiet implements reactor. The descriptor stays open, for netpoll goes on using
// its number until stop; where shutting a listening socket does nothing, new
// connections are refused by the admission.
func (r *netpollReactor) quiet(ln *listener) error {
	rc, err := ln.ln.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// stop implements reactor.
func (r *netpollReactor) stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, l := range r.loops {
		errs = append(errs, l.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// pollConn is a connection on netpoll. It stands for the address and for the
// descriptor that netpoll asks for, and it is the wire.
type pollConn struct {
	net.Conn // nil: netpoll uses no more than the methods below
	ln       *listener
	remote   netip.AddrPort
	local    netip.AddrPort
	h        handler

	mu   sync.Mutex // guards gone, and every use of fd after the close
	fd   int
	gone bool
}

// Fd, LocalAddr, RemoteAddr, Network and String are what netpoll needs.
func (p *pollConn) Fd() int              { return p.fd }
func (p *pollConn) LocalAddr() net.Addr  { return p }
func (p *pollConn) RemoteAddr() net.Addr { return p }
func (p *pollConn) Network() string      { return "ftp" }
func (p *pollConn) String() string       { return p.remote.String() }

// connContext carries the connection to the callbacks.
type connContext struct {
	context.Context
	conn *pollConn
}

// prepare makes the connection, on the event loop and before it is polled, so
// the greeting leaves before any input is seen.
func (r *netpollReactor) prepare(nc netpoll.Connection) context.Context {
	p := nc.RemoteAddr().(*pollConn)
	_ = nc.AddCloseCallback(func(netpoll.Connection) error {
		p.closed()
		return nil
	})
	p.h = r.engine.newConn(p.ln, endpoint{remote: p.remote, local: p.local, wire: p})
	return connContext{context.Background(), p}
}

// onRequest takes all input that is there. It runs on the event loop, after
// each of its reads.
func onRequest(ctx context.Context, nc netpoll.Connection) error {
	r := nc.Reader()
	b, err := r.Next(r.Len())
	if err == nil {
		ctx.(connContext).conn.h.input(b)
	}
	return errors.Join(err, r.Release())
}

// closed runs in netpoll's close callback: the descriptor is still open, and
// is closed right after. From here on nobody writes to its number.
func (p *pollConn) closed() {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.h.closed()
}

// TryWrite implements wire.
func (p *pollConn) TryWrite(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return 0, net.ErrClosed
	}
	return tryWrite(p.fd, b)
}

// tryWrite writes to a non-blocking descriptor until it takes no more.
func tryWrite(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		k, err := unix.Write(fd, b[n:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return n, nil
		case err != nil:
			return n, err
		default:
			n += k
		}
	}
	return n, nil
}

// WriteAll implements wire, on a duplicate of the descriptor and the runtime's
// own poller. netpoll's writer must not be used: its buffers go back to a pool
// when the peer closes, whoever uses them at that moment.
func (p *pollConn) WriteAll(b []byte, limit time.Duration) error {
	fd, err := p.duplicate()
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "control connection")
	defer f.Close()
	if err := f.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err = f.Write(b)
	return err
}

// duplicate returns a descriptor of the same socket that netpoll does not know.
func (p *pollConn) duplicate() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return -1, net.ErrClosed
	}
	return unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
}

// ShutWrite implements wire.
func (p *pollConn) ShutWrite() { p.shut(unix.SHUT_WR) }

// Shut implements wire. It is never Close: on netpoll's own goroutines that
// can spin for ever.
func (p *pollConn) Shut() { p.shut(unix.SHUT_RDWR) }

// Reset implements wire. The reset follows when netpoll closes the socket.
func (p *pollConn) Reset() {
	p.mu.Lock()
	if !p.gone {
		_ = unix.SetsockoptLinger(p.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.mu.Unlock()
	p.Shut()
}

func (p *pollConn) shut(how int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = unix.Shutdown(p.fd, how)
	}
}

// pollListener is a netpoll.Listener. netpoll's own closes its descriptor twice
// and lets accepted ones leak into child processes.
type pollListener struct {
	*listener
	fd int

	mu    sync.Mutex // guards spare
	spare int        // descriptor kept for turnAway; -1 for none
}

// newPollListener makes the descriptor known to netpoll.
func newPollListener(e *Engine, ln *listener) (*pollListener, error) {
	rc, err := ln.ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &pollListener{listener: ln, spare: spareDescriptor()}
	if err := rc.Control(func(fd uintptr) { l.fd = int(fd) }); err != nil {
		return nil, err
	}
	return l, nil
}

// spareDescriptor opens a descriptor to be given up later, -1 when there is none.
func spareDescriptor() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Fd, Addr and Close implement netpoll.Listener.
func (l *pollListener) Fd() int        { return l.fd }
func (l *pollListener) Addr() net.Addr { return l.ln.Addr() }

// Close closes the descriptors.
func (l *pollListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropSpareLocked()
	return l.close()
}

// turnAway closes a connection for which there is no descriptor, with the spare
// one. netpoll must not hear of it: it takes the listener out of its loop, which
// it can do only once, and spins ever after, with a new goroutine each turn.
// Without a spare one the loop is held up a moment, lest it spin here.
func (l *pollListener) turnAway() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare < 0 {
		time.Sleep(noSpareDelay)
	}
	l.dropSpareLocked()
	if fd, _, err := accept(l.fd); err == nil {
		_ = unix.Close(fd)
	}
	l.spare = spareDescriptor()
}

// noSpareDelay is how long the event loop stands still when not even the spare
// descriptor is there. Others have taken it: they will give some back.
const noSpareDelay = 5 * time.Millisecond

func (l *pollListener) dropSpareLocked() {
	if l.spare >= 0 {
		_ = unix.Close(l.spare)
		l.spare = -1
	}
}

// Accept implements netpoll.Listener. It runs on the event loop. nil, nil means
// that there is nothing to accept, or that the connection was refused before
// anything of netpoll existed for it.
func (l *pollListener) Accept() (net.Conn, error) {
	fd, sa, err := accept(l.fd)
	switch {
	case err == unix.EAGAIN, err == unix.ECONNABORTED, err == unix.EINTR:
		return nil, nil
	case err == unix.EINVAL && l.engine.draining.Load():
		return nil, nil
	case err == unix.EMFILE, err == unix.ENFILE:
		l.engine.noDescriptor(err)
		l.turnAway()
		return nil, nil
	case err != nil:
		l.engine.noDescriptor(err)
		return nil, err.(syscall.Errno)
	}
	p := &pollConn{ln: l.listener, fd: fd, remote: addrPort(sa)}
	if l.engine.refuse(l.listener, p.remote.Addr(), func(b []byte) { _, _ = tryWrite(fd, b) }) {
		_ = unix.Close(fd)
		return nil, nil
	}
	if sa, err := unix.Getsockname(fd); err == nil {
		p.local = addrPort(sa)
	}
	return p, nil
}

// addrPort turns a socket address into ours, IPv4-mapped ones into IPv4.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return unmapped(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	return netip.AddrPort{}
}
