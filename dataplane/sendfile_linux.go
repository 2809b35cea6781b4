package dataplane

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// clearStep is how much one call asks for in clear, where nothing is copied or sealed:
// it takes no longer than a stretch of records. The kernel takes what fits below
// TCP_NOTSENT_LOWAT and says how much that was.
const clearStep = 8 * stretch

// sendfile sends the job's part of a file from the page cache to the socket,
// no byte of it through user memory; under TLS the kernel seals it, see toKernel.
// ok is false when the kernel cannot do so with this file, before anything was sent.
func (t *transfer) sendfile(f *os.File) (cause Cause, err error, ok bool) {
	rc, err := t.conn.SyscallConn()
	if err != nil {
		return t.why(CauseCut), err, true
	}
	var (
		path = &t.plane.stats.SentSendfile
		src  = int(f.Fd())
		off  = t.job.Offset
		left = t.job.Length
		step = int64(clearStep)
		n    int
		serr error
	)
	// more is called when the socket may take bytes; false waits for that.
	more := func(fd uintptr) bool {
		for {
			n, serr = unix.Sendfile(int(fd), src, &off, int(min(left, step)))
			if serr != unix.EINTR {
				return serr != unix.EAGAIN
			}
		}
	}
	if t.sec != nil {
		path, step = &t.plane.stats.SentKernel, stretch
	}
	up := newHangUp(t.conn)
	for left > 0 {
		if up.seen() {
			return t.why(CauseCut), errHangUp, true
		}
		if err := rc.Write(more); err != nil {
			return t.why(CauseCut), err, true
		}
		switch {
		case serr != nil && left == t.job.Length && notSupported(serr):
			return CauseOK, nil, false
		case serr != nil && isReset(serr):
			return t.why(CauseCut), serr, true
		case serr != nil:
			return CauseRead, os.NewSyscallError("sendfile", serr), true
		case n == 0:
			return CauseShort, errShort, true
		}
		left -= int64(n)
		if t.sec != nil {
			t.sec.Sent(n)
		}
		t.through(int64(n), path)
		if t.quick() {
			if t.sec == nil && t.takePages() {
				keepMore(t.conn, notSentPages)
			} else {
				keepMore(t.conn, notSentQuick)
			}
		}
	}
	if t.sec != nil {
		err = t.sec.Flush()
	}
	if err == nil {
		err = t.send(nil, true)
	}
	if err != nil {
		return t.why(CauseCut), err, true
	}
	return CauseOK, nil, true
}

func notSupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
