//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fastftps/bench/report"
)

// row is one line of the comparison: how it is measured, and which figure of a
// report it shows. Less is better in all of them.
type row struct {
	name  string
	unit  string
	mode  mode
	args  []string // of fastftps bench
	value func(*report.Target) (float64, error)
}

// memory is the unit of the rows that time has no part in.
const memory = "KiB PSS"

// in reports whether the row is measured in that round, of 0 and so on: memory is in the
// first only, for a peer takes a minute to let a thousand sessions in.
func (r *row) in(round int) bool { return round == 0 || r.unit != memory }

// rows are the lines of the comparison.
func rows(scenarios string) []row {
	var all []row
	add := func(name, unit string, m mode, value func(*report.Target) (float64, error), args ...string) {
		all = append(all, row{name, unit, m, args, value})
	}
	for _, n := range []int{1, 8, 64} {
		add(fmt.Sprintf("PROT P download, %s", sessions(n)), "CPU s/GB", explicit, cpuPerGB, "-s", "retr", "--size", "64M", "--files", "4", "-c", strconv.Itoa(n))
	}
	add("PROT P download, 8 sessions, implicit", "CPU s/GB", implicit, cpuPerGB, "-s", "retr", "--size", "64M", "--files", "4", "-c", "8")
	add("PROT P upload, 4 sessions", "CPU s/GB", explicit, cpuPerGB, "-s", "stor", "--size", "64M", "-c", "4")
	add("PROT C download, 8 sessions", "CPU s/GB", explicit, cpuPerGB, "-s", "retr", "--size", "64M", "--files", "4", "-c", "8", "--prot", "C")
	add("PROT C upload, 4 sessions", "CPU s/GB", explicit, cpuPerGB, "-s", "stor", "--size", "64M", "-c", "4", "--prot", "C")
	add("1 KiB files, TLS resumed", "CPU ms/file", explicit, cpuPerOp, "-s", "smallfiles", "--size", "1k", "-c", "8")
	add("1 KiB files, TLS full", "CPU ms/file", explicit, cpuPerOp, "-s", "smallfiles", "--size", "1k", "-c", "8", "--resume-data", "never")
	add("64 KiB files, TLS resumed", "CPU ms/file", explicit, cpuPerOp, "-s", "smallfiles", "--size", "64k", "-c", "8")
	add("64 KiB files, TLS full", "CPU ms/file", explicit, cpuPerOp, "-s", "smallfiles", "--size", "64k", "-c", "8", "--resume-data", "never")
	add("1 KiB files, clear", "CPU ms/file", clear, cpuPerOp, "-s", "smallfiles", "--size", "1k", "-c", "8", "--prot", "C")
	add("handshake, implicit TLS", "CPU ms/handshake", implicit, cpuPerOp, "-s", "handshake", "-c", "8", "--resume", "never")
	add("mixed, 8 sessions", "CPU ms/operation", explicit, cpuPerOp, "-s", "mixed", "-c", "8")
	add("login, TLS full", "CPU ms/login", explicit, cpuPerOp, "-s", "login", "-c", "8", "--resume", "never")
	add("login, TLS resumed", "CPU ms/login", explicit, cpuPerOp, "-s", "login", "-c", "8", "--resume", "always")
	for _, verb := range []string{"list", "mlsd", "nlst"} {
		for _, n := range listings {
			add(fmt.Sprintf("%s of %d entries", verbName(verb), n), "CPU ms/listing", explicit, cpuPerListing,
				"-s", filepath.Join(scenarios, fmt.Sprintf("%s-%d.toml", verb, n)), "-c", "2")
		}
	}
	add("idle session, TLS", memory, explicit, kibPerSession, "-s", "idle", "--hold", "1000")
	add("stalled peer, TLS", memory, explicit, kibPerSession, "-s", "stalled", "--hold", "1000")
	return all
}

// engineRows matches the rows in which the record layer tells.
var engineRows = regexp.MustCompile(`^(PROT P (down|up)load, [48] sessions|.* files, TLS resumed|login, TLS full|LIST of 10000 entries|idle session, TLS)$`)

// matching returns the rows whose name matches all expressions.
func matching(all []row, exprs ...*regexp.Regexp) (some []row) {
	for _, r := range all {
		if !slices.ContainsFunc(exprs, func(e *regexp.Regexp) bool { return !e.MatchString(r.name) }) {
			some = append(some, r)
		}
	}
	return some
}

// listings are the sizes of the directories that are listed.
var listings = []int{10_000, 100_000}

func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return fmt.Sprintf("%d sessions", n)
}

func verbName(verb string) string {
	return map[string]string{"list": "LIST", "mlsd": "MLSD", "nlst": "NLST"}[verb]
}

// prepare makes the directories that are listed and the scenarios that list
// them.
func prepare(p *place, scenarios string) error {
	for _, n := range listings {
		dir := filepath.Join(p.tree, strconv.Itoa(n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for i := range n {
			f, err := os.Create(filepath.Join(dir, fmt.Sprintf("file-%06d.dat", i)))
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
		for _, verb := range []string{"list", "mlsd", "nlst"} {
			step := fmt.Sprintf("%q, ", fmt.Sprintf("%s /%d", verb, n))
			text := fmt.Sprintf("name = %q\n[session]\nlogin = true\nops = [%s]\n", fmt.Sprintf("%s-%d", verb, n), strings.Repeat(step, 20))
			if err := os.WriteFile(filepath.Join(scenarios, fmt.Sprintf("%s-%d.toml", verb, n)), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func cpuPerGB(t *report.Target) (float64, error) {
	if t.Cost == nil || t.Cost.CPUPerGB <= 0 {
		return costPer(t, 0)
	}
	return t.Cost.CPUPerGB, nil
}

// cpuPerOp: an operation that outlasts the measured time is whole in both, in the
// number of operations and in the CPU time.
func cpuPerOp(t *report.Target) (float64, error) {
	var n int64
	for _, op := range t.Ops {
		n += op.OK
	}
	return costPer(t, float64(n)/1e3)
}

// cpuPerListing spreads all costs, logins included, over the listings: one
// session has twenty.
func cpuPerListing(t *report.Target) (float64, error) {
	for _, op := range t.Ops {
		if op.Name == "list" {
			return costPer(t, float64(op.OK)/1e3)
		}
	}
	return costPer(t, 0)
}

func costPer(t *report.Target, units float64) (float64, error) {
	switch {
	case t.Cost == nil:
		return 0, fmt.Errorf("no cost was measured")
	case units == 0:
		return 0, fmt.Errorf("nothing was done")
	}
	return t.Cost.CPUSeconds / units, nil
}

func kibPerSession(t *report.Target) (float64, error) {
	if t.Cost == nil || t.Cost.KiBPerIdle <= 0 { // a server that closed them uses less than before
		return 0, fmt.Errorf("no memory was measured that connections took")
	}
	return t.Cost.KiBPerIdle, nil
}
