//go:build unix

package tlsconn

import "syscall"

// rawReads tells that a read can be tried before a buffer is tied to it.
const rawReads = true

// tryRead is called by RawConn.Read whenever the socket may have input. It
// returns false to wait for more.
func (l *link) tryRead(fd uintptr) bool {
	l.borrow()
	l.n, l.err = restart(func() (int, error) { return syscall.Read(int(fd), l.buf.B) })
	if l.err == syscall.EAGAIN {
		l.release()
		return false
	}
	return true
}

// readable looks whether the socket has input, without taking any.
func readable(fd uintptr) bool {
	var b [1]byte
	_, err := restart(func() (int, error) {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		return n, err
	})
	return err != syscall.EAGAIN
}

// restart calls f again when a signal interrupted it. To wait instead could be
// for ever: the poller reports input only once.
func restart(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
