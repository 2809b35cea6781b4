//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"fastftps/bench/report"
)

// table collects the values of all rounds. The first product is the one that the others
// are compared with.
type table struct {
	products []product
	rows     []row
	values   []map[string][]float64 // by row and product
	faults   []map[string]string    // why there is no value
	env      report.Env
}

func newTable(products []product, rows []row) *table {
	t := &table{products: products, rows: rows}
	for range rows {
		t.values = append(t.values, map[string][]float64{})
		t.faults = append(t.faults, map[string]string{})
	}
	return t
}

func (t *table) note(i int, product string, v float64, err error) {
	if err != nil {
		t.faults[i][product] = err.Error()
		return
	}
	t.values[i][product] = append(t.values[i][product], v)
}

// spread is the median of some values, and their least and largest.
type spread struct{ median, low, high float64 }

func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (v[len(v)/2-1] + m) / 2
	}
	return spread{m, v[0], v[len(v)-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", figure(s.median), figure(s.low), figure(s.high))
}

// figure writes three significant digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// ratio is how much better the first product is than the best of the others: the other's
// median over its own. None with a value: 0.
func (t *table) ratio(i int) (best string, ratio float64) {
	ours := t.values[i][t.products[0].name]
	if len(ours) == 0 {
		return "", 0
	}
	least := 0.0
	for _, p := range t.products[1:] {
		if v := t.values[i][p.name]; len(v) > 0 {
			if m := spreadOf(v).median; best == "" || m < least {
				best, least = p.name, m
			}
		}
	}
	if m := spreadOf(ours).median; m > 0 {
		ratio = least / m
	}
	return best, ratio
}

// writePage writes what was found in so many rounds.
func (o *options) writePage(rounds int, peers, own *table, grid []*try) error {
	out := io.Writer(os.Stdout)
	if o.out != "" {
		f, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	_, err := io.WriteString(out, o.page(rounds, peers, own, grid))
	return err
}

func (o *options) page(rounds int, peers, own *table, grid []*try) string {
	env := &peers.env
	var b strings.Builder
	fmt.Fprintf(&b, `# Performance beside the peers

Written by `+"`make bench-peers`"+` on %s. Every figure is CPU of the server, its children included, for a unit of work, or
memory: less is better. Each is the median of %d rounds of %s, with the least and the largest, memory is from the first
round; the servers take turns in each row of each round. *Best peer* is its median over ours: above 1 ours is better, and
within 0.9 to 1.1 there is no difference on this machine.

| environment | |
|---|---|
| machine | %s, %d cores, %d MiB |
| system | %s %s, %s, TCP %s, files on a tmpfs, loopback in a network namespace of its own |
| fastftps | %s %s, %s |
`, time.Now().UTC().Format("2006-01-02"), rounds, o.duration, env.CPU, env.Cores, env.MemoryMiB, env.OS, env.Kernel, env.Arch, env.Congestion, env.Version, env.Revision, env.Go)
	for _, p := range products[1:] {
		v, err := o.version(p.pkg)
		if err != nil {
			v = err.Error()
		}
		fmt.Fprintf(&b, "| %s | Debian %s |\n", p.name, v)
	}
	b.WriteString(`
All use the same ECDSA P-256 certificate and the same tree, ask for no resumption, check passwords cheaply, and have their
limits lifted; ` + "`bench/peers/servers.go`" + ` holds the configurations.

`)
	peers.writeRows(&b, "best peer")
	if len(own.rows) > 0 {
		b.WriteString(`
## The record layer

The same for our server alone: with its own record layer (` + "`tls.engine = \"fast\"`" + `, the default), and with all of TLS left to
crypto/tls (` + "`std`" + `).

`)
		own.writeRows(&b, "std to fast")
	}
	if grid != nil {
		writeTries(&b, grid)
	}
	return b.String()
}

func (t *table) writeRows(b *strings.Builder, beside string) {
	writeHead(b, t.products, "work", "unit", beside)
	var notes []string
	for i, r := range t.rows {
		beside := "–"
		if best, ratio := t.ratio(i); best != "" {
			beside = fmt.Sprintf("**%.2f** %s", ratio, best)
		}
		fmt.Fprintf(b, "| %s | %s | %s |", r.name, r.unit, beside)
		for _, p := range t.products {
			switch v := t.values[i][p.name]; {
			case len(v) > 0:
				fmt.Fprintf(b, " %s |", spreadOf(v))
			default:
				b.WriteString(" – |")
			}
			if why := t.faults[i][p.name]; why != "" {
				notes = append(notes, fmt.Sprintf("- %s, %s: %s", r.name, p.name, strings.Join(strings.Fields(why), " ")))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\nCommands, after `fastftps bench`:\n\n")
	for _, r := range t.rows {
		fmt.Fprintf(b, "- %s: `%s %s://…`\n", r.name, strings.Join(shorten(r.args), " "), r.mode)
	}
	if len(notes) > 0 {
		fmt.Fprintf(b, "\nWhat could not be measured, or not in each round:\n\n%s\n", strings.Join(notes, "\n"))
	}
}

// writeHead begins a table with these columns and one for each product.
func writeHead(b *strings.Builder, products []product, columns ...string) {
	for _, p := range products {
		columns = append(columns, p.name)
	}
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

// shorten leaves the folder out of the names of scenario files.
func shorten(args []string) []string {
	short := slices.Clone(args)
	for i, a := range short {
		if n := strings.LastIndexByte(a, '/'); n >= 0 {
			short[i] = a[n+1:]
		}
	}
	return short
}
