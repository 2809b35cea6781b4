package tlsconn

import "io"

// The records of a control connection once they are ours: from the bytes that were
// pushed to those in Pending.

// open is Read. What p has no room for is opened in place and copied in pieces.
func (a *Adapter) open(p []byte) (int, error) {
	for a.plain == 0 {
		if n, err := a.next(p); n > 0 || err != nil {
			return n, err
		}
	}
	n := copy(p, a.in.B[a.off:][:a.plain])
	a.plain -= n
	a.skip(n)
	if a.plain == 0 {
		rest := a.tail
		a.tail = 0
		a.skip(rest)
	}
	return n, nil
}

// next takes a record. Its data is in p, then it returns how much, or at off.
func (a *Adapter) next(p []byte) (int, error) {
	switch {
	case a.rec.err != nil:
		return 0, a.rec.err
	case a.over():
		return 0, io.EOF
	}
	rest := a.unread()
	n, err := a.rec.in.length(rest)
	switch {
	case err != nil:
		return 0, a.broken(err)
	case n > 0:
		return a.take(p, rest[:n])
	case a.eof:
		a.sawEOF = true
		return 0, io.EOF
	}
	return 0, ErrWouldBlock
}

// take opens rec, which is at off, and lets go of it. A KeyUpdate is answered at
// once, for who asks may wait for it.
func (a *Adapter) take(p, rec []byte) (int, error) {
	n, inPlace, err := a.rec.take(p, rec)
	switch {
	case err != nil:
		a.skip(len(rec))
		return 0, a.broken(err)
	case len(inPlace) > 0:
		a.skip(a.rec.in.front())
		a.plain, a.tail = len(inPlace), len(rec)-a.rec.in.front()-len(inPlace)
	default:
		a.skip(len(rec))
	}
	if a.rec.out.owed && !a.rec.out.shut {
		_ = a.emit(a.rec.out.answer)
	}
	return n, nil
}

// broken ends reading, and writing too if that is due.
func (a *Adapter) broken(err error) error {
	out := a.output()
	out.B = a.rec.end(out.B, err)
	a.Sent(0)
	return err
}

// emit appends what f seals to Pending.
func (a *Adapter) emit(f func(dst []byte) ([]byte, error)) (err error) {
	out := a.output()
	out.B, err = f(out.B)
	a.Sent(0)
	return err
}

// seal is Write.
func (a *Adapter) seal(p []byte) (int, error) {
	err := a.emit(func(dst []byte) ([]byte, error) { return a.rec.out.data(dst, p) })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
