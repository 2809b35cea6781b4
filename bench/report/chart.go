package report

import (
	"fmt"
	"math"
	"strings"
)

// curve is a line of a chart. Values that are not numbers leave a gap.
type curve struct {
	name  string
	class string // of the color, and "dash"
	xs    []float64
	ys    []float64
}

// band is a stretch of time that is shaded.
type band struct {
	from, to float64
	class    string
}

// chart is a picture with time from left to right.
type chart struct {
	title  string
	unit   string // of the axis
	note   string // for the description
	length float64
	width  float64
	height float64
	curves []curve
	bands  []band
	bars   bool // errors: each value stands alone
	label  func(float64) string
}

// The margins around what is drawn.
const (
	marginLeft   = 58
	marginRight  = 12
	marginTop    = 18
	marginBottom = 24
)

// peak is the highest value of all curves.
func (c *chart) peak() float64 {
	hi := 0.0
	for _, cv := range c.curves {
		for _, v := range cv.ys {
			if v > hi {
				hi = v
			}
		}
	}
	return hi
}

// draw writes the chart as a figure with title and legend.
func (p *page) draw(c chart) {
	if c.label == nil {
		c.label = axisNumber
	}
	p.caption(c.title, legend(c.curves))
	hi, ticks := roof(c.peak(), max(int(c.height/45), 2))
	if c.bars && hi < 4 { // whole numbers
		hi, ticks = max(math.Ceil(c.peak()), 1), []float64{0, max(math.Ceil(c.peak()), 1)}
	}
	x := scale{lo: 0, hi: max(c.length, 1e-9), from: marginLeft, to: c.width - marginRight}
	y := scale{lo: 0, hi: hi, from: c.height - marginBottom, to: marginTop}
	p.svg(c.width, c.height, c.title, fmt.Sprintf("%s over %s s, highest value %s %s. %s", c.title, plain(c.length), c.label(c.peak()), c.unit, c.note))
	for _, b := range c.bands {
		p.rect(x.at(b.from), y.to, x.at(b.to)-x.at(b.from), y.from-y.to, "band "+b.class)
	}
	p.axes(x, y, ticks, c.unit, c.label)
	for _, cv := range c.curves {
		if c.bars {
			p.sticks(cv, x, y)
			continue
		}
		p.trace(mapped(cv.xs, x), mapped(cv.ys, y), cv.class)
	}
	p.raw("</svg></figure>\n")
}

func mapped(vs []float64, s scale) []float64 {
	out := make([]float64, len(vs))
	for i, v := range vs {
		out[i] = math.NaN()
		if !math.IsNaN(v) {
			out[i] = s.at(v)
		}
	}
	return out
}

// sticks draws a bar for each value above 0.
func (p *page) sticks(cv curve, x, y scale) {
	var d strings.Builder
	for i, v := range cv.ys {
		if v > 0 {
			fmt.Fprintf(&d, "M%s %sV%s", px(x.at(cv.xs[i])), px(y.from), px(y.at(v)))
		}
	}
	if d.Len() > 0 {
		p.rawf(`<path class="cv stick %s" d="%s"/>`, cv.class, d.String())
	}
}

// caption opens a figure.
func (p *page) caption(title, legend string) {
	p.raw("<figure><figcaption>")
	p.el("b", "", title)
	p.raw(legend, "</figcaption>")
}

// legend names the curves, if there is more than one.
func legend(curves []curve) string {
	if len(curves) < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<span class="legend">`)
	for _, c := range curves {
		b.WriteString(key(c.class, c.name))
	}
	b.WriteString("</span>")
	return b.String()
}

// key is an entry of a legend.
func key(class, name string) string {
	return fmt.Sprintf(`<span class="%s"><i class="sw"></i>%s</span>`, class, escape(name))
}

// axes draws the grid, the labels and the unit.
func (p *page) axes(x, y scale, ticks []float64, unit string, label func(float64) string) {
	for _, v := range ticks {
		class := "grid"
		if v == y.lo {
			class = "axis"
		}
		p.line(x.from, y.at(v), x.to, y.at(v), class)
		p.label(x.from-7, y.at(v)+4, "end", "", label(v))
	}
	p.timeAxis(x, y.from)
	p.label(x.from-7, y.to-10, "end", "unit", unit)
}

// timeAxis labels the seconds below y.
func (p *page) timeAxis(x scale, y float64) {
	for _, v := range timeSteps(x.hi, int((x.to-x.from)/75)) {
		p.line(x.at(v), y, x.at(v), y+4, "axis")
		anchor := "middle"
		if x.at(v) > x.to-14 {
			anchor = "end"
		}
		p.label(x.at(v), y+17, anchor, "", clock(v, x.hi))
	}
}
