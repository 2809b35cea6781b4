package ktls

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/tls.h.
const (
	tlsTX         = 1 // TLS_TX
	setRecordType = 1 // TLS_SET_RECORD_TYPE
)

// Start has the kernel seal from record k.Seq on. After an error everything is as
// before: the caller may seal that record itself.
func Start(conn syscall.RawConn, k Key) (*Sender, error) {
	info, err := k.info()
	if err != nil {
		return nil, err
	}
	defer clear(info)
	s := &Sender{conn: conn, infoLen: len(info), overhead: k.overhead(), seq: k.Seq}
	cerr := conn.Control(func(fd uintptr) {
		if s.base, err = inTCP(int(fd)); err == nil {
			err = enable(int(fd), info)
		}
	})
	if err := errors.Join(cerr, err); err != nil {
		return nil, err
	}
	return s, nil
}

// enable gives the kernel the key. A socket that knows of TLS but has no key sends
// what it is given as it is.
func enable(fd int, info []byte) error {
	err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls")
	switch {
	case err == unix.ENOENT:
		return fmt.Errorf("the kernel's TLS is not loaded (modprobe tls): %w", os.NewSyscallError("setsockopt TCP_ULP", err))
	case err != nil:
		return os.NewSyscallError("setsockopt TCP_ULP", err)
	}
	_, _, e := syscall.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TLS, tlsTX,
		uintptr(unsafe.Pointer(&info[0])), uintptr(len(info)), 0)
	if e != 0 {
		return os.NewSyscallError("setsockopt TLS_TX", e)
	}
	return nil
}

// CloseNotify seals our close_notify and waits as Flush does. Flush comes before it:
// a kernel that cannot send a record at once would take the alert for data.
func (s *Sender) CloseNotify() error {
	if err := s.Flush(); err != nil {
		return err
	}
	alert := []byte{1, 0} // warning, close_notify
	var sent int
	var serr error
	err := s.conn.Write(func(fd uintptr) bool {
		sent, serr = sendRecord(int(fd), typeAlert, alert)
		return serr != unix.EAGAIN
	})
	if err = errors.Join(err, os.NewSyscallError("sendmsg", serr)); err != nil {
		return err
	}
	s.Sent(sent)
	return s.Flush()
}

// sendRecord sends one record of any type.
func sendRecord(fd int, typ byte, p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(1))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = unix.SOL_TLS, setRecordType
	h.SetLen(unix.CmsgLen(1))
	oob[unix.CmsgLen(0)] = typ
	for {
		n, err := unix.SendmsgN(fd, p, oob, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// How often Flush looks: the kernel has no event for it.
const (
	lookFirst = time.Millisecond
	lookMost  = 50 * time.Millisecond
)

// Flush waits, under the connection's write deadline, until all records are in the
// hands of TCP. The kernel takes bytes for which TCP has no room yet, and sends the
// record later; but shutdown and close do not wait for it, and the record is lost.
func (s *Sender) Flush() error {
	for wait := lookFirst; s.flushed != s.content; wait = min(2*wait, lookMost) {
		var left bool
		var serr error
		err := s.conn.Write(func(fd uintptr) bool {
			left, serr = s.holds(int(fd))
			return true
		})
		if err = errors.Join(err, serr); err != nil {
			return err
		}
		if !left {
			s.flushed = s.content
			return nil
		}
		time.Sleep(wait)
	}
	return nil
}

// holds reports whether the kernel has content that TCP does not have. Then an error
// of the connection is final.
func (s *Sender) holds(fd int) (bool, error) {
	seq, err := s.nextSeq(fd)
	if err != nil {
		return true, err
	}
	n, err := inTCP(fd)
	switch {
	case err != nil:
		return true, err
	case n-s.base == s.content+(seq-s.seq)*s.overhead:
		return false, nil
	}
	return true, broken(fd)
}

// nextSeq returns the number of the next record.
func (s *Sender) nextSeq(fd int) (uint64, error) {
	info := make([]byte, s.infoLen)
	defer clear(info)
	n := uint32(len(info))
	_, _, e := syscall.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TLS, tlsTX,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return 0, os.NewSyscallError("getsockopt TLS_TX", e)
	}
	return seqOf(info), nil
}

// inTCP returns how many bytes TCP has been given for this connection: what the peer
// has acknowledged and what it has not. Between the two look-ups it may acknowledge.
func inTCP(fd int) (uint64, error) {
	acked, err := ackedOf(fd)
	for err == nil {
		var queued int
		if queued, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ); err != nil {
			return 0, os.NewSyscallError("ioctl SIOCOUTQ", err)
		}
		before := acked
		if acked, err = ackedOf(fd); err == nil && acked == before {
			return acked + uint64(queued), nil
		}
	}
	return 0, err
}

func ackedOf(fd int) (uint64, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt TCP_INFO", err)
	}
	return info.Bytes_acked, nil
}

// broken returns why nothing can be sent any more; nil if it can. It does not take
// the error of a reset away.
func broken(fd int) error {
	fds := [1]unix.PollFd{{Fd: int32(fd)}}
	if n, err := unix.Poll(fds[:], 0); n > 0 && err == nil {
		return unix.ECONNRESET
	}
	return nil
}
