package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// worker returns the worker with that number, made if it is new.
func (s *server) worker(b *bench, id int) *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.workers) <= id {
		s.workers = append(s.workers, newWorker(b, s, len(s.workers)))
	}
	return s.workers[id]
}

// closedLoop has every worker go on until the time is over.
func (b *bench) closedLoop(ctx context.Context, s *server, seg segment, until time.Duration, running *sync.WaitGroup) {
	for id := range b.cfg.Clients {
		w := s.worker(b, id)
		w.rec.measure = seg.measure
		running.Go(func() {
			defer w.rec.flush()
			for ctx.Err() == nil && b.now() < until {
				w.arrive(ctx, b.now())
				w.pause(ctx)
			}
		})
	}
}

// openLoop starts arrivals at their times, whatever the server does. Where
// arrivals are operations the sessions serve them; where they are sessions there
// are as many workers as it takes.
func (b *bench) openLoop(ctx context.Context, s *server, seg segment, from time.Duration, running *sync.WaitGroup) {
	d := &dispatcher{
		b: b, s: s, seg: seg, from: from, running: running,
		arrivals: make(chan time.Duration, b.cfg.MaxInflight), most: b.cfg.MaxInflight,
	}
	d.rec.out, d.rec.target, d.rec.measure = b.collector.in, s.index, seg.measure
	d.first = s.firstOp(b)
	if !b.cfg.Scenario.alone() {
		d.most = b.cfg.Clients
		for range d.most {
			d.start()
		}
	}
	running.Go(func() { d.run(ctx) })
}

// firstOp is what an arrival that is dropped would have begun with.
func (s *server) firstOp(b *bench) op {
	sc := &b.cfg.Scenario
	if sc.visit {
		return opLogin
	}
	return sc.steps[0].op()
}

// dispatcher is the open loop's clock.
type dispatcher struct {
	b        *bench
	s        *server
	seg      segment
	from     time.Duration
	running  *sync.WaitGroup
	arrivals chan time.Duration
	rec      recorder // of lags and drops
	first    op

	started int // workers
	most    int
	busy    atomic.Int64 // arrivals in work or waiting
}

// run sends arrivals out until the segment is over.
func (d *dispatcher) run(ctx context.Context) {
	defer d.rec.flush()
	defer close(d.arrivals)
	sched := newSchedule(d.seg.rate, d.b.cfg.Poisson, rand.New(rand.NewPCG(d.b.cfg.Seed, 1<<32+d.seg.salt)))
	for {
		at := sched.next()
		if at >= d.seg.length {
			return
		}
		wanted := d.from + at
		if wait := wanted - d.b.now(); wait > 0 {
			think(ctx, wait)
		}
		if d.b.ctx.Err() != nil {
			return
		}
		d.dispatch(wanted)
	}
}

// dispatch sends one arrival out, or drops it.
func (d *dispatcher) dispatch(wanted time.Duration) {
	now := d.b.now()
	batch := d.rec.batch()
	batch.lags = append(batch.lags, now-wanted)
	busy := d.busy.Load()
	if busy >= int64(d.b.cfg.MaxInflight) {
		batch.dropped[d.first]++
	} else {
		d.busy.Add(1)
		if busy >= int64(d.started) && d.started < d.most {
			d.start()
		}
		d.arrivals <- wanted // there is room: see MaxInflight
	}
	if len(batch.lags) >= batchOps || now-d.rec.flushed >= batchAge {
		d.rec.flushed = now
		d.rec.flush()
	}
}

// start starts one more worker.
func (d *dispatcher) start() {
	w := d.s.worker(d.b, d.started)
	d.started++
	w.rec.measure = d.seg.measure
	d.running.Go(func() {
		defer w.rec.flush()
		for wanted := range d.arrivals {
			if d.b.ctx.Err() == nil {
				w.arrive(d.b.ctx, wanted)
			}
			d.busy.Add(-1)
		}
	})
}

// openSessions opens the sessions of a loop that keeps them, some at a time.
func (b *bench) openSessions(s *server) {
	if b.cfg.Scenario.alone() {
		return
	}
	b.enter("sessions", s.index)
	b.each(s, b.cfg.Clients, func(w *worker) {
		w.rec.measure = false
		if b.ctx.Err() == nil {
			w.ready()
		}
		w.rec.flush()
	})
}

// closeSessions ends all sessions of a target.
func (b *bench) closeSessions(s *server) {
	b.each(s, len(s.all()), (*worker).quit)
}

// atOnce is how many sessions are opened or closed at the same time.
const atOnce = 32

// each runs f on the first n workers, some at a time.
func (b *bench) each(s *server, n int, f func(*worker)) {
	var wg sync.WaitGroup
	next := make(chan *worker)
	for range min(n, atOnce) {
		wg.Go(func() {
			for w := range next {
				f(w)
			}
		})
	}
	for id := range n {
		next <- s.worker(b, id)
	}
	close(next)
	wg.Wait()
}

// all returns the workers there are.
func (s *server) all() []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.workers)
}

// join waits for the workers until some time after the segment; what does not end
// by then has failed; what does not end soon after the user has had enough is cut
// off.
func (b *bench) join(s *server, running *sync.WaitGroup, until time.Duration) {
	ended := make(chan struct{})
	go func() { defer close(ended); running.Wait() }()
	limit, cancel := context.WithDeadline(context.Background(), b.begun.Add(until+b.cfg.Timeout+grace))
	defer cancel()
	overdue := false
	select {
	case <-ended:
		return
	case <-limit.Done():
		overdue = true
	case <-b.ctx.Done():
		soon, cancel := context.WithTimeout(limit, grace)
		defer cancel()
		select {
		case <-ended:
			return
		case <-soon.Done():
		}
	}
	b.log("%s: operations that did not end were cut off", s.Name)
	for _, w := range s.all() {
		w.cut(overdue)
	}
	<-ended
	for _, w := range s.all() {
		w.mend()
	}
}

// grace is how long operations may go on when the user has had enough.
const grace = 2 * time.Second
