package dataplane

import (
	"errors"
	"io"
	"os"
	"time"

	"fastftps/tlsconn"
)

// spliceStep bounds one splice call of the runtime, for progress to be seen and
// others to run between them.
const spliceStep = 2 * stretch

// receive stores an upload, and publishes it if the peer ended cleanly.
func (t *transfer) receive() (Cause, error) {
	j := &t.job
	var cause Cause
	var err error
	switch f := osFile(j.Upload); {
	case f != nil && !j.Private && !j.ASCII && j.Deflate == 0:
		cause, err = t.splice(f)
	case j.Deflate > 0:
		cause, err = t.inflate()
	default:
		cause, err = t.copyIn()
	}
	if cause != CauseOK {
		return cause, err
	}
	return t.publish()
}

// publish commits the upload and then answers the peer's end with ours: when
// the peer sees close_notify, the file stands.
func (t *transfer) publish() (Cause, error) {
	t.releaseWindow()
	t.kept = true
	t.ours.Store(true) // to bring a file to stable storage may last
	if err := t.job.Upload.Commit(); err != nil {
		return storageCause(err), err
	}
	t.deadline(time.Now().Add(t.plane.cfg().DrainTime))
	t.send(nil, true) // a peer that is gone already has lost nothing
	return CauseOK, nil
}

// splice moves the bytes from the socket to the file inside the kernel. Both
// must be the bare types: any wrapper but LimitedReader would cost the copy
// through user memory.
func (t *transfer) splice(f *os.File) (Cause, error) {
	if _, err := f.Seek(t.job.Upload.Offset(), io.SeekStart); err != nil {
		return CauseWrite, err
	}
	src := &io.LimitedReader{R: t.conn}
	for {
		step := int64(spliceStep)
		if t.job.MaxBytes > 0 {
			if step = min(step, t.job.MaxBytes-t.moved.Load()); step < gathered {
				gather(t.conn, 1) // or what is one byte too much would wait for more
			}
		}
		if step == 0 {
			return t.expectEnd()
		}
		src.N = step
		n, err := f.ReadFrom(src)
		t.through(n, &t.plane.stats.RecvSpliced)
		if t.quick() {
			gather(t.conn, gathered)
		}
		switch {
		case err != nil && isNetwork(err): // one error for both ends of a splice
			return t.why(CauseCut), err
		case err != nil:
			return storageCause(err), err
		case n < step:
			return CauseOK, nil
		}
	}
}

// expectEnd accepts the peer's FIN and nothing else: the upload is as large as
// it may be.
func (t *transfer) expectEnd() (Cause, error) {
	var b [1]byte
	switch n, err := t.conn.Read(b[:]); {
	case n > 0:
		return CauseQuota, errTooLarge
	case err == io.EOF:
		return CauseOK, nil
	default:
		return t.why(CauseCut), err
	}
}

// isNetwork reports whether an error that may be a file's or a socket's is the
// socket's.
func isNetwork(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) || isReset(err) }

// copyIn stores an upload through user memory. While the peer sends nothing
// the transfer holds no block: TLS at most keeps the part of a record.
func (t *transfer) copyIn() (Cause, error) {
	t.sealedToo()
	in, s := newInlet(t), newStore(t)
	for {
		t.releaseWindow()
		if err := in.wait(); err != nil {
			return t.ended(err)
		}
		if !t.obtain(in.class(), 1) {
			return t.why(CauseAborted), errStopped
		}
		n, err := in.read(t.window.first()[s.room:])
		if cause, serr := s.put(t.window.first(), n); cause != CauseOK {
			return cause, serr
		}
		if err == nil {
			continue
		}
		if cause, err := t.ended(err); cause != CauseOK {
			return cause, err
		}
		return s.end()
	}
}

// ended judges how the peer stopped sending (RFC 4217 section 12.5).
func (t *transfer) ended(err error) (Cause, error) {
	switch {
	case err == io.EOF:
		t.notified = t.sec != nil
		return CauseOK, nil
	case !errors.Is(err, tlsconn.ErrTruncated):
		return t.why(CauseCut), err
	}
	t.plane.stats.NoCloseNotify.Add(1)
	if t.job.Close == CloseStrict {
		return CauseNoCloseNotify, err
	}
	return CauseOK, nil
}

