package bench

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"fastftps/bench/report"
)

// drawPairs makes slices of two targets on a machine whose speed drifts: both
// follow the drift, B is effect times A, and each slice has noise of its own.
func drawPairs(rng *rand.Rand, n int, effect, noise float64) (a, b []report.Slice) {
	for i := range n {
		drift := 1 + 0.5*math.Sin(float64(i))
		value := func(f float64) []report.Slice {
			return []report.Slice{{Metrics: map[string]float64{"retr.service.p50": drift * f * math.Exp(noise*rng.NormFloat64())}}}
		}
		a, b = append(a, value(1)...), append(b, value(effect)...)
	}
	return a, b
}

// TestIntervalCoverage: 95 % intervals hold the truth about 95 % of the time, with
// few slices and with many, though the machine drifts by far more than the
// effect.
func TestIntervalCoverage(t *testing.T) {
	for _, test := range []struct {
		n      int
		effect float64
	}{{4, 1}, {6, 1.1}, {12, 0.9}, {30, 1}} {
		rng := rand.New(rand.NewPCG(1, uint64(test.n)))
		held, decided := 0, 0
		const trials = 80
		for range trials {
			a, b := drawPairs(rng, test.n, test.effect, 0.05)
			r := compare(a, b, rng.Uint64())[0]
			if r.Low <= test.effect && test.effect <= r.High {
				held++
			}
			if r.Better != same {
				decided++
			}
		}
		if held < trials*90/100 {
			t.Errorf("%d slices, effect %g: %d of %d intervals hold it, want 95 %%", test.n, test.effect, held, trials)
		}
		if test.effect == 1 && decided > trials*10/100 {
			t.Errorf("%d slices: %d of %d comparisons of equals found a difference", test.n, decided, trials)
		}
		if test.effect == 0.9 && decided < trials*90/100 {
			t.Errorf("%d slices: only %d of %d comparisons found the difference", test.n, decided, trials)
		}
	}
}

// TestBetter: which one is better depends on the metric.
func TestBetter(t *testing.T) {
	slicesOf := func(f float64) (s []report.Slice) {
		for i := range 8 {
			v := f * (1 + float64(i%3)/1000)
			s = append(s, report.Slice{Metrics: map[string]float64{
				"retr.rate": v, "retr.mbps": v, "retr.service.p50": v, "cpu_s_per_gb": v, "errors.rate": v, "errors": v, "only": v,
			}})
		}
		return s
	}
	want := map[string]string{"retr.rate": "B", "retr.mbps": "B", "retr.service.p50": "A", "cpu_s_per_gb": "A"}
	ratios := compare(slicesOf(1), slicesOf(1.1), 1)
	if len(ratios) != len(want) {
		t.Errorf("got %d metrics, want %d", len(ratios), len(want))
	}
	for _, r := range ratios {
		if r.Better != want[r.Metric] || math.Abs(r.Ratio-1.1) > 1e-9 || r.Low > r.Ratio || r.High < r.Ratio || r.DiffLo > r.Diff || r.DiffHi < r.Diff {
			t.Errorf("got %+v", r)
		}
	}
	if compare(slicesOf(1)[:1], slicesOf(1), 1) != nil {
		t.Error("one slice was compared")
	}
}

