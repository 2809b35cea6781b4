package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// loop says how load was made: "open loop, 500/s poisson".
func (r *Report) loop() string {
	a := r.Args
	switch a.Loop {
	case "open":
		return strings.TrimSpace(fmt.Sprintf("open loop, %s/s %s", plain(a.Rate), a.Arrival))
	case "closed":
		return fmt.Sprintf("closed loop, %s clients", count(int64(a.Clients)))
	}
	return a.Loop
}

// title names the run.
func (r *Report) title() string {
	parts := []string{r.Args.Scenario, r.loop(), plain(r.Seconds) + " s measured"}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// open reports whether response and service differ in kind.
func (r *Report) open() bool { return r.Args.Loop != "closed" }

// fact is a labelled line of the environment.
type fact struct{ label, text string }

// facts are what one has to know to judge the figures.
func (r *Report) facts() []fact {
	e, a := r.Env, r.Args
	ktls := "no kTLS"
	if e.KTLS {
		ktls = "kTLS"
	}
	host := joined(strings.TrimSpace(e.OS+" "+e.Kernel+" "+e.Arch), e.CPU, labelled("", count(int64(e.Cores)), " cores"),
		labelled("", count(e.MemoryMiB), " MiB"), e.Congestion, ktls)
	version := joined(strings.TrimSpace("fastftps "+e.Version), e.Revision, e.Go)
	run := joined(r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), fmt.Sprintf("seed %d", a.Seed), labelled("verify ", a.Verify, ""))
	protocol := joined(labelled("TLS ", a.TLS, ""), labelled("resume ", a.Resume, ""), labelled("PROT ", a.Prot, ""), labelled("MODE ", a.Mode, ""))
	facts := []fact{{"host", host}, {"version", version}, {"run", run}, {"protocol", protocol}, {"command", a.Command}}
	if a.Slices > 0 {
		facts[2].text += fmt.Sprintf(", %d slices of each target in turns", a.Slices)
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.text == "" })
}

// joined joins what is not empty.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// labelled is text between before and after, or nothing.
func labelled(before, text, after string) string {
	if text == "" || text == "0" {
		return ""
	}
	return before + text + after
}

// state is the outcome of a run in one word, and why.
type state struct {
	word string // "PASS", "FAIL", "INVALID", "NO THRESHOLDS"
	why  string
}

func (r *Report) state() state {
	held := 0
	for _, v := range r.Verdict {
		if v.OK {
			held++
		}
	}
	s := state{"PASS", fmt.Sprintf("%d of %d thresholds held", held, len(r.Verdict))}
	switch {
	case len(r.Invalid) > 0:
		s = state{"INVALID", "do not use these figures: " + strings.Join(r.Invalid, "; ")}
	case slices.ContainsFunc(r.Targets, func(t Target) bool { return len(t.Failed) > 0 }):
		s = state{"FAIL", "a server was wrong; " + s.why}
	case held < len(r.Verdict):
		s.word = "FAIL"
	case len(r.Verdict) == 0:
		s = state{"DONE", "no thresholds were set"}
	}
	if len(r.FindMax) > 0 && len(r.Invalid) == 0 {
		s.why += "; " + r.found()
	}
	if r.Interrupted {
		s.why += "; ended early, shows what it had by then"
	}
	return s
}

// found is the outcome of --find-max.
func (r *Report) found() string {
	best := r.best()
	if best == 0 {
		return fmt.Sprintf("no rate of %d held", len(r.FindMax))
	}
	return fmt.Sprintf("highest rate that held: %s/s", digits(best))
}

// best is the highest rate of the search that held.
func (r *Report) best() float64 {
	var best float64
	for _, p := range r.FindMax {
		if p.OK {
			best = max(best, p.Rate)
		}
	}
	return best
}

// failures are the operations that did not end well, late or dropped ones not
// counted.
func (o *Op) failures() int64 { return max(o.N-o.OK-o.Wrong, 0) }

// phaseNames are the steps in words.
var phaseNames = map[string]string{
	PhaseConnect:       "TCP connect",
	PhaseHandshakeFull: "handshake, full",
	PhaseHandshakeRes:  "handshake, resumed",
	PhaseGreeting:      "greeting",
	PhaseAuth:          "AUTH",
	PhaseLogin:         "login",
	PhaseEndpoint:      "PASV/PORT",
	PhaseDataConnect:   "data connect",
	PhaseDataFull:      "data handshake, full",
	PhaseDataRes:       "data handshake, resumed",
	PhaseFirstByte:     "first byte",
	PhaseLastByte:      "last byte",
	PhaseCompletion:    "completion reply",
}

func (p Phase) label() string {
	if name, ok := phaseNames[p.Name]; ok {
		return name
	}
	return p.Name
}

// phases are those of a target in which something was measured.
func (t *Target) phases() []Phase {
	return slices.DeleteFunc(slices.Clone(t.Phases), func(p Phase) bool { return p.Dist.N == 0 })
}

