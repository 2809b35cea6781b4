package tlsconn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"fastftps/internal/bufpool"
)

// link is the net.Conn between crypto/tls and the socket of a data connection.
// It reads much and hands on one record at a time; it sends at once, or gathers
// the records of a chunk for one write.
type link struct {
	conn   net.Conn
	raw    syscall.RawConn // nil when conn has no descriptor
	onRead func(uintptr) bool
	tap    *tap // what the fast engine listens by during the handshake

	span  span
	in    []byte // ciphertext not handed on: of buf, or the prefix
	buf   *bufpool.Buffer
	from  *bufpool.Fixed // the pool of buf
	class *bufpool.Fixed // the pool for the next read
	n     int            // result of onRead
	err   error          // result of onRead

	out    *bufpool.Buffer // records of the chunk being gathered; nil = send at once
	outOf  *bufpool.Fixed
	noWait bool // at a border with no whole record there, say ErrWouldBlock

	began    bool // a byte was handed on
	answered bool // a byte was sent
	sawEOF   bool // crypto/tls met the end of the TCP stream
}

func newLink(conn net.Conn, prefix []byte) *link {
	l := &link{conn: conn, in: prefix, class: bufpool.Plain16}
	if sc, ok := conn.(syscall.Conn); ok && rawReads {
		if raw, err := sc.SyscallConn(); err == nil {
			l.raw, l.onRead = raw, l.tryRead
		}
	}
	return l
}

// Read hands on bytes of one record.
func (l *link) Read(p []byte) (int, error) {
	if l.noWait && l.span.seen == 0 && wholeRecord(l.in) == 0 {
		return 0, ErrWouldBlock
	}
	if len(l.in) == 0 {
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	part := l.in[:min(len(p), len(l.in))]
	n := copy(p, part[:l.span.next(part)])
	l.began = true
	if l.tap != nil {
		l.tap.received(part[:n], l.span.head, l.span.seen == 0)
	}
	if l.in = l.in[n:]; len(l.in) == 0 {
		l.release()
	}
	return n, nil
}

// fill reads from the socket.
func (l *link) fill() error {
	n, err := l.read()
	if n > 0 {
		l.in = l.buf.B[:n]
		return nil
	}
	l.release()
	if err == nil || err == io.EOF {
		l.sawEOF = true
		err = io.EOF
	}
	return err
}

// read reads once into a new buffer, which is borrowed only when bytes are there
// if the system can tell.
func (l *link) read() (int, error) {
	if l.raw == nil {
		l.borrow()
		return l.conn.Read(l.buf.B)
	}
	if err := l.raw.Read(l.onRead); err != nil {
		return 0, err
	}
	return l.n, os.NewSyscallError("read", l.err)
}

// keepWhole changes over from Read to more. Nothing of the prefix is left: it was
// there before our first byte, and the client's Finished came after it.
func (l *link) keepWhole() {
	l.class = bufpool.Sealed(l.class.Size())
	l.onRead = l.tryMore
}

// more reads from the socket what follows the bytes at hand, which it keeps in
// one piece; then it is they that grow. They must be less than a record.
func (l *link) more() error {
	var n int
	var err error
	if l.raw == nil {
		n, err = l.conn.Read(l.room())
	} else if err = l.raw.Read(l.onRead); err == nil {
		n, err = l.n, os.NewSyscallError("read", l.err)
	}
	if n > 0 {
		l.in = l.buf.B[:len(l.in)+n]
		return nil
	}
	l.shrink()
	if err == nil || err == io.EOF {
		l.sawEOF = true
		err = io.EOF
	}
	return err
}

// room moves the bytes at hand to the front of a buffer of the right size and
// returns the rest of it.
func (l *link) room() []byte {
	if l.buf == nil || l.from.Size() < l.class.Size() {
		l.move(l.class)
	} else {
		l.in = l.buf.B[:copy(l.buf.B, l.in)]
	}
	return l.buf.B[len(l.in):]
}

// move moves the bytes at hand to a buffer of another pool.
func (l *link) move(to *bufpool.Fixed) {
	b := to.Get()
	n := copy(b.B, l.in)
	l.release()
	l.buf, l.from, l.in = b, to, b.B[:n]
}

func (l *link) borrow() {
	l.from = l.class
	l.buf = l.from.Get()
}

func (l *link) release() {
	if l.buf != nil {
		l.from.Put(l.buf)
	}
	l.buf, l.in = nil, nil
}

// await returns when a whole record is there, or the socket has more input, its
// end or an error.
func (l *link) await() error {
	if l.raw == nil || wholeRecord(l.in) > 0 {
		return nil
	}
	l.shrink()
	return l.raw.Read(readable)
}

// shrink moves a part of a record out of a large buffer.
func (l *link) shrink() {
	small := bufpool.Sealed16
	switch {
	case l.buf == nil || len(l.in) > small.Size():
	case len(l.in) == 0:
		l.release()
	case l.from != small:
		l.move(small)
	}
}

// gather collects what crypto/tls sends, up to flush, in a buffer for n bytes of
// plaintext.
func (l *link) gather(n int) {
	l.outOf = bufpool.Sealed(n)
	l.out = l.outOf.Get()
	l.out.B = l.out.B[:0]
}

// flush sends what was gathered.
func (l *link) flush() error {
	_, err := l.conn.Write(l.out.B)
	return err
}

// drop ends the gathering.
func (l *link) drop() {
	if l.out != nil {
		l.outOf.Put(l.out)
	}
	l.out = nil
}

// Write sends or gathers a record.
func (l *link) Write(p []byte) (int, error) {
	l.answered = true
	if l.tap != nil {
		l.tap.sent(p)
	}
	if l.out == nil {
		return l.conn.Write(p)
	}
	l.out.B = append(l.out.B, p...)
	return len(p), nil
}

// The rest of net.Conn. Deadlines belong to the owner of the connection: those
// that crypto/tls sets around close_notify would undo a cancellation.

func (l *link) Close() error                     { return errors.ErrUnsupported }
func (l *link) LocalAddr() net.Addr              { return l.conn.LocalAddr() }
func (l *link) RemoteAddr() net.Addr             { return l.conn.RemoteAddr() }
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }
