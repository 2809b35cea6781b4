package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sim describes a simulated run.
type sim struct {
	seconds int
	targets int
	rate    float64
	cost    bool
	errors  bool
	closed  bool
	scale   float64 // of the latencies; 0 is 1
}

// standard is two minutes in turns of five seconds, with a server that stalls
// in the middle and one that is slower and fails now and then.
var standard = sim{seconds: 120, targets: 2, rate: 500, cost: true, errors: true}

// simulated holds the JSON of the simulations that were made.
var simulated = map[sim][]byte{}

// simulate makes the report of a run that did not happen. It is the same every
// time.
func simulate(t testing.TB, s sim) *Report {
	t.Helper()
	if simulated[s] == nil {
		var b bytes.Buffer
		if err := WriteJSON(&b, generate(t, s)); err != nil {
			t.Fatal(err)
		}
		simulated[s] = b.Bytes()
	}
	r, err := ReadJSON(bytes.NewReader(simulated[s]))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func generate(t testing.TB, s sim) *Report {
	t.Helper()
	if s.scale == 0 {
		s.scale = 1
	}
	r := &Report{
		Schema: Schema, Started: time.Date(2026, 11, 25, 14, 3, 11, 0, time.UTC), Seconds: float64(s.seconds),
		Env: Env{
			OS: "linux", Arch: "amd64", Kernel: "6.1.0-26-cloud-amd64", CPU: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
			Cores: 2, MemoryMiB: 7951, Congestion: "cubic", Go: "go1.26.8", Version: "v0.1.0", Revision: "af4d9f0e21aa",
		},
		Args: Args{
			Command:  fmt.Sprintf("fastftps bench -s mixed --rate %g/s --poisson -d %ds ftps://127.0.0.1:2990 ftpes://127.0.0.1:2121", s.rate, s.seconds),
			Scenario: "mixed", Loop: "open", Rate: s.rate, Arrival: "poisson", Seed: 1, Verify: "sample",
			TLS: "1.3", Resume: "auto", Prot: "P", Mode: "S",
		},
		Generator: Generator{
			CPUSeconds: 0.31 * float64(s.seconds), PSSPeak: 88 << 20, FDsPeak: 212,
			GCPauses: Dist{N: 140, Min: 21e-6, Mean: 60e-6, P50: 55e-6, P90: 110e-6, P99: 180e-6, P999: 240e-6, Max: 240e-6},
			Lag:      Dist{N: 60000, Min: 0, Mean: 90e-6, P50: 61e-6, P90: 180e-6, P99: 410e-6, P999: 1.9e-3, Max: 4.2e-3},
		},
	}
	if s.closed {
		r.Args.Loop, r.Args.Rate, r.Args.Arrival, r.Args.Clients = "closed", 0, "", 64
	}
	urls := []string{"ftps://127.0.0.1:2990", "ftpes://127.0.0.1:2121"}
	for i := range s.targets {
		r.Targets = append(r.Targets, s.target(t, i, urls[i]))
	}
	if s.targets == 2 {
		r.Args.Slices = s.seconds / 10
		r.AB = s.ratios()
	}
	if s.targets > 0 {
		r.Verdict = []Verdict{
			{Expr: "retr.response.p99<50ms", Value: r.Targets[0].Ops[0].Response.P99, OK: r.Targets[0].Ops[0].Response.P99 < 0.05},
			{Expr: "errors.rate<0.1%", Value: 0, OK: true},
		}
	}
	return r
}

// recorder collects what a target answers.
type recorder struct {
	hist  map[string]*hdrhistogram.Histogram
	bytes map[string]int64
}

func (c *recorder) add(name string, v float64) {
	h := c.hist[name]
	if h == nil {
		h = hdrhistogram.New(1, 600e6, 3)
		c.hist[name] = h
	}
	_ = h.RecordValue(max(int64(v*1e6), 1))
}

func (c *recorder) dist(t testing.TB, name string) Dist {
	t.Helper()
	h := c.hist[name]
	if h == nil {
		return Dist{}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
	return Dist{
		N: h.TotalCount(), Min: float64(h.Min()) / 1e6, Mean: h.Mean() / 1e6,
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e6, Hdr: blob,
	}
}

// mix is what the sessions of the simulation do.
var mix = []struct {
	name  string
	share float64
	base  float64 // median service time
	size  float64
}{{"retr", 0.7, 1.1e-3, 900e3}, {"stor", 0.2, 1.6e-3, 900e3}, {"list", 0.1, 0.7e-3, 0}}

func (s sim) target(t testing.TB, which int, url string) Target {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(which)+1, 99))
	c := &recorder{hist: map[string]*hdrhistogram.Histogram{}, bytes: map[string]int64{}}
	tg := Target{Name: string(rune('A' + which)), URL: url}
	if s.targets == 1 {
		tg.Name = "127.0.0.1:2990"
	}
	edges := []float64{50e-6}
	for edges[len(edges)-1] < 60 {
		edges = append(edges, edges[len(edges)-1]*math.Sqrt2)
	}
	tg.Heat = Heat{Edges: edges, Counts: make([][]int64, len(edges))}
	for i := range tg.Heat.Counts {
		tg.Heat.Counts[i] = make([]int64, s.seconds)
	}
	slow := s.scale * (1 + 1.6*float64(which))
	active := 0
	for sec := range s.seconds {
		turn := sec / 5
		on := s.targets == 1 || (turn%4 == 0 || turn%4 == 3) == (which == 0)
		p := Point{T: float64(sec), Active: on, ServerPSS: int64(61+which*140)<<20 + int64(sec)*1<<16*int64(1+which), GeneratorPC: 0.31}
		stall := which == 0 && sec >= s.seconds/2 && sec < s.seconds/2+3
		if on && s.targets == 2 && sec%5 == 0 {
			tg.Slices = append(tg.Slices, Slice{From: float64(sec), Seconds: min(5, float64(s.seconds-sec)), Metrics: map[string]float64{"retr.rate": 350 + 5*rng.Float64(), "retr.service.p50": slow * 1.1e-3}})
		}
		if on {
			active++
			s.second(rng, c, &tg, &p, sec, slow, stall)
		}
		p.ServerCPU = 0.02
		if on {
			p.ServerCPU = 0.38 + 0.33*float64(which) + 0.03*rng.Float64()
		}
		if stall && on {
			p.ServerCPU = 0.01
		}
		tg.Series = append(tg.Series, p)
	}
	s.finish(t, c, &tg, which, active)
	return tg
}

