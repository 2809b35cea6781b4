package report

import (
	"slices"
	"strings"
)

// unit is how the values of a metric are written.
type unit int

const (
	unitNumber unit = iota
	unitSeconds
	unitRate  // a second
	unitMB    // 1e6 bytes a second
	unitShare // 0 to 1
	unitBytes
)

// metric is one figure of a target that can be compared.
type metric struct {
	name   string
	value  float64
	higher bool // higher is better
	// shown: it is not judged. Phases take microseconds and the last
	// thousandth few values; both vary more than any sensible bound.
	shown bool
}

// metrics are the figures of a target, by the names that Ratio.Metric and
// Verdict.Expr use. Without a schedule (open) response times are service times.
func (t *Target) metrics(open bool) []metric {
	var ms []metric
	for i := range t.Ops {
		ms = append(ms, t.Ops[i].metrics(open)...)
	}
	if c := t.Cost; c != nil {
		for _, m := range []metric{
			{name: "cpu_s_per_gb", value: c.CPUPerGB},
			{name: "cpu_ms_per_file", value: c.CPUMsPerFile},
			{name: "cpu_ms_per_login", value: c.CPUMsPerLog},
			{name: "kib_per_idle_session", value: c.KiBPerIdle},
			{name: "pss_peak", value: float64(c.PSSPeak)},
		} {
			if m.value > 0 {
				ms = append(ms, m)
			}
		}
	}
	for _, p := range t.Phases {
		for _, m := range distMetrics(p.Name, p.Dist) {
			m.shown = true
			ms = append(ms, m)
		}
	}
	return ms
}

func (o *Op) metrics(open bool) []metric {
	ms := []metric{{name: o.Name + ".rate", value: o.Rate, higher: true}}
	if o.Bytes > 0 {
		ms = append(ms, metric{name: o.Name + ".mbps", value: o.mb(), higher: true})
	}
	ms = append(ms, distMetrics(o.Name+".service", o.Service)...)
	if !open {
		return ms
	}
	return append(ms, distMetrics(o.Name+".response", o.Response)...)
}

// mb is 1e6 file bytes a second. A report without makes do with files of one size.
func (o *Op) mb() float64 {
	if o.MB > 0 || o.OK == 0 {
		return o.MB
	}
	return float64(o.Bytes) / 1e6 * o.Rate / float64(o.OK)
}

// distMetrics leaves out the percentiles that too few values stand behind:
// there must be ten beyond it, or one slow operation is taken for a trend.
func distMetrics(name string, d Dist) []metric {
	var ms []metric
	for _, p := range []struct {
		name  string
		value float64
		least int64
	}{{".p50", d.P50, 20}, {".p90", d.P90, 100}, {".p99", d.P99, 1000}, {".p999", d.P999, 10000}} {
		if d.N >= p.least {
			ms = append(ms, metric{name: name + p.name, value: p.value, shown: p.name == ".p999"})
		}
	}
	return ms
}

// unitOf tells a metric's unit from its name.
func unitOf(name string) unit {
	parts := strings.Split(name, ".")
	last := parts[len(parts)-1]
	switch {
	case slices.Contains([]string{"p50", "p90", "p99", "p999", "min", "mean", "max"}, last):
		return unitSeconds
	case name == "errors.rate" || strings.HasSuffix(name, ".errors.rate") || strings.HasSuffix(last, "share"):
		return unitShare
	case last == "rate":
		return unitRate
	case last == "mbps":
		return unitMB
	case strings.HasPrefix(last, "pss"):
		return unitBytes
	}
	return unitNumber
}

// value writes v in the unit of the metric.
func value(name string, v float64) string {
	switch unitOf(name) {
	case unitSeconds:
		return seconds(v)
	case unitRate:
		return digits(v) + "/s"
	case unitMB:
		return digits(v) + " MB/s"
	case unitShare:
		return percent(v)
	case unitBytes:
		return mibF(v)
	}
	return digits(v)
}

// exprMetric is the metric that a threshold speaks of.
func exprMetric(expr string) string {
	if i := strings.IndexAny(expr, "<>=!"); i >= 0 {
		expr = expr[:i]
	}
	return strings.TrimSpace(expr)
}
