package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the report for a terminal, no line wider than 120 but for
// what must be copied whole (commands, examples of errors).
func WriteText(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "fastftps bench: %s\n\n", r.title())
	writeFacts(&b, "  ", r.facts())
	b.WriteString("\n")
	textVerdict(&b, r)
	for i := range r.Targets {
		textTarget(&b, r, &r.Targets[i])
	}
	textAB(&b, r)
	textFindMax(&b, r)
	b.WriteString("\ngenerator\n")
	writeFacts(&b, "  ", r.Generator.lines(r))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeFacts writes labels in a column of their own and wraps what follows.
func writeFacts(b *strings.Builder, indent string, facts []fact) {
	width := 0
	for _, f := range facts {
		width = max(width, len(f.label))
	}
	for _, f := range facts {
		for i, line := range wrap(printable(f.text), textWidth-len(indent)-width-2) {
			label := f.label
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(b, "%s%-*s  %s\n", indent, width, label, line)
		}
	}
}

func textVerdict(b *strings.Builder, r *Report) {
	s := r.state()
	writeFacts(b, "", []fact{{s.word, s.why}})
	t := newTable([]int{0, 1, 2}, "", "", "")
	for _, v := range r.Verdict {
		word := "ok"
		if !v.OK {
			word = "MISSED"
		}
		t.row(word, v.Expr, "was "+value(exprMetric(v.Expr), v.Value))
	}
	if len(t.rows) > 0 {
		t.head, t.rows = t.rows[0], t.rows[1:]
		t.write(b, "  ")
	}
}

func textTarget(b *strings.Builder, r *Report, t *Target) {
	length := t.length(r)
	fmt.Fprintf(b, "\n%s\n", printable(t.heading()))
	if t.Spawn != "" {
		writeFacts(b, "  ", []fact{{"spawned", t.Spawn}})
	}
	if len(t.Ops) > 0 {
		opTable(r, t).write(b, "  ")
	}
	if tab := phaseTable(t); len(tab.rows) > 0 {
		b.WriteString("\n")
		tab.write(b, "  ")
	}
	if tab := spreadTable(t); len(tab.rows) > 0 {
		fmt.Fprintf(b, "\n  %d rounds\n", len(t.Rounds))
		tab.write(b, "  ")
	}
	for _, block := range []struct {
		name  string
		facts []fact
	}{{"TLS handshakes", t.TLS.lines(length)}, {"idle sessions", t.Idle.lines()}, {"server", t.Cost.lines()}} {
		if len(block.facts) > 0 {
			fmt.Fprintf(b, "\n  %s\n", block.name)
			writeFacts(b, "    ", block.facts)
		}
	}
	textErrors(b, t)
}

// heading names a target.
func (t *Target) heading() string {
	if t.URL == "" || strings.Contains(t.URL, t.Name) {
		return "target " + t.URL
	}
	return "target " + t.Name + "  " + t.URL
}

// length is the time in which a target was loaded.
func (t *Target) length(r *Report) float64 {
	var turns float64
	for _, s := range t.Slices {
		turns += s.Seconds
	}
	if turns > 0 {
		return turns
	}
	if len(r.Targets) == 1 {
		return r.Seconds
	}
	for i, p := range t.Series {
		if p.Active {
			turns += t.stride(t.Series, i)
		}
	}
	if turns > 0 {
		return turns
	}
	return r.Seconds
}

func textErrors(b *strings.Builder, t *Target) {
	if len(t.Failed) > 0 {
		b.WriteString("\n  WRONG: faults of the server\n")
		for _, f := range t.Failed {
			writeFacts(b, "    ", []fact{{"-", f}})
		}
	}
	if len(t.Errors) == 0 {
		return
	}
	b.WriteString("\n  errors\n")
	for _, e := range t.Errors {
		fmt.Fprintf(b, "    %7s  %-22s  %s\n", count(e.N), printable(e.code()), printable(e.Text))
		if e.Hint != "" {
			writeFacts(b, strings.Repeat(" ", 37), []fact{{"->", e.Hint}})
		}
	}
}

func textAB(b *strings.Builder, r *Report) {
	if len(r.AB) == 0 {
		return
	}
	fmt.Fprintf(b, "\nB relative to A\n")
	rows, others := r.headlines()
	abTable(rows).write(b, "  ")
	if others > 0 {
		fmt.Fprintf(b, "  %d more metrics without a difference are in the JSON and on the page\n", others)
	}
}

func textFindMax(b *strings.Builder, r *Report) {
	if len(r.FindMax) == 0 {
		return
	}
	b.WriteString("\nsearch for the highest rate\n")
	findMaxTable(r).write(b, "  ")
	fmt.Fprintf(b, "  %s\n", r.found())
}
