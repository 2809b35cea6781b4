package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// TestAlive: the server is alive while its clock ticks.
func TestAlive(t *testing.T) {
	s := start(t, nil)
	await(t, "alive", func() bool { return s.Alive() == nil })
	stopped := &Engine{}
	stopped.clock.start = time.Now().Add(-2 * maxLag)
	stopped.clock.set(time.Now().Add(-maxLag - time.Millisecond))
	if stopped.Alive() == nil {
		t.Error("alive without a tick")
	}
	stopped.clock.set(time.Now())
	if err := stopped.Alive(); err != nil {
		t.Errorf("after a tick: %v", err)
	}
}

// TestReady: no new clients while the server is full, nor while it drains.
func TestReady(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxSessions, c.LingerTimeout = 2, time.Millisecond })
	var last *ftpclient.Client
	for range 2 {
		if err := s.Ready(); err != nil {
			t.Fatalf("with %d sessions: %v", s.Sessions(), err)
		}
		last = s.login(session.Plain, nil)
	}
	if err := s.Ready(); !errors.Is(err, errFull) {
		t.Errorf("with two sessions of two: got %v, want %v", err, errFull)
	}
	last.Close()
	await(t, "a session has ended", func() bool { return s.Sessions() == 1 })
	if err := s.Ready(); err != nil {
		t.Errorf("with one session of two: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Ready(); !errors.Is(err, errDraining) {
		t.Errorf("going down: got %v, want %v", err, errDraining)
	}
}
