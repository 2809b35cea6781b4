package tlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"fastftps/internal/bufpool"
	"fastftps/tlsconn/ktls"
)

// MaxChunk is the most plaintext that goes into one write, in bytes.
const MaxChunk = 256 << 10

// Engine is who seals and opens the records of a connection. The handshake is
// always that of crypto/tls.
type Engine uint8

const (
	// EngineFast is this package for the AES-GCM suites, and crypto/tls for
	// the others.
	EngineFast Engine = iota
	// EngineStd is crypto/tls for all.
	EngineStd
)

// DataOptions say what one data connection is for.
type DataOptions struct {
	// Binding is the session that owns the connection; nil when only a
	// ticket can tell.
	Binding *Binding
	Reuse   Reuse
	// Direction of the file bytes; the zero value is safe for both.
	Direction Direction
	Engine    Engine
	// Claim is asked during the handshake, at most once, when a ticket names
	// another session than Binding: whether that session waits for a data
	// connection, and for which direction. Then the handshake goes on as
	// that session's. At that moment nothing is proven yet: tickets travel
	// in clear. What was claimed stands only if Handshake returns nil and
	// Info.Session is that id; otherwise take it back. Claim runs in the
	// goroutine of Handshake. It may be nil.
	Claim func(ID) (Direction, bool)
	// Prefix are bytes that were read from the connection before. They are
	// not copied and must not change until Handshake returns.
	Prefix []byte
}

// DataConn is the server side of TLS on one data connection (RFC 4217 section
// 7). One goroutine, the transfer's, uses it; only deadlines, set on the
// connection itself, may come from others and end any call here.
//
// It never closes the connection. Buffers are borrowed for the length of a
// write, or while bytes that were read wait to be opened, and never while the
// peer keeps us waiting for its bytes.
type DataConn struct {
	link *link
	gate *gate
	tc   *tls.Conn // nil once fast has taken over
	fast *fast     // nil: crypto/tls does it
	info Info

	kernel *ktls.Sender // seals in place of fast, if not nil

	full bool  // the last Read filled its buffer: there may be more plaintext
	end  error // came with the last bytes; the next Read returns it
	cut  error // of a write that may have sent a part of a record
}

// NewDataConn prepares TLS on conn, which should be a *net.TCPConn: then waiting
// for input takes no buffer.
func NewDataConn(id *Identity, conn net.Conn, o DataOptions) *DataConn {
	d := &DataConn{link: newLink(conn, o.Prefix), gate: newGate(id, o)}
	d.link.tap = d.gate.tap
	d.tc = tls.Server(d.link, d.gate.cfg)
	return d
}

// Handshake runs the TLS handshake under the deadline of the connection. Besides
// the errors of the network it returns ErrNoHello, ErrNotTLS, ErrNotResumed
// under ReuseRequired, and those of crypto/tls, whose alert has been sent.
func (d *DataConn) Handshake() error {
	err := d.tc.Handshake()
	defer d.untap()
	if err != nil {
		return fmt.Errorf("TLS handshake: %w", d.reason(err))
	}
	d.info, err = d.gate.finish(d.tc.ConnectionState())
	if err == nil {
		d.takeOver()
	}
	if d.gate.dir == Send {
		// Whatever came with the client's Finished is read by nobody, and would hold a
		// buffer for as long as the download lasts.
		d.link.release()
	}
	d.gate = nil
	return err
}

// takeOver makes the records ours, if we know the suite and all is as expected.
// crypto/tls has read whole records up to the client's Finished and nothing
// behind it, so it holds no data.
func (d *DataConn) takeOver() {
	suite, ok := gcmSuiteOf(d.info.Suite)
	if !ok || d.link.tap == nil {
		return
	}
	d.link.tap.torn = d.link.tap.torn || d.link.span.seen != 0
	f := &fast{link: d.link}
	if d.link.tap.fit(&f.records, d.info, suite) != nil {
		d.info.Unfit = true
		return
	}
	f.link.keepWhole()
	d.fast, d.tc, d.info.Fast = f, nil, true
}

