package report

import (
	"fmt"
	"math"
	"slices"
)

// phases draws the steps of a session as bars of percentiles, the targets below
// each other in every step.
func (p *page) phases(r *Report) {
	var names []string
	lo, hi := math.Inf(1), 0.0
	byName := make([]map[string]Phase, len(r.Targets))
	for i := range r.Targets {
		byName[i] = map[string]Phase{}
		for _, ph := range r.Targets[i].phases() {
			if !slices.Contains(names, ph.Name) {
				names = append(names, ph.Name)
			}
			byName[i][ph.Name] = ph
			if ph.Dist.Min > 0 {
				lo = min(lo, ph.Dist.Min)
			}
			lo, hi = min(lo, max(ph.Dist.P50, 1e-7)), max(hi, ph.Dist.Max)
		}
	}
	if len(names) == 0 {
		return
	}
	p.section("Phases of a session and a transfer", "The dot is the median; the bar reaches from it to p90, its pale part to p99, the line from the fastest to the slowest.")
	const left, right, top, bar, gap = 160, 150, 20, 16, 8
	each := float64(bar*len(r.Targets) + gap)
	height := top + each*float64(len(names)) + marginBottom + 4
	lo, hi, major, minor := decades(lo, hi)
	x := scale{lo: lo, hi: hi, from: left, to: wide - right, log: true}
	var keys []curve
	for i := range r.Targets {
		keys = append(keys, curve{name: r.Targets[i].Name, class: color(i)})
	}
	p.caption("Times by phase", legend(keys))
	p.svg(wide, height, "Times by phase", fmt.Sprintf("Percentile bars of %d phases on a logarithmic axis from %s to %s; the table of phases holds the figures.", len(names), axisTime(lo), axisTime(hi)))
	bottom := top + each*float64(len(names))
	for _, v := range minor {
		p.line(x.at(v), top, x.at(v), bottom, "grid faint")
	}
	lastLabel := math.Inf(-1)
	for _, v := range major {
		p.line(x.at(v), top, x.at(v), bottom, "grid")
		if x.at(v)-lastLabel > 44 {
			p.label(x.at(v), bottom+17, "middle", "", axisTime(v))
			lastLabel = x.at(v)
		}
	}
	p.label(wide-78, top-6, "end", "unit", "p50")
	p.label(wide-8, top-6, "end", "unit", "p99")
	for n, name := range names {
		y := top + each*float64(n) + gap/2
		for i := range r.Targets {
			ph, ok := byName[i][name]
			if !ok {
				continue
			}
			p.phase(ph.Dist, x, y+bar*float64(i)+bar/2, color(i))
		}
		p.label(left-12, y+bar*float64(len(r.Targets))/2+4, "end", "name", Phase{Name: name}.label())
	}
	p.raw("</svg></figure>\n</section>\n")
}

// phase draws one bar.
func (p *page) phase(d Dist, x scale, y float64, class string) {
	p.line(x.at(d.Min), y, x.at(d.Max), y, "whisker "+class)
	p.rect(x.at(d.P90), y-4, x.at(d.P99)-x.at(d.P90), 8, "pale "+class)
	p.rect(x.at(d.P50), y-4, x.at(d.P90)-x.at(d.P50), 8, "bar "+class)
	p.rawf(`<circle class="median %s" cx="%s" cy="%s" r="4.5"/>`, class, px(x.at(d.P50)), px(y))
	p.label(wide-78, y+4, "end", "", seconds(d.P50))
	p.label(wide-8, y+4, "end", "", seconds(d.P99))
}
