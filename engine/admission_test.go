package engine

import (
	"net/netip"
	"testing"
	"time"
)

// TestAdmissionByClient: limits an address hold for all that one client owns, of
// IPv6 a /64.
func TestAdmissionByClient(t *testing.T) {
	for _, row := range []struct {
		name, first, second string
		want                refusal
	}{
		{"same", "192.0.2.1", "192.0.2.1", refusedPerAddr},
		{"next IPv4", "192.0.2.1", "192.0.2.2", admitted},
		{"same IPv6 /64", "2001:db8::1", "2001:db8::ffff:1", refusedPerAddr},
		{"next IPv6 /64", "2001:db8::1", "2001:db8:0:1::1", admitted},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, now := newAdmission(10, 1, 0), time.Unix(0, 0)
			first, second := netip.MustParseAddr(row.first), netip.MustParseAddr(row.second)
			if got := a.enter(first, now); got != admitted {
				t.Fatalf("first: got %v", got)
			}
			if got := a.enter(second, now); got != row.want {
				t.Errorf("second: got %v, want %v", got, row.want)
			}
			a.leave(first, now)
			if got := a.enter(first, now); got != admitted {
				t.Errorf("once left: got %v", got)
			}
		})
	}
}
