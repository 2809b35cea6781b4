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
	for _, metric := range slices.Sorted(maps.Keys(a[0].Metrics)) {
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

// pairs are the values of one metric.
type pairs struct{ a, b []float64 }

// pairsOf returns a metric's values; ok is false when it is not there, or zero,
// in a slice.
func pairsOf(metric string, a, b []report.Slice) (p pairs, ok bool) {
	for i := range a {
		x, y := a[i].Metrics[metric], b[i].Metrics[metric]
		if x <= 0 || y <= 0 {
			return pairs{}, false
		}
		p.a, p.b = append(p.a, x), append(p.b, y)
	}
	return p, true
}

// The verdicts of a comparison.
const (
	betterA = "A"
	betterB = "B"
	same    = "no difference"
)

func (p pairs) ratio(metric string, rng *rand.Rand) report.Ratio {
	r := report.Ratio{Metric: metric, A: mean(p.a), B: mean(p.b), Better: same}
	r.Ratio, r.Diff = r.B/r.A, r.B-r.A
	r.Low, r.High, r.DiffLo, r.DiffHi = p.interval(rng)
	switch more := moreIsBetter(metric); {
	case r.Low > 1 && more, r.High < 1 && !more:
		r.Better = betterB
	case r.Low > 1, r.High < 1:
		r.Better = betterA
	}
	return r
}

// resamples is how many there are of the bootstrap.
const resamples = 4000

// interval returns 95 % intervals of B/A and B-A: the bootstrap's over pairs of
// slices, or Student's where that is wider. With few slices the bootstrap alone
// would be too sure of itself.
func (p pairs) interval(rng *rand.Rand) (low, high, diffLow, diffHigh float64) {
	n := len(p.a)
	ratio, diff := make([]float64, resamples), make([]float64, resamples)
	for i := range resamples {
		var a, b float64
		for range n {
			j := rng.IntN(n)
			a, b = a+p.a[j], b+p.b[j]
		}
		ratio[i], diff[i] = b/a, (b-a)/float64(n)
	}
	logs, diffs := make([]float64, n), make([]float64, n)
	for i := range n {
		logs[i], diffs[i] = math.Log(p.b[i]/p.a[i]), p.b[i]-p.a[i]
	}
	low, high = between(ratio)
	logLow, logHigh := student(logs)
	low, high = min(low, math.Exp(logLow)), max(high, math.Exp(logHigh))
	diffLow, diffHigh = between(diff)
	sLow, sHigh := student(diffs)
	return low, high, min(diffLow, sLow), max(diffHigh, sHigh)
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
