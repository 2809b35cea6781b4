package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestWriteCSV(t *testing.T) {
	r := simulate(t, standard)
	var b bytes.Buffer
	if err := WriteCSV(&b, r); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(r.Targets[0].Series) + len(r.Targets[1].Series); len(rows) != want {
		t.Fatalf("got %d rows, want %d", len(rows), want)
	}
	p, got := r.Targets[1].Series[7], map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1+len(r.Targets[0].Series)+7][i]
	}
	for name, want := range map[string]float64{
		"t": p.T, "ops": float64(p.Ops), "bytes": float64(p.Bytes), "errors": float64(p.Errors), "full": float64(p.Full),
		"resumed": float64(p.Resumed), "sessions": float64(p.Sessions), "p50": p.P50, "p99": p.P99,
		"server_cpu": p.ServerCPU, "server_pss": float64(p.ServerPSS), "generator_cpu": p.GeneratorPC,
	} {
		if v, err := strconv.ParseFloat(got[name], 64); err != nil || v != want {
			t.Errorf("%s: got %q, want %v", name, got[name], want)
		}
	}
	if got["target"] != r.Targets[1].Name || got["active"] != strconv.FormatBool(p.Active) {
		t.Errorf("got %v of %+v", got, p)
	}
}

// TestWriteHGRM: each histogram has its file, whose percentiles are the report's.
func TestWriteHGRM(t *testing.T) {
	r := simulate(t, standard)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := WriteHGRM(dir, r); err != nil {
		t.Fatal(err)
	}
	var want int
	for _, target := range r.Targets {
		for _, op := range target.Ops {
			for kind, d := range map[string]Dist{"service": op.Service, "response": op.Response} {
				if len(d.Hdr) == 0 {
					continue
				}
				want++
				name := filepath.Join(dir, fileName(target.Name)+"-"+op.Name+"-"+kind+".hgrm")
				if p50, n := median(t, name); n != d.N || math.Abs(p50/1e3-d.P50) > 0.01*d.P50 {
					t.Errorf("%s: got a median of %v ms of %d, want %v s of %d", name, p50, n, d.P50, d.N)
				}
			}
		}
		for _, p := range target.Phases {
			if len(p.Dist.Hdr) > 0 {
				want++
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || want == 0 || len(files) != want {
		t.Errorf("got %d files, %v, want %d", len(files), err, want)
	}
	if err := WriteHGRM(filepath.Join(dir, files[0].Name()), r); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// median reads an HGRM file: value, share, count and 1/(1-share) in each line.
func median(t *testing.T, name string) (p50 float64, n int64) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p50 = -1
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) != 4 || f[0] == "Value" || strings.HasPrefix(f[0], "#") {
			continue
		}
		if share, _ := strconv.ParseFloat(f[1], 64); share >= 0.5 && p50 < 0 {
			p50, _ = strconv.ParseFloat(f[0], 64)
		}
		n, _ = strconv.ParseInt(f[2], 10, 64)
	}
	return p50, n
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{"A": "A", "127.0.0.1:2990": "127.0.0.1-2990", "[::1]:21": "---1--21", "../x": "-.-x"} {
		if got := fileName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
