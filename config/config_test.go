package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var update = flag.Bool("update", false, "rewrite docs/config.md")

func load(t *testing.T, text string, env []string, flags ...Setting) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fastftps.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Input{File: path, Env: env, Flags: flags})
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := Load(Input{})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	want := []Listen{{":21", "explicit", true}, {":990", "implicit", true}}
	if !slices.Equal(c.Listen, want) {
		t.Errorf("listen: got %+v, want %+v", c.Listen, want)
	}
	if c.Limits.IdleTimeout != 5*time.Minute || c.Limits.MaxGlob != 10000 || c.Storage.Umask != 0o027 || c.TLS.DataReuse != "bound" {
		t.Errorf("got %+v", c)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "[tls]\nmin = \"1.2\"\nmax = \"1.2\"\nccc = true\n"
	env := []string{"FASTFTPS_TLS__MAX=1.3", "FASTFTPS_LIMITS__MAX_GLOB=7", "FASTFTPS_CONFIG=/x", "HOME=/root"}
	c, err := load(t, file, env, Setting{"limits.max_glob", "8", "--set limits.max_glob"})
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS.Min != "1.2" || c.TLS.Max != "1.3" || !c.TLS.CCC || c.Limits.MaxGlob != 8 {
		t.Errorf("got min %s, max %s, ccc %t, max_glob %d", c.TLS.Min, c.TLS.Max, c.TLS.CCC, c.Limits.MaxGlob)
	}
	for key, want := range map[string]string{
		"tls.min": ":2:7", "tls.ccc": ":4:7", "tls.max": "environment FASTFTPS_TLS__MAX",
		"limits.max_glob": "--set limits.max_glob", "log.level": "default",
	} {
		if got := c.Origin(key).String(); !strings.HasSuffix(got, want) {
			t.Errorf("origin of %s: got %q, want it to end in %q", key, got, want)
		}
	}
}

func TestListeners(t *testing.T) {
	preset := []Setting{{"listen", "127.0.0.1:2121,ftps://127.0.0.1:2990", "serve DIR"}}
	for _, tt := range []struct {
		name  string
		file  string
		env   []string
		flags []Setting
		want  []Listen
	}{
		{"preset", "", nil, nil, []Listen{{"127.0.0.1:2121", "explicit", true}, {"127.0.0.1:2990", "implicit", true}}},
		{"file replaces", "[[listen]]\naddr=\":1\"\nmode=\"plain\"\nrequire_tls=false\n", nil, nil, []Listen{{":1", "plain", false}}},
		{"inline", `listen = [{addr = ":1"}, {addr = ":2", mode = "implicit"}]`, nil, nil, []Listen{{":1", "explicit", true}, {":2", "implicit", true}}},
		{"environment changes one", "", []string{"FASTFTPS_LISTEN__1__ADDR=:2"}, nil, []Listen{{"127.0.0.1:2121", "explicit", true}, {":2", "implicit", true}}},
		{
			"environment adds one", "",
			[]string{"FASTFTPS_LISTEN__2__ADDR=:2", "FASTFTPS_LISTEN__2__REQUIRE_TLS=false"},
			nil,
			[]Listen{{"127.0.0.1:2121", "explicit", true}, {"127.0.0.1:2990", "implicit", true}, {":2", "explicit", false}},
		},
		{"flag replaces", "[[listen]]\naddr=\":1\"\n", nil, []Setting{{"listen", "ftp://[::1]:5, plain://:6/", "-l"}}, []Listen{{"[::1]:5", "explicit", true}, {":6", "plain", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.toml")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Input{Preset: preset, File: path, Env: tt.env, Flags: tt.flags})
			if err != nil || !slices.Equal(c.Listen, tt.want) {
				t.Errorf("got %+v, %v; want %+v", c.Listen, err, tt.want)
			}
		})
	}
}

func TestAdvertise(t *testing.T) {
	c, err := load(t, "[passive]\nadvertise = { \"10.0.0.0/8\" = \"10.0.0.5\", \"10.1.0.0/16\" = \"10.1.0.5\", default = \"203.0.113.7\" }\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{
		"10.2.3.4": "10.0.0.5", "::ffff:10.1.2.3": "10.1.0.5", "192.0.2.1": "203.0.113.7", "2001:db8::1": "203.0.113.7",
	} {
		if got := c.Passive.Advertise.For(netip.MustParseAddr(client)); got.String() != want {
			t.Errorf("For(%s): got %s, want %s", client, got, want)
		}
	}
	if got := Default().Passive.Advertise.For(netip.MustParseAddr("192.0.2.1")); got.IsValid() {
		t.Errorf("auto: got %s, want the zero address", got)
	}
}

// TestBoundsAtTheirEdges sets every key that has bounds to both edges, which
// must be taken, and beyond, which must not.
func TestBoundsAtTheirEdges(t *testing.T) {
	kind := regexp.MustCompile(`^(number|duration|size), (\S+) to ([^ ,]+)`)
	tried := 0
	for _, k := range Default().keys() {
		m := kind.FindStringSubmatch(k.value.kind)
		if m == nil {
			continue
		}
		tried++
		below, above := outside(t, m[1], m[2], m[3])
		for text, ok := range map[string]bool{m[2]: true, m[3]: true, below: false, above: false} {
			if err := k.value.parse(text); (err == nil) != ok {
				t.Errorf("%s = %s: got %v, want taken: %t", k.name, text, err, ok)
			}
		}
	}
	if tried < 40 {
		t.Errorf("only %d keys have bounds: is the pattern still right?", tried)
	}
}

// outside returns the values just below and just above a range.
func outside(t *testing.T, kind, lo, hi string) (below, above string) {
	t.Helper()
	switch kind {
	case "number":
		var l, h int64
		if _, err := fmt.Sscan(lo, &l); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(hi, &h); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(l - 1), fmt.Sprint(h + 1)
	case "duration":
		l, err1 := time.ParseDuration(lo)
		h, err2 := time.ParseDuration(hi)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return (l - 1).String(), (h + 1).String()
	}
	l, err1 := parseSize(lo)
	h, err2 := parseSize(hi)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return fmt.Sprintf("%dB", l-1), fmt.Sprintf("%dB", h+1)
}

func TestEveryKeyIsDocumented(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range Default().keys() {
		if k.doc == "" || !strings.HasSuffix(k.doc, ".") || k.value.kind == "" {
			t.Errorf("%s: doc %q, kind %q", k.name, k.doc, k.value.kind)
		}
		if seen[k.name] {
			t.Errorf("%s stands twice in the table", k.name)
		}
		seen[k.name] = true
		if section, _, nested := strings.Cut(k.name, "."); nested && !isSection(section) {
			t.Errorf("%s: its section is not described", k.name)
		}
	}
}

// TestSample reads the sample as it is and with every key switched on: both
// must be the defaults.
func TestSample(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b); err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^#([a-z_0-9]+ = )`).ReplaceAllString(b.String(), "$1")
	// A default of two empty lists and a folder that need not exist.
	all = regexp.MustCompile(`(?m)^root = .*\n`).ReplaceAllString(all, "")
	for name, text := range map[string]string{"as printed": b.String(), "all keys on": all} {
		c, err := load(t, text, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.origins, c.TLS.Cert, c.TLS.Key = Default().origins, nil, nil
		if want := Default(); !reflect.DeepEqual(c, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, c, want)
		}
	}
	for _, k := range Default().keys() {
		if !strings.Contains(b.String(), lastWord(k.name)+" = ") {
			t.Errorf("%s is missing", k.name)
		}
	}
}

