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

// wait is how long a login that comes now waits for its answer.
func (c *clock) wait(t *testing.T, s *Slowdown, addr netip.Addr, user string) time.Duration {
	t.Helper()
	at, ok := s.Turn(addr, user)
	if !ok {
		t.Fatal("the line is full")
	}
	if at.IsZero() {
		return 0
	}
	return at.Sub(c.now())
}

// TestSlowdownGrowsAndIsCapped: one guess after another, each as soon as the
// one before it was answered.
func TestSlowdownGrowsAndIsCapped(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30} {
		got := c.wait(t, s, home, fmt.Sprint("user", i))
		if got != want*time.Second {
			t.Errorf("guess %d: waits %v, want %ds", i+1, got, int(want))
		}
		c.add(got)
		s.Failed(home, fmt.Sprint("user", i))
	}
	if got := c.wait(t, s, other, "alice"); got != 0 {
		t.Errorf("another address: waits %v, want 0", got)
	}
	c.add(10 * time.Second)
	if got, want := c.wait(t, s, home, "alice"), 20*time.Second; got != want {
		t.Errorf("10 s after the last failure: waits %v, want %v", got, want)
	}
}

// TestSlowdownIsOverAfterItsTime: who waited on his own is answered at once.
func TestSlowdownIsOverAfterItsTime(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	for range 3 {
		s.Failed(home, "alice")
	}
	c.add(4 * time.Second)
	if got := c.wait(t, s, home, "alice"); got != 0 {
		t.Errorf("waits %v, want 0", got)
	}
}

// TestSlowdownInParallel: many connections at once are answered as one that
// guesses again and again, and no login waits for more than Max.
func TestSlowdownInParallel(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	s.Failed(home, "alice")
	const length = 10 * time.Minute
	var turns []time.Time
	answered := 0
	for end := c.now().Add(length); c.now().Before(end); c.add(time.Second) {
		for range 64 {
			at, ok := s.Turn(home, "alice")
			if wait := at.Sub(c.now()); ok && wait > 30*time.Second {
				t.Fatalf("a login waits %v", wait)
			}
			if ok {
				turns = append(turns, at)
			}
		}
		for len(turns) > 0 && !turns[0].After(c.now()) {
			turns = turns[1:]
			answered++
			s.Failed(home, "alice")
		}
	}
	// 1, 2, 4, 8, 16 seconds, then one in 30.
	if most := 6 + int(length/(30*time.Second)); answered > most {
		t.Errorf("%d guesses in %v over 64 connections, want at most %d", answered, length, most)
	}
}

// TestSlowdownHangUp: who does not stay for the answer comes no earlier to the
// next one.
func TestSlowdownHangUp(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	s.Failed(home, "alice")
	var last time.Duration
	for range 4 {
		wait := c.wait(t, s, home, "alice")
		if wait <= last {
			t.Errorf("waits %v after %v", wait, last)
		}
		last = wait
	}
	if _, ok := s.Turn(home, "alice"); ok {
		t.Error("got a turn later than the longest wait")
	}
	c.add(time.Minute)
	if wait := c.wait(t, s, home, "alice"); wait != 0 {
		t.Errorf("waits %v once all have gone, want 0", wait)
	}
}

func TestSlowdownOfAUserIsNoLock(t *testing.T) {
	for _, most := range []time.Duration{30 * time.Second, 2 * time.Second} {
		c := newClock()
		s := NewSlowdown(SlowdownOptions{Now: c.now, Max: most})
		for i := range 1000 {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			s.Failed(addr, "alice")
		}
		want := min(5*time.Second, most)
		if got := c.wait(t, s, home, "alice"); got != want {
			t.Errorf("owner waits %v, want %v", got, want)
		}
		c.add(want)
		if got := c.wait(t, s, home, "alice"); got != 0 {
			t.Errorf("owner waits %v after %v, want 0", got, want)
		}
	}
}

