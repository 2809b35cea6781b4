package bench

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"fastftps/internal/ftpclient"
)

// file is a file on the server.
type file struct {
	path string
	body body
	// foreign files are not ours: what is known of them is what the first
	// download held.
	foreign bool
	sum     uint32
}

// buffers are what downloads read into.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// begin sets up a data connection and has the server begin; from is when the
// command was sent. The data connection's handshake is over.
func (w *worker) begin(c *ftpclient.Client, o op, line string) (data *ftpclient.Conn, from time.Duration, err error) {
	at := w.b.now()
	if w.b.cfg.Endpoint == PORT || w.b.cfg.Endpoint == EPRT {
		data, from, err = w.beginActive(c, o, line, at)
	} else {
		data, from, err = w.beginPassive(c, o, line, at)
	}
	if err != nil {
		return nil, from, err
	}
	if err := w.secureData(data, o); err != nil {
		w.endData(data)
		if _, replyErr := c.Complete(); replyErr == nil || isReply(replyErr) {
			err = transferError(err, replyErr)
		}
		return nil, from, err
	}
	return data, from, nil
}

func (w *worker) beginPassive(c *ftpclient.Client, o op, line string, at time.Duration) (*ftpclient.Conn, time.Duration, error) {
	addr, err := c.Passive()
	if err != nil {
		return nil, at, err
	}
	at = w.passed(phaseEndpoint, o, at)
	data, err := c.DialData(addr)
	if err != nil {
		return nil, at, err
	}
	from := w.passed(phaseDataConnect, o, at)
	w.hold(1, data.TCP())
	if _, err := c.Do(line, 1); err != nil {
		w.endData(data)
		return nil, from, err
	}
	return data, from, nil
}

func (w *worker) beginActive(c *ftpclient.Client, o op, line string, at time.Duration) (*ftpclient.Conn, time.Duration, error) {
	ln, err := c.Listen()
	if err != nil {
		return nil, at, err
	}
	defer ln.Close()
	from := w.passed(phaseEndpoint, o, at)
	if _, err := c.Do(line, 1); err != nil {
		return nil, from, err
	}
	at = w.b.now()
	data, err := c.Accept(ln)
	if err != nil {
		return nil, from, err
	}
	w.passed(phaseDataConnect, o, at)
	w.hold(1, data.TCP())
	return data, from, nil
}

func (w *worker) secureData(data *ftpclient.Conn, o op) error {
	at := w.b.now()
	if err := data.Handshake(); err != nil {
		return err
	}
	w.shook(phaseDataFull, o, at, data)
	return nil
}

func (w *worker) endData(data *ftpclient.Conn) {
	w.hold(1, nil)
	_ = data.Close() // its end was seen, or it is broken
}

// download runs a command that sends data to us, and hands the data to sink.
func (w *worker) download(c *ftpclient.Client, o op, line string, sink io.Writer) error {
	data, from, err := w.begin(c, o, line)
	if err != nil {
		return err
	}
	err = w.receive(c, o, data, from, sink)
	at := w.b.now()
	w.endData(data)
	if errors.Is(err, ftpclient.ErrTruncated) && w.b.cfg.Verify == VerifyOff {
		err = nil
	}
	return w.complete(c, o, at, err)
}

