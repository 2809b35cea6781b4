package engine

import (
	"net/netip"
	"testing"
	"time"

	"fastftps/session"
)

// TestInputWhileWaiting: bytes that arrive in several pieces while a connection
// cannot use them are executed in the order in which they were sent.
func TestInputWhileWaiting(t *testing.T) {
	late := func(c *Config) {
		c.Session.FailureDelay = func(netip.Addr, string) time.Duration { return time.Minute }
	}
	eachReactor(t, late, func(t *testing.T, s *server) {
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
	late := func(c *Config) {
		c.Session.FailureDelay = func(netip.Addr, string) time.Duration { return time.Minute }
	}
	eachReactor(t, late, func(t *testing.T, s *server) {
		c := s.dial(session.Plain, nil)
		if err := c.Send("USER demo\r\nPASS wrong\r\n"); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 4<<10)
		for i := range line {
			line[i] = "NOOP\r\n"[i%6]
		}
		sent := 0
		for ; sent < 64<<20; sent += len(line) {
			if c.Send(string(line)) != nil {
				break
			}
			if n := s.kept(); n > s.conf.MaxPendingInput+maxRecord {
				t.Fatalf("%d bytes are kept", n)
			}
		}
		if sent >= 64<<20 {
			t.Errorf("%d bytes were taken", sent)
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
