package netblock

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for _, tt := range []struct{ name, addr, want string }{
		{"IPv4", "192.0.2.7", "192.0.2.7"},
		{"mapped", "::ffff:192.0.2.7", "192.0.2.7"},
		{"IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"zone", "fe80::1%eth0", "fe80::"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(netip.MustParseAddr(tt.addr)).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