// second draws what ended in one second.
func (s sim) second(rng *rand.Rand, c *recorder, tg *Target, p *Point, sec int, slow float64, stall bool) {
	n := int(s.rate + math.Sqrt(s.rate)*rng.NormFloat64())
	var all []float64
	for range max(n, 0) {
		x, k := rng.Float64(), 0
		for k < len(mix)-1 && x >= mix[k].share {
			x -= mix[k].share
			k++
		}
		service := slow * mix[k].base * math.Exp(0.55*rng.NormFloat64())
		if rng.Float64() < 0.004 {
			service *= 8
		}
		response := service + 60e-6*rng.ExpFloat64()
		if stall {
			service += 0.4 * rng.Float64()
			response = service + 0.9*rng.Float64()
		}
		if s.closed {
			response = service
		}
		c.add(mix[k].name+".service", service)
		c.add(mix[k].name+".response", response)
		c.add(PhaseFirstByte, service*0.6)
		c.add(PhaseLastByte, service*0.9)
		c.add(PhaseCompletion, service*0.08)
		c.add(PhaseEndpoint, 90e-6*slow*math.Exp(0.3*rng.NormFloat64()))
		c.add(PhaseDataConnect, 35e-6*slow*math.Exp(0.3*rng.NormFloat64()))
		c.add(PhaseDataRes, 310e-6*slow*math.Exp(0.2*rng.NormFloat64()))
		if rng.Float64() < 0.05 {
			c.add(PhaseConnect, 40e-6*math.Exp(0.3*rng.NormFloat64()))
			c.add(PhaseHandshakeFull, 1.4e-3*slow*math.Exp(0.2*rng.NormFloat64()))
			c.add(PhaseGreeting, 80e-6*slow*math.Exp(0.3*rng.NormFloat64()))
			c.add(PhaseLogin, 900e-6*slow*math.Exp(0.3*rng.NormFloat64()))
			p.Full++
		}
		all = append(all, response)
		row := 0
		for row < len(tg.Heat.Edges)-1 && response > tg.Heat.Edges[row] {
			row++
		}
		tg.Heat.Counts[row][sec]++
		p.Resumed++
		p.Ops++
		p.Bytes += int64(mix[k].size)
		c.bytes[mix[k].name] += int64(mix[k].size)
	}
	if stall {
		p.Ops, p.Bytes = p.Ops/4, p.Bytes/4
	}
	p.Sessions = 64
	if s.errors && (stall || len(all)%40 == 7) {
		p.Errors = int64(1 + len(all)%4)
	}
	p.P50, p.P99 = quantile(all, 0.5), quantile(all, 0.99)
}

