package report

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestJSONRoundTrip(t *testing.T) {
	want := simulate(t, standard)
	var b bytes.Buffer
	if err := WriteJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	tidy(reflect.ValueOf(got).Elem())
	if !reflect.DeepEqual(got, want) {
		t.Error("the report that was read differs from the one that was written")
	}
}

func TestJSONOfOddValues(t *testing.T) {
	r := &Report{Targets: []Target{{
		Ops:    []Op{{Name: "retr", Rate: math.NaN(), Service: Dist{Mean: math.Inf(1)}}},
		Cost:   &Cost{CPUPerGB: math.NaN()},
		Slices: []Slice{{Metrics: map[string]float64{"retr.rate": math.NaN()}}},
	}}}
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "null") || !strings.Contains(s, `"retr.rate": 0`) {
		t.Errorf("got %s, want no null and the rate as 0", s)
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"newer schema", `{"schema": 2}`, "newer"},
		{"no schema", `{"ops": []}`, errNoReport.Error()},
		{"not JSON", `fastftps bench`, errNoReport.Error()},
		{"empty", ``, errNoReport.Error()},
		{"wrong type", `{"schema": 1, "targets": 7}`, errNoReport.Error()},
	} {
		if _, err := ReadJSON(strings.NewReader(row.in)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
	if _, err := ReadJSON(strings.NewReader(`{"schema": 1, "later": {"x": 1}, "seconds": 3}`)); err != nil {
		t.Errorf("a field that is not known: got %v, want none", err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	r := simulate(t, sim{seconds: 10, targets: 1, rate: 50})
	r.Args.Command = `fastftps bench </script><script>alert(1)</script> <!-- ` + "\u2028"
	for name, write := range map[string]func(*bytes.Buffer) error{
		"a.json": func(b *bytes.Buffer) error { return WriteJSON(b, r) },
		"a.html": func(b *bytes.Buffer) error { return WriteHTML(b, r) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Args != r.Args || got.Targets[0].Ops[0].Service.P99 != r.Targets[0].Ops[0].Service.P99 {
			t.Errorf("%s: got %+v, want %+v", name, got.Args, r.Args)
		}
	}
	path := filepath.Join(dir, "other.html")
	if err := os.WriteFile(path, []byte("<p>hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); !errors.Is(err, errNoReport) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want %v and the name", err, errNoReport)
	}
}
