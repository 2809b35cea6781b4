package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fastftps/bench/report"
)

// threshold is what a metric shall hold.
type threshold struct {
	expr   string
	target string // "" is every one
	metric string
	op     string
	value  float64
}

// comparisons, the longer ones first.
var comparisons = []string{"<=", ">=", "<", ">"}

// parseThreshold reads "retr.response.p99<50ms", "errors.rate<=0.1%",
// "B.retr.mbps>200".
func parseThreshold(expr string) (threshold, error) {
	bad := func() (threshold, error) {
		return threshold{}, fmt.Errorf("%q is no threshold: write it as retr.response.p99<50ms, errors.rate<0.1%% or retr.mbps>=200", expr)
	}
	for _, op := range comparisons {
		metric, value, ok := strings.Cut(expr, op)
		if !ok {
			continue
		}
		t := threshold{expr: expr, metric: strings.TrimSpace(metric), op: op}
		var err error
		if t.value, err = parseValue(strings.TrimSpace(value)); err != nil || t.metric == "" {
			return bad()
		}
		t.metric = strings.ReplaceAll(t.metric, "p99.9", "p999")
		if rest, ok := strings.CutPrefix(t.metric, "A."); ok {
			t.target, t.metric = "A", rest
		} else if rest, ok := strings.CutPrefix(t.metric, "B."); ok {
			t.target, t.metric = "B", rest
		}
		if !knownMetric(t.metric) {
			return threshold{}, fmt.Errorf("threshold %q: no metric %q", expr, t.metric)
		}
		return t, nil
	}
	return bad()
}

// knownMetric reports whether a run could measure it.
func knownMetric(name string) bool {
	full := newAggregate()
	full.used.known, full.seconds = true, 1
	for i := range full.ops {
		full.addOp(opSample{op: opSampleKind{op(i), good}, end: 1, bytes: 1}, 1)
		full.ops[i].firstByte.add(1)
	}
	for i := range full.phases {
		full.phases[i].add(1)
	}
	_, ok := full.metrics()[name]
	return ok
}

// parseValue reads a number, a duration (in seconds then) or a percentage.
func parseValue(s string) (float64, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n, nil
	}
	if p, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseFloat(p, 64)
		return n / 100, err
	}
	d, err := time.ParseDuration(s)
	return d.Seconds(), err
}

// holds compares.
func (t threshold) holds(v float64) bool {
	switch t.op {
	case "<":
		return v < t.value
	case "<=":
		return v <= t.value
	case ">":
		return v > t.value
	}
	return v >= t.value
}

// judge holds a target's metrics against thresholds. What was not measured has
// not held.
func judge(exprs []string, name string, two bool, m map[string]float64) (verdicts []report.Verdict) {
	for _, expr := range exprs {
		t, err := parseThreshold(expr)
		if err != nil || t.target != "" && t.target != name {
			continue
		}
		v, measured := m[t.metric]
		if two && t.target == "" {
			expr = name + "." + expr
		}
		verdicts = append(verdicts, report.Verdict{Expr: expr, Value: v, OK: measured && t.holds(v)})
	}
	return verdicts
}
