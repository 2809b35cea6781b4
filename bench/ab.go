package bench

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"fastftps/bench/report"
)

// compare compares two targets over slices that were measured in turns, pair by
// pair.
func compare(a, b []report.Slice, seed uint64) (ratios []report.Ratio) {
	n := min(len(a), len(b))
	if n < 2 {
		return nil
	}
	for _, metric := range namesOf(a[:n]) {
		if !compared(metric) {
			continue
		}
		p, ok := pairsOf(metric, a[:n], b[:n])
		if ok {
			ratios = append(ratios, p.ratio(metric, rand.New(rand.NewPCG(seed, 3<<32))))
		}
	}
	return ratios
}

// namesOf returns the metrics of all slices.
func namesOf(all []report.Slice) []string {
	names := map[string]bool{}
	for _, s := range all {
		for metric := range s.Metrics {
			names[metric] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// pairs are the values of one metric.
type pairs struct{ a, b []float64 }

// pairsOf returns a metric's values. A rate is 0 in a slice in which nothing ended well:
// a target that failed must not be left out for that. Times and costs are those of what
// did; a pair without them on either side is left out. ok is false when too few pairs
// are left, or one target has not got the metric at all.
func pairsOf(metric string, a, b []report.Slice) (p pairs, ok bool) {
	var hasA, hasB, some bool
	for i := range a {
		x, inA := a[i].Metrics[metric]
		y, inB := b[i].Metrics[metric]
		hasA, hasB, some = hasA || inA, hasB || inB, some || x > 0 || y > 0
		if moreIsBetter(metric) || x > 0 && y > 0 {
			p.a, p.b = append(p.a, x), append(p.b, y)
		}
	}
	return p, hasA && hasB && some && len(p.a) >= 2
}

// The verdicts of a comparison.
const (
	betterA = "A"
	betterB = "B"
	same    = "no difference"
)

func (p pairs) ratio(metric string, rng *rand.Rand) report.Ratio {
	r := report.Ratio{Metric: metric, A: mean(p.a), B: mean(p.b), Better: same}
	r.Diff = r.B - r.A
	r.Low, r.High, r.DiffLo, r.DiffHi = p.interval(rng)
	up, down := r.Low > 1, r.High < 1
	if r.A > 0 {
		r.Ratio = r.B / r.A
	} else { // there is no ratio to nothing
		up, down = r.DiffLo > 0, false
	}
	switch more := moreIsBetter(metric); {
	case up && more, down && !more:
		r.Better = betterB
	case up, down:
		r.Better = betterA
	}
	return r
}

// resamples is how many there are of the bootstrap.
const resamples = 4000

// interval returns 95 % intervals of B/A and B-A: the bootstrap's over pairs of
// slices, or Student's where that is wider. With few slices the bootstrap alone
// would be too sure of itself. The interval of a ratio to nothing is 0.
func (p pairs) interval(rng *rand.Rand) (low, high, diffLow, diffHigh float64) {
	n := len(p.a)
	var ratio, diff []float64
	for range resamples {
		var a, b float64
		for range n {
			j := rng.IntN(n)
			a, b = a+p.a[j], b+p.b[j]
		}
		if diff = append(diff, (b-a)/float64(n)); a > 0 {
			ratio = append(ratio, b/a)
		}
	}
	diffs := make([]float64, n)
	for i := range n {
		diffs[i] = p.b[i] - p.a[i]
	}
	diffLow, diffHigh = between(diff)
	sLow, sHigh := student(diffs)
	diffLow, diffHigh = min(diffLow, sLow), max(diffHigh, sHigh)
	if len(ratio) > 0 {
		low, high = between(ratio)
		sLow, sHigh = p.studentRatio(sLow, sHigh)
		low, high = min(low, sLow), max(high, sHigh)
	}
	return low, high, diffLow, diffHigh
}

// studentRatio returns Student's interval of the ratio: that of its logarithm or, where
// a zero has none, of the difference, which is given.
func (p pairs) studentRatio(diffLow, diffHigh float64) (low, high float64) {
	logs := make([]float64, len(p.a))
	for i := range logs {
		if p.a[i] == 0 || p.b[i] == 0 {
			a := mean(p.a)
			return max(0, 1+diffLow/a), 1 + diffHigh/a
		}
		logs[i] = math.Log(p.b[i] / p.a[i])
	}
	low, high = student(logs)
	return math.Exp(low), math.Exp(high)
}

// between returns what 95 % of the values lie between.
func between(values []float64) (low, high float64) {
	slices.Sort(values)
	cut := len(values) / 40
	return values[cut], values[len(values)-1-cut]
}

// student returns Student's 95 % interval of the mean.
func student(values []float64) (low, high float64) {
	n, m := float64(len(values)), mean(values)
	var sum float64
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	half := studentT(len(values)-1) * math.Sqrt(sum/(n-1)/n)
	return m - half, m + half
}

// studentT is the 0.975 quantile of Student's distribution.
func studentT(df int) float64 {
	table := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131}
	if df <= len(table) {
		return table[df-1]
	}
	const z = 1.95996 // of the normal distribution; then Cornish and Fisher's expansion
	return z + (z*z*z+z)/4/float64(df) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/96/float64(df)/float64(df)
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
