package report

import (
	"math"
	"strconv"
	"strings"
)

// none is what stands where there is no value.
const none = "-"

// seconds writes a time with three digits: 12.3us, 4.56ms, 1.20s.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case v == 0:
		return "0"
	case v < 0:
		return "-" + seconds(-v)
	case v < 999.5e-6:
		return digits(v*1e6) + "us"
	case v < 999.5e-3:
		return digits(v*1e3) + "ms"
	}
	return digits(v) + "s"
}

// digits writes three significant digits, or all before the point.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case a == 0:
		return "0"
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return thousands(strconv.FormatFloat(v, 'f', 0, 64))
}

// plain is digits without zeros behind the point: for labels of axes.
func plain(v float64) string {
	s := digits(v)
	if a := math.Abs(v); a != 0 && a < 0.05 {
		s = strconv.FormatFloat(v, 'g', 2, 64)
	}
	if strings.Contains(s, ".") && !strings.Contains(s, "e") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// axisNumber is plain, short for large numbers.
func axisNumber(v float64) string {
	for _, u := range []struct {
		from float64
		sign string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}} {
		if math.Abs(v) >= u.from {
			return plain(v/u.from) + u.sign
		}
	}
	return plain(v)
}

// count writes a whole number with separators.
func count(n int64) string { return thousands(strconv.FormatInt(n, 10)) }

// thousands puts commas into a row of digits.
func thousands(s string) string {
	start := 0
	if strings.HasPrefix(s, "-") {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// zero is count, but blank for 0: columns of faults stay readable.
func zero(n int64) string {
	if n == 0 {
		return none
	}
	return count(n)
}

// mib writes a size in binary units.
func mib(n int64) string { return mibF(float64(n)) }

func mibF(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return none
	case a < 1<<10:
		return strconv.FormatFloat(v, 'f', 0, 64) + " B"
	case a < 1<<20:
		return digits(v/(1<<10)) + " KiB"
	case a < 1<<30:
		return digits(v/(1<<20)) + " MiB"
	case a < 1<<40:
		return digits(v/(1<<30)) + " GiB"
	}
	return digits(v/(1<<40)) + " TiB"
}

// perSecond is n over s, and 0 when no time has passed.
func perSecond(n, s float64) float64 {
	if s <= 0 {
		return 0
	}
	return n / s
}

// percent writes a share; what is not nothing never reads as 0.
func percent(share float64) string {
	p := share * 100
	if p > 0 && p < 0.01 {
		return "<0.01%"
	}
	return plain(p) + "%"
}
