package bench

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"fastftps/bench/report"
	"fastftps/internal/ftpclient"
)

// TestShares: an operation that outlasts the measured time counts by its share.
func TestShares(t *testing.T) {
	a := newAggregate()
	a.seconds = 10
	const s = time.Second
	for _, o := range []opSample{
		{from: 0, end: s, bytes: 1000},           // whole
		{from: 5 * s, end: 15 * s, bytes: 4000},  // half
		{from: 10 * s, end: 11 * s, bytes: 8000}, // not at all
	} {
		a.addOp(o, 10*s)
	}
	var target report.Target
	a.fill(&target)
	o := target.Ops[0]
	if o.OK != 3 || o.Bytes != 13000 || math.Abs(o.Rate-0.15) > 1e-9 || math.Abs(o.MB-3000/1e7) > 1e-12 || o.Service.N != 3 {
		t.Errorf("got %+v, want 3 well, 13000 bytes, 0.15/s, 300 bytes/s", o)
	}
}

// TestCostOfStragglers: what an operation costs after the measured time is spread over
// all of it, and over the time in which it was used.
func TestCostOfStragglers(t *testing.T) {
	a := newAggregate()
	a.seconds, a.used = 1, usage{user: 6 * time.Second, wall: 3 * time.Second, known: true}
	for _, o := range []op{opRetr, opStor, opSlow, opAbort} {
		a.addOp(opSample{op: opSampleKind{o, good}, end: 3 * time.Second, bytes: 5e8}, time.Second)
	}
	m := a.metrics()
	for name, want := range map[string]float64{"cpu_s_per_gb": 3, "cpu_ms_per_file": 1500, "cores": 2} {
		if math.Abs(m[name]-want) > 1e-9 {
			t.Errorf("%s: got %g, want %g", name, m[name], want)
		}
	}
}

// TestHist: what goes into the report can be read by others.
func TestHist(t *testing.T) {
	var h hist
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	h.add(-time.Second) // a clock that went back
	d := h.dist(true)
	if d.N != 1001 || d.Min != 0 || math.Abs(d.P50-0.5) > 0.001 || math.Abs(d.P999-0.999) > 0.002 || math.Abs(d.Max-1) > 0.001 {
		t.Errorf("got %+v", d)
	}
	back, err := hdrhistogram.Decode([]byte(base64.StdEncoding.EncodeToString(d.Hdr)))
	if err != nil || back.TotalCount() != d.N || math.Abs(float64(back.ValueAtQuantile(90))/1e6-d.P90) > 1e-9 {
		t.Errorf("decoded: %v, %v", back, err)
	}
	var empty hist
	if d := empty.dist(true); d.N != 0 || d.Hdr != nil || !math.IsNaN(empty.quantile(50)) {
		t.Errorf("empty: got %+v", d)
	}
}

// TestSeries: an operation counts when it ends, its bytes while it runs.
func TestSeries(t *testing.T) {
	s := newSeries()
	const ms = time.Millisecond
	s.op(opSample{from: 500 * ms, end: 2500 * ms, bytes: 4000}, 0)
	s.op(opSample{wanted: 2600 * ms, from: 2900 * ms, end: 2950 * ms}, 0)
	s.op(opSample{op: opSampleKind{opRetr, failed}, from: 3000 * ms, end: 3001 * ms}, 0)
	s.op(opSample{from: 10 * ms, end: 10 * ms, bytes: 1}, 0)
	s.op(opSample{from: 10 * ms, end: 20 * ms}, time.Hour) // before the measured time
	var target report.Target
	s.fill(&target)
	var got []string
	for _, p := range target.Series {
		got = append(got, fmt.Sprintf("%d %d %d %.2f", p.Ops, p.Bytes, p.Errors, p.P99))
	}
	if want := "1 1000 0 0.01|0 2000 0 0.00|2 1000 0 2.50|0 0 1 0.00"; strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
	for row, counts := range target.Heat.Counts {
		if len(counts) != 4 {
			t.Fatalf("row %d has %d columns, want 4", row, len(counts))
		}
		edge := target.Heat.Edges[row]
		if counts[2] > 0 && (edge < 0.35 || edge > 0.57) && (edge < 2 || edge > 3.2) {
			t.Errorf("row up to %g s has %d in second 2", edge, counts[2])
		}
	}
}

