package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./bench/report -update rewrites it); got\n%s", path, got)
	}
}

// cases are reports of every shape.
func cases(t *testing.T) map[string]*Report {
	t.Helper()
	closed := simulate(t, sim{seconds: 30, targets: 1, rate: 100, closed: true})
	closed.Verdict = nil
	closed.Targets[0].Rounds = make([]Slice, 3)
	closed.Targets[0].Spread = map[string]Spread{"retr.rate": {70, 69.1, 72}, "retr.service.p50": {1.2e-3, 1.1e-3, 1.5e-3}}
	invalid := simulate(t, sim{seconds: 10, targets: 1, rate: 40, cost: true})
	invalid.Invalid = []string{"schedule lag p99 was 7.1ms (bound 5ms): the generator was the bottleneck"}
	invalid.Interrupted = true
	invalid.FindMax = []Probe{{Rate: 500, OK: true}, {Rate: 1000, Why: "retr.response.p99 was 81ms"}, {Rate: 750, OK: true}}
	idle := &Report{
		Seconds: 60, Args: Args{Scenario: "idle", Loop: "closed", Clients: 10000},
		Targets: []Target{{
			Name: "localhost", URL: "ftps://localhost:990", Idle: &Idle{Wanted: 10000, Held: 9998, Answered: 9998, Noop: Dist{N: 9998, P50: 0.02, P99: 0.3, Max: 0.41}},
			Cost: &Cost{CPUSeconds: 1.2, KiBPerIdle: 21.4, PSSBefore: 30 << 20, PSSPeak: 251 << 20, Processes: 1, Source: "cgroup"},
		}},
	}
	return map[string]*Report{"ab": simulate(t, standard), "closed": closed, "invalid": invalid, "idle": idle, "empty": {}}
}

func TestText(t *testing.T) {
	for name, r := range cases(t) {
		var b bytes.Buffer
		if err := WriteText(&b, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.Bytes())
		for line := range strings.Lines(b.String()) {
			if utf8.RuneCountInString(line) > textWidth+1 && !strings.Contains(line, "://") {
				t.Errorf("%s: line of %d: %s", name, utf8.RuneCountInString(line), line)
			}
			if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
				t.Errorf("%s: space at the end of %q", name, line)
			}
		}
	}
}

// TestTextIsSafe: what a server said does not drive the terminal.
func TestTextIsSafe(t *testing.T) {
	r := &Report{Targets: []Target{{
		Name: "\x1b[31mA", URL: "ftp://h", Failed: []string{"\x1b]0;x\a"},
		Errors: []Error{{Op: "\x1b[2J", Text: "550 \x1b[2J\r\n\x9b2J", Hint: "\x1b"}},
	}}, FindMax: []Probe{{Why: "\x1b"}}}
	var b bytes.Buffer
	if err := WriteText(&b, r); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexAny(b.Bytes(), "\x1b\a\r\u009b"); i >= 0 {
		t.Errorf("control character at %d in %q", i, b.String())
	}
}

func TestUnits(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{seconds(0), "0"},
		{seconds(0.4e-6), "0.40us"},
		{seconds(12.34e-6), "12.3us"},
		{seconds(999.9e-6), "1.00ms"},
		{seconds(0.0498), "49.8ms"},
		{seconds(0.9999), "1.00s"},
		{seconds(1234), "1,234s"},
		{seconds(-0.001), "-1.00ms"},
		{digits(9.999), "10.0"},
		{digits(99.99), "100"},
		{digits(1234567.8), "1,234,568"},
		{count(-1234), "-1,234"},
		{count(-123), "-123"},
		{count(1000000), "1,000,000"},
		{mib(0), "0 B"},
		{mib(1536), "1.50 KiB"},
		{mib(251 << 20), "251 MiB"},
		{mib(3 << 40), "3.00 TiB"},
		{plain(0.5), "0.5"},
		{plain(20), "20"},
		{plain(0.001), "0.001"},
		{percent(0), "0%"},
		{percent(0.00001), "<0.01%"},
		{percent(0.051), "5.1%"},
		{value("retr.service.p99", 0.0068), "6.80ms"},
		{value("errors.rate", 0.001), "0.1%"},
		{value("cpu_s_per_gb", 1.05), "1.05"},
		{exprMetric("retr.response.p99 < 50ms"), "retr.response.p99"},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
}
