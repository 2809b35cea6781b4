package bench

import (
	"encoding/base64"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"fastftps/bench/report"
)

// maxRecorded is the longest time that a histogram tells apart.
const maxRecorded = time.Hour

// hist is a histogram of times, in microseconds. The zero value is empty and
// takes no memory to speak of.
type hist struct{ h *hdrhistogram.Histogram }

// add records a time.
func (h *hist) add(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(1, maxRecorded.Microseconds(), 3)
	}
	_ = h.h.RecordValue(min(max(d, 0), maxRecorded).Microseconds()) // in range
}

func (h *hist) merge(o *hist) {
	switch {
	case o.n() == 0:
	case h.h == nil:
		h.h = o.h.Clone()
	default:
		h.h.Merge(o.h)
	}
}

func (h *hist) reset() {
	if h.h != nil {
		h.h.Reset()
	}
}

func (h *hist) n() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// quantile returns a time in seconds, NaN when there is none. q is 0 to 100.
func (h *hist) quantile(q float64) float64 {
	if h.n() == 0 {
		return math.NaN()
	}
	return float64(h.h.ValueAtQuantile(q)) / 1e6
}

// dist returns the summary; whole is whether the histogram goes with it.
func (h *hist) dist(whole bool) report.Dist {
	if h.n() == 0 {
		return report.Dist{}
	}
	d := report.Dist{
		N: h.n(), Min: float64(h.h.Min()) / 1e6, Mean: h.h.Mean() / 1e6, Max: float64(h.h.Max()) / 1e6,
		P50: h.quantile(50), P90: h.quantile(90), P99: h.quantile(99), P999: h.quantile(99.9),
	}
	if whole {
		text, err := h.h.EncodeV2() // fails on impossible geometry only
		if err == nil {
			d.Hdr, _ = base64.StdEncoding.DecodeString(string(text))
		}
	}
	return d
}
