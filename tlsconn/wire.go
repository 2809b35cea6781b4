package tlsconn

import (
	"io"
	"net"
	"time"

	"fastftps/internal/bufpool"
)

// wire is an Adapter as crypto/tls sees it: the net.Conn below.
type wire Adapter

// Read gives crypto/tls bytes of one whole record and none of the next. Without
// one it parks the handshake, or after it says ErrWouldBlock.
func (w *wire) Read(p []byte) (int, error) {
	a := (*Adapter)(w)
	for !a.frame() {
		switch {
		case a.phase == phaseDead:
			return 0, net.ErrClosed
		case a.over():
			return 0, io.EOF
		case a.eof:
			a.sawEOF = true
			return 0, io.EOF
		case a.hs == nil:
			return 0, ErrWouldBlock
		case !a.hs.park(struct{}{}):
			return 0, net.ErrClosed
		}
	}
	n := copy(p, a.unread()[:a.left])
	a.left -= n
	a.skip(n)
	if a.hs != nil {
		a.hs.received(p[:n])
		if a.hs.took > MaxHandshake {
			return 0, ErrFlood
		}
	}
	return n, nil
}

// received sees bytes of a record on their way to crypto/tls.
func (h *handshake) received(p []byte) {
	h.took += len(p)
	if h.tap != nil && len(p) > 0 {
		h.span.next(p)
		h.tap.received(p, h.span.head, h.span.seen == 0)
	}
}

// frame makes sure that left counts the bytes of a whole record, and reports
// whether there is one.
func (a *Adapter) frame() bool {
	if a.left == 0 && !a.over() {
		a.left = wholeRecord(a.unread())
	}
	return a.left > 0
}

// over reports whether what follows is not TLS of this session, once our
// close_notify is out. A handshake record is not either: renegotiation does not
// exist here, so it is the ClientHello of the next session.
func (a *Adapter) over() bool {
	if !a.closing || a.left > 0 {
		return false
	}
	rest := a.unread()
	if len(rest) == 0 {
		return false
	}
	t := rest[0]
	return t != typeAlert && t != typeApplicationData && t != typeChangeCipherSpec
}

// unread returns what follows the last record taken.
func (a *Adapter) unread() []byte {
	if a.in == nil {
		return nil
	}
	return a.in.B[a.off+a.plain+a.tail:]
}

func (a *Adapter) buffered() int {
	if a.in == nil {
		return 0
	}
	return len(a.in.B) - a.off
}

// skip drops n bytes of input, and the buffer with the last one.
func (a *Adapter) skip(n int) {
	if a.off += n; a.off < len(a.in.B) {
		return
	}
	bufpool.Inputs.Put(a.in)
	a.in, a.off = nil, 0
}

// compact moves the unread bytes to the front, so that the buffer stays within
// its limit. There are few: a part of a record.
func (a *Adapter) compact() {
	if a.off > 0 {
		n := copy(a.in.B, a.in.B[a.off:])
		a.in.B, a.off = a.in.B[:n], 0
	}
}

// Write collects what crypto/tls sends.
func (w *wire) Write(p []byte) (int, error) {
	if w.phase == phaseDead {
		return 0, net.ErrClosed
	}
	if w.hs != nil && w.hs.tap != nil {
		w.hs.tap.sent(p)
	}
	out := (*Adapter)(w).output()
	out.B = append(out.B, p...)
	return len(p), nil
}

// output returns the buffer of Pending.
func (a *Adapter) output() *bufpool.Buffer {
	if a.out == nil {
		a.out = bufpool.Replies.Get()
	}
	return a.out
}

// The rest of net.Conn. crypto/tls sets a write deadline around close_notify,
// which means nothing here.

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return memAddr{} }
func (w *wire) RemoteAddr() net.Addr             { return memAddr{} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// memAddr is the address of a connection that is only memory.
type memAddr struct{}

func (memAddr) Network() string { return "mem" }
func (memAddr) String() string  { return "mem" }
