package dataplane

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fastftps/internal/bufpool"
	"fastftps/storage"
	"fastftps/tlsconn"
)

// transfer is one job. Its goroutine, run, owns it: the connection and the
// file are read, written and closed by nobody else. What others may touch is
// under mu or atomic.
//
//	Start → waiting for a connection (no goroutine) → run: connect, TLS, bytes → finish: result, drain, close
type transfer struct {
	plane   *Plane
	ch      *Channel
	job     Job
	tls     *tlsSide
	to      netip.AddrPort // active: where to connect
	started time.Time
	quit    chan struct{} // closed by stop
	index   int           // in Plane.running

	failed  Cause // set before run by endEarly: nothing is to be done but end
	failure error

	moved atomic.Int64 // file bytes that are through
	ours  atomic.Bool  // we keep the peer waiting: for memory, or while a file is published

	mu      sync.Mutex // guards the fields below
	conn    *net.TCPConn
	cancel  func() // ends the dial
	stopped Cause  // why others want it to end
	over    bool   // the result is fixed; the connection may still be draining

	// Of run alone, but for early, which is set before.
	early    *early
	sec      *tlsconn.DataConn
	info     tlsconn.Info
	notified bool  // the peer sent close_notify
	fed      int64 // file bytes read, not yet all through
	first    time.Duration
	kept     bool  // the upload was committed or discarded
	judged   bool  // whether the peer is quick
	paged    bool  // counted in Plane.pages
	ran      int64 // bytes since others could run
	window   window

	// Of Sweep alone.
	seen     int64
	seenWire uint64
	seenAt   time.Time
}

var longAgo = time.Unix(1, 0)

// arrived sets the connection before run.
func (t *transfer) arrived(c *net.TCPConn, e *early) {
	t.early = e
	t.attach(c)
}

// attach sets the connection; a transfer that was stopped meanwhile will find
// every call on it timed out.
func (t *transfer) attach(c *net.TCPConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = c
	if c != nil && t.stopped != CauseOK {
		c.SetDeadline(longAgo)
	}
}

// stop makes the transfer end early, unless it is over.
func (t *transfer) stop(why Cause) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
		if why != CauseShutdown {
			return
		}
		t.stopped = why // a drain that is about to begin looks here
		if t.conn != nil {
			t.conn.SetDeadline(longAgo) // ends one that runs
		}
	case t.stopped == CauseOK:
		t.stopped = why
		close(t.quit)
		if t.conn != nil {
			t.conn.SetDeadline(longAgo)
		}
		if t.cancel != nil {
			t.cancel()
		}
	}
}

// onStop has cancel called when the transfer is stopped, or was already.
func (t *transfer) onStop(cancel func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel = cancel
	if t.stopped != CauseOK {
		cancel()
	}
}

// deadline bounds the calls on the connection; the zero time lifts it. A
// transfer that was stopped keeps the one in the past.
func (t *transfer) deadline(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped == CauseOK {
		t.conn.SetDeadline(at)
	}
}

// why returns the cause of a failure on the connection: stop's, if that was it.
func (t *transfer) why(otherwise Cause) Cause {
	t.mu.Lock()
	defer t.mu.Unlock()
	return or(t.stopped, otherwise)
}

// stalled reports whether no byte has moved, of the file or on the wire, for
// the given time. What the kernel took is not progress, what the peer
// acknowledged is. Sweep alone calls it.
func (t *transfer) stalled(now time.Time, limit time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.stopped != CauseOK {
		return false
	}
	moved := t.moved.Load()
	if t.seenAt.IsZero() || moved != t.seen || t.ours.Load() {
		t.seen, t.seenAt = moved, now
		return false
	}
	if w := wireBytes(t.conn); w != t.seenWire {
		t.seenWire, t.seenAt = w, now
		return false
	}
	return now.Sub(t.seenAt) >= limit
}

// run does the whole transfer on the goroutine of a worker.
func (t *transfer) run() {
	defer t.plane.transfers.Done()
	t.plane.enter(t)
	defer t.plane.leave(t)
	if t.plane.stopping.Load() {
		t.stop(CauseShutdown)
	}
	cause, err := t.failed, t.failure
	if cause == CauseOK {
		cause, err = t.guard(t.serve)
	}
	t.finish(cause, err)
}

