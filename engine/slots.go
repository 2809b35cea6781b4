package engine

import "sync"

// slots bounds how many handshakes are under way: each costs tens of KiB while
// it lasts. A connection that finds none free waits in line with nothing but
// its ClientHello, until a slot comes or its time is over.
type slots struct {
	mu    sync.Mutex // guards the fields below
	free  int
	queue []*conn
	all   int // free is negative while more are held than this
}

// resize changes how many slots there are.
func (s *slots) resize(n int) {
	s.mu.Lock()
	s.free += n - s.all
	s.all = n
	k := max(0, min(s.free, len(s.queue)))
	next := s.queue[:k:k]
	s.queue = s.queue[k:]
	s.free -= k
	s.mu.Unlock()
	for _, c := range next {
		c.postLater(evSlot)
	}
}

// held is how many handshakes are under way.
func (s *slots) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all - s.free
}

// acquire gives c a slot, or puts it in line and reports false; evSlot comes
// later. c.slot says which. Owner of c only.
func (s *slots) acquire(c *conn) bool {
	if c.slot == slotWaiting {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free <= 0 {
		c.slot = slotWaiting
		s.queue = append(s.queue, c)
		return false
	}
	s.free--
	c.slot = slotHeld
	return true
}

// release gives back what c has: its slot, or its place in line. Owner of c
// only. Should evSlot be under way to a connection that gave up, the slot is
// not lost: handle finds slotNone and the slot was counted here.
func (s *slots) release(c *conn) {
	s.mu.Lock()
	if c.slot == slotWaiting && s.removeLocked(c) {
		s.mu.Unlock()
		return
	}
	var next *conn
	if len(s.queue) > 0 && s.free >= 0 {
		next, s.queue = s.queue[0], s.queue[1:]
	} else {
		s.free++
	}
	s.mu.Unlock()
	if next != nil {
		next.postLater(evSlot)
	}
}

// removeLocked takes c out of the line; false when a slot was given to it
// already.
func (s *slots) removeLocked(c *conn) bool {
	for i, q := range s.queue {
		if q == c {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			return true
		}
	}
	return false
}
