package session

import (
	"context"
	"net/netip"
	"testing"

	"fastftps/auth"
	"fastftps/codec"
)

// leaver is a client that hangs up while its password is checked.
type leaver struct{ m *memory }

func (l leaver) Authenticate(ctx context.Context, _, _ string) (*auth.User, error) {
	l.m.s.Cancel()
	return nil, ctx.Err()
}

// TestLeftLoginCountsAsFailed: a password whose check nobody waits for has cost
// what a wrong one costs. Uncounted, it would be a way to keep the hash workers
// busy with no delay and no ban.
func TestLeftLoginCountsAsFailed(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.s.cfg.Auth = leaver{m}
	failed := 0
	m.s.cfg.LoginFailed = func(netip.Addr, string) { failed++ }
	m.send(t, "USER demo")
	if _, act := m.s.Feed([]byte("PASS x\r\n")); act != WorkHash {
		t.Fatalf("got action %d, want WorkHash", act)
	}
	m.s.Work()
	if code := codeOf(m.s.Out()); code != codec.C421Closing || failed != 1 {
		t.Errorf("got %d and %d failures, want 421 and 1", code, failed)
	}
}
