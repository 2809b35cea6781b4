package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Rate is how many arrivals a second an open loop has: To, after a ramp from From
// that lasts Ramp.
type Rate struct {
	From, To float64
	Ramp     time.Duration
}

// ParseRate reads "500/s", "500" or "30/m".
func ParseRate(s string) (Rate, error) {
	to, err := perSecond(s)
	if err == nil && to <= 0 {
		err = fmt.Errorf("rate %q: must be more than 0", s)
	}
	return Rate{From: to, To: to}, err
}

// ParseRamp reads "0:1000/s:60s": from, to, in what time.
func ParseRamp(s string) (Rate, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Rate{}, fmt.Errorf("%q is no ramp: write it as 0:1000/s:60s", s)
	}
	from, err1 := perSecond(parts[0])
	to, err2 := perSecond(parts[1])
	d, err3 := time.ParseDuration(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || d <= 0 || from+to <= 0 {
		return Rate{}, fmt.Errorf("%q is no ramp: write it as 0:1000/s:60s", s)
	}
	return Rate{from, to, d}, nil
}

func perSecond(s string) (float64, error) {
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0 && n <= 1e7) {
		return 0, fmt.Errorf("%q is no rate: write it as 500/s", s)
	}
	switch unit {
	case "", "s":
		return n, nil
	case "m", "min":
		return n / 60, nil
	}
	return 0, fmt.Errorf("%q is no rate: write it as 500/s", s)
}

// String returns the rate for people.
func (r Rate) String() string {
	if r.Ramp == 0 {
		return fmt.Sprintf("%g/s", r.To)
	}
	return fmt.Sprintf("%g to %g/s in %s", r.From, r.To, r.Ramp)
}

// schedule draws arrival times. It knows nothing of the server: what the server
// does cannot move them.
type schedule struct {
	rate Rate
	rng  *rand.Rand // nil for constant arrivals
	sum  float64    // arrivals that the rate has made by the last time drawn
}

func newSchedule(r Rate, poisson bool, rng *rand.Rand) *schedule {
	s := &schedule{rate: r}
	if poisson {
		s.rng = rng
	}
	return s
}

// next returns the next arrival, since the beginning. Under a constant rate of
// one a second arrivals are at 1, 2, 3 s.
func (s *schedule) next() time.Duration {
	if s.rng == nil {
		s.sum++
	} else {
		s.sum += s.rng.ExpFloat64()
	}
	return s.rate.when(s.sum)
}

// when inverts the integral of the rate: the time at which it has made n
// arrivals. A Poisson process of that rate is a unit one seen through it.
func (r Rate) when(n float64) time.Duration {
	ramp := r.Ramp.Seconds()
	inRamp := (r.From + r.To) / 2 * ramp
	var t float64
	switch slope := (r.To - r.From) / ramp; {
	case n >= inRamp && r.To == 0:
		return math.MaxInt64 // never
	case n >= inRamp:
		t = ramp + (n-inRamp)/r.To
	default:
		// from*t + slope*t^2/2 = n, in the form that bears slope 0
		t = 2 * n / (r.From + math.Sqrt(max(0, r.From*r.From+2*slope*n)))
	}
	if t > 1e9 {
		return math.MaxInt64
	}
	return time.Duration(t * float64(time.Second))
}
