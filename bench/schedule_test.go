package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// arrivals draws all arrivals of some time.
func arrivals(r Rate, poisson bool, length time.Duration, salt uint64) (at []time.Duration) {
	s := newSchedule(r, poisson, rand.New(rand.NewPCG(1, salt)))
	for t := s.next(); t < length; t = s.next() {
		at = append(at, t)
	}
	return at
}

func TestConstantArrivals(t *testing.T) {
	at := arrivals(Rate{100, 100, 0}, false, time.Second, 0)
	if len(at) != 99 {
		t.Fatalf("got %d arrivals, want 99 at 10 ms to 990 ms", len(at))
	}
	for i, a := range at {
		if want := time.Duration(i+1) * 10 * time.Millisecond; (a - want).Abs() > time.Microsecond {
			t.Fatalf("arrival %d at %s, want %s", i, a, want)
		}
	}
}

// TestPoissonArrivals: the gaps have the mean and the spread of an exponential
// distribution, and the same seed draws the same.
func TestPoissonArrivals(t *testing.T) {
	at := arrivals(Rate{1000, 1000, 0}, true, 20*time.Second, 0)
	if n := float64(len(at)); math.Abs(n-20000) > 5*math.Sqrt(20000) {
		t.Errorf("got %d arrivals, want 20000 give or take 700", len(at))
	}
	var sum, squares float64
	for i := 1; i < len(at); i++ {
		gap := (at[i] - at[i-1]).Seconds()
		sum, squares = sum+gap, squares+gap*gap
	}
	n := float64(len(at) - 1)
	m := sum / n
	if cv := math.Sqrt(squares/n-m*m) / m; cv < 0.95 || cv > 1.05 {
		t.Errorf("coefficient of variation: got %.3f, want 1", cv)
	}
	if !slices.Equal(at, arrivals(Rate{1000, 1000, 0}, true, 20*time.Second, 0)) {
		t.Error("the same seed drew something else")
	}
	if slices.Equal(at, arrivals(Rate{1000, 1000, 0}, true, 20*time.Second, 1)) {
		t.Error("another segment drew the same")
	}
}

// TestRamp: the number of arrivals is the integral of the rate, up and down.
func TestRamp(t *testing.T) {
	for _, test := range []struct {
		rate   Rate
		length time.Duration
		want   int
	}{
		{Rate{0, 100, 10 * time.Second}, 5 * time.Second, 125},
		{Rate{0, 100, 10 * time.Second}, 20 * time.Second, 1500},
		{Rate{100, 0, 10 * time.Second}, time.Hour, 500},
		{Rate{100, 50, 10 * time.Second}, 12 * time.Second, 850},
	} {
		at := arrivals(test.rate, false, test.length, 0)
		if n := len(at); n < test.want-1 || n > test.want {
			t.Errorf("%s in %s: got %d arrivals, want %d", test.rate, test.length, n, test.want)
		}
		if !slices.IsSorted(at) {
			t.Errorf("%s: arrivals go back in time", test.rate)
		}
	}
}

func TestSizesDraw(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := Sizes{64 << 10, 2}
	var sizes []float64
	for range 20001 {
		sizes = append(sizes, float64(s.draw(rng)))
	}
	// The logarithm's standard error of the median is 1.25 * 2 / sqrt(20001).
	if d := math.Abs(math.Log(median(sizes) / (64 << 10))); d > 0.1 {
		t.Errorf("median: got %.0f, want about 64k", median(sizes))
	}
}
