package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"fastftps/metrics"
)

// gate is a writer that hangs until it is opened.
type gate struct {
	met  chan struct{} // takes a token a call
	open chan struct{}
	mu   sync.Mutex // guards got
	got  bytes.Buffer
}

func newGate() *gate { return &gate{met: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.met <- struct{}{}
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

// TestLogQueue: a log that hangs stops nobody, loses the newest lines only beyond
// its bound, counts them, and goes on in order.
func TestLogQueue(t *testing.T) {
	g := newGate()
	var lost metrics.Counter
	q := newLogQueue(g, &lost)
	const lines = 4 * maxQueued / 100
	for i := range lines {
		fmt.Fprintf(q, "%099d\n", i)
		if i == 0 {
			<-g.met // what comes now is queued behind the line that hangs
		}
	}
	if n := lost.Load(); n == 0 || n >= lines {
		t.Errorf("%d of %d lines were lost", n, lines)
	}
	close(g.open)
	q.close()
	kept := strings.Split(strings.TrimSuffix(g.got.String(), "\n"), "\n")
	if int64(len(kept))+lost.Load() != lines {
		t.Errorf("%d lines written and %d lost, of %d", len(kept), lost.Load(), lines)
	}
	for i, line := range kept {
		if line != fmt.Sprintf("%099d", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if _, err := fmt.Fprintln(q, "late"); err != nil {
		t.Error(err)
	}
}

// TestLogQueueHangs: the end of the server does not wait for ever.
func TestLogQueueHangs(t *testing.T) {
	g := newGate()
	q := newLogQueue(g, new(metrics.Counter))
	fmt.Fprintln(q, "line")
	q.close()
	close(g.open)
	<-q.done
}
