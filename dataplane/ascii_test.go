package dataplane

import (
	"bytes"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"no line end", "abc", "abc"},
		{"LF", "a\nb\n", "a\r\nb\r\n"},
		{"CRLF stays", "a\r\nb\n", "a\r\nb\r\n"},
		{"lone CR stays", "a\rb\n", "a\rb\r\n"},
		{"empty lines", "\n\n\n", "\r\n\r\n\r\n"},
		{"CR CR LF", "\r\r\n", "\r\r\n"},
		{"LF CR", "\n\r", "\r\n\r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := expand(tt.in, 1<<30); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for cut := 1; cut <= len(tt.in); cut++ {
				if got := expand(tt.in, cut); got != tt.want {
					t.Errorf("in pieces of %d: got %q, want %q", cut, got, tt.want)
				}
			}
		})
	}
}

func TestContract(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"CRLF", "a\r\nb\r\n", "a\nb\n"},
		{"lone LF and CR stay", "a\r\nb\nc\rd\r\n", "a\nb\nc\rd\n"},
		{"CR at the end", "a\r", "a\r"},
		{"only CR", "\r", "\r"},
		{"CR CR LF", "\r\r\n", "\r\n"},
		{"CR CR", "\r\r", "\r\r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for cut := 1; cut <= len(tt.in)+1; cut++ {
				if got := contract(tt.in, cut); got != tt.want {
					t.Errorf("in pieces of %d: got %q, want %q", cut, got, tt.want)
				}
			}
		})
	}
}

// expand converts in pieces of cut bytes.
func expand(in string, cut int) string {
	var e expander
	var out []byte
	for len(in) > 0 {
		n := min(cut, len(in))
		out = e.appendTo(out, []byte(in[:n]))
		in = in[n:]
	}
	return string(out)
}

// contract converts in pieces of cut bytes, in place as an upload does.
func contract(in string, cut int) string {
	var c contractor
	var out []byte
	for len(in) > 0 {
		n := min(cut, len(in))
		block := make([]byte, n+1)
		copy(block[1:], in[:n])
		out = append(out, c.appendTo(block[:0], block[1:])...)
		in = in[n:]
	}
	return string(c.end(out))
}

// Where the buffers are cut must not change the result, and what we send in
// TYPE A comes back as it was unless it holds a CR in front of an LF.
func FuzzASCII(f *testing.F) {
	f.Add("a\r\nb\nc\rd\r\n", uint8(1))
	f.Add("\r\r\n\n\r", uint8(2))
	f.Fuzz(func(t *testing.T, s string, cut uint8) {
		n := int(cut) + 1
		whole := expand(s, len(s)+1)
		if got := expand(s, n); got != whole {
			t.Errorf("expand %q in pieces of %d: got %q, want %q", s, n, got, whole)
		}
		if strings.Contains(strings.ReplaceAll(whole, "\r\n", ""), "\n") {
			t.Errorf("expand %q: a bare LF is left in %q", s, whole)
		}
		want := strings.ReplaceAll(s, "\r\n", "\n")
		if got := contract(s, n); got != want {
			t.Errorf("contract %q in pieces of %d: got %q, want %q", s, n, got, want)
		}
		if got := contract(whole, n); !strings.Contains(s, "\r\n") && got != s {
			t.Errorf("there and back: got %q, want %q", got, s)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	for name, text := range map[string][]byte{
		"lines":    bytes.Repeat([]byte("sixty bytes make one line of text in a file of usual lines..\n"), 1000),
		"newlines": bytes.Repeat([]byte("\n"), 64<<10),
	} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 2*len(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var e expander
				e.appendTo(dst, text)
			}
		})
	}
}
