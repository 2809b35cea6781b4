package main

import (
	"bytes"
	"io"
	"sync"
	"time"

	"fastftps/metrics"
)

// maxQueued bounds the bytes of log lines that wait to be written.
const maxQueued = 1 << 20

// logQueue writes in a goroutine of its own. Lines come from the event loop, which
// must wait neither for a disk nor for a pipe that nobody reads. Lines beyond
// maxQueued, and those that cannot be written, are lost and counted.
type logQueue struct {
	w    io.Writer
	lost *metrics.Counter
	wake chan struct{} // holds a token while there is something to do
	done chan struct{} // closed when the last line is written

	mu      sync.Mutex // guards the fields below
	buf     []byte     // whole lines
	waiters []chan struct{}
	closed  bool
}

func newLogQueue(w io.Writer, lost *metrics.Counter) *logQueue {
	q := &logQueue{w: w, lost: lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes a whole line. It never blocks and never fails.
func (q *logQueue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.buf)+len(p) > maxQueued {
		q.lost.Inc()
		return len(p), nil
	}
	q.buf = append(q.buf, p...)
	q.poke()
	return len(p), nil
}

// poke leaves the token, if there is none.
func (q *logQueue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes what is queued, all of it in one call: a busy server pays one system
// call for many lines.
func (q *logQueue) run() {
	defer close(q.done)
	var spare []byte
	for range q.wake {
		q.mu.Lock()
		lines, waiters, closed := q.buf, q.waiters, q.closed
		q.buf, q.waiters = spare[:0], nil
		q.mu.Unlock()
		q.put(lines)
		for _, w := range waiters {
			close(w)
		}
		spare = lines
		if closed {
			return
		}
	}
}

// put writes lines, if there are any: a token may be left from before.
func (q *logQueue) put(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if _, err := q.w.Write(lines); err != nil {
		q.lost.Add(int64(bytes.Count(lines, []byte{'\n'})))
	}
}

// maxFlush is how long flush and close wait for a writer that hangs.
const maxFlush = time.Second

// flush returns when the lines that were taken before are written.
func (q *logQueue) flush() {
	written := make(chan struct{})
	q.mu.Lock()
	q.waiters = append(q.waiters, written)
	q.mu.Unlock()
	q.poke()
	select {
	case <-written:
	case <-q.done:
	case <-time.After(maxFlush):
	}
}

// close writes what is queued and ends the goroutine. A writer that hangs is left
// behind.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.flush()
}
