package bench

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"fastftps/bench/report"
)

// watcher looks once a second at processes and at what was collected.
type watcher struct {
	quit chan struct{}
	done sync.WaitGroup
}

func (b *bench) watch() *watcher {
	w := &watcher{quit: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		last := b.now()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
			}
			now := b.now()
			b.look(now, now-last)
			last = now
		}
	})
	return w
}

func (w *watcher) end() {
	close(w.quit)
	w.done.Wait()
}

// look takes a snapshot.
func (b *bench) look(now, since time.Duration) {
	st := b.stage.Load()
	snap := report.Snapshot{
		Scenario: b.cfg.Scenario.Name, Loop: b.cfg.loopText(), Stage: st.name,
		Elapsed: now.Seconds(), Total: b.cfg.total().Seconds(), CPU: b.self.sample(runtime.GOMAXPROCS(0)),
	}
	for i, s := range b.servers {
		t := report.LiveTarget{
			Name: s.Name, URL: s.URL(), Active: st.active < 0 || st.active == i,
			Sessions: s.sessions.Load(), HasCost: s.probe != nil,
		}
		t.CPU, t.PSS = s.probe.sample()
		snap.Targets = append(snap.Targets, t)
	}
	b.collector.do(func() { b.collector.snapshot(&snap, now, since.Seconds()) })
	if b.cfg.Observe != nil {
		b.cfg.Observe(snap)
	}
}

// snapshot completes a snapshot by what was collected since the last one.
func (c *collector) snapshot(snap *report.Snapshot, now time.Duration, seconds float64) {
	for i, t := range c.targets {
		target := &snap.Targets[i]
		c.mark(t, target, now, snap.CPU)
		all := t.live.rows(snap, target.Name, seconds, t)
		target.Full = perTime(float64(t.live.full[0]+t.live.full[1]), seconds)
		target.Resumed = perTime(float64(t.live.resumed[0]+t.live.resumed[1]), seconds)
		target.P50, target.P99 = all.quantile(50), all.quantile(99)
		t.live.reset()
		t.series.settle(false)
	}
	snap.LagP99 = 0
	if c.liveLag.n() > 0 {
		snap.LagP99 = c.liveLag.quantile(99)
	}
	c.liveLag.reset()
}

// mark puts what is known of processes on the time line: into the second that is
// just over.
func (c *collector) mark(t *collected, live *report.LiveTarget, now time.Duration, cpu float64) {
	if c.origin < 0 || now-c.origin < time.Second {
		return
	}
	p := t.series.at(now - c.origin - time.Second)
	if p == nil {
		return
	}
	p.ServerCPU, p.ServerPSS, p.GeneratorPC = live.CPU, live.PSS, cpu
	p.Sessions, p.Active = live.Sessions, live.Active
}

// rows adds a row an operation and returns the responses of all.
func (a *aggregate) rows(snap *report.Snapshot, target string, seconds float64, t *collected) *hist {
	all := new(hist)
	for i := range a.ops {
		c := &a.ops[i]
		t.met[i] = t.met[i] || c.n > 0 || t.dropped[i] > 0
		if !t.met[i] {
			continue
		}
		h, first := &c.response, false
		if c.firstByte.n() > 0 {
			h, first = &c.firstByte, true
		}
		snap.Rows = append(snap.Rows, report.LiveRow{
			Target: target, Op: opNames[i], Ops: perTime(float64(c.ok), seconds), MB: perTime(float64(c.bytes)/1e6, seconds),
			P50: h.quantile(50), P99: h.quantile(99), P999: h.quantile(99.9), FirstB: first,
			Errors: t.failed[i], Dropped: t.dropped[i],
		})
		all.merge(&c.response)
	}
	return all
}

// loopText says which loop it is: the title of all figures.
func (c *Config) loopText() string {
	switch {
	case c.Scenario.hold != holdNone:
		return fmt.Sprintf("hold %d", c.Hold)
	case c.open() && c.Poisson:
		return fmt.Sprintf("open %s poisson", c.Rate)
	case c.open():
		return fmt.Sprintf("open %s constant", c.Rate)
	}
	return fmt.Sprintf("closed %d clients", c.Clients)
}

// total is how long the run is planned to take, 0 when nobody knows.
func (c *Config) total() time.Duration {
	switch {
	case c.FindMax:
		return 0
	case len(c.Targets) == 2:
		n := max(1, c.Duration*time.Duration(c.Rounds)/c.Slice)
		return 2*c.Warmup + 2*n*c.Slice
	}
	total := time.Duration(c.Rounds) * (c.Warmup + c.Duration)
	if total < 0 {
		return math.MaxInt64
	}
	return total
}
