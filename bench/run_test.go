package bench

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fastftps/bench/report"
)

// config returns a short run of a scenario on targets.
func config(t *testing.T, scenario string, targets ...string) Config {
	t.Helper()
	s, err := ParseScenario(scenario)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Scenario: s, Clients: 2, Duration: 100 * time.Millisecond, Slice: 25 * time.Millisecond, Timeout: 5 * time.Second,
		Sizes: Sizes{Median: 10000}, Files: 3, Seed: 1, MaxErrors: -1, MaxLag: time.Hour,
	}
	for _, target := range targets {
		parsed, err := ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		c.Targets = append(c.Targets, parsed)
	}
	return c
}

// measure runs c to its end.
func measure(t *testing.T, c Config) *report.Report {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// measureUntil runs c until the report is enough, longer each time: how much gets
// done in 100 ms is up to the machine.
func measureUntil(t *testing.T, c Config, enough func(*report.Report) bool) *report.Report {
	t.Helper()
	for range 6 {
		r := measure(t, c)
		if enough(r) {
			return r
		}
		c.Duration, c.Slice = 3*c.Duration, 3*c.Slice
	}
	t.Fatal("not enough was done in a run of a minute")
	return nil
}

// did returns whether every target has ended operations of these kinds.
func did(names ...string) func(*report.Report) bool {
	return func(r *report.Report) bool {
		for _, target := range r.Targets {
			for _, name := range names {
				if !slices.ContainsFunc(target.Ops, func(o report.Op) bool { return o.Name == name && o.N > 0 }) {
					return false
				}
			}
		}
		return true
	}
}

// compares returns whether there is a comparison in that metric.
func compares(metric string) func(*report.Report) bool {
	return func(r *report.Report) bool {
		return slices.ContainsFunc(r.AB, func(a report.Ratio) bool { return a.Metric == metric })
	}
}

// opOf returns what is reported of an operation.
func opOf(t *testing.T, target report.Target, name string) report.Op {
	t.Helper()
	for _, o := range target.Ops {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("no %s among %+v", name, target.Ops)
	return report.Op{}
}

func phaseOf(target report.Target, name string) report.Dist {
	for _, p := range target.Phases {
		if p.Name == name {
			return p.Dist
		}
	}
	return report.Dist{}
}

// TestScenarios: every scenario works, in clear and under TLS, and leaves nothing
// behind.
func TestScenarios(t *testing.T) {
	for _, test := range []struct {
		scenario string
		ops      []string
		phases   []string
	}{
		{"retr", []string{"retr"}, []string{report.PhaseEndpoint, report.PhaseDataConnect, report.PhaseFirstByte, report.PhaseLastByte, report.PhaseCompletion}},
		{"stor", []string{"stor"}, []string{report.PhaseEndpoint, report.PhaseLastByte, report.PhaseCompletion}},
		{"list", []string{"list"}, []string{report.PhaseFirstByte}},
		{"smallfiles", []string{"retr", "stor"}, nil},
		{"login", []string{"login"}, []string{report.PhaseConnect, report.PhaseGreeting, report.PhaseLogin}},
		{"handshake", []string{"handshake"}, []string{report.PhaseConnect, report.PhaseGreeting}},
	} {
		for _, secure := range []bool{false, true} {
			name := test.scenario + " in clear"
			if secure {
				name = test.scenario + " under TLS"
			}
			t.Run(name, func(t *testing.T) {
				f := newFake(t, secure, nil)
				r := measureUntil(t, config(t, test.scenario, f.url()), did(test.ops...))
				target := r.Targets[0]
				for _, name := range test.ops {
					o := opOf(t, target, name)
					if o.OK == 0 || o.N != o.OK || o.Rate <= 0 || o.Service.N != o.OK || len(o.Service.Hdr) == 0 {
						t.Errorf("%s: got %+v, want some, all of them well", name, o)
					}
				}
				for _, name := range test.phases {
					if phaseOf(target, name).N == 0 {
						t.Errorf("phase %s was not measured", name)
					}
				}
				if secure != (target.TLS.ControlFull+target.TLS.DataFull+target.TLS.DataResumed > 0) {
					t.Errorf("TLS: got %+v", target.TLS)
				}
				if len(target.Errors) > 0 || len(target.Failed) > 0 || r.Interrupted {
					t.Errorf("errors %+v, faults %v", target.Errors, target.Failed)
				}
				if f.left() > 0 {
					t.Errorf("%d files stay behind", f.left())
				}
			})
		}
	}
}

// TestBrokenServer: a server that is fast and wrong has failed.
func TestBrokenServer(t *testing.T) {
	for _, test := range []struct {
		name     string
		scenario string
		verify   Verify
		fault    func(*fake)
		op       string
		want     string
	}{
		{"a byte differs", "retr", VerifyFull, func(f *fake) { f.corrupt = true }, "retr", "wrong content at byte 5000"},
		{"a byte differs, sampled", "retr", VerifySample, func(f *fake) { f.corrupt = true }, "retr", "wrong content at byte 5000"},
		{"a byte is missing", "retr", VerifyOff, func(f *fake) { f.short = true }, "retr", "wrong length: got 9999 bytes, want 10000"},
		{"no close_notify", "retr", VerifySample, func(f *fake) { f.bare = true }, "retr", "close_notify"},
		{"no 226", "retr", VerifySample, func(f *fake) { f.silent = true }, "retr", "no completion reply"},
		{"RST, and 226", "retr", VerifyOff, func(f *fake) { f.rst = true }, "retr", "the server said yes, but: "},
		{"an end inside a record, and 226", "retr", VerifyOff, func(f *fake) { f.inRecord = true }, "retr", "the server said yes, but: unexpected EOF"},
		{"an upload is not read, and 226", "stor", VerifyOff, func(f *fake) { f.hasty = true }, "stor", "the server said yes, but: "},
		{"an upload is lost", "stor", VerifySample, func(f *fake) { f.forget = true }, "stor", "the server took an upload, but then: RETR: 550 not here"},
		{"an upload is cut", "stor", VerifySample, func(f *fake) { f.truncate = true }, "stor", "wrong length: got 5000 bytes, want 10000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, true, test.fault)
			c := config(t, test.scenario, f.url())
			c.Verify = test.verify
			if f.silent {
				c.Timeout = 300 * time.Millisecond
			}
			if f.hasty {
				c.Sizes = Sizes{Median: 64 << 20} // more than buffers take
			}
			r := measureUntil(t, c, did(test.op))
			o := opOf(t, r.Targets[0], test.op)
			if o.Wrong == 0 {
				t.Errorf("got %+v, want wrong ones", o)
			}
			if got := strings.Join(r.Targets[0].Failed, "\n"); !strings.Contains(got, test.want) {
				t.Errorf("got faults %q, want %q", got, test.want)
			}
		})
	}
}

// TestWrongBesides: one wrong operation fails the run, though it was of the warm-up or of
// a probe that the report does not show.
func TestWrongBesides(t *testing.T) {
	f := newFake(t, false, func(f *fake) { f.corrupt, f.repents = true, 1 })
	c := config(t, "retr", f.url())
	c.Clients, c.Verify, c.Warmup = 1, VerifyFull, 100*time.Millisecond
	r := measureUntil(t, c, did("retr"))
	if o := opOf(t, r.Targets[0], "retr"); o.Wrong > 0 || len(r.Targets[0].Failed) != 1 || !strings.Contains(r.Targets[0].Failed[0], "1 times: wrong content") {
		t.Errorf("warm-up: got %+v, faults %q, want the one of the warm-up", o, r.Targets[0].Failed)
	}

	f = newFake(t, false, func(f *fake) { f.corrupt, f.repents = true, 1 })
	c = config(t, "retr", f.url())
	c.Clients, c.Verify, c.FindMax, c.Rate, c.SLO = 1, VerifyFull, true, Rate{From: 100, To: 100}, []string{"retr.rate<80"}
	r = measure(t, c)
	if o := opOf(t, r.Targets[0], "retr"); r.FindMax[0].OK || o.Wrong > 0 || len(r.Targets[0].Failed) != 1 {
		t.Errorf("find-max: got %+v, %+v, faults %q, want the one of the first probe", r.FindMax, o, r.Targets[0].Failed)
	}
}

// TestRefusals: what a server refuses is no fault of its, but it is counted.
func TestRefusals(t *testing.T) {
	f := newFake(t, false, func(f *fake) { f.refuse = 450 })
	c := config(t, "retr", f.url())
	c.Thresholds = []string{"errors.rate<50%", "retr.rate>=0"}
	r := measureUntil(t, c, did("retr"))
	o := opOf(t, r.Targets[0], "retr")
	if o.N == 0 || o.OK != 0 || o.Wrong != 0 {
		t.Errorf("got %+v, want failures only", o)
	}
	if e := r.Targets[0].Errors; len(e) != 1 || e[0].Code != 450 || e[0].N != o.N || e[0].Op != "retr" {
		t.Errorf("got errors %+v, want one group of 450", e)
	}
	if len(r.Verdict) != 2 || r.Verdict[0].OK || !r.Verdict[1].OK {
		t.Errorf("got verdicts %+v, want the first to fail", r.Verdict)
	}
	if len(r.Targets[0].Failed) > 0 {
		t.Errorf("got faults %v", r.Targets[0].Failed)
	}
}

// TestMaxErrors ends a run at the first error too many.
func TestMaxErrors(t *testing.T) {
	f := newFake(t, false, func(f *fake) { f.refuse = 550 })
	c := config(t, "retr", f.url())
	c.Duration, c.MaxErrors, c.Clients = time.Hour, 3, 1
	r := measure(t, c)
	v := r.Verdict
	if len(v) != 1 || v[0].OK || v[0].Value != 4 || r.Interrupted {
		t.Errorf("got %+v, interrupted %v", v, r.Interrupted)
	}
}

// TestInterrupt: a run that is ended early reports what it has, and cleans up.
func TestInterrupt(t *testing.T) {
	f := newFake(t, true, nil)
	c := config(t, "mixed", f.url())
	c.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	c.Observe = func(s report.Snapshot) {
		if f.count("RETR") > 2*c.Clients {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || opOf(t, r.Targets[0], "retr").OK == 0 || r.Seconds <= 0 || r.Seconds > 600 {
		t.Errorf("got interrupted %v, %.1f s, %+v", r.Interrupted, r.Seconds, r.Targets[0].Ops)
	}
	if f.left() > 0 {
		t.Errorf("%d files stay behind", f.left())
	}
}

// TestInterruptAB: a turn that was cut short is not compared.
func TestInterruptAB(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url(), f.url())
	c.Duration, c.Slice = time.Hour, 1100*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	c.Observe = func(s report.Snapshot) {
		if strings.HasPrefix(s.Stage, "slice B 2") || strings.HasPrefix(s.Stage, "slice A 3") {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	a, b := r.Targets[0].Slices, r.Targets[1].Slices
	if !r.Interrupted || len(a) == 0 || len(b) == 0 {
		t.Fatalf("interrupted %v, %d and %d slices", r.Interrupted, len(a), len(b))
	}
	for _, s := range append(a, b...) {
		if s.Seconds < 1 {
			t.Errorf("a slice of %.2f s is among those of 1.1 s", s.Seconds)
		}
	}
}

// TestInterruptStuck: an operation that waits for a dead server does not keep us.
func TestInterruptStuck(t *testing.T) {
	stuck, release := make(chan struct{}, 10), make(chan struct{})
	f := newFake(t, false, func(f *fake) {
		f.beforeRetr = func() {
			stuck <- struct{}{}
			<-release
		}
	})
	t.Cleanup(func() { close(release) }) // before the fake is closed
	c := config(t, "retr", f.url())
	c.Duration, c.Timeout = time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-stuck
		cancel()
	}()
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || len(r.Targets[0].Errors) > 0 {
		t.Errorf("got interrupted %v, errors %+v", r.Interrupted, r.Targets[0].Errors)
	}
}

// TestOverdue: an operation that never ends has failed, and the run goes on.
func TestOverdue(t *testing.T) {
	release := make(chan struct{})
	f := newFake(t, false, func(f *fake) { f.beforeRetr = func() { <-release } })
	t.Cleanup(func() { close(release) }) // before the fake is closed
	c := config(t, "retr", f.url())
	c.Clients = 1
	b := &bench{cfg: &c, ctx: t.Context(), begun: time.Now(), content: newContent(1), collector: newCollector(1)}
	done := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Go(func() { b.collector.run(done) })
	w := newWorker(b, &server{Target: c.Targets[0], users: []User{{"u", "p"}}, dirs: []string{""}, files: [][]file{{{path: "x"}}}}, 0)
	w.rec.measure = true
	var working sync.WaitGroup
	working.Go(func() {
		w.arrive(t.Context(), 0)
		w.rec.flush()
	})
	for f.count("RETR") == 0 {
		runtime.Gosched()
	}
	w.cut(true)
	working.Wait()
	var target report.Target
	b.collector.do(func() { b.collector.targets[0].segment.fill(&target) })
	close(done)
	collecting.Wait()
	if len(target.Errors) != 1 || target.Errors[0].OS != "TIMEOUT" || target.Errors[0].Op != "retr" || w.sess != nil {
		t.Errorf("got %+v, session %v", target.Errors, w.sess)
	}
}

// TestNoListing: files go even from a server that does not list them.
func TestNoListing(t *testing.T) {
	f := newFake(t, false, func(f *fake) { f.noList = true })
	measureUntil(t, config(t, "smallfiles", f.url()), did("stor"))
	if f.left() > 0 {
		t.Errorf("%d files stay behind", f.left())
	}
}

// TestRounds: --repeat says how far rounds lie apart.
func TestRounds(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	c.Rounds, c.Duration = 3, 50*time.Millisecond
	target := measureUntil(t, c, func(r *report.Report) bool { return r.Targets[0].Spread["list.rate"].Min > 0 }).Targets[0]
	s := target.Spread["list.rate"]
	if len(target.Rounds) != 3 || s.Min <= 0 || s.Min > s.Median || s.Median > s.Max {
		t.Errorf("got %d rounds, spread %+v", len(target.Rounds), s)
	}
}

// TestRelogin: sessions end after their share of operations.
func TestRelogin(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	c.Relogin = 2
	target := measureUntil(t, c, did("list", "login")).Targets[0]
	// The first sessions were there before, the last ones have not ended.
	if lists, logins := opOf(t, target, "list"), opOf(t, target, "login"); logins.N < lists.N/2-2 || logins.N > lists.N/2+2 {
		t.Errorf("got %d logins for %d listings, want one for two", logins.N, lists.N)
	}
}

// TestRemote: files that are there already are downloaded and must not change.
func TestRemote(t *testing.T) {
	f := newFake(t, false, func(f *fake) {
		f.files["there"] = []byte("some content")
		f.corrupt, f.honest = true, 1
	})
	c := config(t, "retr", f.url())
	c.Remote, c.Verify = []string{"there"}, VerifyFull
	r := measureUntil(t, c, did("retr"))
	if o := opOf(t, r.Targets[0], "retr"); o.N == 0 || o.Wrong != o.N || f.count("MKD") > 0 {
		t.Errorf("got %+v, %d folders, want wrong ones only", o, f.count("MKD"))
	}
	f.honest = 1 << 30
	if o := opOf(t, measureUntil(t, c, did("retr")).Targets[0], "retr"); o.N == 0 || o.OK != o.N {
		t.Errorf("got %+v, want good ones only", o)
	}
}

// TestHold: the idle and stalled scenarios.
func TestHold(t *testing.T) {
	f := newFake(t, true, nil)
	c := config(t, "idle", f.url())
	c.Hold = 20
	if i := measure(t, c).Targets[0].Idle; i == nil || i.Held != 20 || i.Answered != 20 || i.Noop.N != 20 {
		t.Errorf("idle: got %+v", i)
	}
	c = config(t, "stalled", f.url())
	c.Hold = 20
	r := measureUntil(t, c, did("login"))
	if i := r.Targets[0].Idle; i == nil || i.Held != 20 {
		t.Errorf("stalled: got %+v", i)
	}
	if o := opOf(t, r.Targets[0], "login"); o.OK == 0 || o.OK != o.N {
		t.Errorf("stalled: got logins %+v beside, want all well", o)
	}
}

// TestStalledCut: a peer that the server has cut is not held.
func TestStalledCut(t *testing.T) {
	for _, secure := range []bool{false, true} {
		f := newFake(t, secure, func(f *fake) { f.impatient = true })
		c := config(t, "stalled", f.url())
		c.Hold = 20
		if i := measure(t, c).Targets[0].Idle; i == nil || i.Held != 10 {
			t.Errorf("TLS %v: got %+v of a server that cuts downloads, want those that began no command", secure, i)
		}
	}
}

// TestRefusedAtOnce: a run that cannot begin says why.
func TestRefusedAtOnce(t *testing.T) {
	f := newFake(t, false, func(f *fake) { f.full = true })
	if _, err := Run(t.Context(), config(t, "retr", f.url())); err == nil || !strings.Contains(err.Error(), "421 too many") {
		t.Errorf("got %v, want the 421", err)
	}
}
