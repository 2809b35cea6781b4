package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scale maps values to positions between from and to, in pixels.
type scale struct {
	lo, hi   float64
	from, to float64
	log      bool
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		v, lo, hi = math.Log(max(v, lo)), math.Log(lo), math.Log(hi)
	}
	if hi <= lo {
		return s.from
	}
	share := min(max((v-lo)/(hi-lo), 0), 1)
	return s.from + share*(s.to-s.from)
}

// steps are round values in [lo, hi], about n of them.
func steps(lo, hi float64, n int) []float64 {
	if !(hi > lo) || n < 1 {
		return []float64{lo}
	}
	raw := (hi - lo) / float64(n)
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * base
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*base >= raw*0.999 {
			step = m * base
			break
		}
	}
	var out []float64
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi*(1+1e-12)+step*1e-9 && len(out) < 100; i++ {
		v := i * step
		if v == 0 {
			v = 0 // not -0
		}
		out = append(out, v)
	}
	return out
}

// roof is the round value at or above hi where an axis from 0 ends, and the
// steps below it.
func roof(hi float64, n int) (float64, []float64) {
	if !(hi > 0) || math.IsInf(hi, 0) {
		hi = 1
	}
	ticks := steps(0, hi, n)
	step := ticks[1] - ticks[0]
	if last := ticks[len(ticks)-1]; last < hi*0.999 {
		ticks = append(ticks, last+step)
	}
	return ticks[len(ticks)-1], ticks
}

// decades returns the ends of a logarithmic axis around [lo, hi], the labelled
// steps and the lines between them.
func decades(lo, hi float64) (from, to float64, major, minor []float64) {
	if !(lo > 0) || math.IsInf(hi, 0) || !(hi >= lo) {
		lo, hi = 1e-3, 1
	}
	lo = max(lo, hi*1e-9)
	all := func(ms ...float64) []float64 {
		var out []float64
		for e := math.Floor(math.Log10(lo)) - 1; e <= math.Log10(hi)+1; e++ {
			for _, m := range ms {
				out = append(out, m*math.Pow(10, e))
			}
		}
		return out
	}
	from, to = lo, hi
	for _, v := range all(1, 2, 5) {
		if v <= lo*1.0001 {
			from = v
		}
		if v >= hi*0.9999 {
			to = v
			break
		}
	}
	if to <= from {
		to = from * 2
	}
	within := func(vs []float64) (out []float64) {
		for _, v := range vs {
			if v >= from*0.9999 && v <= to*1.0001 {
				out = append(out, v)
			}
		}
		return out
	}
	major = within(all(1, 2, 5))
	if to/from > 500 {
		major = within(all(1))
		minor = within(all(2, 5))
	}
	return from, to, major, minor
}

// timeSteps are round times from 0 to length, at most n of them behind 0.
func timeSteps(length float64, n int) []float64 {
	for _, step := range []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400} {
		if length/step <= float64(n) {
			var out []float64
			for v := 0.0; v <= length; v += step {
				out = append(out, v)
			}
			return out
		}
	}
	return steps(0, length, n)
}

// clock labels a point of a time axis.
func clock(v, length float64) string {
	switch {
	case length <= 180:
		return plain(v) + " s"
	case length < 3*3600:
		return fmt.Sprintf("%d:%02d", int(v)/60, int(v)%60)
	}
	return fmt.Sprintf("%d:%02d h", int(v)/3600, int(v)/60%60)
}

// px writes a coordinate with one digit behind the point.
func px(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	s := strconv.FormatFloat(v, 'f', 1, 64)
	s = strings.TrimSuffix(s, ".0")
	if s == "-0" {
		return "0"
	}
	return s
}

// svg opens a picture with its name and description for those who do not see it.
func (p *page) svg(width, height float64, title, desc string) {
	a, b := p.id(), p.id()
	class := ""
	if width >= wide {
		class = ` class="wide"`
	}
	p.rawf(`<svg%s viewBox="0 0 %s %s" role="img" aria-labelledby="%s %s"><title id="%s">`, class, px(width), px(height), a, b, a)
	p.text(title)
	p.rawf(`</title><desc id="%s">`, b)
	p.text(desc)
	p.raw("</desc>\n")
}

func (p *page) line(x1, y1, x2, y2 float64, class string) {
	p.rawf(`<path class="%s" d="M%s %sL%s %s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

func (p *page) rect(x, y, w, h float64, class string) {
	p.rawf(`<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`, class, px(x), px(y), px(max(w, 0)), px(max(h, 0)))
}

// label writes text in a picture; anchor is "start", "middle" or "end".
func (p *page) label(x, y float64, anchor, class, s string) {
	p.rawf(`<text x="%s" y="%s"`, px(x), px(y))
	if anchor != "start" {
		p.rawf(` text-anchor="%s"`, anchor)
	}
	if class != "" {
		p.rawf(` class="%s"`, class)
	}
	p.raw(">")
	p.text(s)
	p.raw("</text>")
}

// trace writes a curve; it is broken where a coordinate is not a number. A
// point alone becomes a short stroke.
func (p *page) trace(xs, ys []float64, class string) {
	var d strings.Builder
	pen := false
	var lastX, lastY float64
	round := func(v float64) float64 { return math.Round(v*10) / 10 }
	for i := range xs {
		if math.IsNaN(xs[i]) || math.IsNaN(ys[i]) {
			pen = false
			continue
		}
		x, y := round(xs[i]), round(ys[i])
		switch {
		case !pen && (i+1 == len(xs) || math.IsNaN(xs[i+1]) || math.IsNaN(ys[i+1])):
			fmt.Fprintf(&d, "M%s %sh4", px(x-2), px(y))
		case !pen:
			fmt.Fprintf(&d, "M%s %s", px(x), px(y))
		default:
			fmt.Fprintf(&d, "l%s %s", px(x-lastX), px(y-lastY))
		}
		pen, lastX, lastY = true, x, y
	}
	if d.Len() > 0 {
		p.rawf(`<path class="cv %s" d="%s"/>`, class, d.String())
	}
}

// color is the class of a target's color.
func color(i int) string { return string(rune('a' + i%4)) }
