//go:build linux || darwin || freebsd

package engine

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// readSize is how much of a connection's input an event loop reads at once: what
// it may then run at once.
const readSize = maxInline

// loop is one of netpoll's event loops, and the buffer that all its connections
// are read into: input is used or copied before the next one's is read.
//
// netpoll's own connections are not used. Each keeps 3.3 KiB for buffers, a queue
// of writes and timers that a control connection has no use for. Its loops and
// their operators are what is needed, and what we have to do for it is little:
// the input of a connection goes from the socket to its handler, on the loop
// itself, and nothing of it stays here.
type loop struct {
	poll netpoll.Poll
	buf  [readSize]byte
}

// inputs is netpoll.FDOperator.Inputs.
func (l *loop) inputs(vs [][]byte) [][]byte {
	vs[0] = l.buf[:]
	return vs[:1]
}

// openLoops starts netpoll's event loops, once a process: one serves four cores,
// for a turn on it costs microseconds.
var openLoops = sync.OnceValues(func() ([]*loop, error) {
	n := max(1, runtime.GOMAXPROCS(0)/4)
	if err := netpoll.Configure(netpoll.Config{PollerNum: n, LoggerOutput: netpollLog{}}); err != nil {
		return nil, err
	}
	loops := make([]*loop, n)
	for i := range loops {
		poll, err := nextPoll()
		if err != nil {
			return nil, err
		}
		loops[i] = &loop{poll: poll}
	}
	return loops, nil
})

// nextPoll returns the event loop whose turn it is. netpoll has no call for that:
// it is taken out of a connection that netpoll has put on it.
func nextPoll() (netpoll.Poll, error) {
	near, far := netpoll.GetSysFdPairs()
	defer unix.Close(far)
	nc, err := netpoll.NewFDConnection(near)
	if err != nil {
		return nil, err
	}
	op, ok := field[*netpoll.FDOperator](nc, "operator")
	if !ok {
		return nil, errors.New("netpoll: a connection has no operator")
	}
	poll, ok := field[netpoll.Poll](op, "poll")
	if !ok {
		return nil, errors.New("netpoll: an operator has no event loop")
	}
	return poll, nc.Close()
}

// field reads a field, exported or not, of the struct that p points to. ok is
// false when there is none of that name and type.
func field[T any](p any, name string) (v T, ok bool) {
	f := reflect.ValueOf(p).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return v, false
	}
	return *reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Interface().(*T), true
}

// netpollLog drops netpoll's own lines into the debug log: it writes one for
// each connection that a peer resets.
type netpollLog struct{}

func (netpollLog) Write(p []byte) (int, error) {
	slog.Debug("netpoll", slog.String("text", string(p)))
	return len(p), nil
}

// netpollReactor serves control connections from netpoll's event loops.
type netpollReactor struct {
	engine *Engine
	loops  []*loop
	turn   atomic.Uint32  // of the loop that takes the next connection
	open   sync.WaitGroup // sockets of connections

	mu        sync.Mutex // guards the fields below
	listeners []*pollListener
	stopped   bool
}

func newNetpollReactor(e *Engine) (reactor, error) {
	loops, err := openLoops()
	if err != nil {
		return nil, err
	}
	return &netpollReactor{engine: e, loops: loops}, nil
}

// next picks a loop for a connection.
func (r *netpollReactor) next() *loop {
	return r.loops[r.turn.Add(1)%uint32(len(r.loops))]
}

// serve implements reactor.
func (r *netpollReactor) serve(ln *listener) error {
	l, err := r.listen(ln)
	if err != nil {
		return err
	}
	<-l.over
	return nil
}

// listen puts a listener on a loop, unless the reactor was stopped before.
func (r *netpollReactor) listen(ln *listener) (*pollListener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil, net.ErrClosed
	}
	l, err := newPollListener(r, ln)
	if err != nil {
		return nil, err
	}
	if err := l.op.Control(netpoll.PollReadable); err != nil {
		return nil, os.NewSyscallError("poll listener", err)
	}
	r.listeners = append(r.listeners, l)
	return l, nil
}

// quiet implements reactor. The descriptor stays open until stop, for the loop
// goes on using its number; where shutting a listening socket does nothing, new
// connections are refused by the admission.
func (r *netpollReactor) quiet(ln *listener) error {
	rc, err := ln.ln.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// stop implements reactor.
func (r *netpollReactor) stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.stop())
	}
	r.engine.conns.each(func(*conn) bool { return true }, func(c *conn) { c.wire.Shut() })
	r.open.Wait()
	return errors.Join(errs...)
}

// pollConn is a connection on one of netpoll's loops, and the wire.
type pollConn struct {
	reactor *netpollReactor
	loop    *loop
	op      *netpoll.FDOperator
	h       handler

	mu   sync.Mutex // guards the rest, and every use of fd after the close
	fd   int
	half bool // the peer has sent FIN; the loop does not know fd any more
	shut bool // we have, or want no more
	gone bool
}

// accepted makes the connection of an admitted socket, on the event loop. It is
// polled only then, so the greeting leaves before any input is seen.
func (r *netpollReactor) accepted(ln *listener, fd int, local, remote netip.AddrPort) {
	r.open.Add(1)
	p := &pollConn{reactor: r, loop: r.next(), fd: fd}
	p.op = p.loop.poll.Alloc()
	p.op.FD, p.op.Inputs, p.op.InputAck, p.op.OnHup = fd, p.loop.inputs, p.input, p.hup
	p.h = r.engine.newConn(ln, endpoint{remote: remote, local: local, wire: p})
	if err := p.op.Control(netpoll.PollReadable); err != nil {
		r.engine.log.Error("poll connection", slog.Any("err", err))
		_ = p.close()
	}
}

