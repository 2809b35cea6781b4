package auth

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var (
	home  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
)

func TestSlowdownGrowsAndIsCapped(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	if d := s.Delay(home, "alice"); d != 0 {
		t.Fatalf("before any failure: got %v, want 0", d)
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := s.Failed(home, fmt.Sprint("user", i)); got != want*time.Second {
			t.Errorf("failure %d: got %v, want %vs", i+1, got, int(want))
		}
	}
	c.add(10 * time.Second)
	if got, want := s.Delay(home, "alice"), 20*time.Second; got != want {
		t.Errorf("10 s after the last failure: got %v, want %v", got, want)
	}
	c.add(20 * time.Second)
	if got := s.Delay(home, "alice"); got != 0 {
		t.Errorf("after the delay: got %v, want 0", got)
	}
	if got := s.Delay(other, "alice"); got != 0 {
		t.Errorf("another address: got %v, want 0", got)
	}
}

func TestSlowdownOfAUserIsNoLock(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	for i := range 1000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		s.Failed(addr, "alice")
	}
	if got, want := s.Delay(home, "alice"), 5*time.Second; got != want {
		t.Errorf("owner's delay: got %v, want %v", got, want)
	}
	c.add(5 * time.Second)
	if got := s.Delay(home, "alice"); got != 0 {
		t.Errorf("owner's delay 5 s later: got %v, want 0", got)
	}
}

func TestSlowdownDecays(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now, Decay: time.Minute})
	for range 5 {
		s.Failed(home, "alice")
	}
	c.add(3 * time.Minute) // 5 - 3 = 2 failures left, this is the third
	if got, want := s.Failed(home, "alice"), 4*time.Second; got != want {
		t.Errorf("after three decays: got %v, want %v", got, want)
	}
	c.add(time.Hour)
	if got, want := s.Failed(home, "alice"), time.Second; got != want {
		t.Errorf("after an hour: got %v, want %v", got, want)
	}
}

func TestSlowdownSucceeded(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	for range 4 {
		s.Failed(home, "victim")
	}
	s.Succeeded(home, "mine")
	if got, want := s.Delay(home, "mine"), 2*time.Second; got != want {
		t.Errorf("address after a success: got %v, want %v", got, want)
	}
	if got, want := s.Delay(other, "victim"), 5*time.Second; got != want {
		t.Errorf("another user after a success: got %v, want %v", got, want)
	}
	s.Succeeded(other, "victim")
	if got := s.Delay(other, "victim"); got != 0 {
		t.Errorf("the user after a success: got %v, want 0", got)
	}
}

func TestSlowdownAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, failed, asked string
		delayed             bool
	}{
		{"same", "192.0.2.1", "192.0.2.1", true},
		{"next IPv4", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 mapped", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"same IPv6 /64", "2001:db8::1", "2001:db8::ffff:1", true},
		{"next IPv6 /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSlowdown(SlowdownOptions{Now: newClock().now})
			s.Failed(netip.MustParseAddr(tt.failed), "alice")
			if got := s.Delay(netip.MustParseAddr(tt.asked), "bob") > 0; got != tt.delayed {
				t.Errorf("got delayed: %t, want %t", got, tt.delayed)
			}
		})
	}
}

func TestSlowdownIsBounded(t *testing.T) {
	s := NewSlowdown(SlowdownOptions{Now: newClock().now, Entries: 100})
	for i := range 10_000 {
		s.Failed(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), fmt.Sprint("user", i))
	}
	if got := s.table.len(); got != 100 {
		t.Errorf("entries: got %d, want 100", got)
	}
	s.Failed(home, "alice")
	if s.Delay(home, "alice") == 0 {
		t.Error("the newest failure is forgotten")
	}
}

func TestBan(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now, BanAfter: 3, BanWindow: time.Minute, BanTime: time.Hour})
	fail := func(n int) {
		for range n {
			s.Failed(home, "alice")
		}
	}
	fail(2)
	c.add(time.Minute + 1)
	fail(2)
	if s.Banned(home) {
		t.Error("banned by failures of two windows")
	}
	fail(1)
	if !s.Banned(home) || s.Banned(other) {
		t.Errorf("after three failures: got %t, other %t; want true, false", s.Banned(home), s.Banned(other))
	}
	c.add(time.Hour - 1)
	if !s.Banned(home) {
		t.Error("the ban ended early")
	}
	c.add(1)
	if s.Banned(home) {
		t.Error("the ban does not end")
	}
	if off := NewSlowdown(SlowdownOptions{}); off.Failed(home, "x") == 0 || off.Banned(home) {
		t.Error("bans are on by default")
	}
}

func TestSlowdownConcurrent(t *testing.T) {
	s := NewSlowdown(SlowdownOptions{Entries: 16, BanAfter: 5})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				addr, user := netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}), fmt.Sprint(j%20)
				s.Failed(addr, user)
				s.Delay(addr, user)
				s.Banned(addr)
				s.Succeeded(addr, user)
			}
		})
	}
	wg.Wait()
	if got := s.table.len(); got > 16 {
		t.Errorf("entries: got %d, want at most 16", got)
	}
}

func BenchmarkSlowdownFullTable(b *testing.B) {
	s := NewSlowdown(SlowdownOptions{})
	for i := range 100_000 {
		s.Failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x")
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		s.Failed(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), "alice")
	}
}
