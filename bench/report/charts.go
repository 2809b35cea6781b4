package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The widths of a chart alone, and of two and three beside each other, in pixels of the
// drawing; the page scales them.
const (
	wide  = 1080
	half  = 528
	third = 344
	// The most points that a curve gets: more cannot be told apart.
	widePoints = 600
	halfPoints = 250
)

// charts writes all pictures for which there is something to draw.
func (p *page) charts(r *Report) {
	p.ratios(r)
	p.throughput(r)
	p.latency(r)
	p.phases(r)
	p.resources(r)
}

func (p *page) section(title, note string) {
	p.raw("<section>\n")
	p.el("h2", "", title)
	if note != "" {
		p.el("p", "note", note)
	}
	p.raw("\n")
}

// span is the length of the time axis. Transfers that end after the measured
// time make it longer.
func (r *Report) span() float64 {
	length := r.end()
	for i := range r.Targets {
		if s := r.drawn(i, turns); len(s) > 0 {
			length = max(length, s[len(s)-1].T+r.Targets[i].stride(s, len(s)-1))
		}
		if h := r.Targets[i].Heat; h.total() > 0 {
			length = max(length, float64(h.cols()))
		}
	}
	return length
}

// drawn are the seconds of a target without those that began after the end:
// they are not whole. Errors are shown whenever they happen.
func (r *Report) drawn(target int, kind kind) []Point {
	s := r.Targets[target].Series
	if len(r.FindMax) > 0 { // the report is of its last step, the seconds are of all
		return s
	}
	for n := len(s); n > 1 && r.Seconds > 0 && s[n-1].T >= r.end() && kind != worst; n-- {
		s = s[:n-1]
	}
	return s
}

// end is when the last turn or round ended. There are pauses between them, so
// that is later than the measured time.
func (r *Report) end() float64 {
	end := r.Seconds
	for i := range r.Targets {
		for _, s := range slices.Concat(r.Targets[i].Slices, r.Targets[i].Rounds) {
			end = max(end, s.From+s.Seconds)
		}
	}
	return end
}

// over draws one figure of each target over time, with at most so many points:
// means, or the highest value with worst. With turns, the seconds of the other
// target are left out.
func (r *Report) over(points int, name string, kind kind, get func(Point) float64) []curve {
	var curves []curve
	short := r.shortTurns()
	for i := range r.Targets {
		t := &r.Targets[i]
		c := curve{name: strings.TrimSpace(t.Name + " " + name), class: color(i)}
		if len(r.Targets) == 1 {
			c.name = name
		}
		series := r.drawn(i, kind)
		step := max((len(series)+points-1)/points, 1)
		for from := 0; from < len(series); from += step {
			group := series[from:min(from+step, len(series))]
			v := binned(group, kind, len(r.Targets) > 1, get)
			if math.IsNaN(v) && short {
				continue
			}
			to := from + len(group) - 1
			c.xs = append(c.xs, (group[0].T+series[to].T+t.stride(series, to))/2)
			c.ys = append(c.ys, v)
		}
		curves = append(curves, c)
	}
	return curves
}

// kind is how seconds are drawn together.
type kind int

const (
	turns  kind = iota // the mean of the target's own turns
	always             // the mean of all seconds that were looked at
	worst              // the highest value
)

