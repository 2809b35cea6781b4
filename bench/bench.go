package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fastftps/bench/report"
)

// bench is a run.
type bench struct {
	cfg     *Config
	ctx     context.Context // of what is measured
	stop    context.CancelCauseFunc
	begun   time.Time
	content *content
	servers []*server

	collector *collector
	rounds    [][]report.Slice // by target
	slices    [][]report.Slice
	probes    []report.Probe
	idle      *report.Idle
	errors    atomic.Int64
	stage     atomic.Pointer[stage]
	self      self

	mu      sync.Mutex // guards the fields below
	invalid []string
}

// stage is where the run is, for live views.
type stage struct {
	name   string
	active int // index of the target, -1 for all
}

// errTooMany ends a run with more failures than allowed.
var errTooMany = errors.New("too many errors")

// Run measures. An error says that there is nothing to report. When ctx ends
// early the report holds what there is; a run that could not clean up says so
// through Log.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	b := &bench{
		cfg: &cfg, begun: time.Now(), content: newContent(cfg.Seed), collector: newCollector(len(cfg.Targets)),
		rounds: make([][]report.Slice, len(cfg.Targets)), slices: make([][]report.Slice, len(cfg.Targets)),
	}
	b.ctx, b.stop = context.WithCancelCause(ctx)
	defer b.stop(nil)
	b.enter("setup", -1)
	for i, t := range cfg.Targets {
		b.servers = append(b.servers, &server{Target: t, index: i, tls: cfg.tls(), users: cfg.users(t)})
	}
	processes, err := b.startServers()
	defer processes.stop()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() { b.collector.run(done) })
	defer background.Wait()
	defer close(done)
	return b.run()
}

func (b *bench) run() (*report.Report, error) {
	defer b.cleanUp()
	for _, s := range b.servers {
		if err := b.setUp(s); err != nil {
			return nil, fmt.Errorf("%s: %w", s.URL(), err)
		}
	}
	b.self.begin()
	watch := b.watch()
	err := b.measure()
	watch.end()
	if err != nil {
		return nil, err
	}
	return b.report(), nil
}

// measure runs the segments.
func (b *bench) measure() error {
	switch {
	case b.cfg.Scenario.hold != holdNone:
		return b.measureHold()
	case b.cfg.FindMax:
		return b.findMax()
	case len(b.servers) == 2:
		b.measureAB()
	default:
		b.measureRounds()
	}
	return nil
}

// measureRounds measures one target, several times if wanted.
func (b *bench) measureRounds() {
	s := b.servers[0]
	defer b.background(s)()
	b.openSessions(s)
	for i := range b.cfg.Rounds {
		if b.cfg.Warmup > 0 {
			b.enter("warm-up", 0)
			b.segment(s, segment{length: b.cfg.Warmup, salt: uint64(i), rate: b.cfg.Rate})
		}
		b.enter("measure", 0)
		if b.cfg.Rounds > 1 {
			b.enter(fmt.Sprintf("round %d/%d", i+1, b.cfg.Rounds), 0)
		}
		a := b.segment(s, segment{length: b.cfg.Duration, measure: true, salt: uint64(i), rate: b.cfg.Rate})
		if b.cfg.Rounds > 1 && a != nil {
			b.rounds[0] = append(b.rounds[0], *a)
		}
	}
}

// measureAB measures two targets in turns: A B B A A B B A …, so that what
// changes slowly on the machine falls on both alike.
func (b *bench) measureAB() {
	for _, s := range b.servers {
		defer b.background(s)()
		b.openSessions(s)
	}
	if b.cfg.Warmup > 0 {
		for i, s := range b.servers {
			b.enter("warm-up "+s.Name, i)
			b.segment(s, segment{length: b.cfg.Warmup, rate: b.cfg.Rate})
		}
	}
	n := b.slicePairs()
	for i := range n {
		pair := []*server{b.servers[0], b.servers[1]}
		if i%2 == 1 {
			slices.Reverse(pair)
		}
		for _, s := range pair {
			b.enter(fmt.Sprintf("slice %s %d/%d", s.Name, i+1, n), s.index)
			a := b.segment(s, segment{length: b.cfg.Slice, measure: true, salt: uint64(i), rate: b.cfg.Rate})
			if a != nil {
				b.slices[s.index] = append(b.slices[s.index], *a)
			}
		}
	}
}

// slicePairs returns how many slices each target gets.
func (b *bench) slicePairs() int {
	return max(1, int(b.cfg.Duration*time.Duration(b.cfg.Rounds)/b.cfg.Slice))
}

// segment is a piece of the run on one target.
type segment struct {
	length  time.Duration
	measure bool
	salt    uint64 // tells the arrivals of segments apart
	rate    Rate   // 0 is a closed loop
}

// segment runs a segment to its end. It returns what was measured; nil when
// nothing was to be, or when the run was ended: half a turn is in the totals, but
// not among the turns that are compared.
func (b *bench) segment(s *server, seg segment) *report.Slice {
	if b.ctx.Err() != nil {
		return nil
	}
	before := s.probe.used()
	from := b.now()
	until := from + seg.length
	b.collector.do(func() {
		b.collector.until = until
		if seg.measure && b.collector.origin < 0 {
			b.collector.origin = from
		}
	})
	s.beside.open(seg.measure)
	b.loop(s, seg, from, until)
	s.beside.close()
	end := min(b.now(), until) // earlier when the run was ended
	if !seg.measure {
		return nil
	}
	used := s.probe.used().minus(before)
	var a *aggregate
	b.collector.do(func() { a = b.collector.targets[s.index].end((end - from).Seconds(), used) })
	if b.ctx.Err() != nil {
		return nil
	}
	return &report.Slice{From: (from - b.collector.origin).Seconds(), Seconds: a.seconds, Metrics: a.metrics()}
}

// loop runs the workers until the segment is over and all they began has ended.
func (b *bench) loop(s *server, seg segment, from, until time.Duration) {
	ctx, cancel := context.WithDeadline(b.ctx, b.begun.Add(until))
	defer cancel()
	var running sync.WaitGroup
	if seg.rate == (Rate{}) {
		b.closedLoop(ctx, s, seg, until, &running)
	} else {
		b.openLoop(ctx, s, seg, from, &running)
	}
	b.join(s, &running, until)
}

func (b *bench) now() time.Duration { return time.Since(b.begun) }

func (b *bench) enter(name string, active int) { b.stage.Store(&stage{name, active}) }

func (b *bench) log(format string, args ...any) {
	if b.cfg.Log != nil {
		b.cfg.Log(fmt.Sprintf(format, args...))
	}
}

// note counts an error and looks whether it is ours, or one too many.
func (b *bench) note(err error) {
	if n := b.errors.Add(1); b.cfg.MaxErrors >= 0 && n > b.cfg.MaxErrors {
		b.stop(errTooMany)
	}
	if isOurs(err) {
		name := osName(err)
		b.spoil(name + ": " + hints[name])
	}
}

// spoil says why the figures must not be used.
func (b *bench) spoil(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.invalid, why) {
		b.invalid = append(b.invalid, why)
	}
}
