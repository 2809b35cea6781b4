package engine

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"fastftps/metrics"
	"fastftps/session"
)

// TestShutdownWithLingerers: clients that said QUIT and do not close hold up
// nothing, for all has been said to them.
func TestShutdownWithLingerers(t *testing.T) {
	eachReactor(t, func(c *Config) { c.LingerTimeout = time.Hour }, func(t *testing.T, s *server) {
		for _, mode := range modes {
			if err := s.login(mode, nil).Quit(); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if n := s.metrics.Limits[metrics.LimitDrainTimeout].Load(); n != 0 {
			t.Error("the drain met its deadline")
		}
	})
}

// TestShutdownMeetsAccept: a connection that was admitted just before Shutdown
// and is made after it told all others is told, too.
func TestShutdownMeetsAccept(t *testing.T) {
	s := start(t, nil)
	remote := netip.MustParseAddrPort("192.0.2.1:1024")
	if why := s.admit(remote.Addr()); why != admitted {
		t.Fatal(why)
	}
	var w paper
	s.draining.Store(true)
	c := s.newConn(s.listeners[session.Plain], endpoint{remote: remote, local: remote, wire: &w})
	s.draining.Store(false)
	if want := "220 fastftps ready\r\n421 Server is going down\r\n"; w.text.String() != want {
		t.Errorf("got %q, want %q", w.text.String(), want)
	}
	c.closed()
}

// paper is a wire to nobody.
type paper struct {
	wire
	text bytes.Buffer
}

func (w *paper) TryWrite(p []byte) (int, error) { return w.text.Write(p) }
func (w *paper) ShutWrite()                     {}
func (w *paper) Shut()                          {}

// TestShutdownAtOnce: a server may be stopped while it starts.
func TestShutdownAtOnce(t *testing.T) {
	for range 20 {
		eachReactor(t, nil, func(*testing.T, *server) {})
	}
}