// guard runs one step and turns a panic, which costs this transfer only, into
// CausePanic.
func (t *transfer) guard(step func() (Cause, error)) (cause Cause, err error) {
	defer func() {
		if v := recover(); v != nil {
			t.plane.stats.Panics.Add(1)
			cause, err = CausePanic, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return step()
}

// serve connects, secures and moves the bytes. Nothing of the file is touched
// before the data connection and its TLS stand.
func (t *transfer) serve() (Cause, error) {
	if cause, err := t.connect(); cause != CauseOK {
		return cause, err
	}
	if cause, err := t.secure(); cause != CauseOK {
		return cause, err
	}
	switch {
	case t.job.Upload != nil:
		return t.receive()
	case t.job.Listing != nil:
		return t.sendListing()
	}
	return t.sendFile()
}

// connect makes the connection stand: the passive one does already.
func (t *transfer) connect() (Cause, error) {
	if t.conn != nil {
		return CauseOK, nil
	}
	c, err := t.dial()
	if err != nil {
		return t.why(dialCause(err)), err
	}
	t.attach(c)
	return CauseOK, nil
}

// dialCause maps the error of an active connect. A peer that refuses is one
// thing, one that accepts and resets before we have looked another.
func dialCause(err error) Cause {
	if errors.Is(err, syscall.ECONNRESET) {
		return CauseCut
	}
	return CauseNoConn
}

// secure brings TLS up under PROT P, with the level as it is now, at the
// transfer command (RFC 4217 section 10.2).
func (t *transfer) secure() (Cause, error) {
	if t.early != nil {
		return t.joinEarly()
	}
	if !t.job.Private {
		return CauseOK, nil
	}
	if t.tls == nil {
		return CauseTLS, errNoTLS
	}
	t.sec = t.tls.server(t.conn, t.direction())
	t.deadline(time.Now().Add(t.plane.cfg().TLSTimeout))
	return t.secured(t.plane.handshake(t.sec, t))
}

var (
	errNoTLS    = errors.New("no TLS on the control connection")
	errUnwanted = errors.New("TLS on a clear data connection")
)

// direction tells TLS which way the file bytes go; a transfer not yet there
// may be an upload.
func (t *transfer) direction() tlsconn.Direction {
	if t == nil || t.job.Upload != nil {
		return tlsconn.Receive
	}
	return tlsconn.Send
}

// joinEarly waits for a handshake that was begun before the command. A client
// that has sent TLS and then asked for a clear transfer gets no connection.
func (t *transfer) joinEarly() (Cause, error) {
	<-t.early.done // bounded: its deadline is the connection's
	t.sec = t.early.sec
	if !t.job.Private {
		return t.why(CauseNoConn), errUnwanted
	}
	return t.secured(t.early.err)
}

// secured judges a handshake.
func (t *transfer) secured(err error) (Cause, error) {
	s := &t.plane.stats
	s.Handshakes.Add(1)
	if err != nil {
		s.HandshakeErrors.Add(1)
		return t.why(handshakeCause(err)), err
	}
	t.info = t.sec.Info()
	t.deadline(time.Time{})
	if t.info.Unfit {
		s.Unfit.Add(1)
	}
	if t.info.Resumed {
		s.Resumed.Add(1)
	}
	switch {
	case t.info.Bound:
		s.Bound.Add(1)
	case t.tls.reuse == tlsconn.ReuseBound:
		s.WouldBeRefused.Add(1)
	}
	return CauseOK, nil
}

// handshakeCause maps the error of a handshake. Some clients close without a
// ClientHello when they want no byte.
func handshakeCause(err error) Cause {
	switch {
	case errors.Is(err, tlsconn.ErrNotResumed):
		return CauseNotResumed
	case errors.Is(err, tlsconn.ErrNoHello), isReset(err):
		return CauseCut
	}
	return CauseTLS
}

// finish ends what the transfer owns, delivers the result, and only then lets
// go of the connection: the completion reply comes before a reset.
func (t *transfer) finish(cause Cause, err error) {
	if _, ferr := t.guard(t.closeStorage); ferr != nil {
		err = errors.Join(err, ferr)
	}
	if t.paged {
		t.plane.pages.Add(-1)
	}
	t.releaseWindow() // now that the listing holds no memory any more
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	res := Result{
		Cause: cause, Err: err,
		Bytes: t.moved.Load(), Duration: time.Since(t.started), FirstByte: t.first,
		Resumed: t.info.Resumed, Bound: t.info.Bound, CloseNotify: t.notified,
	}
	if t.info.Version != 0 {
		res.TLSVersion, res.Cipher, res.Engine = t.info.VersionName(), t.info.SuiteName(), t.info.Engine()
	}
	t.plane.stats.Transfers[cause].Add(1)
	t.plane.settle()
	t.ch.running.CompareAndSwap(t, nil)
	t.guard(func() (Cause, error) { t.ch.opt.Done(res); return CauseOK, nil })
	t.closeConn(cause)
}

// closeStorage ends the job's file, upload or listing. Its error is reported,
// but changes nothing: what was read was sent, what was written is decided.
func (t *transfer) closeStorage() (Cause, error) {
	j := &t.job
	switch {
	case j.File != nil:
		return CauseOK, j.File.Close()
	case j.Listing != nil:
		return CauseOK, j.Listing.Close()
	case j.Upload != nil && !t.kept:
		t.kept = true
		return CauseOK, j.Upload.Discard()
	}
	return CauseOK, nil
}

// closeConn closes the connection. A good end has sent its FIN; its close
// waits for the peer's, for input that comes later, or is not read, resets the
// connection and may destroy what the peer has not read yet. So does a refused
// handshake, whose alert should arrive. Who gets a file in clear has nothing to
// send: there the kernel brings the end about, and nobody has to be woken for
// it. Everything else is cut, so that no client takes it for a whole file.
func (t *transfer) closeConn(cause Cause) {
	c := t.conn
	if t.sec != nil {
		t.sec.Release()
	}
	switch {
	case c == nil:
		return
	case cause == CauseOK && t.sec == nil && t.job.Upload == nil && isQuiet(c):
	case cause == CauseOK:
		t.drain()
	case (cause == CauseTLS || cause == CauseNotResumed) && c.CloseWrite() == nil:
		t.drain()
	default:
		c.SetLinger(0)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Close()
	t.conn = nil
}

var drainBlocks = bufpool.NewFixed("drain", 1<<10)

// maxOwnDrains is how many connections of one session may wait for the peer's FIN: a
// session that leaves all of them open keeps nobody else from a good end.
const maxOwnDrains = 4

// drain reads until the peer's FIN, within limits.
func (t *transfer) drain() {
	p := t.plane
	defer p.stats.Drains.Add(-1)
	defer t.ch.drains.Add(-1)
	if all, own := p.stats.Drains.Add(1), t.ch.drains.Add(1); all > int64(p.cfg().MaxDrains) || own > maxOwnDrains {
		return
	}
	t.mu.Lock()
	if t.stopped != CauseShutdown {
		t.conn.SetDeadline(time.Now().Add(p.cfg().DrainTime))
	}
	t.mu.Unlock()
	b := drainBlocks.Get()
	defer drainBlocks.Put(b)
	for left := p.cfg().DrainBytes; left > 0; {
		n, err := t.conn.Read(b.B)
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

// through counts file bytes that have left or arrived, and lets others run now and then.
func (t *transfer) through(n int64, path *atomic.Int64) {
	if n <= 0 {
		return
	}
	if t.first == 0 {
		t.first = time.Since(t.started)
	}
	t.moved.Add(n)
	path.Add(n)
	t.pass(n)
}

// storageCause maps the error of an upload's Write or Commit.
func storageCause(err error) Cause {
	err = storage.MapError(err)
	switch {
	case errors.Is(err, storage.ErrNoSpace):
		return CauseNoSpace
	case errors.Is(err, storage.ErrQuota):
		return CauseQuota
	case errors.Is(err, fs.ErrExist):
		return CauseExists
	}
	return CauseWrite
}
