package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second // for what must happen; never waited out when it does

func newTestPool(t testing.TB, o PoolOptions) *Pool {
	t.Helper()
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// occupy fills n workers of p, however long that takes, and returns the function that lets them go.
func occupy(t testing.TB, p *Pool, n int) (release func()) {
	t.Helper()
	gate, begun := make(chan struct{}), make(chan struct{}, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			err := ErrBusy
			for errors.Is(err, ErrBusy) { // a short Wait may be over before a worker has started
				err = p.Do(context.Background(), func() { begun <- struct{}{}; <-gate })
			}
			if err != nil {
				t.Errorf("occupy: %v", err)
			}
		})
	}
	for range n {
		receive(t, begun, "a worker's start")
	}
	return sync.OnceFunc(func() { close(gate); wg.Wait() })
}

// waitFor polls a condition that other goroutines bring about.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ticker, deadline := time.NewTicker(time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for !cond() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func TestPoolWidth(t *testing.T) {
	const width, jobs = 3, 50
	p := newTestPool(t, PoolOptions{Workers: width, Queue: jobs, Wait: patience})
	var now, peak, ran atomic.Int32
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			err := p.Do(context.Background(), func() {
				n := now.Add(1)
				for m := peak.Load(); n > m && !peak.CompareAndSwap(m, n); m = peak.Load() {
				}
				ran.Add(1)
				now.Add(-1)
			})
			if err != nil {
				t.Errorf("Do: %v", err)
			}
		})
	}
	wg.Wait()
	if ran.Load() != jobs || peak.Load() > width {
		t.Errorf("got %d runs, at most %d at once; want %d, at most %d", ran.Load(), peak.Load(), jobs, width)
	}
	if p.Waiting() != 0 {
		t.Errorf("waiting: got %d, want 0", p.Waiting())
	}
}

func TestPoolQueueFull(t *testing.T) {
	p := newTestPool(t, PoolOptions{Workers: 1, Queue: 2, Wait: patience})
	release := occupy(t, p, 1)
	defer release()
	results := make(chan error, 2)
	for range 2 {
		go func() { results <- p.Do(context.Background(), func() {}) }()
	}
	waitFor(t, "a full queue", func() bool { return p.Waiting() == 2 })
	ran := false
	if err := p.Do(context.Background(), func() { ran = true }); !errors.Is(err, ErrBusy) || ran {
		t.Fatalf("third in a queue of two: got %v (ran: %t), want ErrBusy", err, ran)
	}
	release()
	for range 2 {
		if err := receive(t, results, "the end of a queued job"); err != nil {
			t.Errorf("queued job: %v", err)
		}
	}
}

func TestPoolWait(t *testing.T) {
	p := newTestPool(t, PoolOptions{Workers: 1, Queue: 2, Wait: 5 * time.Millisecond})
	gate, begun := make(chan struct{}), make(chan struct{})
	long := make(chan error, 1)
	go func() { long <- p.Do(context.Background(), func() { close(begun); <-gate }) }()
	receive(t, begun, "the worker's start")
	if err := p.Do(context.Background(), func() { t.Error("ran") }); !errors.Is(err, ErrBusy) {
		t.Errorf("queued job: got %v, want ErrBusy", err)
	}
	if p.Waiting() != 0 {
		t.Errorf("a job that gave up still waits: %d", p.Waiting())
	}
	close(gate)
	if err := receive(t, long, "the long job's end"); err != nil {
		t.Errorf("a job that began is not cut off by the wait: got %v", err)
	}
}

func TestPoolContext(t *testing.T) {
	p := newTestPool(t, PoolOptions{Workers: 1, Queue: 2, Wait: patience})
	defer occupy(t, p, 1)()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Do(ctx, func() { t.Error("ran") }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestPoolPanicReachesTheCaller(t *testing.T) {
	p := newTestPool(t, PoolOptions{Workers: 1, Wait: patience})
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want boom", r)
			}
		}()
		_ = p.Do(context.Background(), func() { panic("boom") })
	}()
	if err := p.Do(context.Background(), func() {}); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestPoolClose(t *testing.T) {
	p := newTestPool(t, PoolOptions{Workers: 1, Queue: 2, Wait: patience})
	release := occupy(t, p, 1)
	queued := make(chan error, 1)
	go func() { queued <- p.Do(context.Background(), func() { t.Error("ran") }) }()
	waitFor(t, "a queued job", func() bool { return p.Waiting() == 1 })
	p.Close()
	p.Close()
	if err := receive(t, queued, "the queued job's end"); !errors.Is(err, ErrBusy) {
		t.Errorf("queued: got %v, want ErrBusy", err)
	}
	if err := p.Do(context.Background(), func() { t.Error("ran") }); !errors.Is(err, ErrBusy) {
		t.Errorf("after Close: got %v, want ErrBusy", err)
	}
	release()
}
