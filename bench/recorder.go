package bench

import (
	"crypto/tls"
	"sync"
	"time"

	"fastftps/bench/report"
)

// phase is a step of a session or a transfer.
type phase uint8

// The phases, in the order of a session.
const (
	phaseConnect phase = iota
	phaseHandshakeFull
	phaseHandshakeRes
	phaseGreeting
	phaseAuth
	phaseLogin
	phaseEndpoint
	phaseDataConnect
	phaseDataFull
	phaseDataRes
	phaseFirstByte
	phaseLastByte
	phaseCompletion
	phases // how many there are
)

var phaseNames = [phases]string{
	report.PhaseConnect, report.PhaseHandshakeFull, report.PhaseHandshakeRes, report.PhaseGreeting, report.PhaseAuth,
	report.PhaseLogin, report.PhaseEndpoint, report.PhaseDataConnect, report.PhaseDataFull, report.PhaseDataRes,
	report.PhaseFirstByte, report.PhaseLastByte, report.PhaseCompletion,
}

// op is a kind of operation.
type op uint8

// The operations.
const (
	opRetr op = iota
	opStor
	opList
	opLogin
	opHandshake
	opAbort // a download that we break off
	opSlow  // a download that we read slowly
	opNoop
	opStall // a connection that begins a handshake and stops
	ops     // how many there are
)

var opNames = [ops]string{"retr", "stor", "list", "login", "handshake", "abort", "slow", "noop", "stalled"}

// phaseSample is one phase that has ended well.
type phaseSample struct {
	phase   phase
	op      op // that it was part of
	took    time.Duration
	version uint16 // of TLS, in handshakes
	cipher  uint16
}

// opSample is one operation. Times are since the run's beginning.
type opSample struct {
	op                opSampleKind
	wanted, from, end time.Duration // scheduled, begun, ended
	bytes             int64
}

// opSampleKind is an operation and how it ended.
type opSampleKind struct {
	op      op
	outcome outcome
}

// outcome is how an operation ended.
type outcome uint8

// The outcomes.
const (
	good   outcome = iota
	failed         // the server said no, or nothing
	wrong          // the server said yes and was wrong
)

// batch is what a worker hands to the collector at once.
type batch struct {
	target  int
	measure bool // else it was warm-up
	phases  []phaseSample
	ops     []opSample
	fails   []failure
	lags    []time.Duration // of an open loop's schedule
	dropped [ops]int64      // arrivals that found too many in flight, or no session
}

// A batch leaves when it is full or this old.
const (
	batchOps    = 64
	batchPhases = 512
	batchAge    = 100 * time.Millisecond
)

var batches = sync.Pool{New: func() any {
	return &batch{phases: make([]phaseSample, 0, batchPhases), ops: make([]opSample, 0, batchOps)}
}}

// recorder collects what one worker measures. It belongs to that worker.
type recorder struct {
	out     chan<- *batch
	target  int
	measure bool
	b       *batch
	flushed time.Duration
}

func (r *recorder) batch() *batch {
	if r.b == nil {
		r.b = batches.Get().(*batch)
		r.b.target, r.b.measure = r.target, r.measure
		r.b.phases, r.b.ops, r.b.fails = r.b.phases[:0], r.b.ops[:0], r.b.fails[:0]
		r.b.lags, r.b.dropped = r.b.lags[:0], [ops]int64{}
	}
	return r.b
}

// phase records a phase.
func (r *recorder) phase(p phase, o op, took time.Duration) {
	b := r.batch()
	b.phases = append(b.phases, phaseSample{phase: p, op: o, took: took})
}

// handshake records a handshake: full is its phase when the session was new, the
// next one when it was resumed.
func (r *recorder) handshake(full phase, o op, took time.Duration, state *tls.ConnectionState) {
	if state.DidResume {
		full++
	}
	b := r.batch()
	b.phases = append(b.phases, phaseSample{full, o, took, state.Version, state.CipherSuite})
}

// op records an operation that has ended, with the reason if it did not end
// well, and hands everything over when it is time to.
func (r *recorder) op(s opSample, err error) {
	b := r.batch()
	b.ops = append(b.ops, s)
	if err != nil {
		b.fails = append(b.fails, newFailure(s.op, err))
	}
	if len(b.ops) >= batchOps || len(b.phases) >= batchPhases-2*int(phases) || s.end-r.flushed >= batchAge {
		r.flushed = s.end
		r.flush()
	}
}

// flush hands over what there is.
func (r *recorder) flush() {
	if r.b != nil {
		r.out <- r.b
		r.b = nil
	}
}
