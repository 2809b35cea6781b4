package report

import (
	"encoding/base64"
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latency draws the percentile curves of each operation and the heat maps.
func (p *page) latency(r *Report) {
	names := r.opNames()
	heat := false
	for i := range r.Targets {
		heat = heat || r.Targets[i].Heat.total() > 0
	}
	if len(names) == 0 && !heat {
		return
	}
	note := "How long an operation takes up to a share of all of them; the axis spreads the last percent out."
	if r.open() {
		note += " Service counts from the real start, response from when the schedule wanted it: what a client feels when the server stalls."
	}
	p.section("Latency", note)
	if len(names) > 0 {
		p.curves(r, names)
	}
	first, last := r.heatRows()
	for i := range r.Targets {
		p.heat(r, i, first, last)
	}
	p.raw("</section>\n")
}

// opNames are the operations of all targets that have times, in their order.
func (r *Report) opNames() []string {
	var names []string
	seen := map[string]bool{}
	for i := range r.Targets {
		for _, o := range r.Targets[i].Ops {
			if !seen[o.Name] && (o.Service.N > 0 || o.Response.N > 0) {
				names = append(names, o.Name)
				seen[o.Name] = true
			}
		}
	}
	return names
}

func (t *Target) op(name string) *Op {
	for i := range t.Ops {
		if t.Ops[i].Name == name {
			return &t.Ops[i]
		}
	}
	return nil
}

// tail maps a share of the values to HdrHistogram's axis: 0.9 to 1, 0.99 to 2.
func tail(share float64) float64 { return -math.Log10(1 - share) }

// quantiles returns a distribution as a curve: positions on the tail axis and
// times. The histogram is used where there is one, else the percentiles.
func (d Dist) quantiles() (xs, ys []float64) {
	if d.N == 0 {
		return nil, nil
	}
	end := tail(1 - 1/float64(max(d.N, 2)))
	if h := d.histogram(); h != nil {
		const points = 120
		for i := range points {
			x := end * float64(i) / (points - 1)
			v := float64(h.ValueAtQuantile(100*(1-math.Pow(10, -x)))) / 1e6
			// Steps that go on alike add nothing.
			if n := len(ys); n >= 2 && i < points-1 && ys[n-1] == v && ys[n-2] == v {
				xs[n-1] = x
				continue
			}
			xs, ys = append(xs, x), append(ys, v)
		}
		ys[len(ys)-1] = max(ys[len(ys)-1], d.Max) // the curve ends at the slowest
		return xs, ys
	}
	for _, q := range []struct{ share, v float64 }{{0, d.Min}, {0.5, d.P50}, {0.9, d.P90}, {0.99, d.P99}, {0.999, d.P999}} {
		if x := tail(q.share); x <= end {
			xs, ys = append(xs, x), append(ys, q.v)
		}
	}
	return append(xs, end), append(ys, d.Max)
}

// histogram decodes the blob; nil when there is none that can be read.
func (d Dist) histogram() *hdrhistogram.Histogram {
	if len(d.Hdr) == 0 {
		return nil
	}
	h, err := hdrhistogram.Decode([]byte(base64.StdEncoding.EncodeToString(d.Hdr)))
	if err != nil || h.TotalCount() == 0 {
		return nil
	}
	return h
}

// panel is the chart of one operation: the curves of all targets.
type panel struct {
	name   string
	curves []curve
}

// panel makes the curves of an operation.
func (r *Report) panel(name string) panel {
	pn := panel{name: name}
	add := func(d Dist, label, class string) {
		c := curve{name: label, class: class}
		if c.xs, c.ys = d.quantiles(); len(c.xs) > 0 {
			pn.curves = append(pn.curves, c)
		}
	}
	for i := range r.Targets {
		o := r.Targets[i].op(name)
		prefix := ""
		if len(r.Targets) > 1 {
			prefix = r.Targets[i].Name + " "
		}
		switch {
		case o == nil:
		case r.open():
			add(o.Service, prefix+"service", color(i)+" dash")
			add(o.Response, prefix+"response", color(i))
		default:
			add(o.Service, prefix+"service", color(i))
		}
	}
	return pn
}

// curves draws a panel an operation, all with the same axes.
func (p *page) curves(r *Report, names []string) {
	var all []panel
	var keys []curve
	end, lo, hi := 1.0, math.Inf(1), 0.0
	for _, name := range names {
		pn := r.panel(name)
		all = append(all, pn)
		if len(pn.curves) > len(keys) {
			keys = pn.curves
		}
		for _, c := range pn.curves {
			for i, v := range c.ys {
				end = max(end, c.xs[i])
				if v > 0 {
					lo, hi = min(lo, v), max(hi, v)
				}
			}
		}
	}
	grid, width := "pair", float64(half)
	switch {
	case len(names) == 1:
		grid, width = "", wide
	case len(names)%3 == 0 || len(names) > 4:
		grid, width = "triple", third
	}
	p.raw(legend(keys))
	p.open("div", grid)
	for _, pn := range all {
		p.panel(pn, width, end, lo, hi)
	}
	p.raw("</div>\n")
}

// panel draws the curves of one operation.
func (p *page) panel(pn panel, width, end, lo, hi float64) {
	const height = 270
	p.caption(pn.name, "")
	p.svg(width, height, "Latency of "+pn.name, fmt.Sprintf("Percentile curves on a logarithmic axis of time from %s to %s. The table of operations holds the figures.", seconds(lo), seconds(hi)))
	lo, hi, major, minor := decades(lo, hi)
	x := scale{lo: 0, hi: end, from: marginLeft, to: width - marginRight - 6}
	y := scale{lo: lo, hi: hi, from: height - marginBottom, to: marginTop - 4, log: true}
	for _, v := range minor {
		p.line(x.from, y.at(v), x.to, y.at(v), "grid faint")
	}
	for _, v := range major {
		p.line(x.from, y.at(v), x.to, y.at(v), "grid")
		p.label(x.from-7, y.at(v)+4, "end", "", axisTime(v))
	}
	p.line(x.from, y.from, x.to, y.from, "axis")
	lastLabel := -1.0
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999} {
		if at := tail(share); at <= end+1e-9 {
			p.line(x.at(at), y.to, x.at(at), y.from, "grid faint")
			text := fmt.Sprintf("%g%%", math.Round(share*1e8)/1e6)
			if width := 7 * float64(len(text)); x.at(at)-width/2 > lastLabel {
				lastLabel = x.at(at) + width/2
				p.label(x.at(at), y.from+17, "middle", "", text)
			}
		}
	}
	for _, c := range pn.curves {
		p.trace(mapped(c.xs, x), mapped(c.ys, y), c.class)
	}
	p.raw("</svg></figure>\n")
}

