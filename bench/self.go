package bench

import (
	"math"
	"os"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"

	"fastftps/bench/report"
)

// self is what the generator itself uses.
type self struct {
	mu     sync.Mutex // guards the fields below
	start  time.Duration
	pauses *metrics.Float64Histogram // at the start
	pss    int64
	fds    int64
	cpu    time.Duration // at the last look
	looked time.Time
	busy   int // looks at which all our CPUs were in use
	looks  int
}

func (s *self) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start, s.pauses = cpuTime(), gcPauses()
	s.cpu, s.looked = s.start, time.Now()
}

// sample is the look once a second; it returns the cores in use.
func (s *self) sample(cpus int) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, cpu := time.Now(), cpuTime()
	cores := perTime((cpu - s.cpu).Seconds(), now.Sub(s.looked).Seconds())
	s.cpu, s.looked = cpu, now
	s.pss, s.fds = max(s.pss, pssOf(os.Getpid())), max(s.fds, fdsOf(os.Getpid()))
	s.looks++
	if cores > fullLoad*float64(cpus) {
		s.busy++
	}
	return cores
}

// fullLoad is the part of our CPUs above which the generator is the bottleneck.
const fullLoad = 0.95

// overloaded reports whether it was so for more than a tenth of the time.
func (s *self) overloaded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks > 0 && s.busy*10 > s.looks
}

// report returns what the generator used; lag is that of its schedule.
func (s *self) report(lag report.Dist) report.Generator {
	s.mu.Lock()
	defer s.mu.Unlock()
	return report.Generator{
		CPUSeconds: (cpuTime() - s.start).Seconds(), GCPauses: pauseDist(s.pauses, gcPauses()), Lag: lag,
		PSSPeak: s.pss, FDsPeak: s.fds,
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func gcPauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindFloat64Histogram {
		return nil
	}
	h := s[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64{}, h.Counts...), Buckets: h.Buckets}
}

// pauseDist is the distribution of the pauses between two looks, each counted as
// long as its bucket reaches.
func pauseDist(before, after *metrics.Float64Histogram) report.Dist {
	var h hist
	if after == nil {
		return report.Dist{}
	}
	for i, n := range after.Counts {
		if before != nil && i < len(before.Counts) {
			n -= before.Counts[i]
		}
		edge := after.Buckets[i+1]
		if math.IsInf(edge, 1) {
			edge = after.Buckets[i]
		}
		for range n {
			h.add(time.Duration(edge * float64(time.Second)))
		}
	}
	return h.dist(true)
}
