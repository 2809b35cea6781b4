package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// scaled is a run whose server is slower by a factor.
func scaled(t *testing.T, factor float64) *Report {
	t.Helper()
	return simulate(t, sim{seconds: 30, targets: 1, rate: 400, cost: true, closed: true, scale: factor})
}

func regressed(c *Comparison) []string {
	var names []string
	for _, x := range c.Regressions() {
		names = append(names, x.Metric)
	}
	return names
}

func TestCompare(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Report)
		factor float64
		want   []string // some of what must have regressed; nil: nothing
	}{
		{"the same", nil, 1, nil},
		{"noise below the bound", nil, 1.03, nil},
		{"faster", nil, 0.6, nil},
		{"slower", nil, 1.3, []string{"retr.service.p50", "retr.service.p90", "stor.service.p50", "list.service.p50"}},
		{"fewer", func(r *Report) { r.Targets[0].Ops[0].Rate *= 0.9 }, 1, []string{"retr.rate", "retr.mbps"}},
		{"more", func(r *Report) { r.Targets[0].Ops[0].Rate *= 1.5 }, 1, nil},
		{"dearer", func(r *Report) { r.Targets[0].Cost.CPUPerGB *= 1.2 }, 1, []string{"cpu_s_per_gb"}},
		{"fatter", func(r *Report) { r.Targets[0].Cost.PSSPeak *= 2 }, 1, []string{"pss_peak"}},
		{"wrong once", func(r *Report) { o := &r.Targets[0].Ops[0]; o.OK--; o.Wrong = 1 }, 1, []string{"retr.wrong_share"}},
		{"failures", func(r *Report) { o := &r.Targets[0].Ops[1]; o.OK -= o.N / 100 }, 1, []string{"stor.error_share"}},
		{"dropped", func(r *Report) { o := &r.Targets[0].Ops[1]; o.Dropped = o.N / 10 }, 1, []string{"stor.error_share"}},
		{"one failure", func(r *Report) { r.Targets[0].Ops[1].OK-- }, 1, nil},
		{"slow phase is not judged", func(r *Report) { r.Targets[0].Phases[5].Dist.P50 *= 3 }, 1, nil},
		{"slow p99.9 is not judged", func(r *Report) { r.Targets[0].Ops[0].Service.P999 *= 3 }, 1, nil},
		{"p99 of few values", func(r *Report) { o := &r.Targets[0].Ops[2]; o.Service.N = 900; o.Service.P99 *= 3 }, 1, nil},
		{"rounds that overlap", func(r *Report) {
			r.Targets[0].Ops[0].Rate *= 0.9
			r.Targets[0].Spread = map[string]Spread{"retr.rate": {Min: 240, Max: 290}, "retr.mbps": {Min: 216, Max: 261}}
		}, 1, nil},
		{"rounds that do not", func(r *Report) {
			r.Targets[0].Ops[0].Rate *= 0.9
			r.Targets[0].Spread = map[string]Spread{"retr.rate": {Min: 240, Max: 260}}
		}, 1, []string{"retr.rate"}},
	} {
		old, now := scaled(t, 1), scaled(t, row.factor)
		old.Targets[0].Spread = map[string]Spread{"retr.rate": {Min: 270, Max: 285}, "retr.mbps": {Min: 243, Max: 257}}
		if row.change != nil {
			row.change(now)
		}
		c, err := Compare(old, now, 0.05)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		got := regressed(c)
		for _, want := range row.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: regressed %v, want %s among them", row.name, got, want)
			}
		}
		if row.want == nil && len(got) > 0 {
			t.Errorf("%s: regressed %v, want nothing", row.name, got)
		}
	}
}

func TestCompareNothing(t *testing.T) {
	one, two := scaled(t, 1), simulate(t, sim{seconds: 5, targets: 2, rate: 20})
	if _, err := Compare(one, two, 0.05); err == nil {
		t.Error("one target against two: got no error")
	}
	other := &Report{Targets: []Target{{Ops: []Op{{Name: "mkd", Rate: 1}}}}}
	if _, err := Compare(one, other, 0.05); err == nil {
		t.Error("no metric in common: got no error")
	}
}

func TestCompareNotes(t *testing.T) {
	old, now := scaled(t, 1), scaled(t, 1)
	now.Args.Clients, now.Env.Cores, old.Invalid = 32, 4, []string{"lag"}
	c, err := Compare(old, now, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(c.Notes, "\n")
	for _, want := range []string{"the old run is invalid: lag", "64 clients, then closed loop, 32 clients", "cores differs: 2, then 4"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want %q in it", text, want)
		}
	}
}

func TestCompareText(t *testing.T) {
	now := scaled(t, 1.3)
	now.Targets[0].Ops[0].Wrong = 2
	now.Args.TLS = "1.2"
	c, err := Compare(scaled(t, 1), now, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", b.Bytes())
}

func TestRender(t *testing.T) {
	var one, two bytes.Buffer
	if err := Render(&one, scaled(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := Render(&two, scaled(t, 1), scaled(t, 1.4)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(one.String(), "B relative to A") || !strings.Contains(two.String(), "B relative to A") {
		t.Error("the ratios belong on the page of two reports, and only there")
	}
	if !strings.Contains(two.String(), "did not take turns") {
		t.Error("the page does not say that there are no intervals")
	}
	if err := Render(&one); err == nil {
		t.Error("no report: got no error")
	}
}
