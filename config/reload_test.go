package config

import (
	"slices"
	"strings"
	"testing"
)

// TestNeedRestart: what is read at the start alone is told from the rest.
func TestNeedRestart(t *testing.T) {
	load := func(settings ...Setting) *Config {
		t.Helper()
		c := Default()
		for _, s := range settings {
			if faults := c.apply(s); faults != nil {
				t.Fatal(faults)
			}
		}
		return c
	}
	old := load()
	for _, tt := range []struct {
		name string
		next *Config
		want []string
	}{
		{"nothing", load(), nil},
		{"limits", load(Setting{Key: "limits.max_sessions", Value: "7"}, Setting{Key: "auth.failure_delay", Value: "3s"}), nil},
		{"the same text", load(Setting{Key: "metrics.addr", Value: ""}), nil},
		{"ports", load(Setting{Key: "passive.ports", Value: "50000"}), []string{"passive.ports"}},
		{"a listener", load(Setting{Key: "listen.1.addr", Value: ":991"}), []string{"listen.1.addr"}},
		{"one more", load(Setting{Key: "listen.2.addr", Value: ":2"}), []string{"listen.2.addr", "listen.2.mode", "listen.2.require_tls"}},
		{"one less", load(Setting{Key: "listen", Value: ":21"}), []string{"listen.1.addr", "listen.1.mode", "listen.1.require_tls"}},
		{"two", load(Setting{Key: "metrics.addr", Value: ":1"}, Setting{Key: "limits.fs_workers", Value: "3"}), []string{"limits.fs_workers", "metrics.addr"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := old.NeedRestart(tt.next); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, k := range atStart {
		if _, ok := old.find(k); !ok && !strings.HasSuffix(k, ".") {
			t.Errorf("no key %s", k)
		}
	}
}
