package engine

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
)

// dialAs is dial from an address of the loopback net.
func (s *server) dialAs(m session.Mode, from netip.Addr) *ftpclient.Client {
	s.t.Helper()
	return s.dial(m, func(o *ftpclient.Options) { o.Local = from })
}

// TestGuessers: logins that wait after failures hold no worker and keep nobody
// else out; their owner's right password waits in turn and then logs in.
func TestGuessers(t *testing.T) {
	slow := auth.NewSlowdown(auth.SlowdownOptions{First: 10 * time.Second, Max: 30 * time.Second})
	var turns chan struct{} // a login has its turn, or is refused one
	eachReactor(t, func(c *Config) {
		c.LoginWorkers = 1
		turns = make(chan struct{}, 10)
		c.Session.LoginFailed, c.Session.LoginOK = slow.Failed, slow.Succeeded
		took := turns
		c.Session.LoginTurn = func(addr netip.Addr, user string) (time.Time, bool) {
			defer func() { took <- struct{}{} }()
			return slow.Turn(addr, user)
		}
	}, func(t *testing.T, s *server) {
		guesser := netip.AddrFrom4([4]byte{127, 0, 1, byte(len(s.conf.Reactor))})
		c := s.dialAs(session.Plain, guesser)
		if err := c.Login("nobody-"+s.conf.Reactor, "x"); code(err) != 530 {
			t.Fatalf("the first failure: got %v, want 530 at once", err)
		}
		<-turns
		var waiting []*ftpclient.Client
		for range 2 { // in 10 s, 30 s
			c := s.dialAs(session.Plain, guesser)
			if _, err := c.Do("USER demo", 331); err != nil {
				t.Fatal(err)
			}
			if err := c.Send("PASS secret\r\n"); err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, c)
			<-turns
		}
		over := s.dialAs(session.Plain, guesser)
		if err := over.Login("demo", "secret"); code(err) != 421 {
			t.Errorf("a login too many: got %v, want 421", err)
		}
		if n := s.metrics.Logins[metrics.LoginSlowed].Load(); n != 1 {
			t.Errorf("%d logins counted as slowed down, want 1", n)
		}
		if err := s.dial(session.Plain, nil).Login("demo", "secret"); err != nil {
			t.Errorf("another address: %v", err)
		}
		for i, after := range []time.Duration{11 * time.Second, 31 * time.Second} {
			s.sweep(time.Now().Add(after))
			if r, err := waiting[i].ReadReply(); err != nil || r.Code != 230 {
				t.Errorf("login %d: got %v, %v, want 230", i, r, err)
			}
		}
	})
}

// code is the code of a reply that was not wanted, 0 for any other error.
func code(err error) int {
	var re *ftpclient.ReplyError
	if errors.As(err, &re) {
		return re.Code
	}
	return 0
}