func TestSlowdownDecays(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now, Decay: time.Minute})
	for range 5 {
		s.Failed(home, "alice")
	}
	c.add(3 * time.Minute) // 5 - 3 = 2 failures left, this is the third
	s.Failed(home, "alice")
	if got, want := c.wait(t, s, home, "alice"), 4*time.Second; got != want {
		t.Errorf("after three decays: waits %v, want %v", got, want)
	}
	c.add(time.Hour)
	s.Failed(home, "alice")
	if got, want := c.wait(t, s, home, "alice"), time.Second; got != want {
		t.Errorf("after an hour: waits %v, want %v", got, want)
	}
}

func TestSlowdownSucceeded(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	for range 4 {
		s.Failed(home, "victim")
	}
	s.Succeeded(home, "mine")
	if got, want := c.wait(t, s, home, "mine"), 8*time.Second; got != want {
		t.Errorf("address after a success: waits %v, want %v", got, want)
	}
	if got, want := c.wait(t, s, other, "victim"), 5*time.Second; got != want {
		t.Errorf("another user after a success: waits %v, want %v", got, want)
	}
	s.Succeeded(other, "victim")
	if got := c.wait(t, s, other, "victim"); got != 0 {
		t.Errorf("the user after a success: waits %v, want 0", got)
	}
	s.Failed(home, "mine")
	s.Succeeded(home, "mine")
	c.add(time.Minute) // nobody waits
	c.wait(t, s, home, "mine")
	if got, want := c.wait(t, s, home, "mine"), 16*time.Second; got != want {
		t.Errorf("after a failure and a success of the same name: the next but one waits %v, want %v", got, want)
	}
}

// TestSlowdownBesideSuccess: logins that succeed in between, of a name that costs nothing,
// make guessing no faster.
func TestSlowdownBesideSuccess(t *testing.T) {
	guesses := func(between func(*clock, *Slowdown)) (n int) {
		c := newClock()
		s := NewSlowdown(SlowdownOptions{Now: c.now})
		for end := c.now().Add(10 * time.Minute); c.now().Before(end); n++ {
			name := fmt.Sprint("user", n)
			c.add(c.wait(t, s, home, name))
			s.Failed(home, name)
			between(c, s)
		}
		return n
	}
	plain := guesses(func(*clock, *Slowdown) {})
	beside := guesses(func(c *clock, s *Slowdown) {
		c.add(c.wait(t, s, home, "anonymous"))
		s.Succeeded(home, "anonymous")
	})
	if plain == 0 || beside > plain {
		t.Errorf("%d guesses in ten minutes, %d without", beside, plain)
	}
}

// TestSlowdownForgivesATypo: after one failure and one success many logins at
// once are answered at once.
func TestSlowdownForgivesATypo(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now})
	s.Failed(home, "alice")
	c.add(c.wait(t, s, home, "alice"))
	s.Succeeded(home, "alice")
	for range 10 {
		if got := c.wait(t, s, home, "alice"); got != 0 {
			t.Fatalf("waits %v, want 0", got)
		}
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
			c := newClock()
			s := NewSlowdown(SlowdownOptions{Now: c.now})
			s.Failed(netip.MustParseAddr(tt.failed), "alice")
			if got := c.wait(t, s, netip.MustParseAddr(tt.asked), "bob") > 0; got != tt.delayed {
				t.Errorf("got delayed: %t, want %t", got, tt.delayed)
			}
		})
	}
}

func TestSlowdownIsBounded(t *testing.T) {
	c := newClock()
	s := NewSlowdown(SlowdownOptions{Now: c.now, Entries: 100})
	for i := range 10_000 {
		s.Failed(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), fmt.Sprint("user", i))
	}
	if got := s.table.len(); got != 100 {
		t.Errorf("entries: got %d, want 100", got)
	}
	s.Failed(home, "alice")
	if c.wait(t, s, home, "alice") == 0 {
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
	off := NewSlowdown(SlowdownOptions{})
	for range 1000 {
		off.Failed(home, "x")
	}
	if off.Banned(home) {
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
				s.Turn(addr, user)
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
