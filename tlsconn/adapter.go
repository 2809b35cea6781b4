package tlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"

	"fastftps/internal/bufpool"
)

const (
	// MaxHandshake bounds the bytes that a client may send until its
	// handshake is over. An ordinary one sends 0.4 to 2.5 KB.
	MaxHandshake = 32 << 10
	// MaxBuffered bounds the bytes that Push keeps: three records.
	MaxBuffered = 64 << 10
)

// Adapter is the server side of TLS on one control connection, between bytes
// and bytes: what the socket gave goes in with Push, what it shall get comes out
// of Pending. It never blocks and owns no goroutine while idle.
//
//	Push … Ready → Step … Step (done) → Read, Write … CloseNotify → Drain → Rest
//
// Until the whole ClientHello is there it is a small struct and the bytes so
// far. Then the handshake runs in a coroutine that Step resumes and that parks
// whenever it wants a record that is not there, so a peer that dawdles holds no
// worker. After it Read is called until ErrWouldBlock.
//
// With EngineFast nothing of crypto/tls is left when the handshake is over: it
// would keep more for an idle session than all the rest of the server does.
//
// Calls may come from different goroutines but never from two at a time.
type Adapter struct {
	id      *Identity
	binding *Binding
	engine  Engine
	phase   phase
	scan    helloScan
	hello   []byte     // the ClientHello as far as it is there
	hs      *handshake // while the handshake runs
	tc      *tls.Conn  // nil once rec has taken over
	rec     *records   // nil: crypto/tls does it
	info    Info

	in    *bufpool.Buffer // what was pushed; nil when empty
	off   int             // where the unread part of in begins
	left  int             // bytes of the record at off that crypto/tls has not taken
	plain int             // bytes at off that were opened in place
	tail  int             // bytes of their record that follow them
	out   *bufpool.Buffer // ciphertext to be sent; nil when empty
	sent  int             // where the unsent part of out begins

	eof     bool // the peer has shut its side
	sawEOF  bool // who reads was told so
	closing bool // our close_notify is out
	err     error
}

type phase uint8

const (
	phaseHello     phase = iota // until the ClientHello is there
	phaseHandshake              // until Step says done
	phaseOpen
	phaseDead // the handshake failed, or Close
)

// handshake is the coroutine of a handshake. Its stack and its garbage are gone
// when it has ended.
type handshake struct {
	next func() (struct{}, bool)
	stop func()
	park func(struct{}) bool
	took int // bytes handed to crypto/tls
	err  error

	tap  *tap // nil: the records stay with crypto/tls
	span span // of the records for tap
}

// NewAdapter returns the TLS of a control connection whose tickets name b.
func NewAdapter(id *Identity, b *Binding, e Engine) *Adapter {
	return &Adapter{id: id, binding: b, engine: e}
}

// Push copies ciphertext in, as it came from the socket. ErrNotTLS comes as
// soon as no ClientHello can begin like this; ErrFlood when too much is there
// that was not read: then nothing of p was taken. After an error the connection
// is to be closed.
func (a *Adapter) Push(p []byte) error {
	if a.err != nil || len(p) == 0 {
		return a.err
	}
	if len(p) > a.Room() {
		return a.fail(ErrFlood)
	}
	if a.phase == phaseHello {
		return a.sniff(p)
	}
	a.keep(p)
	return nil
}

// sniff looks for the end of the ClientHello. Until it is there the bytes are in
// memory of their own: who stalls shall hold what he has sent, and a buffer of
// the pool may be much larger.
func (a *Adapter) sniff(p []byte) error {
	if len(a.hello) > 0 {
		a.hello = append(a.hello, p...)
		p = a.hello
	}
	ready, err := a.scan.scan(p)
	switch {
	case err != nil:
		return a.fail(err)
	case ready:
		a.keep(p)
		a.hello, a.phase = nil, phaseHandshake
	case len(a.hello) == 0:
		a.hello = append(a.hello, p...)
	}
	return nil
}

// keep copies ciphertext behind what is there.
func (a *Adapter) keep(p []byte) {
	if a.in == nil {
		a.in = bufpool.Inputs.Get()
	}
	a.compact()
	a.in.B = append(a.in.B, p...)
}

// Room is how many bytes Push takes now.
func (a *Adapter) Room() int { return max(0, a.limit()-len(a.hello)-a.buffered()) }

