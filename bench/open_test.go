package bench

import (
	"strings"
	"sync"
	"testing"
	"time"

	"fastftps/bench/report"
)

// stallOnce makes a server answer no RETR for some time, from the nth on.
func stallOnce(nth int, length time.Duration) func() {
	var mu sync.Mutex
	var until time.Time
	n := 0
	return func() {
		mu.Lock()
		if n++; n == nth {
			until = time.Now().Add(length)
		}
		wait := time.Until(until)
		mu.Unlock()
		if wait > 0 {
			t := time.NewTimer(wait)
			<-t.C
		}
	}
}

// TestCoordinatedOmission: a server stalls for 2 s. Whoever arrives in that time
// waits for its end, so of the responses the share that arrived then is spread
// evenly over 0 to 2 s; the service times, which begin when a session is free,
// hold one bad value. That is what the open loop is for.
func TestCoordinatedOmission(t *testing.T) {
	const (
		stall  = 2.0 // seconds
		rate   = 50.0
		length = 3.0
	)
	f := newFake(t, false, func(f *fake) { f.beforeRetr = stallOnce(10, stall*time.Second) })
	c := config(t, "retr", f.url())
	c.Clients, c.Rate, c.Duration = 1, Rate{From: rate, To: rate}, length*time.Second
	r := measure(t, c)
	o := opOf(t, r.Targets[0], "retr")
	if o.OK != rate*length-1 || o.Dropped > 0 {
		t.Fatalf("got %+v, want all %g arrivals served", o, rate*length-1)
	}
	share := stall * rate / float64(o.N)
	for _, q := range []struct {
		name      string
		part, got float64
	}{{"p50", 0.5, o.Response.P50}, {"p90", 0.9, o.Response.P90}, {"p99", 0.99, o.Response.P99}} {
		want := stall * (1 - (1-q.part)/share)
		// Below: arrivals are 1/rate apart. Above: one cannot wait longer than
		// for the end of the stall and for everybody else.
		low, high := want-2/rate, want+2/rate+float64(o.N)*o.Service.Mean-stall+r.Generator.Lag.Max
		if q.got < low || q.got > high {
			t.Errorf("response %s: got %.3f s, want %.3f to %.3f", q.name, q.got, low, high)
		}
	}
	if o.Service.P90 > o.Response.P90/4 {
		t.Errorf("service p90: got %.3f s, response p90 %.3f: the stall should be seen in one service time only", o.Service.P90, o.Response.P90)
	}
	if o.Service.Max < stall*0.99 || o.Late < int64(0.9*stall*rate) {
		t.Errorf("got %+v, want one service of 2 s and 100 late", o)
	}
	if r.Args.Loop != "open" || r.Generator.Lag.N != o.N {
		t.Errorf("got loop %q, %d lags", r.Args.Loop, r.Generator.Lag.N)
	}
}

// TestDropped: arrivals that find too many in flight are dropped and counted; the
// schedule is not stretched.
func TestDropped(t *testing.T) {
	for _, scenario := range []string{"retr", "login"} {
		t.Run(scenario, func(t *testing.T) {
			hold := stallOnce(1, 300*time.Millisecond)
			f := newFake(t, false, func(f *fake) {
				f.beforeRetr = hold
				if scenario == "login" {
					n := 0
					f.loginDelay = func() time.Duration {
						f.mu.Lock()
						defer f.mu.Unlock()
						if n++; n > 1 { // not when it is set up
							return 300 * time.Millisecond
						}
						return 0
					}
				}
			})
			c := config(t, scenario, f.url())
			c.Clients, c.MaxInflight, c.Rate, c.Poisson = 1, 3, Rate{From: 1000, To: 1000}, true
			c.Duration = 200 * time.Millisecond
			o := opOf(t, measure(t, c).Targets[0], scenario)
			drawn := len(arrivals(c.Rate, true, c.Duration, 1<<32))
			if o.Dropped == 0 || o.N+o.Dropped != int64(drawn) {
				t.Errorf("got %d ended and %d dropped, want the %d that were drawn", o.N, o.Dropped, drawn)
			}
		})
	}
}

// TestFindMax: the search ends between the rate that holds and the one that does
// not. What does not hold here is fixed: a server that refuses beyond a rate.
func TestFindMax(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	c.FindMax, c.Rate, c.Duration = true, Rate{From: 40, To: 40}, 100*time.Millisecond
	c.SLO = []string{"list.rate<100"}
	r := measure(t, c)
	var good, bad float64
	for _, p := range r.FindMax {
		if p.OK {
			good = max(good, p.Rate)
		} else if bad == 0 || p.Rate < bad {
			bad = p.Rate
			if !strings.Contains(p.Why, "list.rate<100") {
				t.Errorf("%g/s: got %q as the reason", p.Rate, p.Why)
			}
		}
	}
	if good == 0 || bad == 0 || bad/good > closeEnough {
		t.Errorf("got %g/s as good and %g/s as bad, in %+v", good, bad, r.FindMax)
	}
	if o := opOf(t, r.Targets[0], "list"); o.Rate >= 100 {
		t.Errorf("the report shows %g/s, which does not hold", o.Rate)
	}
}