// input is netpoll.FDOperator.InputAck: n bytes have been read, negative after
// an error. It runs on the event loop.
func (p *pollConn) input(n int) error {
	if n > 0 {
		p.h.input(p.loop.buf[:n])
	}
	return nil
}

// hup is netpoll.FDOperator.OnHup: the peer has sent FIN or a reset, and the socket
// is not polled any more. It runs on a goroutine of its own.
func (p *pollConn) hup(netpoll.Poll) error {
	p.mu.Lock()
	p.half = !p.shut && writable(p.fd)
	half := p.half
	p.mu.Unlock()
	if !half {
		return p.close()
	}
	p.h.halfClosed()
	return nil
}

// writable reports whether a peer that sends no more may still read.
func writable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) == 0
}

// close reports the end and closes the descriptor, which no loop polls. From here on
// nobody writes to its number.
func (p *pollConn) close() error {
	p.mu.Lock()
	gone := p.gone
	p.gone = true
	p.mu.Unlock()
	if gone {
		return nil
	}
	p.h.closed()
	p.op.Free()
	defer p.reactor.open.Done()
	return unix.Close(p.fd)
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
// own poller.
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
func (p *pollConn) ShutWrite() { p.shutdown(unix.SHUT_WR) }

// Shut implements wire. The loop sees the end of the socket and closes it, unless it
// has seen the peer's before.
func (p *pollConn) Shut() {
	if p.shutdown(unix.SHUT_RDWR) {
		_ = p.close()
	}
}

// Reset implements wire. The reset follows when the socket is closed.
func (p *pollConn) Reset() {
	p.mu.Lock()
	if !p.gone {
		_ = unix.SetsockoptLinger(p.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.mu.Unlock()
	p.Shut()
}

// shutdown reports whether the socket is left to the caller to close.
func (p *pollConn) shutdown(how int) (half bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if !p.gone {
		_ = unix.Shutdown(p.fd, how)
	}
	return p.half
}

// pollListener is a listening socket on one of netpoll's loops.
type pollListener struct {
	*listener
	reactor *netpollReactor
	op      *netpoll.FDOperator
	fd      int
	local   netip.AddrPort // of its connections; each has its own if unspecified
	over    chan struct{}  // closed when nothing is accepted any more
	end     func()         // closes over, once

	mu    sync.Mutex // guards spare
	spare int        // descriptor kept for turnAway; -1 for none
}

// newPollListener makes the descriptor known to netpoll.
func newPollListener(r *netpollReactor, ln *listener) (*pollListener, error) {
	rc, err := ln.ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &pollListener{listener: ln, reactor: r, over: make(chan struct{}), spare: spareDescriptor()}
	l.end = sync.OnceFunc(func() { close(l.over) })
	if err := rc.Control(func(fd uintptr) { l.fd = int(fd) }); err != nil {
		return nil, err
	}
	l.local = localAddr(l.fd)
	l.op = r.next().poll.Alloc()
	l.op.FD, l.op.OnRead, l.op.OnHup = l.fd, l.accept, l.hup
	return l, nil
}

// hup is netpoll.FDOperator.OnHup: quiet has shut the socket.
func (l *pollListener) hup(netpoll.Poll) error {
	l.end()
	return nil
}

// stop takes the listener off its loop, which accepts nothing any more when Free
// returns, and closes it.
func (l *pollListener) stop() error {
	err := l.detach()
	l.op.Free()
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropSpareLocked()
	return errors.Join(err, l.close())
}

// detach returns when the loop does not know the listener any more. On Linux it is the
// loop that lets go of it, at the end that quiet has made: who takes it away may leave
// that end among the events that the loop has yet to handle. Built for the race detector,
// netpoll finds its operators by descriptor, and would end whoever has the number next.
func (l *pollListener) detach() error {
	if runtime.GOOS == "linux" {
		<-l.over
		return nil
	}
	return l.op.Control(netpoll.PollDetach)
}

// spareDescriptor opens a descriptor to be given up later, -1 when there is none.
func spareDescriptor() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// turnAway closes a connection for which there is no descriptor, with the spare
// one: for as long as it waits the loop would come back to it at once. Without a
// spare one the loop is held up a moment, lest it spin here.
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

// accept is netpoll.FDOperator.OnRead: a connection waits. Who is refused is
// gone before anything is made for it.
func (l *pollListener) accept(netpoll.Poll) error {
	fd, sa, err := accept(l.fd)
	switch {
	case err == unix.EAGAIN, err == unix.ECONNABORTED, err == unix.EINTR:
		return nil
	case err == unix.EINVAL && l.engine.draining.Load():
		return nil
	case err == unix.EMFILE, err == unix.ENFILE:
		l.engine.notAccepted(err)
		l.turnAway()
		return nil
	case err != nil:
		l.engine.notAccepted(err)
		return nil
	}
	remote := unzoned(addrPort(sa))
	if l.engine.refuse(l.listener, remote.Addr(), func(b []byte) { _, _ = tryWrite(fd, b) }) {
		return unix.Close(fd)
	}
	local := l.local
	if local.Addr().IsUnspecified() {
		local = localAddr(fd)
	}
	l.reactor.accepted(l.listener, fd, local, remote)
	return nil
}

// localAddr is the address that a socket is bound to.
func localAddr(fd int) netip.AddrPort {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

// addrPort turns a socket address into ours, IPv4-mapped ones into IPv4.
func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			a = a.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return unmapped(netip.AddrPortFrom(a, uint16(sa.Port)))
	}
	return netip.AddrPort{}
}
