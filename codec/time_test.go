package codec

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestAppendTime(t *testing.T) {
	cet := time.FixedZone("CET", 3600)
	tests := []struct {
		name string
		t    time.Time
		want string
	}{
		{"whole second", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "20240102030405"},
		{"milliseconds", time.Date(2024, 1, 2, 3, 4, 5, 67_999_999, time.UTC), "20240102030405.067"},
		{"below a millisecond", time.Date(2024, 1, 2, 3, 4, 5, 999_999, time.UTC), "20240102030405"},
		{"other zone", time.Date(2024, 1, 1, 0, 30, 0, 0, cet), "20231231233000"},
		{"early year", time.Date(7, 1, 2, 3, 4, 5, 0, time.UTC), "00070102030405"},
		{"last second", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "99991231235959"},
		{"too late", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "99991231235959"},
		{"too early", time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), "00000101000000"},
	}
	for _, tt := range tests {
		if got := string(AppendTime(nil, tt.t)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	tests := []struct{ in, want string }{
		{"20240102030405", "2024-01-02T03:04:05Z"},
		{"20240102030405.6", "2024-01-02T03:04:05.6Z"},
		{"20240102030405.067", "2024-01-02T03:04:05.067Z"},
		{"20240102030405.1234567899", "2024-01-02T03:04:05.123456789Z"},
		{"20240229000000", "2024-02-29T00:00:00Z"},
		{"20161231235960", "2016-12-31T23:59:59Z"},
		{"00000101000000", "0000-01-01T00:00:00Z"},
		{"20230229000000", ""},
		{"20240231000000", ""},
		{"20240431000000", ""},
		{"20240001000000", ""},
		{"20241301000000", ""},
		{"20240100000000", ""},
		{"20240132000000", ""},
		{"20240101240000", ""},
		{"20240101006000", ""},
		{"20240101000061", ""},
		{"2024010203040", ""},
		{"202401020304055", ""},
		{"20240102030405.", ""},
		{"20240102030405.x", ""},
		{"20240102030405,6", ""},
		{"20240102030405 ", ""},
		{" 20240102030405", ""},
		{"2024-1-2 3:4:5", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, err := ParseTime([]byte(tt.in))
		switch {
		case tt.want == "" && !errors.Is(err, ErrSyntax):
			t.Errorf("%q: got %v, error %v, want %v", tt.in, got, err, ErrSyntax)
		case tt.want != "" && (err != nil || got.Format(time.RFC3339Nano) != tt.want):
			t.Errorf("%q: got %s, error %v, want %s", tt.in, got.Format(time.RFC3339Nano), err, tt.want)
		}
	}
}

// FuzzTime: any time survives, to the millisecond, unless its year has no four
// digits, and then the form stays well-formed.
func FuzzTime(f *testing.F) {
	f.Add(int64(1704164645), int64(67_000_000))
	f.Add(int64(-62167219200), int64(0))
	f.Add(int64(253402300799), int64(999_999_999))
	f.Add(int64(math.MaxInt64), int64(0))
	f.Fuzz(func(t *testing.T, sec, nsec int64) {
		want := time.Unix(sec, nsec).UTC().Truncate(time.Millisecond)
		form := AppendTime(nil, want)
		got, err := ParseTime(form)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if y := want.Year(); 0 <= y && y <= 9999 && !got.Equal(want) {
			t.Errorf("got %v back from %s, want %v", got, form, want)
		}
	})
}

// FuzzParseTime: what is accepted has exactly one meaning, which writing and
// reading again keeps.
func FuzzParseTime(f *testing.F) {
	f.Add([]byte("20240102030405.067"))
	f.Add([]byte("20161231235960"))
	f.Add([]byte("20240231000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseTime(b)
		if err != nil {
			return
		}
		again, err := ParseTime(AppendTime(nil, got))
		if err != nil || !again.Equal(got.Truncate(time.Millisecond)) {
			t.Errorf("%q: got %v back, error %v, want %v", b, again, err, got)
		}
	})
}

func BenchmarkAppendTime(b *testing.B) {
	var dst []byte
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTime(dst[:0], at)
	}
}
