//go:build linux

package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fastftps/bench/report"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want string
	}{
		{[]float64{3, 1, 2}, "2.00 (1.00–3.00)"},
		{[]float64{4, 1, 2, 3}, "2.50 (1.00–4.00)"},
		{[]float64{0.123456}, "0.123 (0.123–0.123)"},
		{[]float64{1234, 56.78, 99.99}, "100.0 (56.8–1234)"},
	} {
		if got := spreadOf(tt.in).String(); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestTable: the ratio is that of the medians to the best peer; what could not be
// measured is said, and is no zero.
func TestTable(t *testing.T) {
	tab := newTable(products, []row{
		{name: "download", unit: "CPU s/GB", mode: explicit, args: []string{"-s", "/tmp/x/list.toml"}},
		{name: "implicit", unit: "CPU s/GB", mode: implicit},
	})
	for _, v := range []float64{0.5, 0.4, 0.6} {
		tab.note(0, "fastftps", v, nil)
		tab.note(0, "vsftpd", 2*v, nil)
		tab.note(0, "Pure-FTPd", 1.5*v, nil)
	}
	tab.note(0, "ProFTPD", 0, errors.New("broke\ndown"))
	tab.note(1, "fastftps", 1, nil)
	if best, ratio := tab.ratio(0); best != "Pure-FTPd" || ratio != 1.5 {
		t.Errorf("got %q, %v, want Pure-FTPd, 1.5", best, ratio)
	}
	if best, ratio := tab.ratio(1); best != "" || ratio != 0 {
		t.Errorf("without a peer: got %q, %v", best, ratio)
	}
	var b strings.Builder
	tab.writeRows(&b, "best peer")
	for _, want := range []string{
		"| work | unit | best peer | fastftps | vsftpd |",
		"| download | CPU s/GB | **1.50** Pure-FTPd | 0.500 (0.400–0.600) | 1.00 (0.800–1.20) | – | 0.750 (0.600–0.900) | – |",
		"| implicit | CPU s/GB | – | 1.00 (1.00–1.00) | – | – | – | – |",
		"`-s list.toml ftpes://…`",
		"- download, ProFTPD: broke down\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

// TestRows: every row knows what its value is.
func TestRows(t *testing.T) {
	empty := &report.Target{}
	full := &report.Target{
		Ops:  []report.Op{{Name: "list", OK: 4}, {Name: "login", OK: 1}},
		Cost: &report.Cost{CPUSeconds: 5, CPUPerGB: 2, KiBPerIdle: 7},
	}
	want := map[string]float64{"CPU s/GB": 2, "CPU ms/file": 1000, "CPU ms/login": 1000, "CPU ms/listing": 1250, "CPU ms/handshake": 1000, "CPU ms/operation": 1000, "KiB PSS": 7}
	for _, r := range rows("") {
		if _, err := r.value(empty); err == nil {
			t.Errorf("%s: a value of nothing", r.name)
		}
		if v, err := r.value(full); err != nil || v != want[r.unit] {
			t.Errorf("%s: got %v, %v, want %v", r.name, v, err, want[r.unit])
		}
		if !r.in(0) || r.in(1) != strings.HasPrefix(r.unit, "CPU") {
			t.Errorf("%s: in the first round %v, in the second %v", r.name, r.in(0), r.in(1))
		}
	}
}

// TestEngineRows: a row renamed must not drop out of the comparison of engines.
func TestEngineRows(t *testing.T) {
	var names []string
	for _, r := range matching(rows(""), engineRows) {
		names = append(names, r.name)
	}
	want := []string{"PROT P download, 8 sessions", "PROT P upload, 4 sessions", "1 KiB files, TLS resumed", "64 KiB files, TLS resumed", "login, TLS full", "LIST of 10000 entries", "idle session, TLS"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if none := matching(rows(""), engineRows, regexp.MustCompile("stalled")); len(none) > 0 {
		t.Errorf("got %d rows that match one expression of two", len(none))
	}
}

// TestTries: a scenario that a server failed is no yes.
func TestTries(t *testing.T) {
	var b strings.Builder
	writeTries(&b, []*try{{"retr", implicit, map[string]string{"fastftps": "yes", "vsftpd": "retr: 3 times 550", "ProFTPD": "yes", "Pure-FTPd": "–", "pyftpdlib": "–"}}})
	if want := "| retr | ftps | yes | retr: 3 times 550 | yes | – | – |\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("got\n%swant at its end\n%s", b.String(), want)
	}
	if len(tries()) != 18 {
		t.Errorf("%d scenarios in two modes", len(tries()))
	}
	for _, tt := range []struct {
		target report.Target
		want   string
	}{
		{report.Target{Ops: []report.Op{{Name: "retr", OK: 3}}}, ""},
		{report.Target{Ops: []report.Op{{Name: "retr", OK: 3, Wrong: 1}}}, "retr: 1 of 4 were wrong"},
		{report.Target{Ops: []report.Op{{Name: "retr", OK: 3}}, Failed: []string{"retr: 1 times: wrong length"}}, "retr: 1 times: wrong length"},
		{report.Target{Errors: []report.Error{{Op: "list", N: 2, Text: "550 no"}}}, "list: 2 times 550 no"},
	} {
		got := ""
		if err := failures(&tt.target); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
