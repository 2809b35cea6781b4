package bench

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
)

func TestParseTarget(t *testing.T) {
	for _, test := range []struct {
		in, addr, url, user, password, dir string
		security                           ftpclient.Security
	}{
		{"ftps://h", "h:990", "ftps://h:990", "", "", "", ftpclient.Implicit},
		{"ftpes://u:p@h:2121/a/b/", "h:2121", "ftpes://h:2121/a/b", "u", "p", "a/b", ftpclient.Explicit},
		{"ftp://u:p%40@[::1]", "[::1]:21", "ftp://[::1]:21", "u", "p@", "", ftpclient.Clear},
	} {
		got, err := ParseTarget(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if got.Addr != test.addr || got.URL() != test.url || got.User != (User{test.user, test.password}) || got.Dir != test.dir || got.Security != test.security {
			t.Errorf("%s: got %+v, URL %s", test.in, got, got.URL())
		}
	}
	for _, bad := range []string{"", "host", "http://h", "ftps://", "ftps://u:topsecret@h:x", "sftp://u:topsecret@h", "ftps://u:topsecret@%zz"} {
		if _, err := ParseTarget(bad); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: got %v, want an error without the password", bad, err)
		}
	}
}

func TestParseUsers(t *testing.T) {
	users, err := parseUsers("f", strings.NewReader("# who\na,b\n\"c,d\", \"e\"\n"))
	if err != nil || len(users) != 2 || users[0] != (User{"a", "b"}) || users[1] != (User{"c,d", "e"}) {
		t.Errorf("got %v, %v", users, err)
	}
	for _, bad := range []string{"", "a\n", ",b\n", "a,b,c\n"} {
		if _, err := parseUsers("f", strings.NewReader(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "512": "512", "64k": "64k", "64KiB": "64k", "64KB": "64k", "1G": "1g", "1536": "1536", "2048": "2k",
		"lognormal:64k:2.0": "lognormal:64k:2",
	} {
		got, err := ParseSizes(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "-1", "1e3", "9999999G", "lognormal:64k", "lognormal:64k:0", "lognormal:0:1", "lognormal:64k:nan"} {
		if got, err := ParseSizes(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{"500/s": {500, 500, 0}, "500": {500, 500, 0}, "30/m": {0.5, 0.5, 0}} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	if got, err := ParseRamp("0:1000/s:60s"); err != nil || got != (Rate{0, 1000, time.Minute}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "0", "-1", "1/h", "nan", "inf"} {
		if got, err := ParseRate(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
	for _, bad := range []string{"", "1:2", "0:0:1s", "1:2:0s", "1:2:3"} {
		if got, err := ParseRamp(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestSources(t *testing.T) {
	var s Sources
	if s.pick(7).IsValid() {
		t.Error("an address out of nothing")
	}
	for _, text := range []string{"127.0.0.0/8", "192.0.2.7"} {
		p, err := ParseSource(text)
		if err != nil {
			t.Fatal(err)
		}
		s = append(s, p)
	}
	seen := map[netip.Addr]int{}
	for n := range 1000 {
		seen[s.pick(n)]++
	}
	if len(seen) != sourcePool+1 || seen[netip.MustParseAddr("192.0.2.7")] != 500 || seen[netip.MustParseAddr("127.0.0.0")] > 0 {
		t.Errorf("got %d addresses, 127.0.0.0 %d times", len(seen), seen[netip.MustParseAddr("127.0.0.0")])
	}
	small := Sources{netip.MustParsePrefix("127.9.9.0/30")}
	for n := range 10 {
		if a := small.pick(n); a != netip.MustParseAddr("127.9.9.1") && a != netip.MustParseAddr("127.9.9.2") {
			t.Errorf("got %s of a /30", a)
		}
	}
	if _, err := ParseSource("localhost"); err == nil {
		t.Error("a name was taken")
	}
}

func TestThresholds(t *testing.T) {
	m := map[string]float64{"retr.response.p999": 0.04, "errors.rate": 0.001, "retr.mbps": 250}
	for _, test := range []struct {
		expr string
		ok   bool
	}{
		{"retr.response.p99.9<50ms", true},
		{"retr.response.p999 < 0.04", false},
		{"retr.response.p999<=0.04", true},
		{"errors.rate<0.2%", true},
		{"retr.mbps>=251", false},
		{"A.retr.mbps>249", true},
		{"stor.mbps>0", false}, // not measured
	} {
		v := judge([]string{test.expr}, "A", false, m)
		if len(v) != 1 || v[0].OK != test.ok {
			t.Errorf("%s: got %+v, want %v", test.expr, v, test.ok)
		}
	}
	if v := judge([]string{"B.retr.mbps>1"}, "A", true, m); len(v) != 0 {
		t.Errorf("got %+v for the other target", v)
	}
	for _, bad := range []string{"", "retr.mbps", "retr.mbps=1", "retr.mbps<", "<1", "nonsense<1", "retr.p99<x"} {
		if _, err := parseThreshold(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestScenarioFile(t *testing.T) {
	s, err := parseScenario("dir/day.toml", []byte(`name = "hosting-day"
seed = 7
[load]
rate = "200/s"
arrival = "poisson"
max_inflight = 2000
clients = 64
duration = "60s"
files = 500
size = "lognormal:64k:2.0"
[session]
login = true
ops = ["list /", "retr ${file} x3", "think 200ms..2s", "stor ${tmp} size=lognormal:128KiB:1.5", "quit"]
abort = { chance = 0.01, after = "100ms" }
slow_reader = { chance = 0.02, rate = "20KiB/s" }
[background]
idle_sessions = 5000
keepalive = "30s"
[thresholds]
"login.response.p99" = "<250ms"
"errors.rate" = "<0.1%"
`))
	if err != nil {
		t.Fatal(err)
	}
	f := s.File
	if s.Name != "hosting-day" || f.Seed != 7 || f.Rate.To != 200 || !f.Poisson || f.MaxInflight != 2000 || !s.visit || !s.walk {
		t.Errorf("got %+v", s)
	}
	if f.Clients != 64 || f.Duration != time.Minute || f.Files != 500 || s.DefaultSizes() != (Sizes{64 << 10, 2}) {
		t.Errorf("got %+v", f)
	}
	if len(s.steps) != 6 || s.steps[0].line != "LIST /" || s.steps[3].kind != stepRetr || s.steps[4].hi != 2*time.Second || s.steps[5].sizes.Sigma != 1.5 {
		t.Errorf("got steps %+v", s.steps)
	}
	if s.abort != (chance{of: 0.01, after: 100 * time.Millisecond}) || s.slow != (chance{of: 0.02, rate: 20 << 10}) || s.background != (background{5000, 30 * time.Second}) {
		t.Errorf("got %+v %+v %+v", s.abort, s.slow, s.background)
	}
	if got := strings.Join(f.Thresholds, " "); got != "errors.rate<0.1% login.response.p99<250ms" {
		t.Errorf("got thresholds %q", got)
	}
}

// TestScenarioFaults: a mistake is shown where it is.
func TestScenarioFaults(t *testing.T) {
	const ops = "[session]\nops = [\"list\"]\n"
	for _, test := range []struct{ name, in, want string }{
		{"unknown key", ops + "loggin = true\n", "f.toml:3:1: session.loggin: unknown key; there are "},
		{"unknown table", ops + "[loads]\nrate = \"1/s\"\n", "f.toml:3:2: loads: unknown key; there are "},
		{"bad rate", ops + "[load]\n\trate = \"fast\"\n", "f.toml:4:2: load.rate: \"fast\" is no rate: write it as 500/s\n  4 | \trate = \"fast\"\n    | \t^"},
		{"bad step", "[session]\nops = [\"list\",\n  \"fetch x\"]\n", "f.toml:3:3: session.ops.1: \"fetch\" is none of "},
		{"bad threshold", ops + "[thresholds]\n\"retr.p98\" = \"<1\"\n", "f.toml:4:1: thresholds.retr.p98: threshold \"retr.p98<1\": no metric"},
		{"chance", "[session]\nops = [\"list\"]\nabort = { chance = 2 }\n", "f.toml:3:11: session.abort.chance: must be 0 to 1"},
		{"syntax", "[session]\nops = [\n", "f.toml:2:"},
		{"nothing to do", "[load]\nrate = \"1/s\"\n", "there are none"},
		{"the first comes first", "seed = -1\n" + ops + "x = 1\n", "f.toml:1:1: seed: must be a whole number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseScenario("f.toml", []byte(test.in))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestBadSteps(t *testing.T) {
	for _, bad := range []string{"", "quit now", "think", "think 2s..1s", "think x", "retr x0", "retr size=1k", "stor size=x", "retr ${tmp}"} {
		if steps, err := parseSteps(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, steps)
		}
	}
}

// TestConfigChecks: what cannot be is said before anything is done.
func TestConfigChecks(t *testing.T) {
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Targets = nil }, "want one target"},
		{func(c *Config) { c.Duration = 0 }, "more than 0"},
		{func(c *Config) { c.FindMax = true }, "--slo"},
		{func(c *Config) { c.FindMax, c.SLO = true, []string{"rate>1"} }, "--rate"},
		{func(c *Config) { c.Thresholds = []string{"x<1"} }, "no metric"},
		{func(c *Config) { c.Targets[0].User = User{} }, "no user"},
		{func(c *Config) { c.Targets = append(c.Targets, c.Targets[0]); c.Slice = 0 }, "slices"},
		{func(c *Config) { c.Targets[0].PID, c.Targets[0].Spawn = 1, "x" }, "exclude"},
		{func(c *Config) { c.Scenario, _ = ParseScenario("idle"); c.Rate = Rate{To: 1} }, "no rate"},
	} {
		c := config(t, "retr", "ftps://u:p@h")
		test.change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
