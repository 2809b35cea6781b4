package dataplane

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"fastftps/internal/ftptest"
)

func TestActive(t *testing.T) { eachEngine(t, testActive) }

func testActive(t *testing.T) {
	p, id := newPlane(t, Config{DialTimeout: 5 * time.Second}), identity(t)
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s, j := newPeer(t, p, underTLS(id)), m.job
			want := noise(9, 100<<10)
			j.File, j.Length = newMemFile(want), int64(len(want))
			s.passive()
			s.Active(l.Addr().(*net.TCPAddr).AddrPort())
			if !s.Armed() {
				t.Error("not armed")
			}
			s.start(j)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if j.Private {
				c = s.tls(c)
			}
			s.expect(c, want)
			s.want(CauseOK)
			if s.Armed() {
				t.Error("still armed")
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		port, err := ftptest.DeafPort()
		if err != nil {
			t.Fatal(err)
		}
		s, u := newPeer(t, p), new(memUpload)
		s.Active(netip.AddrPortFrom(loopback, port))
		s.start(Job{Upload: u})
		s.want(CauseNoConn)
		u.wantEnd(t, false)
	})
	t.Run("aborted while connecting", func(t *testing.T) {
		to := blackHole(t)
		s := newPeer(t, p)
		s.Active(to)
		s.start(Job{File: newMemFile(nil)})
		until(t, "it runs", func() bool { return p.stats.Running.Load() > 0 })
		s.Abort()
		s.want(CauseAborted)
	})
}

// blackHole returns an address whose listener answers no more connections: its
// queue is full.
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(loopback, uint16(sa.(*syscall.SockaddrInet4).Port))
	for range 16 {
		c, err := net.DialTimeout("tcp", to.String(), 200*time.Millisecond)
		if err != nil {
			return to
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the queue of a listener does not fill up here")
	return to
}

// Several active connections share the source port; one that cannot have it
// goes without.
func TestSourcePort(t *testing.T) {
	lo, _ := portRange(t, 1)
	p := newPlane(t, Config{SourcePort: lo})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from := func(implicit bool) uint16 {
		t.Helper()
		s := newPeer(t, p, func(o *Options) { o.Implicit = implicit })
		s.Active(l.Addr().(*net.TCPAddr).AddrPort())
		s.start(Job{File: newMemFile([]byte("x")), Length: 1})
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s.expect(c, []byte("x"))
		s.want(CauseOK)
		return c.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
	}
	if got := from(false); got == lo {
		t.Error("an explicit session has the source port")
	}
	if got := from(true); got != lo {
		t.Errorf("got source port %d, want %d", got, lo)
	}
	if got := from(true); got == lo { // the pair of addresses is still in use
		t.Errorf("got source port %d twice for one peer", got)
	}
	if n := p.stats.SourcePortMissed.Load(); n != 1 {
		t.Errorf("got %d misses, want 1", n)
	}
}

// TestDialCause: a peer that takes the connection and resets it at once has cut
// the transfer; who does not take it has made no connection.
func TestDialCause(t *testing.T) {
	for err, want := range map[error]Cause{
		syscall.ECONNRESET: CauseCut, syscall.ECONNREFUSED: CauseNoConn, syscall.EHOSTUNREACH: CauseNoConn, context.DeadlineExceeded: CauseNoConn,
	} {
		if got := dialCause(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)}); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}
