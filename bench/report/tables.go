package report

import (
	"fmt"
	"slices"
	"strings"
)

// htable writes a table; the columns of left are aligned left.
func (p *page) htable(t *table) {
	p.raw("<div class=\"scroll\"><table><thead><tr>")
	cell := func(tag string, i int, s string) {
		class := ""
		if t.left[i] {
			class = "l"
		}
		if tag == "th" && class == "" {
			p.raw(`<th scope="col">`)
		} else if tag == "th" {
			p.raw(`<th scope="col" class="l">`)
		} else {
			p.open(tag, class)
		}
		p.text(s)
		p.raw("</", tag, ">")
	}
	for i, s := range t.head {
		cell("th", i, s)
	}
	p.raw("</tr></thead><tbody>\n")
	for _, row := range t.rows {
		p.raw("<tr>")
		for i, s := range row {
			cell("td", i, s)
		}
		p.raw("</tr>\n")
	}
	p.raw("</tbody></table></div>\n")
}

// facts writes labelled lines.
func (p *page) facts(title string, facts []fact) {
	if len(facts) == 0 {
		return
	}
	p.raw("<div>")
	if title != "" {
		p.el("h3", "", title)
	}
	p.raw("<dl class=\"facts\">")
	for _, f := range facts {
		p.el("dt", "", f.label)
		p.el("dd", "", f.text)
	}
	p.raw("</dl></div>\n")
}

// tables writes what the charts show, in figures, and what they do not.
func (p *page) tables(r *Report) {
	for i := range r.Targets {
		t := &r.Targets[i]
		title := "Figures"
		if len(r.Targets) > 1 {
			title += " of " + strings.TrimPrefix(t.heading(), "target ")
		}
		p.section(title, "")
		p.opTable(r, t)
		p.phaseTable(t)
		p.errorTable(t)
		if tab := spreadTable(t); len(tab.rows) > 0 {
			p.el("h3", "", fmt.Sprintf("%d rounds", len(t.Rounds)))
			p.htable(tab)
		}
		length := t.length(r)
		p.raw(`<div class="pair">`)
		p.facts("TLS handshakes", t.TLS.lines(length))
		p.facts("Idle sessions", t.Idle.lines())
		p.facts("Server", t.Cost.lines())
		p.raw("</div></section>\n")
	}
	p.abTable(r)
	p.section("Run", "")
	p.raw(`<div class="pair">`)
	facts := r.facts()
	command := slices.IndexFunc(facts, func(f fact) bool { return f.label == "command" })
	if command >= 0 {
		facts = slices.Delete(facts, command, command+1)
	}
	p.facts("Environment", facts)
	p.facts("Load generator", r.Generator.lines(r))
	p.raw("</div>\n")
	if command >= 0 {
		p.el("h3", "", "Command")
		p.el("code", "", r.Args.Command)
	}
	p.raw("</section>\n")
}

func (p *page) opTable(r *Report, t *Target) {
	if len(t.Ops) == 0 {
		return
	}
	p.htable(opTable(r, t))
}

func (p *page) phaseTable(t *Target) {
	if tab := phaseTable(t); len(tab.rows) > 0 {
		p.htable(tab)
	}
}

func (p *page) errorTable(t *Target) {
	if len(t.Errors) == 0 {
		return
	}
	hints := slices.ContainsFunc(t.Errors, func(e Error) bool { return e.Hint != "" })
	tab := newTable([]int{1, 2, 3}, "count", "error", "example")
	if hints {
		tab.head = append(tab.head, "remedy")
	}
	for _, e := range t.Errors {
		tab.row(append([]string{count(e.N), e.code(), e.Text}, e.Hint)[:len(tab.head)]...)
	}
	p.htable(tab)
}

func (p *page) abTable(r *Report) {
	if len(r.AB) == 0 {
		return
	}
	p.section("B relative to A, figures", "")
	p.htable(abTable(r.ratios()))
	p.raw("</section>\n")
}

func (p *page) findMaxTable(r *Report) {
	if len(r.FindMax) == 0 {
		return
	}
	p.section("Search for the highest rate", "The other figures are of the last step that held.")
	p.htable(findMaxTable(r))
	p.raw("</section>\n")
}
