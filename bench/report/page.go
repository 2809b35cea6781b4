package report

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// page is HTML under construction. Text that comes from outside goes through
// text; raw is for markup of our own.
type page struct {
	b   strings.Builder
	ids int
}

// escaper is for text and for attributes in double quotes.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

func escape(s string) string { return escaper.Replace(printable(s)) }

func (p *page) raw(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
}

func (p *page) rawf(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *page) text(s string) { p.b.WriteString(escape(s)) }

// el writes an element with text in it.
func (p *page) el(tag, class, text string) {
	p.open(tag, class)
	p.text(text)
	p.raw("</", tag, ">")
}

func (p *page) open(tag, class string) {
	p.raw("<", tag)
	if class != "" {
		p.raw(` class="`, class, `"`)
	}
	p.raw(">")
}

// id returns a name that is free in the page.
func (p *page) id() string {
	p.ids++
	return fmt.Sprintf("i%d", p.ids)
}

// pageLimit is the most that a page may weigh.
const pageLimit = 300_000

// WriteHTML writes the report as one file that needs nothing else: no script,
// no font, no picture from elsewhere. It stays below 300 KB however long the
// run was, and holds the report as JSON for ReadFile. It tidies r as WriteJSON
// does.
func WriteHTML(w io.Writer, r *Report) error {
	tidy(reflect.ValueOf(r).Elem())
	p := new(page)
	p.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
	p.text("fastftps bench: " + r.title())
	p.raw("</title>\n<style>\n", style, "</style>\n</head>\n<body>\n<main>\n")
	p.header(r)
	p.summary(r)
	p.findMaxTable(r)
	p.charts(r.withTurns())
	p.tables(r)
	p.raw("</main>\n")
	data, err := embed(r, pageLimit-p.b.Len()-1024)
	if err != nil {
		return err
	}
	p.raw(embedOpen, string(data), embedClose, "\n</body>\n</html>\n")
	_, err = io.WriteString(w, p.b.String())
	return err
}

func (p *page) header(r *Report) {
	p.raw("<header>\n")
	p.el("p", "kind", "fastftps bench")
	p.el("h1", "", joined(r.Args.Scenario, r.loop()))
	p.el("p", "sub", fmt.Sprintf("%s · %s s measured%s", r.Started.UTC().Format("2 January 2006, 15:04 UTC"), plain(r.Seconds), r.turns()))
	s := r.state()
	p.rawf(`<div class="state %s"><b>%s</b> `, strings.ToLower(s.word), s.word)
	p.text(s.why)
	p.raw("</div>\n")
	if len(r.Verdict) > 0 {
		p.raw(`<ul class="verdict">`)
		for _, v := range r.Verdict {
			mark, class := "✓", "ok"
			if !v.OK {
				mark, class = "✗", "missed"
			}
			p.rawf(`<li class="%s"><span>%s</span> `, class, mark)
			p.el("code", "", v.Expr)
			p.text(" was " + value(exprMetric(v.Expr), v.Value))
			p.raw("</li>")
		}
		p.raw("</ul>\n")
	}
	p.raw("</header>\n")
}

func (r *Report) turns() string {
	if r.Args.Slices == 0 {
		return ""
	}
	return fmt.Sprintf(" · %d slices of each target in turns", r.Args.Slices)
}

// tile is a figure that is shown large.
type tile struct {
	value, label string
	bad          bool
}

// summary shows what one wants to know first, a row a target.
func (p *page) summary(r *Report) {
	if len(r.Targets) == 0 {
		return
	}
	p.raw("<section class=\"summary\">\n")
	for i := range r.Targets {
		t := &r.Targets[i]
		p.rawf(`<div class="target %s"><h2>`, color(i))
		p.raw(`<i class="sw"></i>`)
		p.text(strings.TrimPrefix(t.heading(), "target "))
		p.raw("</h2>")
		if t.Spawn != "" {
			p.el("code", "spawn", t.Spawn)
		}
		p.raw("<dl class=\"tiles\">")
		for _, x := range t.tiles() {
			class := ""
			if x.bad {
				class = "bad"
			}
			p.raw("<div>")
			p.el("dt", "", x.label)
			p.el("dd", class, x.value)
			p.raw("</div>")
		}
		p.raw("</dl>")
		for _, f := range t.Failed {
			p.el("p", "fault", "Fault of the server: "+f)
		}
		p.raw("</div>\n")
	}
	p.raw("</section>\n")
}

func (t *Target) tiles() []tile {
	var tiles []tile
	var rate, mb float64
	var bad int64
	var main *Op
	for i := range t.Ops {
		o := &t.Ops[i]
		rate, mb, bad = rate+o.Rate, mb+o.mb(), bad+o.failures()+o.Wrong
		if main == nil || o.N > main.N {
			main = o
		}
	}
	if main != nil {
		tiles = append(tiles, tile{value: digits(rate), label: "operations/s"})
		if mb > 0 {
			tiles = append(tiles, tile{value: digits(mb), label: "MB/s"})
		}
		tiles = append(tiles, tile{value: seconds(main.Response.P50), label: main.Name + " p50"}, tile{value: seconds(main.Response.P99), label: main.Name + " p99"})
	}
	if i := t.Idle; i != nil {
		tiles = append(tiles, tile{value: count(i.Held), label: "sessions held", bad: i.Held < i.Wanted}, tile{value: seconds(i.Noop.P99), label: "NOOP p99"})
	}
	if main != nil {
		tiles = append(tiles, tile{value: count(bad), label: "failed or wrong", bad: bad > 0})
	}
	return append(tiles, t.Cost.tiles()...)
}

func (c *Cost) tiles() []tile {
	if c == nil {
		return nil
	}
	var tiles []tile
	switch {
	case c.CPUPerGB > 0:
		tiles = append(tiles, tile{value: digits(c.CPUPerGB), label: "CPU-s per GB"})
	case c.CPUMsPerLog > 0:
		tiles = append(tiles, tile{value: digits(c.CPUMsPerLog), label: "CPU-ms per login"})
	}
	if c.KiBPerIdle > 0 {
		tiles = append(tiles, tile{value: digits(c.KiBPerIdle), label: "KiB an idle session"})
	}
	return append(tiles, tile{value: mib(c.PSSPeak), label: "peak memory"})
}
