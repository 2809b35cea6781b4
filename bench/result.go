package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"time"

	"fastftps/bench/report"
	"fastftps/internal/ftpclient"
)

// report makes the report of what was measured.
func (b *bench) report() *report.Report {
	r := &report.Report{
		Schema: report.Schema, Started: b.begun, Env: environment(b.cfg), Args: b.cfg.args(),
		Interrupted: b.ctx.Err() != nil && !errors.Is(context.Cause(b.ctx), errTooMany), FindMax: b.probes,
	}
	b.collector.do(func() {
		for i, s := range b.servers {
			c := b.collector.targets[i]
			r.Targets = append(r.Targets, b.target(s, c))
			r.Seconds += c.total.seconds
			m := c.total.metrics()
			r.Verdict = append(r.Verdict, judge(b.cfg.Thresholds, s.Name, len(b.servers) == 2, m)...)
		}
		r.Generator = b.self.report(b.collector.lag.dist(true))
	})
	if len(b.servers) == 2 {
		r.AB = compare(b.slices[0], b.slices[1], b.cfg.Seed)
	}
	if n := b.cfg.MaxErrors; n >= 0 {
		v := report.Verdict{Expr: fmt.Sprintf("errors<=%d", n), Value: float64(b.errors.Load())}
		v.OK = v.Value <= float64(n)
		r.Verdict = append(r.Verdict, v)
	}
	r.Invalid = b.faults(r)
	return r
}

func (b *bench) target(s *server, c *collected) report.Target {
	t := report.Target{Name: s.Name, URL: s.URL(), Spawn: s.Spawn, Slices: b.slices[s.index], Idle: b.idle}
	c.total.fill(&t)
	t.Failed = c.faults.faults()
	c.series.fill(&t)
	var held int64
	if b.idle != nil {
		held = b.idle.Held
	}
	t.Cost = s.probe.cost(c.total, &b.cfg.Scenario, held)
	t.Rounds = b.rounds[s.index]
	t.Spread = spread(t.Rounds)
	return t
}

// spread says how far rounds lie apart.
func spread(rounds []report.Slice) map[string]report.Spread {
	if len(rounds) < 2 {
		return nil
	}
	all := map[string]report.Spread{}
	for metric := range rounds[0].Metrics {
		var values []float64
		for _, r := range rounds {
			if v, ok := r.Metrics[metric]; ok {
				values = append(values, v)
			}
		}
		s := report.Spread{Median: median(values), Min: values[0], Max: values[0]}
		for _, v := range values {
			s.Min, s.Max = min(s.Min, v), max(s.Max, v)
		}
		all[metric] = s
	}
	return all
}

// faults says why the run must not be used.
func (b *bench) faults(r *report.Report) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := b.invalid
	if !b.cfg.FindMax && r.Generator.Lag.P99 > b.cfg.MaxLag.Seconds() {
		why = append(why, fmt.Sprintf("the generator served its schedule late: p99 %.1f ms, more than %s; give it CPUs of its own (--client-cpu) or a lower rate", r.Generator.Lag.P99*1e3, b.cfg.MaxLag))
	}
	if b.self.overloaded() {
		why = append(why, fmt.Sprintf("the generator used all of its %d CPUs: it was the bottleneck", runtime.GOMAXPROCS(0)))
	}
	return why
}

// args says how the run was asked for.
func (c *Config) args() report.Args {
	a := report.Args{
		Command: c.Command, Scenario: c.Scenario.Name, Loop: "closed", Seed: c.Seed, Verify: verifyNames[c.Verify],
		Resume: resumeNames[c.ResumeData], Prot: "P", Mode: "S", TLS: "auto",
	}
	if c.ResumeControl != c.ResumeData {
		a.Resume = fmt.Sprintf("control %s, data %s", resumeNames[c.ResumeControl], resumeNames[c.ResumeData])
	}
	if c.TLSVersion != 0 {
		a.TLS = tls.VersionName(c.TLSVersion)[len("TLS "):]
	}
	if c.Clear {
		a.Prot = "C"
	}
	if c.Deflate {
		a.Mode = "Z"
	}
	if !c.anyTLS() {
		a.TLS, a.Resume, a.Prot = "", "", ""
	}
	if c.open() {
		a.Loop, a.Rate, a.Arrival = "open", c.Rate.To, "constant"
		if c.Poisson {
			a.Arrival = "poisson"
		}
	} else {
		a.Clients = c.Clients
	}
	if len(c.Targets) == 2 {
		a.Slices = max(1, int(c.Duration*time.Duration(c.Rounds)/c.Slice))
	}
	return a
}

func (c *Config) anyTLS() bool {
	for _, t := range c.Targets {
		if t.Security != ftpclient.Clear {
			return true
		}
	}
	return false
}

// environment says what the run ran on.
func environment(c *Config) report.Env {
	e := report.Env{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(),
		Version: c.Version, Revision: c.Revision,
	}
	machine(&e)
	return e
}
