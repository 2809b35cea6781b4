package codec

import "time"

// timeLen is the length of a time without its fraction.
const timeLen = len("YYYYMMDDhhmmss")

// AppendTime appends t in UTC as MDTM, MFMT and the modify fact have it
// (RFC 3659 section 2.3):
//
//	YYYYMMDDhhmmss[.sss]
//
// The milliseconds are there unless they are 0; truncate t to the second to
// be without. Files may carry times far out of the four digits of a year: what
// lies before the year 0 or after 9999 becomes the nearest time within.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		t = nearest(year)
		year, month, day = t.Date()
	}
	hour, minute, second := t.Clock()
	dst = appendTwo(dst, year/100)
	dst = appendTwo(dst, year%100)
	dst = appendTwo(dst, int(month))
	dst = appendTwo(dst, day)
	dst = appendTwo(dst, hour)
	dst = appendTwo(dst, minute)
	dst = appendTwo(dst, second)
	if ms := t.Nanosecond() / int(time.Millisecond); ms > 0 {
		dst = append(dst, '.', byte('0'+ms/100))
		dst = appendTwo(dst, ms%100)
	}
	return dst
}

// nearest is the time closest to that year that has a year of four digits.
func nearest(year int) time.Time {
	if year < 0 {
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// ParseTime reads a time in the form of AppendTime, with any number of digits in
// the fraction; digits past the nanosecond are dropped. Dates that do not exist,
// such as 31 February, are ErrSyntax. A leap second (60) is taken as second 59,
// because Go and Unix have no name for it.
func ParseTime(b []byte) (time.Time, error) {
	if len(b) < timeLen {
		return time.Time{}, ErrSyntax
	}
	nsec, ok := parseFraction(b[timeLen:])
	year, okYear := ParseInt63(b[:4])
	if !ok || !okYear {
		return time.Time{}, ErrSyntax
	}
	var f [5]int // month, day, hour, minute, second
	for i, limit := range [len(f)]int{12, 31, 23, 59, 60} {
		n, ok := ParseInt63(b[4+2*i : 6+2*i])
		if !ok || n > int64(limit) {
			return time.Time{}, ErrSyntax
		}
		f[i] = int(n)
	}
	month, day := time.Month(f[0]), f[1]
	t := time.Date(int(year), month, day, f[2], f[3], min(f[4], 59), nsec, time.UTC)
	if t.Month() != month || t.Day() != day { // time.Date turns 31 February into 2 or 3 March
		return time.Time{}, ErrSyntax
	}
	return t, nil
}

// parseFraction reads nothing, or a point and at least one digit, in nanoseconds.
func parseFraction(b []byte) (nsec int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 {
		return 0, false
	}
	unit := int(time.Second)
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		unit /= 10
		nsec += int(c-'0') * unit
	}
	return nsec, true
}
