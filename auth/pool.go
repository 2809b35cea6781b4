package auth

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"
)

// PoolOptions bound a Pool. Zero values stand for the defaults.
type PoolOptions struct {
	Workers int           // hashes at once; max(1, cores-1)
	Queue   int           // logins that wait for a worker; 256
	Wait    time.Duration // how long one waits at most; 10 s
}

// Pool computes password hashes apart from everything else, so that a flood of
// logins slows down logins only. Its memory is bounded by Workers times what
// one hash takes (19 MiB for the hashes that this package makes). Safe for use
// by many goroutines.
type Pool struct {
	workers *ants.Pool
	width   int
	queue   int
	wait    time.Duration
	stop    chan struct{} // closed by Close

	mu      sync.Mutex // guards the fields below
	pending []*poolJob // first in, first out
	running int        // drain loops in workers
	closed  bool
}

// poolJob is a function that waits for its turn. Whoever moves state away from
// jobWaiting first, the worker or the caller that gives up, decides.
type poolJob struct {
	fn    func()
	state atomic.Uint32
	done  chan struct{}
	fault any // what fn panicked with; read after done
}

// run runs the function and keeps its panic for the caller of Do, whose
// goroutine knows the session to blame.
func (j *poolJob) run() {
	defer func() {
		j.fault = recover()
		close(j.done)
	}()
	j.fn()
}

// ended is what Do returns for a function that has run.
func (j *poolJob) ended() error {
	if j.fault != nil {
		panic(j.fault)
	}
	return nil
}

const (
	jobWaiting uint32 = iota
	jobTaken
	jobDropped
)

// NewPool starts a pool. Close ends it.
func NewPool(o PoolOptions) (*Pool, error) {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.Wait <= 0 {
		o.Wait = 10 * time.Second
	}
	workers, err := ants.NewPool(o.Workers, ants.WithNonblocking(true))
	if err != nil {
		return nil, fmt.Errorf("start the hash pool: %w", err)
	}
	return &Pool{workers: workers, width: o.Workers, queue: o.Queue, wait: o.Wait, stop: make(chan struct{})}, nil
}

// Do runs fn on a worker and returns when it has ended. It returns ErrBusy
// without running fn when the queue is full or the pool is closed, ErrLate when
// no worker got to it in time, and the context's error when that ended first; a
// function that has begun then runs to its end, so it must not write to what
// the caller reads after an error.
func (p *Pool) Do(ctx context.Context, fn func()) error {
	job := &poolJob{fn: fn, done: make(chan struct{})}
	if !p.enqueue(job) {
		return ErrBusy
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	busy := ErrBusy
	select {
	case <-job.done:
		return job.ended()
	case <-ctx.Done():
	case <-timer.C:
		busy = ErrLate
	case <-p.stop:
	}
	if p.drop(job) && ctx.Err() == nil {
		return busy
	}
	select { // a worker was just quicker: its end is near
	case <-job.done:
		return job.ended()
	case <-ctx.Done():
		return fmt.Errorf("wait for a password hash: %w", ctx.Err())
	}
}

// Waiting returns how many functions wait for a worker now.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending)
}

// Close refuses new work and drops what waits, with ErrBusy. Workers end once
// they are done with what they do. A second call does nothing.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.stop)
	p.workers.Release()
}

func (p *Pool) enqueue(job *poolJob) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.pending) >= p.queue+p.width-p.running {
		return false
	}
	p.pending = append(p.pending, job)
	if p.running < p.width && p.workers.Submit(p.drain) == nil {
		p.running++
	}
	return p.running > 0
}

// drain runs what waits until nothing does. It is a worker's whole life.
func (p *Pool) drain() {
	for job := p.next(); job != nil; job = p.next() {
		if job.state.CompareAndSwap(jobWaiting, jobTaken) {
			job.run()
		}
	}
}

func (p *Pool) next() *poolJob {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 || p.closed {
		p.running--
		return nil
	}
	job := p.pending[0]
	p.pending[0] = nil
	p.pending = p.pending[1:]
	return job
}

// drop takes a job out of the queue; false when a worker has begun it.
func (p *Pool) drop(job *poolJob) bool {
	if !job.state.CompareAndSwap(jobWaiting, jobDropped) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, j := range p.pending {
		if j == job {
			p.pending = append(p.pending[:i], p.pending[i+1:]...)
			break
		}
	}
	return true
}
