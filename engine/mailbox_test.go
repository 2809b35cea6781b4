package engine

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"fastftps/session"
)

// lateLogins makes PASS wait for a minute.
func lateLogins(c *Config) {
	c.Session.LoginTurn = func(netip.Addr, string) (time.Time, bool) { return time.Now().Add(time.Minute), true }
}

// TestInputWhileWaiting: bytes that arrive in several pieces while a connection
// cannot use them are executed in the order in which they were sent.
func TestInputWhileWaiting(t *testing.T) {
	eachReactor(t, lateLogins, func(t *testing.T, s *server) {
		c := s.dial(session.Plain, nil)
		if err := c.Send("USER demo\r\nPASS wrong\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadReply(); err != nil {
			t.Fatal(err)
		}
		pieces := []string{"US", "ER d", "emo\r", "\nNOOP\r\nSY", "ST\r\n"}
		n := 0
		for _, p := range pieces {
			if err := c.Send(p); err != nil {
				t.Fatal(err)
			}
			n += len(p)
			await(t, "the piece is in the mailbox", func() bool { return s.kept() == n })
		}
		s.sweep(time.Now().Add(time.Minute + time.Second))
		for _, want := range []int{530, 331, 200, 215} {
			r, err := c.ReadReply()
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != want {
				t.Errorf("got %v, want %d", r, want)
			}
		}
	})
}

// TestFloodWhileWaiting: what a connection keeps of a flood is bounded, whatever
// the connection waits for.
func TestFloodWhileWaiting(t *testing.T) {
	eachReactor(t, lateLogins, func(t *testing.T, s *server) {
		c := s.dial(session.Plain, nil)
		if err := c.Send("USER demo\r\nPASS wrong\r\n"); err != nil {
			t.Fatal(err)
		}
		flood := bytes.Repeat([]byte("NOOP\r\n"), 700)
		c.Timeout = time.Second // a window that is closed stays so
		sent := 0
		for s.Sessions() > 0 && c.Send(string(flood)) == nil {
			if sent += len(flood); sent > 64<<20 {
				t.Fatalf("%d bytes were taken", sent)
			}
			if n := s.kept(); n > s.conf.MaxPendingInput+maxRecord {
				t.Fatalf("%d bytes are kept", n)
			}
		}
		await(t, "the connection is gone", func() bool { return s.Sessions() == 0 })
	})
}

// kept is the number of bytes in all mailboxes.
func (s *server) kept() (n int) {
	s.conns.each(func(c *conn) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n += len(c.box.in)
		return false
	}, nil)
	return n
}

// TestPeerGoneWhileWriting: a peer may leave before, while and after its replies
// wait for it.
func TestPeerGoneWhileWriting(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		for range 100 {
			peer, c := s.clogged()
			errs := make(chan error, 1)
			go func() { errs <- c.wire.WriteAll(make([]byte, 1<<20), time.Minute) }()
			peer.Close()
			if err := <-errs; err == nil {
				t.Error("the peer has left and all was written")
			}
			await(t, "the connection is gone", func() bool { return s.Sessions() == 0 })
			if err := c.wire.WriteAll([]byte("late"), time.Minute); err == nil {
				t.Error("written to a connection that is gone")
			}
		}
	})
}

// TestWriteLimit: a peer that does not read is waited for as long as asked.
func TestWriteLimit(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		peer, c := s.clogged()
		defer peer.Close()
		if err := c.wire.WriteAll(make([]byte, 1<<20), time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// clogged connects a peer whose side of the connection takes no more bytes. Its
// close is a reset.
func (s *server) clogged() (*net.TCPConn, *conn) {
	s.t.Helper()
	peer, err := net.Dial("tcp", s.addr(session.Plain))
	if err != nil {
		s.t.Fatal(err)
	}
	var c *conn
	await(s.t, "the connection", func() bool {
		s.conns.each(func(x *conn) bool { c = x; return false }, nil)
		return c != nil && c.wire != nil
	})
	block := make([]byte, 64<<10)
	for n := len(block); n == len(block); {
		if n, err = c.wire.TryWrite(block); err != nil {
			s.t.Fatal(err)
		}
	}
	tcp := peer.(*net.TCPConn)
	if err := tcp.SetLinger(0); err != nil {
		s.t.Fatal(err)
	}
	return tcp, c
}

// TestResultWithItsEvent: whoever takes the events out of the mailbox finds the result of
// a transfer and its event, or neither. An owner that took the one without the other lost
// the reply of the transfer, and met the other in its next turn.
func TestResultWithItsEvent(t *testing.T) {
	c := new(conn)
	c.box.owned = true // by this test: nobody else runs the connection
	var got atomic.Int64
	const results = 20000
	go func() {
		for i := range int64(results) {
			c.transferDone(session.Result{Bytes: i})
			for got.Load() <= i {
				runtime.Gosched()
			}
		}
	}()
	for got.Load() < results {
		switch ev, r := c.events(); {
		case (ev&evResult != 0) != (r != nil):
			t.Fatalf("event %v, result %v", ev, r)
		case r != nil && r.Bytes != got.Load():
			t.Fatalf("result %d, want %d", r.Bytes, got.Load())
		case r != nil:
			got.Add(1)
		}
	}
}
