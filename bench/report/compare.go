package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// failureBound is by how much the share of failed operations may grow before
// it is a regression, whatever the bound of the other metrics is.
const failureBound = 0.001

// Change is one metric in two reports.
type Change struct {
	Target string // of the new report
	Metric string
	Old    float64
	New    float64
	Higher bool // higher is better
	// Worse is by how much New is worse, as a share of the better value's
	// direction: 0.25 is a quarter slower or a quarter fewer. Below 0 it is
	// better. Of the share of failures it is the plain difference.
	Worse     float64
	Judged    bool // it can be a regression
	Regressed bool
}

// Comparison is what differs between two reports.
type Comparison struct {
	Max     float64 // the bound of Worse
	Changes []Change
	// Notes say why the comparison is worth less: other load, other machine,
	// an invalid run.
	Notes []string
}

// Compare puts the metrics of each target of now against those of old, target
// by target in their order. A metric that is worse by more than maxRegress (a
// share: 0.05 is 5 %) has regressed; so has an operation with wrong content
// that it did not have before, and one with 0.1 percentage points more failures.
// Phases and p99.9 are shown and not judged, nor is a metric whose rounds
// (--repeat) overlap. Metrics that one side does not
// have, and percentiles with fewer than ten values beyond them, are left out.
// An error says that there is nothing to compare.
func Compare(old, now *Report, maxRegress float64) (*Comparison, error) {
	c := &Comparison{Max: maxRegress}
	c.note(old, now)
	if len(old.Targets) != len(now.Targets) {
		return nil, fmt.Errorf("cannot compare %d targets with %d", len(old.Targets), len(now.Targets))
	}
	for i := range now.Targets {
		c.target(old, now, i)
	}
	if len(c.Changes) == 0 {
		return nil, fmt.Errorf("the reports have no metric in common")
	}
	return c, nil
}

// Regressions are the changes that are worse than the bound, the worst first.
func (c *Comparison) Regressions() []Change {
	bad := slices.DeleteFunc(slices.Clone(c.Changes), func(x Change) bool { return !x.Regressed })
	slices.SortStableFunc(bad, func(a, b Change) int { return cmp.Compare(b.Worse, a.Worse) })
	return bad
}

// note tells what else is different.
func (c *Comparison) note(old, now *Report) {
	for _, r := range []struct {
		name string
		r    *Report
	}{{"old", old}, {"new", now}} {
		if len(r.r.Invalid) > 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("the %s run is invalid: %s", r.name, strings.Join(r.r.Invalid, "; ")))
		}
		if r.r.Interrupted {
			c.Notes = append(c.Notes, fmt.Sprintf("the %s run was ended early", r.name))
		}
	}
	a, b := old.Args, now.Args
	for _, d := range []struct{ what, old, now string }{
		{"scenario", a.Scenario, b.Scenario},
		{"load", old.loop(), now.loop()},
		{"TLS", a.TLS, b.TLS},
		{"resumption", a.Resume, b.Resume},
		{"protection", a.Prot, b.Prot},
		{"mode", a.Mode, b.Mode},
		{"CPU", old.Env.CPU, now.Env.CPU},
		{"cores", count(int64(old.Env.Cores)), count(int64(now.Env.Cores))},
		{"kernel", old.Env.Kernel, now.Env.Kernel},
	} {
		if d.old != d.now {
			c.Notes = append(c.Notes, fmt.Sprintf("%s differs: %s, then %s", d.what, orNone(d.old), orNone(d.now)))
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (c *Comparison) target(old, now *Report, i int) {
	before, after := &old.Targets[i], &now.Targets[i]
	known := map[string]metric{}
	for _, m := range before.metrics(old.open()) {
		known[m.name] = m
	}
	for _, m := range after.metrics(now.open()) {
		was, ok := known[m.name]
		if !ok || !(was.value > 0) || math.IsNaN(m.value) {
			continue
		}
		ch := Change{Target: after.Name, Metric: m.name, Old: was.value, New: m.value, Higher: m.higher, Worse: worse(was.value, m.value, m.higher)}
		ch.Judged = !m.shown && !overlap(before.Spread, after.Spread, m.name)
		ch.Regressed = ch.Judged && ch.Worse > c.Max
		c.Changes = append(c.Changes, ch)
	}
	for k := range after.Ops {
		if was := before.op(after.Ops[k].Name); was != nil {
			c.faults(after.Name, was, &after.Ops[k])
		}
	}
}

// overlap reports whether the rounds of two runs lie within each other: then
// they do not tell the runs apart.
func overlap(a, b map[string]Spread, name string) bool {
	x, ok := a[name]
	y, found := b[name]
	return ok && found && x.Min <= y.Max && y.Min <= x.Max
}

// worse is the relative change in the direction that is worse.
func worse(old, now float64, higher bool) float64 {
	if higher {
		return (old - now) / old
	}
	return (now - old) / old
}

// faults compares the shares of operations that failed or were wrong.
func (c *Comparison) faults(target string, old, now *Op) {
	if old.N == 0 || now.N == 0 {
		return
	}
	share := func(n, of int64) float64 { return float64(n) / float64(of) }
	add := func(name string, a, b, bound float64) {
		if a == 0 && b == 0 {
			return
		}
		c.Changes = append(c.Changes, Change{Target: target, Metric: now.Name + name, Old: a, New: b, Worse: b - a, Judged: true, Regressed: b-a > bound})
	}
	add(".error_share", share(old.failures()+old.Dropped, old.N+old.Dropped), share(now.failures()+now.Dropped, now.N+now.Dropped), failureBound)
	add(".wrong_share", share(old.Wrong, old.N), share(now.Wrong, now.N), 0)
}

// change writes Worse.
func (x Change) change() string {
	v := x.Worse
	if x.Higher {
		v = -v
	}
	sign := "+"
	if v < 0 {
		sign, v = "-", -v
	}
	if unitOf(x.Metric) == unitShare {
		return sign + plain(v*100) + " pp"
	}
	return sign + plain(v*100) + "%"
}

// outcome is what a change means.
func (x Change) outcome(bound float64) string {
	switch {
	case x.Regressed:
		return "REGRESSED"
	case x.Worse < -bound:
		return "better"
	case x.Worse > bound && !x.Judged:
		return "worse, not judged"
	}
	return ""
}

// WriteText writes what has regressed, and the other metrics below it.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	bad := len(c.Regressions())
	s := fact{"PASS", fmt.Sprintf("none of %d metrics is worse than before by more than %s", len(c.Changes), percent(c.Max))}
	if bad > 0 {
		s = fact{"REGRESSED", fmt.Sprintf("%d of %d metrics are worse than before by more than %s", bad, len(c.Changes), percent(c.Max))}
	}
	writeFacts(&b, "", []fact{s})
	for _, n := range c.Notes {
		writeFacts(&b, "  ", []fact{{"note", n}})
	}
	compareTable(c).write(&b, "  ")
	_, err := io.WriteString(w, b.String())
	return err
}

// compareTable has the regressions first, the worst on top. What is not judged
// is left out if it did not move.
func compareTable(c *Comparison) *table {
	t := newTable([]int{0, 1, 5}, "target", "metric", "old", "new", "change", "")
	rest := slices.DeleteFunc(slices.Clone(c.Changes), func(x Change) bool { return x.Regressed || !x.Judged && math.Abs(x.Worse) <= c.Max })
	rows := append(c.Regressions(), rest...)
	for _, x := range rows {
		t.row(printable(x.Target), x.Metric, value(x.Metric, x.Old), value(x.Metric, x.New), x.change(), x.outcome(c.Max))
	}
	return t
}
