package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sizes is how large files are: all of one size, or lognormal around a median.
type Sizes struct {
	Median int64
	Sigma  float64 // of the logarithm; 0 is a fixed size
}

// maxSize bounds what the tail of a distribution may draw.
const maxSize = 1 << 40

// ParseSizes reads "64k" or "lognormal:64k:2.0".
func ParseSizes(s string) (Sizes, error) {
	rest, ok := strings.CutPrefix(s, "lognormal:")
	if !ok {
		n, err := parseSize(s)
		return Sizes{Median: n}, err
	}
	median, sigma, _ := strings.Cut(rest, ":")
	n, err := parseSize(median)
	if err != nil {
		return Sizes{}, err
	}
	f, err := strconv.ParseFloat(sigma, 64)
	if err != nil || !(f > 0 && f <= 5) || n == 0 {
		return Sizes{}, fmt.Errorf("%q is no distribution: write it as lognormal:64k:2.0 (median, sigma up to 5)", s)
	}
	return Sizes{n, f}, nil
}

// draw returns a size.
func (s Sizes) draw(rng *rand.Rand) int64 {
	if s.Sigma == 0 {
		return s.Median
	}
	return int64(min(float64(s.Median)*math.Exp(s.Sigma*rng.NormFloat64()), maxSize))
}

// String returns what ParseSizes reads.
func (s Sizes) String() string {
	if s.Sigma == 0 {
		return formatSize(s.Median)
	}
	return fmt.Sprintf("lognormal:%s:%g", formatSize(s.Median), s.Sigma)
}

var sizeUnits = []struct {
	letter byte
	shift  uint
}{{'g', 30}, {'m', 20}, {'k', 10}}

// parseSize reads 512, 64k, 64KiB, 1G: powers of 1024.
func parseSize(s string) (int64, error) {
	digits := strings.ToLower(strings.TrimSpace(s))
	digits = strings.TrimSuffix(strings.TrimSuffix(digits, "b"), "i")
	var shift uint
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(digits, string(u.letter)); ok {
			digits, shift = rest, u.shift
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 || n > maxSize>>shift {
		return 0, fmt.Errorf("%q is no size: write it as 512, 64k, 10M or 1G", s)
	}
	return n << shift, nil
}

func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n > 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + string(u.letter)
		}
	}
	return strconv.FormatInt(n, 10)
}
