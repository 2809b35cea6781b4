package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// SlowdownOptions set how failed logins slow down the next ones. Zero values
// stand for the defaults.
type SlowdownOptions struct {
	First   time.Duration // delay after the first failure; 1 s, doubled with each further one
	Max     time.Duration // most that an address is delayed; 30 s
	UserMax time.Duration // most that a user name is delayed; 5 s
	Decay   time.Duration // a failure is forgotten in this time; 5 minutes
	Entries int           // addresses and names remembered; 100,000

	BanAfter  int           // failures of one address within BanWindow that ban it; 0 bans nobody
	BanWindow time.Duration // 10 minutes
	BanTime   time.Duration // 15 minutes

	Now func() time.Time // clock; time.Now
}

// Slowdown counts failed logins by address and by user name and says how long
// the next login must wait. It never blocks and keeps no timer: the session
// waits. A name is only ever delayed, for a lock would let anybody shut its
// owner out. IPv6 addresses count by their /64, which one client owns whole.
// Safe for use by many goroutines.
//
// Failed returns the delay for the refusal it counts, Delay what a new attempt
// still has to wait. Delaying refusals alone tells a wrong password by the
// silence that follows it, so a session that is to withstand guessing over many
// connections asks Delay before it checks the password.
type Slowdown struct {
	o    SlowdownOptions
	seed maphash.Seed

	mu    sync.Mutex // guards table
	table *lru[slowKey, failures]
}

// slowKey is the hash of an address or of a name, so that long names take no
// room. Two that share a key share a delay.
type slowKey uint64

type failures struct {
	count  int       // decays, see fade
	last   time.Time // of the last failure
	faded  time.Time // count was brought down last
	window time.Time // began at the first of strikes
	strike int       // failures within BanWindow
	banned time.Time // until then
}

// NewSlowdown returns an empty table.
func NewSlowdown(o SlowdownOptions) *Slowdown {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.First, time.Second)
	def(&o.Max, 30*time.Second)
	def(&o.UserMax, 5*time.Second)
	def(&o.Decay, 5*time.Minute)
	def(&o.BanWindow, 10*time.Minute)
	def(&o.BanTime, 15*time.Minute)
	if o.Entries <= 0 {
		o.Entries = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Slowdown{o: o, seed: maphash.MakeSeed(), table: newLRU[slowKey, failures](o.Entries)}
}

// Delay returns how long a login from addr as user must still wait: 1 s, 2 s,
// 4 s and so on since the last failure, 0 when there was none or it is long
// enough ago.
func (s *Slowdown) Delay(addr netip.Addr, user string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	return max(
		s.remainingLocked(s.addrKey(addr), s.o.Max, now),
		s.remainingLocked(s.userKey(user), s.o.UserMax, now))
}

// Failed counts a refused login and returns the delay that the next one gets.
func (s *Slowdown) Failed(addr netip.Addr, user string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	ofAddr := s.countLocked(s.addrKey(addr), now)
	s.strikeLocked(ofAddr, now)
	delay := s.delayOf(ofAddr, s.o.Max)
	return max(delay, s.delayOf(s.countLocked(s.userKey(user), now), s.o.UserMax))
}

// Succeeded forgets the failures of the name and halves those of the address: a
// guesser who owns one account must not clear his address with it.
func (s *Slowdown) Succeeded(addr netip.Addr, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.remove(s.userKey(user))
	if f := s.table.get(s.addrKey(addr)); f != nil {
		f.count /= 2
	}
}

// Banned reports whether addr failed too often of late; its connections are
// then refused at once.
func (s *Slowdown) Banned(addr netip.Addr) bool {
	if s.o.BanAfter <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.table.get(s.addrKey(addr))
	return f != nil && s.o.Now().Before(f.banned)
}

func (s *Slowdown) remainingLocked(k slowKey, most time.Duration, now time.Time) time.Duration {
	f := s.table.get(k)
	if f == nil {
		return 0
	}
	s.fade(f, now)
	return max(0, s.delayOf(f, most)-now.Sub(f.last))
}

func (s *Slowdown) countLocked(k slowKey, now time.Time) *failures {
	f := s.table.put(k)
	s.fade(f, now)
	f.count++
	f.last = now
	return f
}

func (s *Slowdown) strikeLocked(f *failures, now time.Time) {
	if now.Sub(f.window) > s.o.BanWindow {
		f.window, f.strike = now, 0
	}
	f.strike++
	if s.o.BanAfter > 0 && f.strike >= s.o.BanAfter {
		f.banned, f.strike = now.Add(s.o.BanTime), 0
	}
}

// fade takes one failure away for each Decay that has passed.
func (s *Slowdown) fade(f *failures, now time.Time) {
	if f.count == 0 {
		f.faded = now
		return
	}
	n := int(now.Sub(f.faded) / s.o.Decay)
	if n <= 0 {
		return
	}
	f.count = max(0, f.count-n)
	f.faded = f.faded.Add(time.Duration(n) * s.o.Decay)
}

func (s *Slowdown) delayOf(f *failures, most time.Duration) time.Duration {
	d := s.o.First
	for i := 1; i < f.count && d < most; i++ {
		d *= 2
	}
	if f.count == 0 {
		return 0
	}
	return min(d, most)
}

func (s *Slowdown) addrKey(a netip.Addr) slowKey {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 is in range: no error
		a = p.Addr()
	}
	return slowKey(maphash.Comparable(s.seed, a))
}

func (s *Slowdown) userKey(name string) slowKey {
	return slowKey(maphash.String(s.seed, name))
}