// TestZeroSlices: a target of which nothing ended well in a turn, or in all, stays in the
// comparison of rates; times are compared over the turns in which both have some.
func TestZeroSlices(t *testing.T) {
	turns := func(rates ...float64) (s []report.Slice) {
		for _, v := range rates {
			m := map[string]float64{"retr.rate": v}
			if v > 0 {
				m["retr.service.p50"] = 1 / v
			}
			s = append(s, report.Slice{Metrics: m})
		}
		return s
	}
	a := turns(100, 101, 99, 100, 101, 99)
	for _, test := range []struct {
		name  string
		b     []report.Slice
		ratio float64
	}{
		{"one", turns(0, 101, 99, 100, 101, 99), 500.0 / 600},
		{"all", turns(0, 0, 0, 0, 0, 0), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &report.Report{AB: compare(a, test.b, 1)}
			rate := ratioOf(t, r, "retr.rate")
			if math.Abs(rate.Ratio-test.ratio) > 1e-9 || rate.Low > rate.Ratio || rate.High < rate.Ratio || rate.DiffLo > rate.Diff || rate.DiffHi < rate.Diff {
				t.Errorf("got %+v, want a ratio of %g", rate, test.ratio)
			}
			if test.ratio > 0 {
				if p50 := ratioOf(t, r, "retr.service.p50"); math.Abs(p50.Ratio-1) > 1e-9 {
					t.Errorf("got %+v, want the five turns in which both have it", p50)
				}
				return
			}
			if rate.Better != betterA {
				t.Errorf("got %+v, want A better", rate)
			}
			if back := compare(test.b, a, 1); len(back) != 1 || back[0].Ratio != 0 || back[0].Diff != 100 || back[0].Better != betterB {
				t.Errorf("the other way round: got %+v, want no ratio to nothing, and B better", back)
			}
		})
	}
	if r := compare(a, []report.Slice{{}, {}, {}, {}, {}, {}}, 1); len(r) != 0 {
		t.Errorf("got %+v of an operation that B was not asked for", r)
	}
}

// attempts is how often a comparison may be wrong before it counts: an interval
// of 95 % misses one time in twenty.
const attempts = 4

// TestABSelf: a server against itself makes no difference.
func TestABSelf(t *testing.T) {
	f := newFake(t, false, nil)
	for range attempts {
		c := config(t, "login", f.url(), f.url())
		c.Duration, c.Slice, c.Clients = 400*time.Millisecond, 40*time.Millisecond, 1
		r := measureUntil(t, c, compares("login.service.mean"))
		if len(r.Targets[0].Slices) != 10 || len(r.Targets[1].Slices) != 10 {
			t.Fatalf("got %d and %d slices, want 10", len(r.Targets[0].Slices), len(r.Targets[1].Slices))
		}
		if a := ratioOf(t, r, "login.service.mean"); a.Better == same && a.Low <= 1 && a.High >= 1 {
			return
		}
	}
	t.Errorf("%d comparisons of a server with itself found a difference", attempts)
}

// TestABDelay: 5 ms more a login are found, and the interval holds them; on a
// machine that is too busy to see 5 ms, more. Both servers wait, for after a wait all
// that follows takes longer: processors sleep and caches are cold. What the waits
// really took, the servers know.
func TestABDelay(t *testing.T) {
	waits := func(d time.Duration) *fake {
		return newFake(t, false, func(f *fake) { f.loginDelay = func() time.Duration { return d } })
	}
	a := waits(20 * time.Millisecond)
	for _, more := range []time.Duration{5, 5, 10, 20, 40, 80, 160} {
		b := waits((20 + more) * time.Millisecond)
		c := config(t, "login", a.url(), b.url())
		c.Slice, c.Clients = 6*(20+more)*time.Millisecond, 1
		c.Duration = 10 * c.Slice
		before := [2]wait{a.wait(), b.wait()}
		r := measureUntil(t, c, compares("login.service.mean"))
		added := b.wait().mean(before[1]) - a.wait().mean(before[0])
		d := ratioOf(t, r, "login.service.mean")
		if d.Better == "A" && d.DiffLo <= added && added <= d.DiffHi {
			return
		}
		t.Logf("added %.4f s, got %+v", added, d)
	}
	t.Error("no comparison found the difference")
}

// wait is what a server has waited before logins.
type wait struct{ logins, nanos int64 }

func (f *fake) wait() wait { return wait{f.logins.Load(), f.waited.Load()} }

// mean is the mean since before, in seconds.
func (w wait) mean(before wait) float64 {
	return time.Duration((w.nanos - before.nanos) / (w.logins - before.logins)).Seconds()
}

func ratioOf(t *testing.T, r *report.Report, metric string) report.Ratio {
	t.Helper()
	for _, a := range r.AB {
		if a.Metric == metric {
			return a
		}
	}
	t.Fatalf("no %s among %+v", metric, r.AB)
	return report.Ratio{}
}