// untap ends listening to the handshake.
func (d *DataConn) untap() {
	if t := d.link.tap; t != nil {
		t.wipe()
		d.link.tap = nil
	}
}

// reason finds the cause of a failed handshake.
func (d *DataConn) reason(err error) error {
	var header tls.RecordHeaderError
	switch {
	case d.link.sawEOF && !d.link.began:
		return ErrNoHello
	case errors.As(err, &header) && !d.link.answered:
		return ErrNotTLS
	}
	return err
}

// Info tells how the handshake ended.
func (d *DataConn) Info() Info { return d.info }

// Write seals p and sends it, one write for every MaxChunk bytes. It returns how
// many bytes of p are in writes that were done. Unlike io.Writer allows, bytes of
// p may change until it returns; then they are what they were.
func (d *DataConn) Write(p []byte) (int, error) {
	done := 0
	for len(p) > done {
		chunk := p[done:min(len(p), done+MaxChunk)]
		if err := d.send(chunk, false); err != nil {
			return done, err
		}
		done += len(chunk)
	}
	return done, nil
}

// CloseWrite seals and sends the last bytes, which may be none, with our
// close_notify in the same write. The caller then shuts the sending side of the
// TCP connection.
func (d *DataConn) CloseWrite(last []byte) error {
	tail := 0
	if len(last) > MaxChunk {
		tail = (len(last) - 1) / MaxChunk * MaxChunk
	}
	if _, err := d.Write(last[:tail]); err != nil {
		return err
	}
	return d.send(last[tail:], true)
}

// send puts the records of one chunk, and of close_notify, into one write.
func (d *DataConn) send(chunk []byte, last bool) error {
	switch {
	case d.kernel != nil:
		return d.sendByKernel(chunk, last)
	case d.fast != nil:
		return d.fast.send(chunk, last)
	}
	if d.cut != nil {
		return d.cut
	}
	d.link.gather(len(chunk))
	defer d.link.drop()
	if len(chunk) > 0 {
		if _, err := d.tc.Write(chunk); err != nil {
			return err
		}
	}
	if last {
		if err := d.tc.CloseWrite(); err != nil {
			return err
		}
	}
	d.cut = d.link.flush()
	return d.cut
}

// Read waits for a record and fills p with as many as have arrived whole. The
// error is io.EOF after close_notify (user_canceled before it changes nothing),
// ErrTruncated for a FIN between two records, io.ErrUnexpectedEOF for one inside
// a record, or that of the network.
func (d *DataConn) Read(p []byte) (int, error) {
	if d.fast != nil {
		return d.fast.read(p)
	}
	if d.end != nil {
		return 0, d.end
	}
	n, err := d.tc.Read(p)
	d.link.noWait = true
	for err == nil && n < len(p) {
		var m int
		m, err = d.tc.Read(p[n:])
		n += m
	}
	d.link.noWait = false
	d.full = n == len(p)
	if err == nil || n > 0 && err == ErrWouldBlock {
		return n, nil
	}
	if err == io.EOF && d.link.sawEOF {
		err = ErrTruncated
	}
	if n > 0 {
		d.end = err
		return n, nil
	}
	return 0, err
}

// Await returns when Read has something to work on, be it the end. It spares the
// caller a buffer while the peer is slow.
func (d *DataConn) Await() error {
	if d.fast != nil {
		return d.fast.await()
	}
	if d.full || d.end != nil {
		return nil
	}
	return d.link.await()
}

// ReadSize sets how many bytes of ciphertext one read takes from the socket at
// most: 16, 64 or 256 KiB, the smallest that holds n. It starts with 16 KiB. A
// read borrows its buffer only for the time from the arrival of the bytes until
// they are opened.
func (d *DataConn) ReadSize(n int) {
	if d.link.class = bufpool.Plain(n); d.fast != nil {
		d.link.class = bufpool.Sealed(n) // whole records stay in it
	}
}

// Release gives the buffers back. The connection stays open; the DataConn must
// not be used any more.
func (d *DataConn) Release() {
	d.link.release()
	d.link.drop()
	if d.fast != nil {
		d.fast.wipe()
	}
}
