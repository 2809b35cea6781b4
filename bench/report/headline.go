package report

import (
	"slices"
	"strings"
)

// ratios are the ratios in the order of interest: of the whole, of the cost, of
// operations, of phases. A closed loop's response times are its service times
// and are left out.
func (r *Report) ratios() []Ratio {
	rows := slices.DeleteFunc(slices.Clone(r.AB), func(x Ratio) bool { return !r.open() && strings.Contains(x.Metric, ".response.") })
	slices.SortStableFunc(rows, func(a, b Ratio) int { return r.rank(a.Metric) - r.rank(b.Metric) })
	return rows
}

// rank orders metrics.
func (r *Report) rank(metric string) int {
	name, _, dotted := strings.Cut(metric, ".")
	switch {
	case !dotted && (strings.HasPrefix(metric, "cpu") || strings.HasPrefix(metric, "kib") || strings.HasPrefix(metric, "pss")):
		return 1
	case !dotted || name == "errors":
		return 0
	}
	for i := range r.Targets {
		for k := range r.Targets[i].Ops {
			if r.Targets[i].Ops[k].Name == name {
				return 2 + k
			}
		}
	}
	return 1000
}

// headlines are the ratios that say it all in short: rates, medians and p99 of
// operations, cost; and of the rest what differs. The others are counted.
func (r *Report) headlines() (rows []Ratio, others int) {
	kind := "service"
	if r.open() {
		kind = "response"
	}
	for _, x := range r.ratios() {
		parts := strings.Split(x.Metric, ".")
		last := parts[len(parts)-1]
		short := len(parts) == 1 || len(parts) == 2 && r.rank(x.Metric) < 1000 ||
			len(parts) == 3 && parts[1] == kind && (last == "p50" || last == "p99")
		if !short && x.Better != "A" && x.Better != "B" {
			others++
			continue
		}
		rows = append(rows, x)
	}
	return rows, others
}
