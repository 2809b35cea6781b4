package engine

import (
	"log/slog"
	"net/netip"
	"testing"

	"fastftps/metrics"
	"fastftps/session"
)

// TestNoAllocationACommand: what clients send to keep a session alive, and what
// counts it, allocates nothing; neither does a refusal.
func TestNoAllocationACommand(t *testing.T) {
	s := start(t, nil)
	conf := s.listeners[2].conf.Load()
	sess := session.New(conf, session.Peer{
		Remote: netip.AddrPortFrom(local(1), 40000), Local: netip.AddrPortFrom(local(1), 21),
		Data: &channel{}, Log: func() *slog.Logger { return slog.New(slog.DiscardHandler) },
	})
	defer sess.Gone()
	sess.Open()
	sess.Sent()
	sess.Feed([]byte("USER demo\r\nPASS secret\r\n"))
	sess.Work()
	if sess.Resume(); !sess.LoggedIn() {
		t.Fatalf("login: %s", sess.Out())
	}
	sess.Sent()
	for _, line := range []string{"NOOP\r\n", "PWD\r\n", "TYPE I\r\n", "XYZZ\r\n"} {
		in := []byte(line)
		if n := testing.AllocsPerRun(1000, func() {
			sess.Feed(in)
			sess.Sent()
		}); n != 0 {
			t.Errorf("%q: %v allocations, want 0", line, n)
		}
	}
	if n := s.metrics.Commands[metrics.VerbOf("NOOP")][metrics.Class2].Load(); n != 1001 {
		t.Errorf("NOOP was counted %d times, want 1001", n)
	}
	events := sessionEvents{s.Engine}
	for name, count := range map[string]func(){
		"login":   func() { events.Login(metrics.LoginOK) },
		"limit":   func() { events.Limit(metrics.LimitMaxUpload) },
		"refused": func() { s.rejected(refusedRate) },
	} {
		if n := testing.AllocsPerRun(1000, count); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
