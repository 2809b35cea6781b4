package report

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// textWidth is what the text report keeps to.
const textWidth = 120

// table is rows of cells under a head, for the text report. The columns of left
// are aligned left, the others right.
type table struct {
	head []string
	left map[int]bool
	rows [][]string
}

func newTable(left []int, head ...string) *table {
	t := &table{head: head, left: map[int]bool{}}
	for _, i := range left {
		t.left[i] = true
	}
	return t
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write appends the table, each line after indent.
func (t *table) write(b *strings.Builder, indent string) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.left[i] {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(clip(indent+strings.TrimRight(line.String(), " "), textWidth) + "\n")
	}
}

// clip cuts a line to a width in runes.
func clip(s string, width int) string {
	if width < 1 {
		return ""
	}
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "~"
}

// wrap breaks a text at spaces into lines of at most width runes. A word that
// is longer stays whole, so that it can be copied.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// printable replaces control characters: what a server answered must not drive
// the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return '.'
		}
		return r
	}, s)
}

// opTable has a row an operation, and a second one for the response times of an
// open loop.
func opTable(r *Report, t *Target) *table {
	tab := newTable([]int{0, 4}, "operation", "count", "rate", "MB/s", "latency", "p50", "p90", "p99", "p99.9", "max", "wrong", "drop", "late", "errors")
	for _, o := range t.Ops {
		mb := none
		if o.Bytes > 0 {
			mb = digits(o.mb())
		}
		cells := append([]string{o.Name, count(o.N), digits(o.Rate) + "/s", mb, "service"}, o.Service.cells()...)
		tab.row(append(cells, zero(o.Wrong), zero(o.Dropped), zero(o.Late), zero(o.failures()))...)
		if r.open() {
			cells = append([]string{"", "", "", "", "response"}, o.Response.cells()...)
			tab.row(append(cells, "", "", "", "")...)
		}
	}
	return tab
}

// cells are the percentiles of a distribution, or dashes.
func (d Dist) cells() []string {
	if d.N == 0 {
		return []string{none, none, none, none, none}
	}
	return []string{seconds(d.P50), seconds(d.P90), seconds(d.P99), seconds(d.P999), seconds(d.Max)}
}

func phaseTable(t *Target) *table {
	tab := newTable([]int{0}, "phase", "count", "min", "p50", "p90", "p99", "p99.9", "max")
	for _, p := range t.phases() {
		tab.row(append([]string{p.label(), count(p.Dist.N), seconds(p.Dist.Min)}, p.Dist.cells()...)...)
	}
	return tab
}

// spreadTable says how far the rounds lie apart.
func spreadTable(t *Target) *table {
	tab := newTable([]int{0}, "metric", "median", "least", "most", "apart")
	for _, name := range slices.Sorted(maps.Keys(t.Spread)) {
		s := t.Spread[name]
		apart := none
		if s.Median > 0 {
			apart = percent((s.Max - s.Min) / s.Median)
		}
		tab.row(name, value(name, s.Median), value(name, s.Min), value(name, s.Max), apart)
	}
	return tab
}

func abTable(rows []Ratio) *table {
	tab := newTable([]int{0, 4}, "metric", "A", "B", "B/A [95 % interval]", "outcome")
	for _, x := range rows {
		tab.row(x.Metric, value(x.Metric, x.A), value(x.Metric, x.B), x.interval(), x.outcome())
	}
	return tab
}

func findMaxTable(r *Report) *table {
	tab := newTable([]int{1, 2}, "rate", "held", "why not")
	for _, p := range r.FindMax {
		held := "yes"
		if !p.OK {
			held = "no"
		}
		tab.row(digits(p.Rate)+"/s", held, printable(p.Why))
	}
	return tab
}