// receive reads all data.
func (w *worker) receive(c *ftpclient.Client, o op, data *ftpclient.Conn, from time.Duration, sink io.Writer) error {
	first := firstByte{w: w, o: o, from: from, sink: sink}
	if c.Deflate {
		_, err := c.Receive(&first, data)
		first.last(err)
		return err
	}
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := data.Read(buf[:])
		if n > 0 {
			_, _ = first.Write(buf[:n]) // our sinks never fail
		}
		if err == io.EOF {
			first.last(nil)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// firstByte notes when the first byte comes and passes all on.
type firstByte struct {
	w    *worker
	o    op
	from time.Duration
	sink io.Writer
	seen bool
}

// Write implements io.Writer.
func (f *firstByte) Write(p []byte) (int, error) {
	if !f.seen {
		f.seen = true
		f.w.passed(phaseFirstByte, f.o, f.from)
	}
	return f.sink.Write(p)
}

func (f *firstByte) last(err error) {
	if err == nil {
		f.w.passed(phaseLastByte, f.o, f.from)
	}
}

// complete reads the completion reply; err is how the data connection ended.
func (w *worker) complete(c *ftpclient.Client, o op, at time.Duration, err error) error {
	_, replyErr := c.Complete()
	if err = transferError(err, replyErr); err == nil {
		w.passed(phaseCompletion, o, at)
	}
	return err
}

// transferError says how a transfer ended: err is of the data connection, replyErr of the
// completion reply. A server that says yes has sent all, or got all and seen its end: a
// connection that broke before makes it wrong, whatever broke it.
func transferError(err, replyErr error) error {
	switch {
	case replyErr == nil && err == nil:
		return nil
	case replyErr == nil:
		return wrongf("the server said yes, but: %w", err)
	case err == nil && !isReply(replyErr):
		return brokenError{wrongf("all data, but no completion reply: %w", replyErr)}
	case err == nil:
		return replyErr
	}
	return fmt.Errorf("%w (data connection: %w)", replyErr, err)
}

// brokenError is an error after which the session is of no use, though it may
// look like one.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// upload runs a command that takes data from us.
func (w *worker) upload(c *ftpclient.Client, o op, line string, b body) error {
	data, from, err := w.begin(c, o, line)
	if err != nil {
		return err
	}
	defer w.endData(data)
	if err = w.send(c, data, b); err == nil {
		err = data.CloseWrite()
	}
	if err != nil {
		_ = data.Reset() // so that the server does not wait for more
	} else {
		w.passed(phaseLastByte, o, from)
	}
	return w.complete(c, o, w.b.now(), err)
}

// send writes all data, in pieces of the shared block as they are.
func (w *worker) send(c *ftpclient.Client, data *ftpclient.Conn, b body) error {
	if c.Deflate {
		_, err := c.SendBody(data, &reader{content: w.b.content, body: b})
		return err
	}
	const piece = 256 << 10
	for off := int64(0); off < b.size; off += piece {
		if _, err := data.Write(w.b.content.window(b, off, piece)); err != nil {
			return err
		}
	}
	return nil
}

// retr downloads a file and checks it.
func (w *worker) retr(c *ftpclient.Client, o op, f *file, full bool) error {
	if f.foreign {
		check := sumChecker{size: f.body.size, want: f.sum, compare: full}
		if err := w.download(c, o, "RETR "+f.path, &check); err != nil {
			return err
		}
		return asWrong(check.end())
	}
	check := checker{content: w.b.content, body: f.body, compare: full}
	if err := w.download(c, o, "RETR "+f.path, &check); err != nil {
		return err
	}
	return asWrong(check.end())
}

func asWrong(err error) error {
	if err == nil {
		return nil
	}
	return wrongError{err}
}

// sumChecker is a checker for foreign files.
type sumChecker struct {
	size, n   int64
	want, sum uint32
	compare   bool
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write implements io.Writer.
func (s *sumChecker) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	if s.compare {
		s.sum = crc32.Update(s.sum, castagnoli, p)
	}
	return len(p), nil
}

func (s *sumChecker) end() error {
	switch {
	case s.n != s.size:
		return fmt.Errorf("wrong length: got %d bytes, the first download had %d", s.n, s.size)
	case s.compare && s.sum != s.want:
		return errors.New("content differs from the first download")
	}
	return nil
}

// list runs a listing and checks its form.
func (w *worker) list(c *ftpclient.Client, line string) error {
	var l lineCounter
	if err := w.download(c, opList, line, &l); err != nil {
		return err
	}
	if w.b.cfg.Verify == VerifyOff || l.n == 0 || l.crlf {
		return nil
	}
	return wrongf("the listing does not end in CRLF")
}

// lineCounter looks at the form of a listing.
type lineCounter struct {
	n    int64
	crlf bool // the last two bytes
	last byte
}

// Write implements io.Writer.
func (l *lineCounter) Write(p []byte) (int, error) {
	l.n += int64(len(p))
	switch {
	case bytes.HasSuffix(p, []byte("\r\n")):
		l.crlf = true
	case len(p) == 1:
		l.crlf = l.last == '\r' && p[0] == '\n'
	case len(p) > 0:
		l.crlf = false
	}
	if len(p) > 0 {
		l.last = p[len(p)-1]
	}
	return len(p), nil
}
