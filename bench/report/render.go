package report

import (
	"fmt"
	"io"
	"slices"
)

// Render writes the page of a report, or of two put side by side.
func Render(w io.Writer, rs ...*Report) error {
	switch len(rs) {
	case 1:
		return WriteHTML(w, rs[0])
	case 2:
		return WriteHTML(w, merge(rs[0], rs[1]))
	}
	return fmt.Errorf("want one report or two, got %d", len(rs))
}

// merge puts the targets of two runs into one report. What is said of the run
// is a's; ratios have no interval, for the runs did not take turns.
func merge(a, b *Report) *Report {
	m := *a
	m.Targets = slices.Concat(a.Targets, b.Targets)
	m.Verdict, m.FindMax, m.AB = nil, nil, nil
	m.Args.Slices = 0
	m.Seconds = max(a.Seconds, b.Seconds)
	m.Interrupted = a.Interrupted || b.Interrupted
	m.Invalid = slices.Concat(a.Invalid, b.Invalid)
	single := len(m.Targets) == 2
	for i := range m.Targets {
		t := &m.Targets[i]
		if single {
			t.Name = string(rune('A' + i))
		} else {
			t.Name = string("AB"[i/max(len(a.Targets), 1)%2]) + "." + t.Name
		}
		t.Series = slices.Clone(t.Series)
		if single {
			for j := range t.Series {
				t.Series[j].Active = true
			}
		}
	}
	if single {
		m.AB = ratiosOf(a, b)
	}
	if a.title() != b.title() || !a.Started.Equal(b.Started) {
		m.Args.Command = "A: " + a.Args.Command + "; B: " + b.Args.Command
	}
	return &m
}

// ratiosOf compares two runs of one target each.
func ratiosOf(a, b *Report) []Ratio {
	c, err := Compare(a, b, 0)
	if err != nil {
		return nil
	}
	var out []Ratio
	for _, x := range c.Changes {
		if unitOf(x.Metric) == unitShare || x.Old <= 0 || !x.Judged {
			continue
		}
		out = append(out, Ratio{Metric: x.Metric, A: x.Old, B: x.New, Ratio: x.New / x.Old, Diff: x.New - x.Old})
	}
	return out
}
