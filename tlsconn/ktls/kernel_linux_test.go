package ktls

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needKernel skips a test where there is no kernel TLS. KTLS=required says that there
// must be.
func needKernel(t *testing.T) {
	t.Helper()
	if err := Probe(); err != nil {
		if os.Getenv("KTLS") == "required" {
			t.Fatal(err)
		}
		t.Skip("make ktls runs this: ", err)
	}
}

// pair returns both ends of a connection with buffers so small that TCP never takes a
// record at once.
func pair(t *testing.T) (near, far *net.TCPConn, raw syscall.RawConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	small := func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
	}
	f, err := (&net.Dialer{Control: small}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = n.(*net.TCPConn), f.(*net.TCPConn)
	t.Cleanup(func() { near.Close(); far.Close() })
	if err := near.SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(20 * time.Second)
	near.SetDeadline(end)
	far.SetDeadline(end)
	if raw, err = near.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	return near, far, raw
}

// started is pair with the kernel sealing at the near end.
func started(t *testing.T, k Key) (near, far *net.TCPConn, raw syscall.RawConn, s *Sender) {
	t.Helper()
	near, far, raw = pair(t)
	s, err := Start(raw, k)
	if err != nil {
		t.Fatal(err)
	}
	return near, far, raw, s
}

// A kernel that refuses leaves the connection as it was.
func TestStartRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, k Key) {
		near, far, raw := pair(t)
		raw.Control(func(fd uintptr) { // where there is kernel TLS, it can be had once
			unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_ULP, "tls")
		})
		if s, err := Start(raw, k); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EEXIST) || s != nil {
			t.Fatalf("got %v, %v", s, err)
		}
		if _, err := near.Write([]byte("as it is")); err != nil {
			t.Fatal(err)
		}
		near.CloseWrite()
		if got, err := io.ReadAll(far); string(got) != "as it is" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A peer that reads late gets everything: Flush waits for what the kernel has taken
// and TCP has no room for.
func TestKernelFlush(t *testing.T) {
	needKernel(t)
	eachKind(t, func(t *testing.T, k Key) {
		near, far, raw, s := started(t, k)
		sent := fill(t, raw, s)
		var held bool
		var err error
		raw.Control(func(fd uintptr) { held, err = s.holds(int(fd)) })
		if !held || err != nil {
			t.Fatalf("TCP has all %d bytes, %v: nothing is tested", sent, err)
		}
		ended := make(chan error, 1)
		go func() { ended <- errors.Join(s.CloseNotify(), near.CloseWrite()) }()
		sealed, err := io.ReadAll(far)
		if err := errors.Join(err, <-ended); err != nil {
			t.Fatal(err)
		}
		got, notified, err := openAll(k, sealed)
		if len(got) != sent || !notified || err != nil {
			t.Errorf("got %d bytes of %d, close_notify %v, %v", len(got), sent, notified, err)
		}
	})
}

// The kernel says that it has taken the last record while it still holds an earlier
// one; to shut the connection then would lose both.
func TestKernelFlushLast(t *testing.T) {
	needKernel(t)
	held := false
	eachKind(t, func(t *testing.T, k Key) {
		near, far, raw, s := started(t, k)
		sent := fill(t, raw, s)
		sealed := lastRecord(t, raw, far)
		s.Sent(2)
		raw.Control(func(fd uintptr) {
			now, _ := s.holds(int(fd))
			held = held || now
		})
		ended := make(chan error, 1)
		go func() { ended <- errors.Join(s.Flush(), near.CloseWrite()) }()
		rest, err := io.ReadAll(far)
		if err := errors.Join(err, <-ended); err != nil {
			t.Fatal(err)
		}
		got, notified, err := openAll(k, append(sealed, rest...))
		if len(got) != sent || !notified || err != nil {
			t.Errorf("got %d bytes of %d, close_notify %v, %v", len(got), sent, notified, err)
		}
	})
	if !held && !t.Failed() && os.Getenv("KTLS") == "required" {
		t.Error("the kernel never held a record: nothing is tested")
	}
}

// lastRecord reads until the kernel takes close_notify, and returns what it read. The
// kernel's thread that sends what was held must not come between.
func lastRecord(t *testing.T, near syscall.RawConn, far *net.TCPConn) (got []byte) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := schedule(unix.SCHED_FIFO, 1); err != nil {
		t.Skip("needs CAP_SYS_NICE: ", err)
	}
	defer schedule(unix.SCHED_NORMAL, 0)
	peer, err := far.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 512)
	peer.Control(func(in uintptr) {
		near.Control(func(out uintptr) {
			for err = unix.EAGAIN; err == unix.EAGAIN; _, err = sendRecord(int(out), typeAlert, []byte{1, 0}) {
				if n, _ := unix.Read(int(in), b); n > 0 {
					got = append(got, b[:n]...)
				}
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// schedule says when the current thread runs.
func schedule(policy, priority uint32) error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}, 0)
}

// fill writes until the kernel takes no more.
func fill(t *testing.T, raw syscall.RawConn, s *Sender) (sent int) {
	t.Helper()
	p := bytes.Repeat([]byte("0123456789abcdef"), 1<<10)
	var err error
	raw.Control(func(fd uintptr) {
		for err == nil {
			var n int
			if n, err = unix.Write(int(fd), p); n > 0 {
				sent += n
			}
		}
	})
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	s.Sent(sent)
	return sent
}

// A peer that goes away ends the wait.
func TestKernelFlushReset(t *testing.T) {
	needKernel(t)
	eachKind(t, func(t *testing.T, k Key) {
		_, far, raw, s := started(t, k)
		fill(t, raw, s)
		far.SetLinger(0)
		far.Close()
		if err := s.Flush(); err == nil {
			t.Error("got no error")
		}
	})
}
