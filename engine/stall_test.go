package engine

import (
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
)

// TestStalledHellos: peers that stop in the middle of their ClientHello hold
// neither goroutine nor worker, keep nobody out, and are gone when the
// handshake limit is over.
func TestStalledHellos(t *testing.T) {
	const peers = 5000
	for _, mode := range []session.Mode{session.Implicit, session.Explicit} {
		t.Run(map[session.Mode]string{session.Implicit: "implicit", session.Explicit: "explicit"}[mode], func(t *testing.T) {
			s := start(t, func(c *Config) { c.LoginTimeout = time.Minute })
			before := runtime.NumGoroutine()
			stalled := make([]net.Conn, 0, peers)
			for range peers {
				stalled = append(stalled, s.halfHello(mode))
			}
			defer func() {
				for _, c := range stalled {
					c.Close()
				}
			}()
			await(t, "all peers are connected", func() bool { return s.Sessions() == peers })
			// Workers of the burst of accepts go away when they have been idle.
			await(t, "no goroutine a stalled peer", func() bool { return runtime.NumGoroutine()-before < peers/100 })
			t.Logf("%d stalled peers: login p99 %v, %d goroutines more", peers, s.loginP99(100), runtime.NumGoroutine()-before)
			s.sweep(time.Now().Add(s.conf.HandshakeTimeout + time.Second))
			await(t, "all stalled peers are gone", func() bool { return s.Sessions() == 0 })
			if n := s.metrics.Limits[metrics.LimitHandshakeTimeout].Load(); n < peers {
				t.Errorf("the limit counts %d peers, want %d", n, peers)
			}
		})
	}
}

// hello is the first half of a ClientHello record.
var hello = fullHello[:len(fullHello)/2]

// halfHello connects, sends half a ClientHello and stops.
func (s *server) halfHello(mode session.Mode) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr(mode))
	if err != nil {
		s.t.Fatal(err)
	}
	if mode == session.Explicit {
		if _, err := c.Write([]byte("AUTH TLS\r\n")); err != nil {
			s.t.Fatal(err)
		}
		s.readUntil(c, "234 ")
	}
	if _, err := c.Write(hello); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// readUntil reads lines until one starts with prefix.
func (s *server) readUntil(c net.Conn, prefix string) {
	s.t.Helper()
	var line []byte
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			s.t.Fatal(err)
		}
		if line = append(line, b[0]); b[0] != '\n' {
			continue
		}
		if string(line[:len(prefix)]) == prefix {
			return
		}
		line = nil
	}
}

// loginP99 logs in n times, one after another, and returns the slowest but one
// in a hundred.
func (s *server) loginP99(n int) time.Duration {
	s.t.Helper()
	took := make([]time.Duration, 0, n)
	for range n {
		from := time.Now()
		c := s.login(session.Implicit, func(o *ftpclient.Options) { o.NoResume = true })
		took = append(took, time.Since(from))
		if err := c.Quit(); err != nil {
			s.t.Error(err)
		}
		c.Close()
	}
	slices.Sort(took)
	return took[n*99/100-1]
}

// await waits for a condition that other goroutines bring about.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
