// Package dataplane moves file bytes: it owns the data connections of all
// sessions, passive and active, and the transfers on them.
//
// A Plane is the whole: listeners, workers, memory budget. A Channel belongs
// to one session: it takes a passive port or remembers an active address, and
// starts one transfer at a time. A transfer is a job with one goroutine, which
// alone reads, writes and closes its connection and its file; others only set
// a deadline in the past and wait for the result.
//
// Data connections use the runtime's poller, not the control connections' one:
// blocking calls on a goroutine give sendfile, splice and back-pressure.
package dataplane

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"
)

// Plane is the data plane of a server. Its methods may be called from any
// goroutine.
type Plane struct {
	live      atomic.Pointer[Config] // see cfg
	stats     Stats
	pool      *passivePool
	budget    *budget
	deflaters *deflaters
	gate      gate
	pages     atomic.Int32 // transfers that have notSentPages
	workers   *ants.PoolWithFuncGeneric[*transfer]
	dials     *dialSlots
	early     *earlySlots
	down      chan struct{} // closed by Close
	once      sync.Once

	stopping  atomic.Bool
	transfers sync.WaitGroup // started, and not yet at the end of their goroutine
	helpers   sync.WaitGroup // goroutines of tryEarly

	mu       sync.Mutex // guards the fields below, and transfer.index
	running  []*transfer
	admitted int // transfers from Start to their result
}

// New makes a data plane. Nothing is bound before the first Passive.
func New(cfg Config) (*Plane, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Plane{
		budget:    newBudget(cfg.Budget),
		deflaters: newDeflaters(cfg.MaxDeflaters),
		gate:      newGate(),
		dials:     newDialSlots(cfg.MaxDials),
		early:     newEarlySlots(),
		down:      make(chan struct{}),
	}
	p.live.Store(&cfg)
	p.pool = newPassivePool(p)
	p.workers, err = ants.NewPoolWithFuncGeneric(cfg.workers(), (*transfer).run, ants.WithNonblocking(true))
	return p, err
}

// cfg returns the limits in force.
func (p *Plane) cfg() *Config { return p.live.Load() }

// Reload takes the limits of next, but for ports, addresses, MaxDials, MaxDeflaters and
// who seals records, which stay as they are. What runs goes on; what is
// decided from now on is decided by the new limits.
func (p *Plane) Reload(next Config) error {
	next, err := next.withDefaults()
	if err != nil {
		return err
	}
	was := p.cfg()
	next.PortLow, next.PortHigh, next.AutoPorts, next.Listen = was.PortLow, was.PortHigh, was.AutoPorts, was.Listen
	next.MaxDials, next.MaxDeflaters, next.Handshake = was.MaxDials, was.MaxDeflaters, was.Handshake
	next.Engine, next.KernelTLS = was.Engine, was.KernelTLS
	p.live.Store(&next)
	p.workers.Tune(next.workers())
	p.budget.resize(next.Budget)
	return nil
}

// Stats returns the counters.
func (p *Plane) Stats() *Stats { return &p.stats }

// BufferBytes is how much of Config.Budget is in use.
func (p *Plane) BufferBytes() int64 { return p.budget.used() }

// Sweep ends what has waited or stalled too long at the time now: leases,
// transfers without a connection, transfers without progress. The engine calls
// it once a second; there is no timer a connection.
func (p *Plane) Sweep(now time.Time) {
	p.pool.sweep(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.running {
		if t.stalled(now, p.cfg().Stall) {
			t.stop(CauseStalled)
		}
	}
}

// Stop ends all transfers with CauseShutdown and refuses new ones. It does not
// wait; see Close.
func (p *Plane) Stop() {
	p.mu.Lock()
	p.stopping.Store(true)
	p.mu.Unlock()
	p.pool.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.running {
		t.stop(CauseShutdown)
	}
}

// Close stops the plane, closes its listeners, and returns when every result
// was delivered and every goroutine has ended, but for transfers that wait longer
// than patience for the disk: nothing ends a call to a file. It returns how many are
// left.
func (p *Plane) Close(patience time.Duration) (left int) {
	p.Stop()
	p.once.Do(func() { close(p.down) })
	p.pool.close()
	p.helpers.Wait()
	ended := make(chan struct{})
	go func() {
		p.transfers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		_ = p.workers.ReleaseTimeout(time.Second)
	case <-time.After(patience):
		left = int(p.stats.Running.Load())
		p.workers.Release()
	}
	return left
}

// admit counts a transfer that is about to start, if there may be one more. One that
// waits for its connection counts, one that has delivered its result does not: what
// is left of it waits for the peer's FIN, see drain.
func (p *Plane) admit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopping.Load():
		return ErrClosed
	case p.admitted >= p.cfg().MaxTransfers:
		p.stats.Overloads.Add(1)
		return ErrOverload
	}
	p.admitted++
	p.transfers.Add(1)
	return nil
}

// settle gives the place of an admitted transfer to the next.
func (p *Plane) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.admitted--
}

// submit gives an admitted transfer its goroutine: a worker's, or where none is left,
// after a reload or because one is about to be, its own.
func (p *Plane) submit(t *transfer) {
	if p.workers.Invoke(t) != nil {
		go t.run()
	}
}

// endEarly ends a transfer that has not run: on a worker, for to discard a
// file may block.
func (p *Plane) endEarly(t *transfer, why Cause, err error) {
	t.failed, t.failure = why, err
	p.submit(t)
}

func (p *Plane) enter(t *transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.index = len(p.running)
	p.running = append(p.running, t)
	p.stats.Running.Add(1)
}

func (p *Plane) leave(t *transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.running[len(p.running)-1]
	p.running[t.index], last.index = last, t.index
	p.running[len(p.running)-1] = nil
	p.running = p.running[:len(p.running)-1]
	p.stats.Running.Add(-1)
}