// lines are the TLS block.
func (t TLS) lines(length float64) []fact {
	if t.ControlFull+t.ControlResumed+t.DataFull+t.DataResumed == 0 {
		return nil
	}
	kind := func(full, resumed int64) string {
		s := fmt.Sprintf("%s full, %s resumed", count(full), count(resumed))
		if length > 0 {
			s += fmt.Sprintf(" (%s/s, %s/s)", digits(float64(full)/length), digits(float64(resumed)/length))
		}
		return s
	}
	return []fact{
		{"control", kind(t.ControlFull, t.ControlResumed)},
		{"data", kind(t.DataFull, t.DataResumed)},
		{"versions", tally(t.Versions)},
		{"ciphers", tally(t.Ciphers)},
	}
}

// tally writes a map of counts, the largest first.
func tally(m map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return int(min(max(m[b]-m[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, count(m[name]))
	}
	return strings.Join(names, ", ")
}

// lines are the cost block.
func (c *Cost) lines() []fact {
	if c == nil {
		return []fact{{"cost", "not known: give the server's process with --pid or --spawn"}}
	}
	cpu := fmt.Sprintf("%s s (user %s, system %s)", digits(c.CPUSeconds), digits(c.UserSeconds), digits(c.SysSeconds))
	for _, per := range []struct {
		v    float64
		unit string
	}{{c.CPUPerGB, "s per GB"}, {c.CPUMsPerFile, "ms per file"}, {c.CPUMsPerLog, "ms per login"}} {
		if per.v > 0 {
			cpu += fmt.Sprintf(", %s %s", digits(per.v), per.unit)
		}
	}
	memory := fmt.Sprintf("%s before, %s at most (PSS)", mib(c.PSSBefore), mib(c.PSSPeak))
	if c.KiBPerIdle > 0 {
		memory += fmt.Sprintf(", %s KiB an idle session", digits(c.KiBPerIdle))
	}
	return []fact{
		{"CPU", cpu},
		{"memory", memory},
		{"descriptors", fmt.Sprintf("%s before, %s at most", count(c.FDsBefore), count(c.FDsPeak))},
		{"switches", fmt.Sprintf("%s voluntary, %s involuntary", count(c.Voluntary), count(c.Involuntary))},
		{"processes", fmt.Sprintf("%s at most at once (from %s)", count(c.Processes), c.Source)},
	}
}

// lines are the idle block.
func (i *Idle) lines() []fact {
	if i == nil {
		return nil
	}
	return []fact{
		{"sessions", fmt.Sprintf("%s held of %s wanted", count(i.Held), count(i.Wanted))},
		{"NOOP round", fmt.Sprintf("%s answered, p50 %s, p99 %s, max %s", count(i.Answered), seconds(i.Noop.P50), seconds(i.Noop.P99), seconds(i.Noop.Max))},
	}
}

// lines are the generator block.
func (g *Generator) lines(r *Report) []fact {
	valid := "kept its schedule; the figures are the server's"
	if len(r.Invalid) > 0 {
		valid = "INVALID: " + strings.Join(r.Invalid, "; ")
	}
	facts := []fact{
		{"verdict", valid},
		{"CPU", fmt.Sprintf("%s s (%s cores)", digits(g.CPUSeconds), digits(perSecond(g.CPUSeconds, r.Seconds)))},
	}
	if r.open() {
		facts = append(facts, fact{"lag", fmt.Sprintf("p50 %s, p99 %s, max %s behind the schedule", seconds(g.Lag.P50), seconds(g.Lag.P99), seconds(g.Lag.Max))})
	}
	return append(facts,
		fact{"GC pauses", fmt.Sprintf("%s, p50 %s, p99 %s, max %s", count(g.GCPauses.N), seconds(g.GCPauses.P50), seconds(g.GCPauses.P99), seconds(g.GCPauses.Max))},
		fact{"peak", fmt.Sprintf("%s (PSS), %s descriptors", mib(g.PSSPeak), count(g.FDsPeak))})
}

// interval writes a ratio with its interval.
func (r Ratio) interval() string {
	if r.A == 0 {
		return none
	}
	s := ratio(r.Ratio)
	if r.High > 0 {
		s += fmt.Sprintf(" [%s, %s]", ratio(r.Low), ratio(r.High))
	}
	return s
}

func ratio(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.3f", v)
	}
	return digits(v)
}

// outcome is who was better in a metric.
func (r Ratio) outcome() string {
	if r.Better == "A" || r.Better == "B" {
		return r.Better + " better"
	}
	return r.Better
}

// code names an error by what the server or the system said.
func (e Error) code() string {
	if e.Code != 0 {
		return fmt.Sprintf("%s %d", e.Op, e.Code)
	}
	return strings.TrimSpace(e.Op + " " + e.OS)
}
