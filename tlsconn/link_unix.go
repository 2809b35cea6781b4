//go:build unix

package tlsconn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

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

// tryMore is tryRead for more. While it waits, the bytes at hand lie in a small
// buffer.
func (l *link) tryMore(fd uintptr) bool {
	room := l.room()
	l.n, l.err = restart(func() (int, error) { return syscall.Read(int(fd), room) })
	if l.err == syscall.EAGAIN {
		l.shrink()
		return false
	}
	return true
}

// readable looks whether the socket has input, its end or an error, and takes
// nothing: a peek would take the error of a reset away, and the read that
// follows would find a plain end of the connection.
func readable(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := restart(func() (int, error) { return unix.Poll(fds[:], 0) })
	return n > 0 || err != nil
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
