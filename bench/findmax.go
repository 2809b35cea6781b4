package bench

import (
	"fmt"
	"slices"
	"strings"

	"fastftps/bench/report"
)

// closeEnough ends the search: the rate that held and the one that did not
// differ by no more.
const closeEnough = 1.05

// maxProbes bounds the search.
const maxProbes = 30

// findMax looks for the highest rate that holds the SLO: it doubles or halves
// until it has one that does and one that does not, then halves the way between.
// The report shows the best run that held.
func (b *bench) findMax() error {
	s := b.servers[0]
	defer b.background(s)()
	b.openSessions(s)
	var good, bad float64
	var best *aggregate
	rate := b.cfg.Rate.To
	for range maxProbes {
		a, p := b.tryRate(s, rate)
		if b.ctx.Err() != nil {
			break
		}
		b.probes = append(b.probes, p)
		b.log("%g/s: %s", rate, probeText(p))
		if p.OK {
			good, best = rate, a
		} else {
			bad = rate
			if best == nil {
				b.lastTry(a)
			}
		}
		switch {
		case bad == 0:
			rate = good * 2
		case good == 0:
			rate = bad / 2
		case bad/good <= closeEnough:
			b.collector.do(func() { b.collector.targets[0].total = best })
			return nil
		default:
			rate = (good + bad) / 2
		}
		if rate < 0.5 {
			break
		}
	}
	if best != nil {
		b.collector.do(func() { b.collector.targets[0].total = best })
	}
	return nil
}

// lastTry keeps a run that did not hold, so that the report shows why.
func (b *bench) lastTry(a *aggregate) {
	b.collector.do(func() { b.collector.targets[0].total = a })
}

func probeText(p report.Probe) string {
	if p.OK {
		return "holds"
	}
	return p.Why
}

// tryRate runs one rate, again if all that was wrong is the generator's own lag:
// that says nothing of the server.
func (b *bench) tryRate(s *server, rate float64) (a *aggregate, p report.Probe) {
	for range 3 {
		var lags bool
		if a, p, lags = b.probeRate(s, rate); !lags || b.ctx.Err() != nil {
			break
		}
	}
	return a, p
}

// probeRate runs one rate; lags is whether nothing but the generator failed.
func (b *bench) probeRate(s *server, rate float64) (a *aggregate, p report.Probe, lags bool) {
	seg := segment{length: b.cfg.Warmup, rate: Rate{From: rate, To: rate}, salt: uint64(rate)}
	b.enter(fmt.Sprintf("find-max %.4g/s", rate), 0)
	if seg.length > 0 {
		b.segment(s, seg)
	}
	b.collector.do(func() {
		b.collector.targets[0].total = newAggregate()
		b.collector.lag.reset()
	})
	seg.measure, seg.length = true, b.cfg.Duration
	b.segment(s, seg)
	var lag float64
	b.collector.do(func() {
		a, lag = b.collector.targets[0].total, b.collector.lag.quantile(99)
	})
	var why []string
	m := a.metrics()
	for _, v := range judge(b.cfg.SLO, s.Name, false, m) {
		if !v.OK {
			why = append(why, fmt.Sprintf("%s is %.4g", v.Expr, v.Value))
		}
	}
	why = append(why, b.cfg.lost(a)...)
	if lag > b.cfg.MaxLag.Seconds() {
		lags = len(why) == 0
		why = append(why, fmt.Sprintf("the generator itself lags by %.3g ms", lag*1e3))
	}
	return a, report.Probe{Rate: rate, OK: len(why) == 0, Why: strings.Join(why, ", ")}, lags
}

// lost says what did not end well: no latency shows it. Only failures may be allowed, by
// an SLO of their own.
func (c *Config) lost(a *aggregate) (why []string) {
	add := func(n int64, name, how string) {
		if n > 0 {
			why = append(why, fmt.Sprintf("%d %s %s", n, name, how))
		}
	}
	for i := range a.ops {
		o, name := &a.ops[i], opNames[i]
		add(o.wrong, name, "wrong")
		add(o.dropped, name, "dropped")
		if !c.allowsFailures(name) {
			add(o.n-o.ok-o.wrong, name, "failed")
		}
	}
	return why
}

// allowsFailures reports whether the SLO says how many failures of an operation there
// may be: of its own, or of all.
func (c *Config) allowsFailures(name string) bool {
	return slices.ContainsFunc(c.SLO, func(expr string) bool {
		t, err := parseThreshold(expr)
		all := strings.TrimPrefix(t.metric, name+".")
		return err == nil && (all == "errors" || all == "errors.rate")
	})
}