func (a *Adapter) limit() int {
	if a.phase == phaseOpen {
		return MaxBuffered
	}
	return MaxHandshake
}

func (a *Adapter) fail(err error) error {
	a.err = err
	a.phase = phaseDead
	return err
}

// PushEOF says that the peer has shut its side of the TCP connection.
func (a *Adapter) PushEOF() { a.eof = true }

// Ready reports whether Step, or after the handshake Read, has something to
// work on: a whole record or the end of the input.
func (a *Adapter) Ready() bool {
	switch a.phase {
	case phaseHello:
		return a.eof
	case phaseDead:
		return false
	}
	return a.eof || a.left > 0 || a.plain > 0 || wholeRecord(a.unread()) > 0
}

// Step drives the handshake as far as the bytes go, at the cost of up to a
// millisecond of CPU, and reports whether it is over. On an error the alert for
// the peer is in Pending; send it, then close. A panic of the handshake comes
// out of Step.
func (a *Adapter) Step() (done bool, err error) {
	switch a.phase {
	case phaseOpen:
		return true, nil
	case phaseDead:
		return false, a.err
	case phaseHello:
		return false, a.waitHello()
	}
	if a.hs == nil {
		a.begin()
	}
	if _, parked := a.hs.next(); parked {
		return false, nil
	}
	return a.end()
}

// waitHello judges a connection without a whole ClientHello.
func (a *Adapter) waitHello() error {
	switch {
	case !a.eof:
		return nil
	case len(a.hello) == 0:
		return a.fail(ErrNoHello)
	}
	return a.fail(ErrTruncated)
}

// begin makes the coroutine. It starts with the first next.
func (a *Adapter) begin() {
	hs := new(handshake)
	if a.engine == EngineFast {
		hs.tap = new(tap)
	}
	a.tc = tls.Server((*wire)(a), a.id.controlConfig(a.binding, hs.tap))
	hs.next, hs.stop = iter.Pull(func(park func(struct{}) bool) {
		hs.park = park
		growStack()
		hs.err = a.tc.Handshake()
	})
	a.hs = hs
}

// growStack makes the stack of a new coroutine as large as a handshake will need it.
// Else it doubles three times on the way, each time with more frames to move.
//
//go:noinline
func growStack() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}

// end lets go of the coroutine that has ended.
func (a *Adapter) end() (bool, error) {
	hs := a.hs
	a.hs = nil
	defer hs.untap()
	if hs.err != nil {
		return false, a.fail(fmt.Errorf("TLS handshake: %w", a.truncation(hs.err)))
	}
	a.info = infoOf(a.tc.ConnectionState())
	a.info.Session = a.binding.id
	a.takeOver(hs)
	a.phase = phaseOpen
	return true, nil
}

// takeOver makes the records ours, if we know the suite and all is as expected.
// crypto/tls has read whole records up to the client's Finished and nothing
// behind it, so it holds no data.
func (a *Adapter) takeOver(hs *handshake) {
	suite, ok := gcmSuiteOf(a.info.Suite)
	if !ok || hs.tap == nil {
		return
	}
	hs.tap.torn = hs.tap.torn || a.left > 0
	r := new(records)
	if hs.tap.fit(r, a.info, suite) != nil {
		a.info.Unfit = true
		return
	}
	a.rec, a.tc, a.info.Fast = r, nil, true
}

// untap ends listening to the handshake.
func (h *handshake) untap() {
	if h.tap != nil {
		h.tap.wipe()
		h.tap = nil
	}
}

// Read opens the next records and copies plaintext to p, which may come from a
// pool: nothing is kept of it. The error is ErrWouldBlock when no whole record
// is there, io.EOF after the peer's close_notify, ErrTruncated when the input
// ended without one (wrapping io.ErrUnexpectedEOF inside a record), and another
// for anything forged; then an alert is in Pending. Read again until
// ErrWouldBlock: a record may hold more than p does.
func (a *Adapter) Read(p []byte) (int, error) {
	switch a.phase {
	case phaseDead:
		return 0, a.err
	case phaseOpen:
		n, err := a.read(p)
		return n, a.truncation(err)
	}
	return 0, ErrWouldBlock
}

func (a *Adapter) read(p []byte) (int, error) {
	if a.rec == nil {
		return a.tc.Read(p)
	}
	return a.open(p)
}