func TestShowCanBeReadAgain(t *testing.T) {
	flags := []Setting{
		{"listen", "127.0.0.1:1,ftps://[::1]:2", "-l"},
		{"passive.advertise", "10.0.0.0/8=10.0.0.5,default=203.0.113.7", "--set"},
		{"storage.root", os.TempDir() + `/a"b-{user}`, "DIR"},
		{"limits.memory", "64MiB", "--set"},
		{"storage.umask", "077", "--set"},
	}
	c, err := Load(Input{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	again, err := load(t, b.String(), nil)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, b.String())
	}
	again.origins, again.TLS = c.origins, c.TLS
	if !reflect.DeepEqual(again, c) {
		t.Errorf("got %+v\nwant %+v", again, c)
	}
	if want := `memory = "64MiB"`; !regexp.MustCompile(regexp.QuoteMeta(want) + ` +# --set\n`).MatchString(b.String()) {
		t.Errorf("no line with %s and its origin in\n%s", want, b.String())
	}
}

func TestReferencePage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	const path = "../docs/config.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the table says (%v): run go test ./config -update", path, err)
	}
}

func TestParseSet(t *testing.T) {
	got, err := ParseSet("tls.min = 1.3")
	if want := (Setting{"tls.min", "1.3", "--set tls.min"}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, arg := range []string{"", "tls.min", "=x"} {
		if _, err := ParseSet(arg); err == nil {
			t.Errorf("%q was taken", arg)
		}
	}
}

func TestMissingFileIsNoFault(t *testing.T) {
	_, err := Load(Input{File: filepath.Join(t.TempDir(), "none.toml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, tt := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"nothing known", fstest.MapFS{}, 0},
		{"machine", fstest.MapFS{"proc/meminfo": file("MemFree: 5 kB\nMemTotal:  2048 kB\n")}, 2 << 20},
		{"cgroup v2", fstest.MapFS{
			"proc/meminfo": file("MemTotal: 9999999 kB\n"), "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("1048576\n"), "sys/fs/cgroup/memory.max": file("4194304\n"),
		}, 1 << 20},
		{"cgroup v1", fstest.MapFS{
			"proc/meminfo": file("MemTotal: 9999999 kB\n"), "proc/self/cgroup": file("5:cpu,cpuacct:/x\n4:memory:/c\n"),
			"sys/fs/cgroup/memory/c/memory.limit_in_bytes": file("3145728"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   file("9223372036854771712"),
		}, 3 << 20},
		{"cgroup above the machine", fstest.MapFS{
			"proc/meminfo": file("MemTotal: 1024 kB\n"), "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("999999999999"),
		}, 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := memoryLimit(tt.root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if l := (Limits{Memory: 5 << 20}); l.MemoryBudget() != 5<<20 {
		t.Errorf("budget: got %d, want what was set", l.MemoryBudget())
	}
	if l := (Limits{}); l.MemoryBudget() < minMemory {
		t.Errorf("automatic budget: got %d", l.MemoryBudget())
	}
}

func FuzzLoad(f *testing.F) {
	var b bytes.Buffer
	if err := WriteSample(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("[[listen]]\naddr=\":1\"\n[listen.x]\ny=1\n"))
	f.Add([]byte("tls.min='1.3'\nlimits = {memory=\"1GiB\"}\n"))
	f.Add([]byte("[passive]\nadvertise={default='1.2.3.4'}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		for _, fault := range c.applyFile("f", data) {
			if fault.From != "f" || fault.Msg == "" {
				t.Errorf("a fault without place or message: %+v", fault)
			}
			if fault.Line > 1+bytes.Count(data, []byte{'\n'}) {
				t.Errorf("line %d is beyond the end", fault.Line)
			}
			_ = fault.Detail()
		}
	})
}
