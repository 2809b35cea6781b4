package engine

import (
	"testing"
	"time"

	"fastftps/session"
)

// TestLoginLimitAfterRein: who was logged in gets a whole login limit after REIN
// or AUTH, however old the connection is.
func TestLoginLimitAfterRein(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.login(session.Plain, nil)
		s.sweep(time.Now().Add(2 * s.conf.LoginTimeout))
		expect(t, c, "REIN", 220)
		s.settle()
		s.sweep(time.Now().Add(2*s.conf.LoginTimeout + 5*time.Second))
		expect(t, c, "NOOP", 200)
		s.settle()
		s.sweep(time.Now().Add(4 * s.conf.LoginTimeout))
		if r, err := c.ReadReply(); err != nil || r.Code != 421 {
			t.Errorf("got %v, %v, want 421", r, err)
		}
	})
}

// TestReinIsNoLogin: REIN does not put off the login limit of a client that has
// never logged in.
func TestReinIsNoLogin(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.dial(session.Implicit, nil)
		s.sweep(time.Now().Add(s.conf.LoginTimeout * 3 / 4))
		reinit(t, c)
		s.settle()
		s.sweep(time.Now().Add(s.conf.LoginTimeout * 5 / 4))
		if r, err := c.ReadReply(); err != nil || r.Code != 421 {
			t.Errorf("got %v, %v, want 421", r, err)
		}
	})
}

// settle waits until nobody runs a connection: a reply is out before the turn that
// made it has ended.
func (s *server) settle() {
	s.t.Helper()
	await(s.t, "all turns have ended", func() bool {
		busy := false
		s.conns.each(func(c *conn) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			busy = busy || c.box.owned
			return false
		}, nil)
		return !busy
	})
}