// axisTime labels a round time: 5 ms.
func axisTime(v float64) string {
	switch {
	case v < 0.9995e-3:
		return plain(v*1e6) + " us"
	case v < 0.9995:
		return plain(v*1e3) + " ms"
	}
	return axisNumber(v) + " s"
}

func (h Heat) total() int64 {
	var n int64
	for i, row := range h.Counts {
		if i >= len(h.Edges) {
			break
		}
		for _, v := range row {
			n += v
		}
	}
	return n
}

// heatCols is how many columns are drawn at most, heatLevels how many shades.
const (
	heatCols   = 240
	heatLevels = 7
)

// heat draws how many responses took how long in each second.
func (p *page) heat(r *Report, which, first, last int) {
	t := &r.Targets[which]
	if t.Heat.total() == 0 {
		return
	}
	seconds := t.Heat.cols()
	h := t.Heat.thin(heatCols)
	last = min(last, len(h.Counts)-1, len(h.Edges)-1)
	rows, cols := last-first+1, h.cols()
	most := int64(1)
	for _, row := range h.Counts[first : last+1] {
		for _, v := range row {
			most = max(most, v)
		}
	}
	name := "Responses by time and latency"
	if len(r.Targets) > 1 {
		name += ", " + t.Name
	}
	rowHeight := min(max(200/float64(rows), 6), 24)
	height := marginTop + rowHeight*float64(rows) + marginBottom
	p.caption(name, heatLegend(most, color(which)))
	p.svg(wide, height, name, fmt.Sprintf("Heat map of %s, latency from %s to %s on a logarithmic axis. At most %d responses in a cell.", t.Name, axisTime(h.edge(first-1)), axisTime(h.Edges[last]), most))
	x := scale{lo: 0, hi: max(r.span(), 1), from: marginLeft, to: wide - marginRight}
	step := float64((seconds + heatCols - 1) / heatCols)
	top, bottom := float64(marginTop), marginTop+rowHeight*float64(rows)
	p.rawf(`<g class="heat %s" transform="translate(%s %s) scale(%.5g %s)">`, color(which), px(x.from), px(top), (x.to-x.from)/x.hi*step, px(rowHeight))
	for level := range heatLevels {
		if d := h.cells(first, last, cols, level, most); d != "" {
			p.rawf(`<path class="h%d" d="%s"/>`, level, d)
		}
	}
	p.raw("</g>")
	p.line(x.from, bottom, x.to, bottom, "axis")
	p.line(x.from, top, x.from, bottom, "axis")
	lastLabel := math.Inf(1)
	for _, v := range h.labels(first, last) {
		y := bottom - (h.row(v)-float64(first))*rowHeight
		if y < top-1 || y > bottom+1 || lastLabel-y < 14 {
			continue
		}
		lastLabel = y
		p.line(x.from-4, y, x.from, y, "axis")
		p.label(x.from-7, y+4, "end", "", axisTime(v))
	}
	p.timeAxis(x, bottom)
	p.raw("</svg></figure>\n")
}