// finish sums a target up.
func (s sim) finish(t testing.TB, c *recorder, tg *Target, which, active int) {
	t.Helper()
	var files, bytes float64
	for _, m := range mix {
		o := Op{Name: m.name, Service: c.dist(t, m.name+".service"), Response: c.dist(t, m.name+".response"), Bytes: c.bytes[m.name]}
		o.N = o.Service.N
		o.OK = o.N
		if s.errors && m.name == "retr" {
			o.OK -= int64(2 + 9*which)
			o.Late = int64(3 + 20*which)
			o.Dropped = int64(11 * which)
			o.Wrong = int64(which)
		}
		o.Rate = float64(o.OK) / float64(max(active, 1))
		files += float64(o.N)
		bytes += float64(o.Bytes)
		tg.Ops = append(tg.Ops, o)
	}
	for _, name := range []string{
		PhaseConnect, PhaseHandshakeFull, PhaseGreeting, PhaseLogin, PhaseEndpoint, PhaseDataConnect, PhaseDataRes, PhaseFirstByte, PhaseLastByte, PhaseCompletion,
	} {
		tg.Phases = append(tg.Phases, Phase{name, c.dist(t, name)})
	}
	tg.TLS = TLS{
		ControlFull: c.dist(t, PhaseConnect).N, DataResumed: int64(files),
		Versions: map[string]int64{"TLS 1.3": int64(files)}, Ciphers: map[string]int64{"TLS_AES_128_GCM_SHA256": int64(files)},
	}
	if s.cost {
		cpu := (0.38 + 0.33*float64(which)) * float64(active)
		tg.Spawn = "fastftps serve -w /srv/files"
		tg.Cost = &Cost{
			CPUSeconds: cpu, UserSeconds: cpu * 0.6, SysSeconds: cpu * 0.4, CPUPerGB: cpu / (bytes / 1e9), CPUMsPerFile: cpu * 1e3 / files,
			PSSBefore: 58 << 20, PSSPeak: int64(61+153*which) << 20, FDsBefore: 14, FDsPeak: 143, Voluntary: 81234, Involuntary: 902, Processes: int64(1 + 64*which), Source: "proc",
		}
	}
	if s.errors {
		tg.Errors = []Error{{Op: "retr", Code: 425, Text: "425 Cannot open the data connection", N: int64(2 + 3*which)}}
		if which == 1 {
			tg.Errors = append(tg.Errors, Error{
				Op: "login", OS: "EADDRNOTAVAIL", N: 6, Text: "dial tcp 127.0.0.1:2121: connect: cannot assign requested address",
				Hint: "the generator ran out of local ports: give it more source addresses with --src 127.0.0.0/24",
			})
			tg.Failed = []string{"retr: content differs at byte 65536 of f0412"}
		}
	}
}

func (s sim) ratios() []Ratio {
	return []Ratio{
		{Metric: "retr.rate", A: 350.2, B: 349.7, Ratio: 0.999, Low: 0.991, High: 1.007, Better: "no difference"},
		{Metric: "retr.response.p50", A: 1.16e-3, B: 2.9e-3, Ratio: 2.5, Low: 2.46, High: 2.55, Better: "A"},
		{Metric: "retr.response.p99", A: 6.8e-3, B: 13.1e-3, Ratio: 1.93, Low: 0.61, High: 2.4, Better: "no difference"},
		{Metric: "retr.service.p50", A: 1.1e-3, B: 2.86e-3, Ratio: 2.6, Low: 2.55, High: 2.66, Better: "A"},
		{Metric: "stor.rate", A: 101.1, B: 99.2, Ratio: 0.981, Low: 0.97, High: 0.992, Better: "A"},
		{Metric: "list.response.p50", A: 0.91e-3, B: 0.73e-3, Ratio: 0.8, Low: 0.77, High: 0.84, Better: "B"},
		{Metric: "cpu_s_per_gb", A: 1.05, B: 1.96, Ratio: 1.87, Low: 1.83, High: 1.9, Better: "A"},
	}
}

// quantile sorts v.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