// truncation tells the end of the input from an end with close_notify, both of
// which are io.EOF to who reads. A record that is not whole was never shown to it.
func (a *Adapter) truncation(err error) error {
	switch {
	case err != io.EOF || !a.sawEOF:
		return err
	case a.buffered() > 0:
		return fmt.Errorf("%w: %w", ErrTruncated, io.ErrUnexpectedEOF)
	}
	return ErrTruncated
}

// Write seals p into Pending. It fails before the handshake is over and after
// CloseNotify.
func (a *Adapter) Write(p []byte) (int, error) {
	switch a.phase {
	case phaseDead:
		return 0, a.err
	case phaseOpen:
		if a.rec == nil {
			return a.tc.Write(p)
		}
		return a.seal(p)
	}
	return 0, errors.New("write before the end of the TLS handshake")
}

// Pending returns the ciphertext that is to be sent, for one write. It is valid
// until the next call of any method; Sent says how much of it went out.
func (a *Adapter) Pending() []byte {
	if a.out == nil {
		return nil
	}
	return a.out.B[a.sent:]
}

// Sent drops the first n bytes of Pending, and the buffer with the last one.
func (a *Adapter) Sent(n int) {
	if a.out == nil {
		return
	}
	if a.sent += n; a.sent >= len(a.out.B) {
		bufpool.Replies.Put(a.out)
		a.out, a.sent = nil, 0
	}
}

// Take appends all of Pending to dst and drops it.
func (a *Adapter) Take(dst []byte) []byte {
	p := a.Pending()
	dst = append(dst, p...)
	a.Sent(len(p))
	return dst
}

// CloseNotify appends our close_notify to Pending. Nothing can be written
// behind it.
func (a *Adapter) CloseNotify() {
	if a.phase != phaseOpen || a.closing {
		return
	}
	a.closing = true // it fails only when an alert has gone out before
	if a.rec == nil {
		_ = a.tc.CloseWrite()
		return
	}
	_ = a.emit(a.rec.out.closeNotify)
}

// Drain reads on after CloseNotify until the TLS session is over from the
// peer's side too: with its close_notify, or, since many clients send none, with
// the first byte that is no record of this session (clear text after CCC, a new
// ClientHello after REIN). Then it returns true, and Rest what follows.
// Plaintext that still arrives is dropped, and the error ErrLateData: the connection
// is to be closed.
func (a *Adapter) Drain() (bool, error) {
	block := bufpool.Plain16.Get()
	defer bufpool.Plain16.Put(block)
	switch _, err := a.Read(block.B); {
	case err == nil:
		return false, ErrLateData
	case err == io.EOF:
		return true, nil
	case errors.Is(err, ErrWouldBlock):
		return false, nil
	default:
		return false, err
	}
}

// Rest returns the bytes that follow the last record taken: after io.EOF they
// are not TLS of this session any more. They are valid until Push or Close.
func (a *Adapter) Rest() []byte { return a.unread() }

// Info tells how the handshake ended; it is zero before.
func (a *Adapter) Info() Info { return a.info }

// Sleep lets go of 1.5 KiB that the next record makes again, in a microsecond each
// way: right for a connection that has waited for a while.
func (a *Adapter) Sleep() {
	if a.rec != nil {
		a.rec.sleep()
	}
}

// Awake reports whether there is something for Sleep.
func (a *Adapter) Awake() bool {
	return a.rec != nil && (a.rec.in.aead != nil || a.rec.out.aead != nil)
}

// Close ends a handshake that still runs and gives all memory back. It sends
// nothing. It may be called more than once.
func (a *Adapter) Close() {
	if a.err == nil {
		_ = a.fail(errClosed)
	}
	a.phase = phaseDead
	if a.hs != nil {
		a.hs.stop()
		a.hs.untap()
		a.hs = nil
	}
	if a.rec != nil {
		a.rec.wipe()
	}
	a.tc, a.rec = nil, nil
	bufpool.Inputs.Put(a.in)
	bufpool.Replies.Put(a.out)
	a.hello = nil
	a.in, a.off, a.left, a.plain, a.tail, a.out, a.sent = nil, 0, 0, 0, 0, nil, 0
}

var errClosed = errors.New("TLS connection is closed")
