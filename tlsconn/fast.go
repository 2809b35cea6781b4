package tlsconn

import (
	"errors"
	"io"
	"os"
)

// fast are the records of a data connection on its link. crypto/tls copies what it
// sends twice, and makes a read of its own out of every record.
type fast struct {
	records
	link  *link
	plain []byte // opened in the buffer of the link, not yet read
}

// send seals one chunk, and close_notify, into one write.
func (f *fast) send(chunk []byte, last bool) error {
	f.link.gather(len(chunk))
	defer f.link.drop()
	b, err := f.out.data(f.link.out.B, chunk)
	if err == nil && last {
		b, err = f.out.closeNotify(b)
	}
	if err != nil || len(b) == 0 {
		return err
	}
	f.link.out.B = b
	f.out.err = f.link.flush() // what is cut off cannot be continued
	return f.out.err
}

// read fills p with the records that are there, and waits for the first one.
func (f *fast) read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(f.plain) > 0 {
			m := copy(p[n:], f.plain)
			f.plain = f.plain[m:]
			n += m
			continue
		}
		m, err := f.step(p[n:], n == 0)
		if n += m; err != nil && n == 0 {
			return 0, err
		} else if err != nil {
			break
		}
	}
	if len(f.plain) == 0 && len(f.link.in) == 0 {
		f.link.release()
	}
	return n, nil
}

// step opens the next record, to p if that has room for it. Unless it shall wait,
// ErrWouldBlock says that there is none.
func (f *fast) step(p []byte, wait bool) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.in.length(f.link.in)
	switch {
	case err != nil:
	case n > 0:
		rec := f.link.in[:n]
		f.link.in = f.link.in[n:]
		n, f.plain, err = f.take(p, rec)
	case wait:
		err = f.more()
	default:
		return 0, ErrWouldBlock
	}
	if err != nil {
		f.fail(err)
		return 0, err
	}
	return n, nil
}

// more waits for bytes of the next record. What ends reading here are the errors
// of the network and a FIN.
func (f *fast) more() error {
	err := f.link.more()
	switch {
	case err != io.EOF:
		return err
	case len(f.link.in) > 0:
		return io.ErrUnexpectedEOF
	}
	return ErrTruncated
}

// fail ends reading, but for a deadline, which can be moved; ETIMEDOUT, a peer that is
// dead, is none. Whether an alert arrives changes nothing.
func (f *fast) fail(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	f.plain, f.link.in = nil, nil
	f.link.release()
	if alert := f.end(nil, err); len(alert) > 0 {
		_, _ = f.link.Write(alert)
	}
}

// await returns when read has something to work on.
func (f *fast) await() error {
	if n, err := f.in.length(f.link.in); n > 0 || err != nil || len(f.plain) > 0 || f.err != nil {
		return nil
	}
	return f.link.await()
}
