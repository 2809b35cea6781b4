package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"fastftps/internal/netblock"
)

// SlowdownOptions set how failed logins slow down the next ones. Zero values
// stand for the defaults.
type SlowdownOptions struct {
	First   time.Duration // delay after the first failure; 1 s, doubled with each further one
	Max     time.Duration // most that an address is delayed; 30 s
	UserMax time.Duration // most that a user name is delayed; 5 s, or Max if that is less
	Decay   time.Duration // a failure is forgotten in this time; 5 minutes
	Entries int           // addresses and names remembered; 100,000

	BanAfter  int           // failures of one address within BanWindow that ban it; 0 bans nobody
	BanWindow time.Duration // 10 minutes
	BanTime   time.Duration // 15 minutes

	Now func() time.Time // clock; time.Now
}

// Slowdown counts failed logins by address and by user name and says when the
// next login may be answered. It never blocks and keeps no timer: the session
// waits. A name is only ever delayed, for a lock would let anybody shut its
// owner out. IPv6 addresses count by their /64, which one client owns whole.
// Safe for use by many goroutines.
//
// A session asks Turn before it checks a password, so a right one waits like a
// wrong one: silence tells nothing, and hanging up early spares no wait. The
// logins of one address take turns, each as late as if those before it had
// failed, so from the first failure on guessing over many connections is no
// faster than over one. Those that are under way before it are free: as many as
// an address may have connections (limits.max_sessions_per_ip).
type Slowdown struct {
	seed maphash.Seed

	mu    sync.Mutex // guards the fields below
	o     SlowdownOptions
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

	ahead int       // logins that have a turn and are not answered
	free  time.Time // the next turn
}

// NewSlowdown returns an empty table.
func NewSlowdown(o SlowdownOptions) *Slowdown {
	o = o.withDefaults()
	return &Slowdown{o: o, seed: maphash.MakeSeed(), table: newLRU[slowKey, failures](o.Entries)}
}

// Configure changes the options, but for Entries and Now. Failures and bans
// that stand stay counted.
func (s *Slowdown) Configure(o SlowdownOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Entries, o.Now = s.o.Entries, s.o.Now
	s.o = o.withDefaults()
}

func (o SlowdownOptions) withDefaults() SlowdownOptions {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.First, time.Second)
	def(&o.Max, 30*time.Second)
	def(&o.UserMax, min(5*time.Second, o.Max))
	def(&o.Decay, 5*time.Minute)
	def(&o.BanWindow, 10*time.Minute)
	def(&o.BanTime, 15*time.Minute)
	if o.Entries <= 0 {
		o.Entries = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Turn says when a login from addr as user is to be checked and answered, the
// zero time for at once. After n failures that is 2^(n-1) times First behind
// the last answer. ok is false when more logins of the address wait already
// than have their turn within Max: this one is not to be checked at all.
func (s *Slowdown) Turn(addr netip.Addr, user string) (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if f := s.table.get(s.addrKey(addr)); f != nil {
		if at, ok = s.turnLocked(f, now); !ok {
			return at, false
		}
	}
	if f := s.table.get(s.userKey(user)); f != nil {
		s.fade(f, now)
		at = later(at, f.last.Add(delay(s.o.First, f.count, s.o.UserMax)))
	}
	if !at.After(now) {
		return time.Time{}, true
	}
	return at, true
}

// turnLocked gives out the next turn of an address.
func (s *Slowdown) turnLocked(f *failures, now time.Time) (at time.Time, ok bool) {
	s.fade(f, now)
	if f.count == 0 {
		return time.Time{}, true
	}
	if !now.Before(f.free) {
		f.ahead, f.free = 0, now // nobody waits any more
	}
	if at = f.free; at.Sub(now) > s.o.Max {
		return at, false
	}
	f.ahead++
	f.free = at.Add(delay(s.o.First, f.count+f.ahead, s.o.Max))
	return at, true
}

// Failed counts a login that was refused.
func (s *Slowdown) Failed(addr netip.Addr, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	f := s.countLocked(s.addrKey(addr), now)
	s.strikeLocked(f, now)
	f.ahead = max(0, f.ahead-1) // it counts as a failure now
	f.free = later(f.free, now.Add(delay(s.o.First, f.count, s.o.Max)))
	s.countLocked(s.userKey(user), now)
}

// Succeeded forgets the failures of the name, on the address as well. Those of other
// names stay: a guesser who owns an account, or an anonymous one, must not clear his
// address with it.
func (s *Slowdown) Succeeded(addr netip.Addr, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, own := s.o.Now(), 0
	if f := s.table.get(s.userKey(user)); f != nil {
		s.fade(f, now)
		own = f.count
		s.table.remove(s.userKey(user))
	}
	if f := s.table.get(s.addrKey(addr)); f != nil {
		s.fade(f, now)
		f.count = max(0, f.count-own)
		f.ahead = max(0, f.ahead-1)
		if f.ahead == 0 {
			f.free = now.Add(delay(s.o.First, f.count, s.o.Max))
		}
	}
}

// Banned reports whether addr failed too often of late; its connections are
// then refused at once.
func (s *Slowdown) Banned(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.BanAfter <= 0 {
		return false
	}
	f := s.table.get(s.addrKey(addr))
	return f != nil && s.o.Now().Before(f.banned)
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

// delay is first, doubled with each failure but the first, and at most most.
func delay(first time.Duration, failures int, most time.Duration) time.Duration {
	if failures == 0 {
		return 0
	}
	for i := 1; i < failures && first < most; i++ {
		first *= 2
	}
	return min(first, most)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *Slowdown) addrKey(a netip.Addr) slowKey {
	return slowKey(maphash.Comparable(s.seed, netblock.Of(a)))
}

func (s *Slowdown) userKey(name string) slowKey {
	return slowKey(maphash.String(s.seed, name))
}
