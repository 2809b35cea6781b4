package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fastftps/bench"
)

// flagRow is a row of a table of flags in docs/bench.md:
//
//	| `-s`, `--scenario NAME` | `mixed` | ... |
var flagRow = regexp.MustCompile("(?m)^\\| (?:`-(\\w)`, )?`--([a-z-]+)( [A-Z:]+)?` \\| (?:`([^`]*)`)? ?\\| (.+) \\|$")

// documented is what the document says of a flag.
type documented struct {
	short, value, byDefault, text string
}

// flagsIn reads the tables of a part of the document.
func flagsIn(t *testing.T, part string) map[string]documented {
	t.Helper()
	flags := map[string]documented{}
	for _, m := range flagRow.FindAllStringSubmatch(part, -1) {
		if _, twice := flags[m[2]]; twice {
			t.Errorf("--%s is documented twice", m[2])
		}
		flags[m[2]] = documented{m[1], strings.TrimSpace(m[3]), m[4], m[5]}
	}
	if rows := strings.Count(part, "\n| `-"); len(flags) != rows {
		t.Fatalf("read %d of %d rows", len(flags), rows)
	}
	return flags
}

// TestBenchDoc: docs/bench.md names every flag of bench and of bench report, with
// its shorthand and its default, and no other.
func TestBenchDoc(t *testing.T) {
	data, err := os.ReadFile("../../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	main, rest, ok := strings.Cut(string(data), "\n## fastftps bench report\n")
	if !ok {
		t.Fatal("no part on bench report")
	}
	cmd := benchCommand()
	sameFlags(t, cmd, flagsIn(t, main))
	sub, _, err := cmd.Find([]string{"report"})
	if err != nil {
		t.Fatal(err)
	}
	sameFlags(t, sub, flagsIn(t, rest))
	for _, line := range strings.Split(cmd.Example, "\n") {
		if words := strings.Fields(line); len(words) > 2 && words[1] != "bench" {
			t.Errorf("example %q is none of bench", line)
		}
	}
}

var saysDefault = regexp.MustCompile(`\(default (\S+?)[;)]`)

func sameFlags(t *testing.T, cmd *cobra.Command, docs map[string]documented) {
	t.Helper()
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		d, ok := docs[f.Name]
		delete(docs, f.Name)
		want := f.DefValue
		if m := saysDefault.FindStringSubmatch(f.Usage); m != nil {
			want = m[1] // 0 stands for it
		}
		switch {
		case f.Name == "help":
		case !ok:
			t.Errorf("%s: --%s is not documented", cmd.Name(), f.Name)
		case d.short != f.Shorthand:
			t.Errorf("%s: --%s: the document has -%s, the program -%s", cmd.Name(), f.Name, d.short, f.Shorthand)
		case (d.value == "") != (f.Value.Type() == "bool"):
			t.Errorf("%s: --%s: the document has the value %q, the program %s", cmd.Name(), f.Name, d.value, f.Value.Type())
		case f.Value.Type() == "bool" || want == "[]" || strings.HasPrefix(want, "0s"):
			if d.byDefault != "" {
				t.Errorf("%s: --%s: the document has the default %q, the program none", cmd.Name(), f.Name, d.byDefault)
			}
		case d.byDefault != want:
			t.Errorf("%s: --%s: the document has the default %q, the program %q", cmd.Name(), f.Name, d.byDefault, want)
		}
	})
	for name := range docs {
		t.Errorf("%s: the document has --%s, which is no flag", cmd.Name(), name)
	}
}

// TestBenchDocScenario: the scenario file of the document is one.
func TestBenchDocScenario(t *testing.T) {
	data, err := os.ReadFile("../../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```toml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no scenario in the document")
	}
	path := t.TempDir() + "/day.toml"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := bench.ParseScenario(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "hosting-day" || len(s.File.Thresholds) != 3 {
		t.Errorf("got %+v, want hosting-day with 3 thresholds", s)
	}
}
