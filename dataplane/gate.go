package dataplane

import "runtime"

// gate is where transfers let others run. The runtime serves what is ready in order,
// and lets each go on for up to 10 ms: of 200 transfers that never have to wait for their
// peers some would get three times as much as others, and a NOOP would come after all
// of them. So a transfer steps back after each stretch; and since a queue of 200
// stretches is still too long for a NOOP, as many as there are processors stand in the
// runtime's queue and the others are parked here, in order. Nothing else is done
// while a place is held.
type gate chan struct{}

func newGate() gate { return make(gate, runtime.GOMAXPROCS(0)) }

// stretch is how many bytes a transfer moves before it steps back: 0.1 to 0.5 ms. By
// sendfile in clear it is clearStep.
const stretch = 512 << 10

// step waits until those have run that were ready before.
func (g gate) step() {
	g <- struct{}{}
	runtime.Gosched()
	<-g
}

// pass steps back when n bytes more make a stretch.
func (t *transfer) pass(n int64) {
	if t.ran += n; t.ran >= stretch {
		t.ran = 0
		t.plane.gate.step()
	}
}
