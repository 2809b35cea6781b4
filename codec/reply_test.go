package codec

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReplies(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"one line", AppendReply(nil, C220Ready, "Ready"), "220 Ready\r\n"},
		{"bytes", AppendReply(nil, C213File, []byte("1234")), "213 1234\r\n"},
		{"appended", AppendReply([]byte("226 Done\r\n"), C221Closing, "Bye"), "226 Done\r\n221 Bye\r\n"},
		{"empty text", AppendReply(nil, C200OK, ""), "200 \r\n"},
		{"first", AppendFirst(nil, C211Status, "Features:"), "211-Features:\r\n"},
		{"inner", AppendInner(nil, "211 End"), " 211 End\r\n"},
		{"forged", AppendReply(nil, C550Unavailable, "a\r\n230 In\x00"), "550 a%0D%0A230 In%00\r\n"},
		{"forged inner", AppendInner(nil, "a\n211 End"), " a%0A211 End\r\n"},
		{"safe", AppendSafe(nil, "a\xffb\r\n\x00%\t"), "a\xff\xffb%0D%0A%00%\t"},
		{"quoted", AppendQuoted(nil, `/a "b" c`), `"/a ""b"" c"`},
		{"quoted line end", AppendQuoted(nil, "a\n\xff"), "\"a%0A\xff\xff\""},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestAppendLog(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Grüße 日本 \"x\"", "Grüße 日本 \"x\""},
		{"controls", "a\r\n\t\x00\x1b[0m\x7f", `a\x0d\x0a\x09\x00\x1b[0m\x7f`},
		{"backslash", `a\x0d`, `a\\x0d`},
		{"invalid UTF-8", "a\xffb\xc3", `a\xffb\xc3`},
		{"C1 control", "a\u0085", `a\u0085`},
		{"bidirectional", "a\u202egpj.exe", `a\u202egpj.exe`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"replacement character itself", "\ufffd", "\ufffd"},
	}
	for _, tt := range tests {
		if got := string(AppendLog(nil, tt.in)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got := string(AppendLog(nil, []byte(tt.in))); got != tt.want {
			t.Errorf("%s, as bytes: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzQuoted: what AppendQuoted makes can stand in a reply and, but for the
// bytes that no name made over FTP holds, be undone.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"/", `/a "b"`, `"`, "a\r\nb\x00", "\xff\xff", "%0A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		quoted := AppendQuoted(nil, path)
		if bytes.ContainsAny(quoted, "\r\n\x00") {
			t.Fatalf("%q holds a line end or NUL", quoted)
		}
		want := strings.NewReplacer("\r", "%0D", "\n", "%0A", "\x00", "%00").Replace(string(path))
		if got := unquote(t, quoted); got != want {
			t.Errorf("got %q back, want %q", got, want)
		}
	})
}

// unquote reads a quoted path as a client does, after Telnet decoding.
func unquote(t *testing.T, quoted []byte) string {
	t.Helper()
	var d Decoder
	cmd, _, ok := d.Next(append(append([]byte("X "), quoted...), '\n'))
	if !ok || cmd.Err != nil {
		if len("X ")+len(quoted) <= MaxLine {
			t.Fatalf("cannot decode %q: %v", quoted, cmd.Err)
		}
		t.Skip("longer than a line may be")
	}
	s := string(cmd.Arg)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		t.Fatalf("%q is not in quotes", s)
	}
	s = s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(s, `""`, ""), `"`) {
		t.Fatalf("a lone quote in %q", s)
	}
	return strings.ReplaceAll(s, `""`, `"`)
}

// FuzzLog: what AppendLog makes is printable and can be undone.
func FuzzLog(f *testing.F) {
	for _, s := range []string{"plain", "a\r\n", "\xff\xc3", "\u202e", `\x0d"`, "\U000e0041"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		logged := string(AppendLog(nil, text))
		if !utf8.ValidString(logged) {
			t.Fatalf("%q is not UTF-8", logged)
		}
		for _, r := range logged {
			if !unicode.IsPrint(r) {
				t.Errorf("%q holds %U", logged, r)
			}
		}
		back, err := strconv.Unquote(`"` + strings.ReplaceAll(logged, `"`, `\"`) + `"`)
		if err != nil || back != string(text) {
			t.Errorf("got %q back, error %v, want %q", back, err, text)
		}
	})
}

func BenchmarkAppendReply(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendReply(dst[:0], C226Done, "Transfer complete")
	}
}

func BenchmarkAppendQuoted(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendQuoted(dst[:0], "/photos/2024/holiday/IMG_20240102_030405.jpg")
	}
}

func TestEncodingAllocations(t *testing.T) {
	dst := make([]byte, 0, 256)
	if got := testing.AllocsPerRun(100, func() {
		dst = AppendReply(dst[:0], C226Done, "Transfer complete")
		dst = AppendQuoted(dst, "/a \"b\"\xff")
		dst = AppendLog(dst, "/a \u202e\xff")
	}); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}
