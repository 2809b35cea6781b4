package engine

import (
	"net/netip"
	"sync"
	"time"

	"fastftps/internal/netblock"
	"fastftps/metrics"
)

// refusal is why a connection is not admitted.
type refusal uint8

const (
	admitted refusal = iota
	refusedTotal
	refusedPerAddr
	refusedRate
	refusedDraining
	refusedBanned
)

// refusals say what the log calls each refusal and what counts it.
var refusals = [...]struct {
	name    string
	reject  metrics.Reject
	limit   metrics.Limit
	isLimit bool
}{
	refusedTotal:    {"max_sessions", metrics.RejectMaxSessions, metrics.LimitMaxSessions, true},
	refusedPerAddr:  {"max_sessions_per_ip", metrics.RejectMaxPerAddress, metrics.LimitMaxSessionsPerIP, true},
	refusedRate:     {"accept_rate_per_ip", metrics.RejectRate, metrics.LimitAcceptRatePerIP, true},
	refusedDraining: {name: "draining", reject: metrics.RejectDraining},
	refusedBanned:   {name: "banned", reject: metrics.RejectBanned},
}

// maxTrackedAddrs bounds the addresses whose rate is remembered.
const maxTrackedAddrs = 1 << 16

// admission counts control connections, in all and by client address, and
// bounds the rate of new ones. It is asked before anything else exists.
type admission struct {
	mu    sync.Mutex // guards the fields below
	total int
	addrs map[netip.Addr]*client

	maxTotal, maxPerAddr int
	perSecond            int // new connections a second and address; 0 without bound
}

// client is what is known of one address.
type client struct {
	open  int
	theor time.Time // theoretical arrival time of the generic cell rate algorithm
}

func newAdmission(maxTotal, maxPerAddr, perSecond int) *admission {
	return &admission{maxTotal: maxTotal, maxPerAddr: maxPerAddr, perSecond: perSecond, addrs: map[netip.Addr]*client{}}
}

// limit sets the limits of those to come.
func (a *admission) limit(maxTotal, maxPerAddr, perSecond int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.maxTotal, a.maxPerAddr, a.perSecond = maxTotal, maxPerAddr, perSecond
}

// enter admits a connection, or says which limit it met. Every admitted
// connection leaves once.
func (a *admission) enter(addr netip.Addr, now time.Time) refusal {
	addr = netblock.Of(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.maxTotal {
		return refusedTotal
	}
	c := a.addrs[addr]
	if c == nil {
		if len(a.addrs) >= maxTrackedAddrs {
			a.forgetLocked(now)
		}
		c = &client{}
		a.addrs[addr] = c
	}
	if a.maxPerAddr > 0 && c.open >= a.maxPerAddr {
		return refusedPerAddr
	}
	if !c.allow(now, a.perSecond) {
		return refusedRate
	}
	a.total++
	c.open++
	return admitted
}

// full reports whether nobody would be admitted.
func (a *admission) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total >= a.maxTotal
}

// allow is the generic cell rate algorithm with a burst of one second.
func (c *client) allow(now time.Time, perSecond int) bool {
	if perSecond <= 0 {
		return true
	}
	if c.theor.Before(now) {
		c.theor = now
	}
	next := c.theor.Add(time.Second / time.Duration(perSecond))
	if next.Sub(now) > time.Second {
		return false
	}
	c.theor = next
	return true
}

// leave takes back what enter counted.
func (a *admission) leave(addr netip.Addr, now time.Time) {
	addr = netblock.Of(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	c := a.addrs[addr]
	c.open--
	if c.open == 0 && !c.theor.After(now) {
		delete(a.addrs, addr)
	}
}

// forget drops the addresses that have nothing open and owe no rate. The
// sweeper calls it.
func (a *admission) forget(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(now)
}

func (a *admission) forgetLocked(now time.Time) {
	for addr, c := range a.addrs {
		if c.open == 0 && !c.theor.After(now) {
			delete(a.addrs, addr)
		}
	}
}
