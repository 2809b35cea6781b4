package dataplane

import (
	"runtime"
	"time"
)

// turns bounds how many transfers compute at a time: seal, open, compress. Those that
// wait do so here, in order, and not among the goroutines that are ready to run. The
// runtime serves these one by one: with 200 of them a NOOP would wait until a hundred had
// sealed a block, each.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

// turn is one transfer's part in it, and of its goroutine alone. Nothing may block on
// a peer, a disk or memory between Take and Give.
type turn struct {
	of     turns
	mine   bool
	waited time.Duration // in all
}

// Take waits until it is this transfer's turn, unless it is already.
func (t *turn) Take() {
	if t.mine {
		return
	}
	t.mine = true
	select {
	case t.of <- struct{}{}:
		return
	default:
	}
	began := time.Now()
	t.of <- struct{}{}
	// Who is woken comes before all that the runtime has queued, and would wake the
	// next one: the pollers would wait for sixty of them.
	runtime.Gosched()
	t.waited += time.Since(began)
}

// Give ends the turn, if there is one.
func (t *turn) Give() {
	if t.mine {
		t.mine = false
		<-t.of
	}
}

// stretch is after how many bytes a transfer lets others run. One whose peer takes all at
// once would go on for 10 ms, and who is beside it gets a third.
const stretch = 512 << 10

// pass lets others run when n bytes more make a stretch.
func (t *transfer) pass(n int64) {
	if t.ran += n; t.ran >= stretch {
		t.ran = 0
		runtime.Gosched()
	}
}
