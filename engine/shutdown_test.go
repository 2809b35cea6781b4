package engine

import (
	"context"
	"testing"
	"time"

	"fastftps/metrics"
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
