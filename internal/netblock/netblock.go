// Package netblock says which addresses are one client.
package netblock

import "net/netip"

// Of returns what counts as one client in limits and delays: an IPv4 address, or
// of IPv6 the /64, which one client owns whole. An IPv4-mapped address is IPv4.
func Of(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 is in range: no error
		return p.Addr()
	}
	return a
}
