package engine

import (
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// reloaded is the engine's configuration with a change.
func (s *server) reload(t *testing.T, change func(*Config)) {
	t.Helper()
	conf := s.conf
	change(&conf)
	if err := s.Reload(conf); err != nil {
		t.Fatal(err)
	}
}

// TestReload: new limits are those of new connections; what stands keeps its
// own.
func TestReload(t *testing.T) {
	eachReactor(t, func(c *Config) { c.MaxSessions, c.Session.MaxIdle = 1, time.Hour }, func(t *testing.T, s *server) {
		old := s.login(session.Implicit, nil)
		s.reload(t, func(c *Config) {
			c.MaxSessions = 2
			c.Session.MaxIdle = 10 * time.Minute
			c.IdleTimeout = time.Minute
		})
		fresh := s.login(session.Explicit, nil)
		for _, c := range []struct {
			name   string
			client *ftpclient.Client
			want   int
		}{{"a new session", fresh, 501}, {"an old session", old, 200}} {
			if r, err := c.client.Cmd("SITE IDLE 1800"); err != nil || r.Code != c.want {
				t.Errorf("%s: got %v, %v, want %d", c.name, r, err, c.want)
			}
		}
		if _, err := old.Do("SITE IDLE 300", 200); err != nil {
			t.Fatal(err)
		}
		s.refusesOneMore(t)
		s.sweep(time.Now().Add(2 * time.Minute))
		if r, err := fresh.ReadReply(); err != nil || r.Code != 421 {
			t.Errorf("a new session idle for two minutes: got %v, %v, want 421", r, err)
		}
		if _, err := old.Do("NOOP", 200); err != nil {
			t.Errorf("an old session idle for two minutes: %v", err)
		}
	})
}

// refusesOneMore: the server is full.
func (s *server) refusesOneMore(t *testing.T) {
	t.Helper()
	_, err := ftpclient.Dial(t.Context(), s.addr(session.Plain), ftpclient.Options{})
	if code(err) != 421 {
		t.Errorf("one session more: got %v, want 421", err)
	}
}

// TestReloadHandshakes: connections in line for a handshake get the slots that
// a reload brings, and a smaller number holds once handshakes have ended.
func TestReloadHandshakes(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxHandshakes = 1 })
	const peers = 3
	for range peers {
		raw := dialFrom(t, local(1), s.Addrs()[session.Implicit])
		if _, err := raw.Write(fullHello); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func() int {
		s.slots.mu.Lock()
		defer s.slots.mu.Unlock()
		return len(s.slots.queue)
	}
	await(t, "two wait", func() bool { return s.slots.held() == 1 && waiting() == peers-1 })
	s.reload(t, func(c *Config) { c.MaxHandshakes = 2 })
	await(t, "one waits", func() bool { return s.slots.held() == 2 && waiting() == 1 })
	s.reload(t, func(c *Config) { c.MaxHandshakes = 1 })
	if n := s.slots.held(); n != 2 {
		t.Errorf("a reload ended handshakes: %d are held, want 2", n)
	}
	s.sweep(time.Now().Add(s.conf.HandshakeTimeout + time.Second))
	await(t, "all are gone", func() bool { return s.Sessions() == 0 })
	if n := s.slots.held(); n != 0 {
		t.Errorf("%d slots are held by nobody", n)
	}
	s.login(session.Implicit, nil)
}

// TestReloadKeepsTransfers: a reload to less than what runs ends nothing.
func TestReloadKeepsTransfers(t *testing.T) {
	s := start(t, nil)
	want := s.secretFile()
	c := s.login(session.Implicit, nil)
	data, err := c.Begin("STOR up.bin", 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		s.reload(t, func(c *Config) {
			c.MaxSessions, c.Data.MaxTransfers, c.Data.Budget = 1, 1+i%2, 1<<20
			c.Session.MaxUpload = 1
		})
		if _, err := data.Write(want); err != nil {
			t.Fatal(err)
		}
	}
	if err := data.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Size("up.bin"); err != nil || n != int64(30*len(want)) {
		t.Errorf("stored %d bytes, %v, want %d", n, err, 30*len(want))
	}
}