// binned is the value of a group of seconds; not a number if none counts.
func binned(group []Point, kind kind, several bool, get func(Point) float64) float64 {
	sum, n := 0.0, 0
	for _, pt := range group {
		switch v := get(pt); {
		case kind == worst:
			sum, n = max(sum, v), 1
		case kind == always && !pt.sampled():
		case kind == always || pt.Active || !several:
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// sampled reports whether somebody looked at what is not counted but looked at:
// the last second may have none.
func (p Point) sampled() bool {
	return p.Sessions > 0 || p.GeneratorPC > 0 || p.ServerPSS > 0 || p.ServerCPU > 0
}

// stride is how many seconds a point stands for.
func (t *Target) stride(series []Point, j int) float64 {
	if j+1 < len(series) {
		return series[j+1].T - series[j].T
	}
	if j > 0 {
		return series[j].T - series[j-1].T
	}
	return 1
}

// turnBands shades the slices of two targets that take turns.
func (r *Report) turnBands() []band {
	bands := r.allTurns()
	if len(bands) > maxTurns {
		return nil
	}
	return bands
}

// maxTurns is how many turns can be told apart in a chart.
const maxTurns = 100

// shortTurns: the turns cannot be told apart. Then the curves go on over the
// gaps.
func (r *Report) shortTurns() bool { return len(r.allTurns()) > maxTurns }

// withTurns is a copy in which the slices decide whose second it was: they are
// exact, and a second can lie in two of them. It belongs to the one that has its
// middle.
func (r *Report) withTurns() *Report {
	c := *r
	c.Targets = slices.Clone(r.Targets)
	for i := range c.Targets {
		t := &c.Targets[i]
		if len(t.Slices) == 0 {
			continue
		}
		t.Series = slices.Clone(t.Series)
		for j := range t.Series {
			p := &t.Series[j]
			p.Active = slices.ContainsFunc(t.Slices, func(s Slice) bool { return s.From <= p.T+0.5 && p.T+0.5 < s.From+s.Seconds })
		}
	}
	return &c
}

// allTurns are the turns of all targets, none if these ran at the same time or
// in runs of their own.
func (r *Report) allTurns() []band {
	if len(r.Targets) < 2 {
		return nil
	}
	var bands []band
	taken := map[float64]bool{}
	for i := range r.Targets {
		on := false
		series := r.Targets[i].Series
		for j, pt := range series {
			end := pt.T + r.Targets[i].stride(series, j)
			switch {
			case !pt.Active:
			case taken[pt.T]:
				return nil
			case on:
				bands[len(bands)-1].to = end
			default:
				bands = append(bands, band{pt.T, end, color(i)})
			}
			on = pt.Active
			taken[pt.T] = taken[pt.T] || on
		}
	}
	return bands
}

// some reports whether a figure is above 0 anywhere.
func (r *Report) some(get func(Point) float64) bool {
	for i := range r.Targets {
		if slices.ContainsFunc(r.Targets[i].Series, func(pt Point) bool { return get(pt) > 0 }) {
			return true
		}
	}
	return false
}

func bytesOf(pt Point) float64  { return float64(pt.Bytes) / 1e6 }
func opsOf(pt Point) float64    { return float64(pt.Ops) }
func errorsOf(pt Point) float64 { return float64(pt.Errors) }

// throughput draws megabytes, operations and errors a second.
func (p *page) throughput(r *Report) {
	if !r.some(opsOf) && !r.some(errorsOf) {
		return
	}
	note := ""
	bands := r.turnBands()
	if len(bands) > 0 {
		note = "The targets take turns; the shade shows whose turn it is."
	} else if r.shortTurns() {
		note = "The targets take turns, which are too short to be shown."
	}
	p.section("Throughput over time", note)
	base := chart{length: r.span(), width: wide, height: 230, bands: bands, note: note}
	if r.some(bytesOf) {
		c := base
		c.title, c.unit, c.curves = "File bytes", "MB/s", r.over(widePoints, "", turns, bytesOf)
		p.draw(c)
	}
	if r.some(opsOf) {
		c := base
		c.title, c.unit, c.curves = "Operations that ended well", "1/s", r.over(widePoints, "", turns, opsOf)
		p.draw(c)
	}
	if r.some(errorsOf) {
		c := base
		c.title, c.unit, c.height, c.bars, c.curves = "Errors", "1/s", 110, true, r.over(widePoints, "", worst, errorsOf)
		p.draw(c)
	} else {
		p.el("p", "none", "No errors in any second.")
	}
	p.raw("</section>\n")
}

// resources draws what the server used and held.
func (p *page) resources(r *Report) {
	full := func(pt Point) float64 { return float64(pt.Full) }
	resumed := func(pt Point) float64 { return float64(pt.Resumed) }
	sessions := func(pt Point) float64 { return float64(pt.Sessions) }
	cpu := func(pt Point) float64 { return pt.ServerCPU }
	pss := func(pt Point) float64 { return float64(pt.ServerPSS) }
	generator := func(pt Point) float64 { return pt.GeneratorPC }
	var charts []chart
	add := func(title, unit, note string, curves ...curve) {
		charts = append(charts, chart{title: title, unit: unit, note: note, curves: curves, bands: r.turnBands(), length: r.span(), width: half, height: 220})
	}
	if r.some(full) || r.some(resumed) {
		dashed := r.over(halfPoints, "full", turns, full)
		for i := range dashed {
			dashed[i].class += " dash"
		}
		add("TLS handshakes", "1/s", "", append(r.over(halfPoints, "resumed", turns, resumed), dashed...)...)
	}
	if r.some(sessions) {
		add("Open sessions", "sessions", "", r.over(halfPoints, "", always, sessions)...)
	}
	if r.some(cpu) {
		curves := r.over(halfPoints, "server", always, cpu)
		if g := (&Report{Targets: r.Targets[:1], Seconds: r.end()}).over(halfPoints, "generator", always, generator); r.some(generator) {
			g[0].class = "g dash"
			curves = append(curves, g[0])
		}
		add("CPU", "cores", "", curves...)
	}
	if r.some(pss) {
		c := chart{title: "Memory of the server (PSS)", curves: r.over(halfPoints, "", always, pss), bands: r.turnBands(), length: r.span(), width: half, height: 220}
		c.scaleBytes()
		charts = append(charts, c)
	}
	if len(charts) == 0 {
		return
	}
	p.section("Handshakes, sessions and what the server used", "")
	p.raw(`<div class="pair">`)
	for _, c := range charts {
		p.draw(c)
	}
	p.raw("</div></section>\n")
}

// scaleBytes chooses the unit of an axis of bytes.
func (c *chart) scaleBytes() {
	unit, div := "MiB", float64(1<<20)
	if c.peak() >= 4<<30 {
		unit, div = "GiB", 1<<30
	}
	c.unit = unit
	for _, cv := range c.curves {
		for i := range cv.ys {
			cv.ys[i] /= div
		}
	}
}

// ratios draws B over A with intervals, on a logarithmic axis around 1.
func (p *page) ratios(r *Report) {
	rows, others := r.headlines()
	rows = slices.DeleteFunc(rows, func(x Ratio) bool { return !(x.Ratio > 0) || math.IsInf(x.Ratio, 0) })
	if len(rows) == 0 {
		return
	}
	note := "Each metric of B divided by that of A, with its 95 % interval. A dot has the color of the better target; it is grey where there is no difference to speak of."
	if !slices.ContainsFunc(rows, func(x Ratio) bool { return x.High > 0 }) {
		note = "Each metric of B divided by that of A. These were two runs that did not take turns: there is no interval, and what else the machine did is in the ratios."
	}
	if others > 0 {
		note += fmt.Sprintf(" %d more metrics without a difference are in the table below.", others)
	}
	p.section("B relative to A", note)
	lo, hi := 0.95, 1.05
	for _, x := range rows {
		lo, hi = min(lo, x.Ratio), max(hi, x.Ratio)
		if x.Low > 0 && x.High > 0 {
			lo, hi = min(lo, x.Low), max(hi, x.High)
		}
	}
	lo, hi = max(lo/math.Pow(hi/lo, 0.04), 1e-4), min(hi*math.Pow(hi/lo, 0.04), 1e4)
	const rowHeight, top, left, right = 26, 30, 190, 300
	height := float64(top + rowHeight*len(rows) + 26)
	x := scale{lo: lo, hi: hi, from: left, to: wide - right, log: true}
	p.raw("<figure>")
	p.svg(wide, height, "B relative to A", fmt.Sprintf("%d metrics with intervals on a logarithmic axis around 1; the tables below hold the figures.", len(rows)))
	bottom := height - 24
	for _, v := range ratioSteps(lo, hi) {
		class := "grid"
		if v == 1 {
			class = "one"
		}
		p.line(x.at(v), top-6, x.at(v), bottom, class)
		p.label(x.at(v), bottom+17, "middle", "", plain(v)+"×")
	}
	p.label(x.at(1)-10, 14, "end", "unit", "◂ B has less")
	p.label(x.at(1)+10, 14, "start", "unit", "B has more ▸")
	for i, row := range rows {
		p.ratio(row, x, float64(top+rowHeight*i)+rowHeight/2)
	}
	p.raw("</svg></figure>\n</section>\n")
}

// ratio draws one metric of B relative to A.
func (p *page) ratio(row Ratio, x scale, y float64) {
	class := "g"
	switch row.Better {
	case "A":
		class = color(0)
	case "B":
		class = color(1)
	}
	p.label(x.from-12, y+4, "end", "name", row.Metric)
	if row.Low > 0 && row.High > 0 {
		p.line(x.at(row.Low), y, x.at(row.High), y, "ci "+class)
		p.line(x.at(row.Low), y-5, x.at(row.Low), y+5, "cap "+class)
		p.line(x.at(row.High), y-5, x.at(row.High), y+5, "cap "+class)
	}
	p.rawf(`<circle class="dot %s" cx="%s" cy="%s" r="5"/>`, class, px(x.at(row.Ratio)), px(y))
	p.label(x.to+16, y+4, "start", "", row.interval())
	p.label(wide-4, y+4, "end", "name "+class, row.outcome())
}

// ratioSteps are the labels of an axis around 1, which is always one of them.
func ratioSteps(lo, hi float64) []float64 {
	if hi/lo < 3 {
		vs := steps(lo, hi, 8)
		if !slices.ContainsFunc(vs, func(v float64) bool { return math.Abs(v-1) < 1e-9 }) {
			vs = append(vs, 1)
		}
		for i, v := range vs {
			if math.Abs(v-1) < 1e-9 {
				vs[i] = 1
			}
		}
		return vs
	}
	factors := []float64{1, 2, 5}
	switch {
	case hi/lo < 12:
		factors = []float64{1, 1.5, 2, 3, 5, 7}
	case hi/lo > 1000:
		factors = []float64{1}
	}
	var out []float64
	for e := -4; e <= 4; e++ {
		for _, f := range factors {
			if v := f * math.Pow10(e); v >= lo && v <= hi {
				out = append(out, v)
			}
		}
	}
	return out
}