// heatRows are the rows that the maps show, the same for all targets.
func (r *Report) heatRows() (first, last int) {
	first = math.MaxInt
	for i := range r.Targets {
		if h := r.Targets[i].Heat; h.total() > 0 {
			a, b := h.rows()
			first, last = min(first, a), max(last, b)
		}
	}
	return first, last
}

// rows are the first and the last row in which something was counted.
func (h Heat) rows() (first, last int) {
	first = -1
	for i, row := range h.Counts {
		for _, v := range row {
			if v > 0 && i < len(h.Edges) {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
	}
	return first, last
}

// edge is the upper end of row i; row 0 begins one step below its own.
func (h Heat) edge(i int) float64 {
	switch {
	case i >= 0:
		return h.Edges[i]
	case len(h.Edges) > 1 && h.Edges[1] > 0:
		return h.Edges[0] * h.Edges[0] / h.Edges[1]
	}
	return h.Edges[0] / 2
}

// row is the place of a time, in rows from the lowest edge.
func (h Heat) row(v float64) float64 {
	for i := range h.Edges {
		lo, hi := h.edge(i-1), h.Edges[i]
		if v <= hi && lo > 0 && hi > lo {
			return float64(i) + math.Log(v/lo)/math.Log(hi/lo)
		}
	}
	return float64(len(h.Edges))
}

// labels are round times within the rows.
func (h Heat) labels(first, last int) []float64 {
	lo, hi := h.edge(first-1), h.Edges[last]
	var out []float64
	_, _, major, _ := decades(lo, hi)
	for _, v := range major {
		if v >= lo*0.999 && v <= hi*1.001 {
			out = append(out, v)
		}
	}
	return out
}

// shade is the level of a count: steps of a logarithm, 0 for the fewest.
func shade(v, most int64) int {
	if most <= 1 {
		return heatLevels - 1
	}
	return min(int(float64(heatLevels)*math.Log(float64(v))/math.Log(float64(most)+1)), heatLevels-1)
}
