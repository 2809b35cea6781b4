package engine

import (
	"sync"

	"github.com/panjf2000/ants/v2"

	"fastftps/metrics"
)

// pool runs jobs on at most limit goroutines at a time, first come, first
// served. Submitting never blocks, so an event loop may do it; a connection
// has at most one job out, so the queue is bounded by the number of
// connections.
type pool struct {
	limit   int
	workers *ants.Pool
	waits   *metrics.Counter // jobs that had to wait for a worker

	mu      sync.Mutex // guards the fields below
	queue   []func()
	running int
}

func newPool(limit int, workers *ants.Pool, waits *metrics.Counter) *pool {
	return &pool{limit: limit, workers: workers, waits: waits}
}

// submit runs job soon.
func (p *pool) submit(job func()) {
	p.mu.Lock()
	if p.running >= p.limit {
		p.queue = append(p.queue, job)
		p.mu.Unlock()
		p.waits.Inc()
		return
	}
	p.running++
	p.mu.Unlock()
	spawn(p.workers, func() { p.work(job) })
}

// work runs job and then what is queued. A panic is the job's own to recover.
func (p *pool) work(job func()) {
	for job != nil {
		job()
		job = p.next()
	}
}

// next takes a queued job, or gives the worker's place back.
func (p *pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue = nil
		p.running--
		return nil
	}
	job := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return job
}

// spawn runs f on a pooled goroutine, or on a new one when the pool is full or
// closed: it never blocks and never refuses.
func spawn(workers *ants.Pool, f func()) {
	if workers.Submit(f) != nil {
		go f()
	}
}