// TestFindMaxFailures: a rate at which operations fail does not hold, however fast those
// are that do not; the SLO may say how many may fail.
func TestFindMaxFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*fake)
		slo    string
		want   string // "" is that it holds
	}{
		{"refused", func(f *fake) { f.refuse, f.serves = 450, 2 }, "", "retr failed"},
		{"refused, as allowed", func(f *fake) { f.refuse, f.serves = 450, 2 }, "retr.errors.rate<90%", ""},
		{"refused, not allowed", func(f *fake) { f.refuse, f.serves = 450, 2 }, "errors.rate<10%", "errors.rate<10% is"},
		{"wrong", func(f *fake) { f.short = true }, "errors.rate<=100%", "retr wrong"},
		{"lost", func(f *fake) { f.most = 6 }, "errors.rate<=100%", "dropped"}, // one of them sets up, one uploads
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, false, test.change)
			c := config(t, "retr", f.url())
			c.Files, c.Clients, c.Relogin = 1, 1, 1
			c.Rate, c.Duration, c.SLO = Rate{From: 100, To: 100}, 200*time.Millisecond, []string{"retr.rate<150"}
			if test.slo != "" {
				c.SLO = append(c.SLO, test.slo)
			}
			c.FindMax = true
			p := measure(t, c).FindMax[0]
			if p.OK != (test.want == "") || !strings.Contains(p.Why, test.want) {
				t.Errorf("got %+v, want %q as the reason", p, test.want)
			}
		})
	}
}

// TestLostArrivals: an arrival that finds no session and gets none was drawn, and counts.
func TestLostArrivals(t *testing.T) {
	for _, walk := range []bool{false, true} {
		f := newFake(t, false, func(f *fake) { f.most = 4 })
		c := config(t, "list", f.url())
		c.Scenario.walk = walk
		c.Files, c.Clients, c.Relogin, c.Rate, c.Duration = 1, 1, 1, Rate{From: 100, To: 100}, 200*time.Millisecond
		o := opOf(t, measure(t, c).Targets[0], "list")
		if o.OK == 0 || o.Dropped == 0 || o.N+o.Dropped != 19 {
			t.Errorf("walk %v: got %+v, want 19 ended or dropped", walk, o)
		}
	}
}

// TestWarmup: what happens before the measured time is not in the report.
func TestWarmup(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	c.Rate, c.Warmup, c.Duration = Rate{From: 100, To: 100}, 300*time.Millisecond, 200*time.Millisecond
	r := measure(t, c)
	if o := opOf(t, r.Targets[0], "list"); o.N != 19 || r.Seconds > 0.21 {
		t.Errorf("got %d listings in %.2f s, want 19 in 0.2", o.N, r.Seconds)
	}
	var points int64
	for _, p := range r.Targets[0].Series {
		points += p.Ops
	}
	if points != 19 {
		t.Errorf("the time line has %d, want 19", points)
	}
}

// TestVisits: a scenario file's sessions, with rude clients among them.
func TestVisits(t *testing.T) {
	f := newFake(t, true, nil)
	c := config(t, "retr", f.url())
	s, err := parseScenario("visit.toml", []byte(`[session]
ops = ["list", "retr x2", "think 1ms", "stor size=2k"]
slow_reader = { chance = 0.5, rate = "1M/s" }
[background]
idle_sessions = 3
keepalive = "1s"
`))
	if err != nil {
		t.Fatal(err)
	}
	c.Scenario, c.Observe = s, func(snap report.Snapshot) {}
	target := measureUntil(t, c, did("login", "retr", "slow", "noop")).Targets[0]
	logins, slow := opOf(t, target, "login"), opOf(t, target, "slow")
	if logins.OK == 0 || slow.OK == 0 || slow.N != slow.OK || len(target.Errors) > 0 {
		t.Errorf("got %+v, errors %+v", target.Ops, target.Errors)
	}
	if retr := opOf(t, target, "retr"); retr.N+slow.N > 2*logins.N {
		t.Errorf("got %d downloads in %d visits, want 2 in each at most", retr.N+slow.N, logins.N)
	}
	if f.left() > 0 {
		t.Errorf("%d files stay behind", f.left())
	}
}
