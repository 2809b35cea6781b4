package bench

import (
	"math"
	"time"

	"fastftps/bench/report"
)

// collector merges what workers record. One goroutine runs it; others reach it
// by batches, or through do.
type collector struct {
	in   chan *batch
	call chan func()

	targets []*collected
	lag     hist
	liveLag hist // since the last snapshot
	origin  time.Duration
	until   time.Duration // when the measured time of this segment ends
}

// collected is what is known of one target.
type collected struct {
	segment *aggregate // of the segment that runs
	total   *aggregate
	faults  failures   // what was wrong in all the run: in warm-ups and in each probe, too
	live    *aggregate // since the last snapshot, warm-up included
	errors  int64      // in all, warm-up included, for live views
	dropped [ops]int64
	failed  [ops]int64
	met     [ops]bool // operations that a live view has shown
	series  series
}

// series is a target's time line, a point a second.
type series struct {
	points []report.Point
	recent map[int]*hist // of seconds that are not yet settled
	edges  []time.Duration
	heat   [][]int64
}

// settle is how many seconds a point waits for stragglers before its percentiles
// are made.
const settle = 3

// maxPoints bounds the time line of a run that is left alone: 48 hours.
const maxPoints = 48 * 3600

func newCollector(targets int) *collector {
	c := &collector{in: make(chan *batch, 1024), call: make(chan func()), origin: -1, until: math.MaxInt64}
	for range targets {
		c.targets = append(c.targets, &collected{
			segment: newAggregate(), total: newAggregate(), live: newAggregate(), faults: failures{},
			series: newSeries(),
		})
	}
	return c
}

// run collects until done is closed.
func (c *collector) run(done <-chan struct{}) {
	for {
		select {
		case b := <-c.in:
			c.take(b)
		case f := <-c.call:
			c.drain()
			f()
		case <-done:
			return
		}
	}
}

// do has f run by the collector, after all batches that were handed over before.
func (c *collector) do(f func()) {
	done := make(chan struct{})
	c.call <- func() { defer close(done); f() }
	<-done
}

func (c *collector) drain() {
	for {
		select {
		case b := <-c.in:
			c.take(b)
		default:
			return
		}
	}
}

func (c *collector) take(b *batch) {
	t := c.targets[b.target]
	for _, s := range b.phases {
		t.live.addPhase(s)
		if b.measure {
			t.segment.addPhase(s)
			t.series.phase(s)
		}
	}
	for _, s := range b.ops {
		t.live.addOp(s, math.MaxInt64)
		if s.op.outcome != good {
			t.failed[s.op.op]++
			t.errors++
		}
		if b.measure {
			t.segment.addOp(s, c.until)
			t.series.op(s, c.origin)
		}
	}
	for _, f := range b.fails {
		if f.key.wrong {
			t.faults.add(f)
		}
		if b.measure {
			t.segment.fails.add(f)
		}
	}
	for o, n := range b.dropped {
		t.dropped[o] += n
		if b.measure {
			t.segment.ops[o].dropped += n
		}
	}
	for _, d := range b.lags {
		c.liveLag.add(d)
		if b.measure {
			c.lag.add(d)
		}
	}
	batches.Put(b)
}

// end closes the segment of a target and returns what it held.
func (t *collected) end(seconds float64, used usage) *aggregate {
	s := t.segment
	s.seconds, s.used = seconds, used
	t.total.merge(s)
	t.segment = newAggregate()
	return s
}

// edges of the heat map: four a decade, from 100 us to 100 s.
func newSeries() series {
	s := series{recent: map[int]*hist{}}
	for i := range 25 {
		s.edges = append(s.edges, time.Duration(1e5*math.Pow(10, float64(i)/4)))
	}
	s.heat = make([][]int64, len(s.edges))
	return s
}

// at returns the point of a time, nil when it is out of reach.
func (s *series) at(t time.Duration) *report.Point {
	i := int(t / time.Second)
	if t < 0 || i >= maxPoints {
		return nil
	}
	for len(s.points) <= i {
		s.points = append(s.points, report.Point{T: float64(len(s.points))})
	}
	return &s.points[i]
}

// phase counts handshakes into the last point.
func (s *series) phase(p phaseSample) {
	if p.version == 0 || len(s.points) == 0 {
		return
	}
	last := &s.points[len(s.points)-1]
	if p.phase == phaseHandshakeFull || p.phase == phaseDataFull {
		last.Full++
	} else {
		last.Resumed++
	}
}

// op puts an operation on the time line: it counts in the second of its end, its
// bytes over all that it took.
func (s *series) op(o opSample, origin time.Duration) {
	end := o.end - origin
	p := s.at(end)
	if p == nil {
		return
	}
	if o.op.outcome != good {
		p.Errors++
		return
	}
	p.Ops++
	s.spread(o.from-origin, end, o.bytes)
	second := int(end / time.Second)
	h := s.recent[second]
	if h == nil && second+settle+1 >= len(s.points) {
		h = new(hist)
		s.recent[second] = h
	}
	if h != nil {
		h.add(o.end - o.wanted)
	}
	s.warm(second, o.end-o.wanted)
}

// spread shares bytes out over the seconds from from to end.
func (s *series) spread(from, end time.Duration, bytes int64) {
	if bytes == 0 || from >= end {
		return
	}
	for second := from.Truncate(time.Second); second < end; second += time.Second {
		if p := s.at(second); p != nil {
			share := min(second+time.Second, end) - max(second, from)
			p.Bytes += int64(float64(bytes) * float64(share) / float64(end-from))
		}
	}
}

// warm counts a response in the heat map.
func (s *series) warm(second int, took time.Duration) {
	row := 0
	for row < len(s.edges)-1 && took > s.edges[row] {
		row++
	}
	for len(s.heat[row]) <= second {
		s.heat[row] = append(s.heat[row], 0)
	}
	s.heat[row][second]++
}

// settle makes the percentiles of the seconds that are over; all of them with
// force.
func (s *series) settle(force bool) {
	for second, h := range s.recent {
		if !force && second+settle >= len(s.points) {
			continue
		}
		s.points[second].P50, s.points[second].P99 = h.quantile(50), h.quantile(99)
		delete(s.recent, second)
	}
}

// fill writes the time line into the report.
func (s *series) fill(t *report.Target) {
	s.settle(true)
	t.Series = append([]report.Point{}, s.points...)
	for row := range s.heat {
		for len(s.heat[row]) < len(s.points) {
			s.heat[row] = append(s.heat[row], 0)
		}
		t.Heat.Edges = append(t.Heat.Edges, s.edges[row].Seconds())
	}
	t.Heat.Counts = s.heat
}