// inflate stores a MODE Z upload. The stream carries its own end inside of
// TLS, so close_notify is not asked for.
func (t *transfer) inflate() (Cause, error) {
	t.window.fixed = inflateCost
	t.sealedToo()
	f, s := newInflater(newInlet(t)), newStore(t)
	defer f.release()
	if !t.obtain(1, 1) {
		return t.why(CauseAborted), errStopped
	}
	for {
		n, err := f.Read(t.window.first()[s.room:])
		if cause, serr := s.put(t.window.first(), n); cause != CauseOK {
			return cause, serr
		}
		switch {
		case err == io.EOF && isCleanEnd(f.wire.err):
			t.notified = t.sec != nil && f.wire.err == io.EOF
			return s.end()
		case err != nil:
			return t.inflateCause(err, f.wire.err), errors.Join(err, f.wire.err)
		}
	}
}

// isCleanEnd reports whether the connection ended at all in order: with or
// without close_notify.
func isCleanEnd(err error) bool { return err == io.EOF || errors.Is(err, tlsconn.ErrTruncated) }

// inflateCause tells a damaged stream from one that was cut off. One that is
// not whole needs no rule to be refused for want of close_notify.
func (t *transfer) inflateCause(err, wire error) Cause {
	switch {
	case errors.Is(err, errBomb):
		return CauseQuota
	case errors.Is(wire, tlsconn.ErrTruncated):
		t.plane.stats.NoCloseNotify.Add(1)
		return CauseNoCloseNotify
	case wire != nil && !isCleanEnd(wire):
		return t.why(CauseCut)
	}
	return CauseCorrupt
}

// store writes what arrives to the upload: TYPE conversion, limit, count.
type store struct {
	t     *transfer
	ascii contractor
	room  int   // bytes to leave free in front of a block: for a CR that was held back
	left  int64 // bytes that may still be stored
}

func newStore(t *transfer) *store {
	s := &store{t: t, left: t.job.MaxBytes}
	if t.job.ASCII {
		s.room = 1
	}
	if s.left == 0 {
		s.left = 1<<63 - 1
	}
	return s
}

// put stores n bytes that lie in block behind the room.
func (s *store) put(block []byte, n int) (Cause, error) {
	p := block[s.room : s.room+n]
	if s.t.job.ASCII {
		p = s.ascii.appendTo(block[:0], p)
	}
	return s.write(p)
}

// end stores what was held back.
func (s *store) end() (Cause, error) { return s.write(s.ascii.end(nil)) }

func (s *store) write(p []byte) (Cause, error) {
	over := int64(len(p)) > s.left
	if over {
		p = p[:s.left]
	}
	if len(p) > 0 {
		n, err := s.t.job.Upload.Write(p)
		path := &s.t.plane.stats.RecvCopied
		if s.t.sec != nil {
			path = &s.t.plane.stats.RecvSealed
		}
		s.t.through(int64(n), path)
		s.left -= int64(n)
		if err != nil {
			return storageCause(err), err
		}
	}
	if over {
		return CauseQuota, errTooLarge
	}
	return CauseOK, nil
}

// inlet is where uploads come from: the connection, under TLS or not.
type inlet struct {
	t    *transfer
	look *lookout
}

func newInlet(t *transfer) *inlet { return &inlet{t: t, look: newLookout(t.conn)} }

// wait returns when there is something to read. Nothing needs to be held
// meanwhile.
func (i *inlet) wait() error {
	if i.t.sec != nil {
		return i.t.sec.Await()
	}
	return i.look.wait()
}

// class returns the largest block that the bytes at hand fill, so that a read
// never waits in the middle of a large one.
func (i *inlet) class() int {
	n, class := i.look.queued(), 0
	for class+1 < len(classes) && n >= classes[class+1].Size() {
		class++
	}
	if i.t.sec != nil {
		i.t.sec.ReadSize(classes[class].Size())
	}
	return class
}

func (i *inlet) read(p []byte) (int, error) {
	if i.t.sec != nil {
		return i.t.sec.Read(p)
	}
	return i.t.conn.Read(p)
}

// Read implements io.Reader for the inflater.
func (i *inlet) Read(p []byte) (int, error) { return i.read(p) }
