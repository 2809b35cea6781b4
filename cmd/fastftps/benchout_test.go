package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fastftps/bench"
	"fastftps/bench/report"
)

// storedReport writes a report whose server takes p50 seconds for a download.
func storedReport(t *testing.T, name string, p50 float64) string {
	t.Helper()
	d := report.Dist{N: 5000, Min: p50 / 2, Mean: p50, P50: p50, P90: 2 * p50, P99: 3 * p50, P999: 4 * p50, Max: 5 * p50}
	r := &report.Report{Seconds: 10, Args: report.Args{Scenario: "retr", Loop: "closed", Clients: 4}, Targets: []report.Target{{
		Name: "h", URL: "ftps://h:990", Ops: []report.Op{{Name: "retr", N: 5000, OK: 5000, Bytes: 5e8, Rate: 500, Service: d, Response: d}},
	}}}
	path := filepath.Join(t.TempDir(), name)
	write := report.WriteJSON
	if strings.HasSuffix(name, ".html") {
		write = report.WriteHTML
	}
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBenchReport(t *testing.T) {
	old, same, slow := storedReport(t, "old.html", 1e-3), storedReport(t, "same.json", 1.04e-3), storedReport(t, "slow.json", 1.3e-3)
	page := filepath.Join(t.TempDir(), "out.html")
	table := filepath.Join(t.TempDir(), "series.csv")
	none := filepath.Join(t.TempDir(), "none.json")
	for _, row := range []struct {
		name     string
		args     []string
		code     int
		out, err string
	}{
		{"text", []string{old}, exitOK, "retr       5,000  500/s  50.0  service  1.00ms", ""},
		{"page", []string{old, "--html", page}, exitOK, "", ""},
		{"tables", []string{old, "--csv", table, "--hdr", filepath.Dir(table)}, exitOK, "", ""},
		{"no folder for tables", []string{old, "--csv", none + "/x"}, exitFailure, "", "none.json/x: no such file"},
		{"no regression", []string{old, same}, exitOK, "PASS  none of", ""},
		{"regression", []string{old, slow}, exitCheck, "retr.service.p50     1.00ms     1.30ms    +30%  REGRESSED", "3 metrics are worse by more than 5%, as retr.service.p50"},
		{"wide bound", []string{old, slow, "--max-regress", "0.5"}, exitOK, "PASS", ""},
		{"better", []string{slow, old}, exitOK, "better", ""},
		{"bad bound", []string{old, slow, "--max-regress", "much"}, exitUsage, "", `"much" is no share`},
		{"no file", []string{none}, exitFailure, "", "none.json: no such file"},
		{"no report", []string{os.Args[0]}, exitFailure, "", "no report in it"},
		{"three", []string{old, old, old}, exitUsage, "", "want one file or two, got 3"},
	} {
		var out, errOut bytes.Buffer
		code := run(append([]string{"bench", "report"}, row.args...), nil, &out, &errOut)
		if code != row.code || !strings.Contains(out.String(), row.out) || !strings.Contains(errOut.String(), row.err) {
			t.Errorf("%s: got %d, %s, %s; want %d, %q, %q", row.name, code, out.String(), errOut.String(), row.code, row.out, row.err)
		}
	}
	if data, err := os.ReadFile(table); err != nil || !strings.HasPrefix(string(data), "target,t,ops,") {
		t.Errorf("the table: got %q, %v", data, err)
	}
	if r, err := report.ReadFile(page); err != nil || r.Targets[0].Ops[0].Rate != 500 {
		t.Errorf("the page: got %v, %v", r, err)
	}
}

// TestBenchOutputCheck: mistakes show before the run, not after it.
func TestBenchOutputCheck(t *testing.T) {
	for _, row := range []struct{ flag, value, want string }{
		{"--compare", "none.json", "--compare: open none.json: no such file"},
		{"--max-regress", "-1%", `--max-regress: "-1%" is no share`},
		{"--live", "colours", `--live: "colours" is none of`},
	} {
		var out, errOut bytes.Buffer
		code := run([]string{"bench", row.flag, row.value, "ftps://u:p@127.0.0.1:1"}, nil, &out, &errOut)
		if code != exitUsage || !strings.Contains(errOut.String(), row.want) {
			t.Errorf("%s: got %d, %q; want %d, %q", row.flag, code, errOut.String(), exitUsage, row.want)
		}
	}
}

// TestBenchObserve: the log waits while the live view has the terminal, and the
// terminal is given back when the run is interrupted.
func TestBenchObserve(t *testing.T) {
	var b bytes.Buffer
	var c bench.Config
	ctx, cancel := context.WithCancel(t.Context())
	o := benchOutput{live: "tty"}
	stop := o.observe(ctx, &b, &c)
	c.Log("a line")
	c.Observe(report.Snapshot{Scenario: "mixed"})
	cancel()
	stop()
	c.Log("later")
	out := b.String()
	end := strings.Index(out, "\x1b[?1049l")
	if end < 0 || strings.Index(out, "a line") < end || !strings.Contains(out, "later") || !strings.Contains(out[:end], "mixed") {
		t.Errorf("got %q, want the view, its end, the lines", out)
	}

	b.Reset()
	o.live = "lines"
	stop = o.observe(t.Context(), &b, &c)
	c.Log("a line")
	c.Observe(report.Snapshot{Stage: "measure"})
	stop()
	if got, want := b.String(), "bench: a line\n00:00 | measure\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