// TestFailures: errors are grouped by what the server or the system said.
func TestFailures(t *testing.T) {
	fs := failures{}
	kind := opSampleKind{opRetr, failed}
	for i := range 3 {
		fs.add(newFailure(kind, fmt.Errorf("RETR: %w", &ftpclient.ReplyError{Code: 450, Text: fmt.Sprint("busy ", i)})))
	}
	for i := range 2 {
		fs.add(newFailure(kind, fmt.Errorf("dial %d: %w", i, os.NewSyscallError("connect", syscall.EADDRNOTAVAIL))))
	}
	fs.add(newFailure(kind, fmt.Errorf("read reply: %w", os.ErrDeadlineExceeded)))
	fs.add(newFailure(kind, fmt.Errorf("read reply: %w", io.EOF)))
	fs.add(newFailure(opSampleKind{opRetr, wrong}, wrongf("the server said yes, but: %w", ftpclient.ErrTruncated)))
	var got []string
	for _, e := range fs.list() {
		got = append(got, fmt.Sprintf("%d %d%s", e.N, e.Code, e.OS))
		if e.OS == "EADDRNOTAVAIL" && !strings.Contains(e.Hint, "--src") {
			t.Errorf("no remedy for %s: %q", e.OS, e.Hint)
		}
	}
	if want := "3 450|2 0EADDRNOTAVAIL|1 0EOF|1 0TIMEOUT|1 0"; strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
	if f := fs.faults(); len(f) != 1 || !strings.Contains(f[0], "close_notify") {
		t.Errorf("faults: got %q", f)
	}
	for i := range 2 * maxFailureGroups {
		fs.add(newFailure(kind, errors.New(strings.Repeat("x", i))))
	}
	if len(fs) > maxFailureGroups+1 {
		t.Errorf("got %d groups", len(fs))
	}
}

// TestSpoiled: a run that ran out of ports is not to be used.
func TestSpoiled(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	b := &bench{cfg: &c}
	b.note(fmt.Errorf("dial: %w", syscall.EMFILE))
	b.note(fmt.Errorf("dial: %w", syscall.EMFILE))
	b.note(fmt.Errorf("dial: %w", syscall.ECONNREFUSED))
	why := b.faults(&report.Report{Generator: report.Generator{Lag: report.Dist{P99: 2 * time.Hour.Seconds()}}})
	if len(why) != 2 || !strings.Contains(why[0], "ulimit") || !strings.Contains(why[1], "served its schedule late") {
		t.Errorf("got %q", why)
	}
}

// TestLive: snapshots have what a live view needs.
func TestLive(t *testing.T) {
	f := newFake(t, true, nil)
	c := config(t, "retr", f.url())
	c.Duration = 1500 * time.Millisecond
	c.Targets[0].PID = os.Getpid()
	var got []report.Snapshot
	c.Observe = func(s report.Snapshot) { got = append(got, s) }
	r := measure(t, c)
	if len(got) == 0 {
		t.Fatal("no snapshot in 1.5 s")
	}
	s := got[0]
	if s.Scenario != "retr" || s.Loop != "closed 2 clients" || s.Stage != "measure" || s.Total != 1.5 || s.Elapsed <= 0 || s.CPU <= 0 {
		t.Errorf("got %+v", s)
	}
	if len(s.Targets) != 1 || s.Targets[0].Sessions != 2 || !s.Targets[0].HasCost || s.Targets[0].PSS <= 0 || s.Targets[0].Full+s.Targets[0].Resumed <= 0 {
		t.Errorf("got targets %+v", s.Targets)
	}
	found := false
	for _, row := range s.Rows {
		found = found || row.Op == "retr" && row.Ops > 0 && row.MB > 0 && row.P50 > 0 && row.FirstB
	}
	if !found {
		t.Errorf("got rows %+v", s.Rows)
	}
	if r.Generator.CPUSeconds <= 0 || r.Generator.PSSPeak <= 0 || r.Generator.FDsPeak <= 0 {
		t.Errorf("generator: got %+v", r.Generator)
	}
}

func TestTail(t *testing.T) {
	var out tail
	for range 3 {
		_, _ = out.Write(bytes.Repeat([]byte("x"), 3000))
	}
	_, _ = out.Write([]byte("end"))
	if s := out.String(); len(s) != tailSize || !strings.HasSuffix(s, "xend") {
		t.Errorf("got %d bytes", len(s))
	}
}

// BenchmarkRecord is what recording one download costs its worker.
func BenchmarkRecord(b *testing.B) {
	c := newCollector(1)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() { defer close(ended); c.run(done) }()
	r := recorder{out: c.in, measure: true}
	b.ReportAllocs()
	for b.Loop() {
		for p := phaseEndpoint; p <= phaseCompletion; p++ {
			r.phase(p, opRetr, time.Millisecond)
		}
		r.op(opSample{end: time.Millisecond}, nil)
	}
	r.flush()
	close(done)
	<-ended
}
