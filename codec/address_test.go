package codec

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"testing"
)

func TestParseInt63(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"007", 7, true},
		{"9223372036854775806", math.MaxInt64 - 1, true},
		{"9223372036854775807", math.MaxInt64, true},
		{"9223372036854775808", 0, false},
		{"18446744073709551616", 0, false},
		{"99999999999999999999999", 0, false},
		{"", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{" 1", 0, false},
		{"1x", 0, false},
		{"/", 0, false},
		{":", 0, false},
	}
	for _, tt := range tests {
		got, ok := ParseInt63([]byte(tt.in))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParsePort(t *testing.T) {
	tests := []struct {
		in   string
		want string // "" for ErrSyntax
	}{
		{"127,0,0,1,4,1", "127.0.0.1:1025"},
		{" 10,1,2,3,255,255 ", "10.1.2.3:65535"},
		{"010,001,2,3,0,21", "10.1.2.3:21"},
		{"0,0,0,0,0,0", "0.0.0.0:0"},
		{"", ""},
		{"1,2,3,4,5", ""},
		{"1,2,3,4,5,6,7", ""},
		{"1,2,3,4,5,6,", ""},
		{",1,2,3,4,5", ""},
		{"1,2,3,4,5,", ""},
		{"256,2,3,4,5,6", ""},
		{"1,2,3,4,5,256", ""},
		{"1,2,3,4,5,000001", ""},
		{"-1,2,3,4,5,6", ""},
		{"1, 2,3,4,5,6", ""},
		{"1.2.3.4.5.6", ""},
		{"a,b,c,d,e,f", ""},
	}
	for _, tt := range tests {
		got, err := ParsePort([]byte(tt.in))
		switch {
		case tt.want == "" && !errors.Is(err, ErrSyntax):
			t.Errorf("%q: got %v, error %v, want %v", tt.in, got, err, ErrSyntax)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("%q: got %v, error %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestParseEPRT(t *testing.T) {
	tests := []struct {
		in      string
		want    string
		wantErr error
	}{
		{"|1|132.235.1.2|6275|", "132.235.1.2:6275", nil},
		{"|2|1080::8:800:200c:417a|5282|", "[1080::8:800:200c:417a]:5282", nil},
		{"|2|::ffff:10.0.0.1|5282|", "[::ffff:10.0.0.1]:5282", nil},
		{" !1!10.0.0.1!21! ", "10.0.0.1:21", nil},
		{"~1~10.0.0.1~65535~", "10.0.0.1:65535", nil},
		{"|3|10.0.0.1|21|", "", ErrFamily},
		{"|0|10.0.0.1|21|", "", ErrFamily},
		{"|3|what of it|21|", "", ErrFamily},
		{"", "", ErrSyntax},
		{"|", "", ErrSyntax},
		{"||||", "", ErrSyntax},
		{"|1|10.0.0.1|21", "", ErrSyntax},
		{"|1|10.0.0.1|21||", "", ErrSyntax},
		{"|1|10.0.0.1|21|x", "", ErrSyntax},
		{"x|1|10.0.0.1|21|", "", ErrSyntax},
		{"|1|10.0.0.1|65536|", "", ErrSyntax},
		{"|1|10.0.0.1||", "", ErrSyntax},
		{"|1|::1|21|", "", ErrSyntax},
		{"|2|10.0.0.1|21|", "", ErrSyntax},
		{"|2|fe80::1%eth0|21|", "", ErrSyntax},
		{"|1|localhost|21|", "", ErrSyntax},
		{".1.10.0.0.1.21.", "", ErrSyntax},
		{"\x7f1\x7f10.0.0.1\x7f21\x7f", "", ErrSyntax},
		{"\x801\x8010.0.0.1\x8021\x80", "", ErrSyntax},
	}
	for _, tt := range tests {
		got, err := ParseEPRT([]byte(tt.in))
		if !errors.Is(err, tt.wantErr) || err == nil && got.String() != tt.want {
			t.Errorf("%q: got %v, error %v, want %s, error %v", tt.in, got, err, tt.want, tt.wantErr)
		}
	}
}

func TestParseEPSV(t *testing.T) {
	tests := []struct {
		in      string
		family  int
		all     bool
		wantErr error
	}{
		{"", 0, false, nil},
		{" ", 0, false, nil},
		{"1", FamilyIPv4, false, nil},
		{" 2 ", FamilyIPv6, false, nil},
		{"ALL", 0, true, nil},
		{"all", 0, true, nil},
		{"3", 0, false, ErrFamily},
		{"0", 0, false, ErrFamily},
		{"ALLES", 0, false, ErrSyntax},
		{"|1|", 0, false, ErrSyntax},
		{"1000000000", 0, false, ErrSyntax},
	}
	for _, tt := range tests {
		family, all, err := ParseEPSV([]byte(tt.in))
		if family != tt.family || all != tt.all || !errors.Is(err, tt.wantErr) {
			t.Errorf("%q: got %d, %v, %v, want %d, %v, %v", tt.in, family, all, err, tt.family, tt.all, tt.wantErr)
		}
	}
}

func TestPassiveTexts(t *testing.T) {
	tests := []struct{ addr, pasv, epsv string }{
		{"1.2.3.4:1286", "Entering Passive Mode (1,2,3,4,5,6).", "Entering Extended Passive Mode (|||1286|)"},
		{"[::ffff:1.2.3.4]:65535", "Entering Passive Mode (1,2,3,4,255,255).", "Entering Extended Passive Mode (|||65535|)"},
		{"[2001:db8::1]:1", "Entering Passive Mode (0,0,0,0,0,1).", "Entering Extended Passive Mode (|||1|)"},
	}
	for _, tt := range tests {
		addr := netip.MustParseAddrPort(tt.addr)
		if got := string(AppendPASV(nil, addr)); got != tt.pasv {
			t.Errorf("PASV %s: got %q, want %q", tt.addr, got, tt.pasv)
		}
		if got := string(AppendEPSV(nil, addr.Port())); got != tt.epsv {
			t.Errorf("EPSV %s: got %q, want %q", tt.addr, got, tt.epsv)
		}
	}
}

// FuzzParsePort: what is accepted survives being written and read again.
func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"127,0,0,1,4,1", " 1,2,3,4,5,6 ", "1,2,3,4,5", "256,0,0,0,0,0", "001,2,3,4,5,6"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, arg []byte) {
		addr, err := ParsePort(arg)
		if err != nil {
			return
		}
		again, err := ParsePort(AppendPort(nil, addr))
		if err != nil || again != addr {
			t.Errorf("%q: got %v back, error %v, want %v", arg, again, err, addr)
		}
	})
}

// FuzzParseEPRT: what is accepted survives being written and read again, with
// any delimiter.
func FuzzParseEPRT(f *testing.F) {
	for _, s := range []string{"|1|10.0.0.1|21|", "|2|::1|65535|", "!2!::ffff:1.2.3.4!1!", "|3||1|", "1111", "|2|fe80::1%a|1|"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, arg []byte) {
		addr, err := ParseEPRT(arg)
		if err != nil {
			return
		}
		want := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		again, err := ParseEPRT(AppendEPRT(nil, addr))
		if err != nil || again != want {
			t.Errorf("%q: got %v back, error %v, want %v", arg, again, err, want)
		}
	})
}

// FuzzParseInt63 compares with strconv, which takes a sign where FTP does not.
func FuzzParseInt63(f *testing.F) {
	f.Add([]byte("9223372036854775807"))
	f.Add([]byte("-1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := ParseInt63(b)
		want, err := strconv.ParseInt(string(b), 10, 64)
		signed := len(b) > 0 && (b[0] == '+' || b[0] == '-')
		if wantOK := err == nil && !signed; ok != wantOK || ok && got != want {
			t.Errorf("%q: got %d, %v, want %d, %v", b, got, ok, want, wantOK)
		}
	})
}
