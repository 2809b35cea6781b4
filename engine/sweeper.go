package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// coarseClock is the time as of the last tick. Reading it costs an atomic
// load, so every command can stamp its connection.
type coarseClock struct {
	start time.Time
	nanos atomic.Int64 // since start
}

// tickEvery is how often the clock moves and deadlines are looked at. It is the
// precision of every time limit on the control connection.
const tickEvery = time.Second

// now is the time since the start.
func (c *coarseClock) now() time.Duration { return time.Duration(c.nanos.Load()) }

// wall is the same as a point in time.
func (c *coarseClock) wall() time.Time { return c.start.Add(c.now()) }

// set moves the clock on, never back: what was due stays due until it is dealt
// with.
func (c *coarseClock) set(t time.Time) {
	at := int64(t.Sub(c.start))
	for old := c.nanos.Load(); at > old && !c.nanos.CompareAndSwap(old, at); {
		old = c.nanos.Load()
	}
}

// registry holds all control connections, sharded by id so that neither
// opening and closing nor the sweep meets one big lock.
type registry struct {
	shards [64]shard
}

type shard struct {
	mu    sync.Mutex // guards conns
	conns map[uint64]*conn
}

func newRegistry() *registry {
	r := &registry{}
	for i := range r.shards {
		r.shards[i].conns = map[uint64]*conn{}
	}
	return r
}

func (r *registry) shard(id uint64) *shard { return &r.shards[id%uint64(len(r.shards))] }

func (r *registry) add(c *conn) {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c.id] = c
}

func (r *registry) remove(c *conn) {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

// each calls f for every connection that matches. f may not add or remove.
func (r *registry) each(match func(*conn) bool, f func(*conn)) {
	var found []*conn
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, c := range s.conns {
			if match(c) {
				found = append(found, c)
			}
		}
		s.mu.Unlock()
		for _, c := range found {
			f(c)
		}
		clear(found)
		found = found[:0]
	}
}

// len is the number of connections.
func (r *registry) len() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.conns)
		s.mu.Unlock()
	}
	return n
}

// sweep moves the clock to t and looks at all that is due: deadlines of
// control connections, data connections, ticket keys. One goroutine a second,
// instead of a timer a connection.
func (e *Engine) sweep(t time.Time) {
	e.clock.set(t)
	now := int64(e.now())
	e.conns.each(func(c *conn) bool {
		at := c.deadline.Load()
		return at != never && now >= at
	}, func(c *conn) { c.postLater(evTick) })
	e.plane.Sweep(t)
	e.admission.forget(t)
	e.rotateTickets(t)
}

// sweepEvery runs sweep until the engine stops.
func (e *Engine) sweepEvery(d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case t := <-tick.C:
			e.sweep(t)
		case <-e.stopped:
			return
		}
	}
}
