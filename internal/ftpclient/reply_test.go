package ftpclient

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReadReply(t *testing.T) {
	tests := []struct {
		name  string
		in    string
		code  int
		lines []string // nil for an error
	}{
		{"one line", "220 Ready\r\n", 220, []string{"220 Ready"}},
		{"empty text", "200 \r\n", 200, []string{"200 "}},
		{"several lines", "211-Features:\r\n AUTH TLS\r\n211 End\r\n", 211, []string{"211-Features:", " AUTH TLS", "211 End"}},
		{"code on each line", "230-a\r\n230-b\r\n230 c\r\n", 230, []string{"230-a", "230-b", "230 c"}},
		{"other code within", "211-a\r\n220 b\r\n211 c\r\n", 211, []string{"211-a", "220 b", "211 c"}},
		{"empty line within", "211-a\r\n\r\n211 c\r\n", 211, []string{"211-a", "", "211 c"}},
		{"long line", "200 " + strings.Repeat("a", 5000) + "\r\n", 200, []string{"200 " + strings.Repeat("a", 5000)}},
		{"too long a line", "200 " + strings.Repeat("a", maxReplyLine+2048) + "\r\n", 0, nil},
		{"endless", "200-a\r\n" + strings.Repeat(strings.Repeat("a", 4096)+"\r\n", maxReply/4096+2) + "200 b\r\n", 0, nil},
		{"lone LF", "200 a\n", 0, nil},
		{"CR within", "200 a\rb\r\n", 0, nil},
		{"NUL", "200 a\x00\r\n", 0, nil},
		{"no space", "200\r\n", 0, nil},
		{"no code", "abc d\r\n", 0, nil},
		{"empty line", "\r\n", 0, nil},
		{"end", "", 0, nil},
		{"end within a line", "200 a", 0, nil},
		{"end within a reply", "200-a\r\n", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readReply(bufio.NewReaderSize(strings.NewReader(tt.in), 16))
			if (err != nil) != (tt.lines == nil) || got.Code != tt.code || !slices.Equal(got.Lines, tt.lines) {
				t.Errorf("got %d %.200q, error %v", got.Code, got.Lines, err)
			}
		})
	}
}

func TestReplyExpect(t *testing.T) {
	reply := Reply{257, []string{`257 "/"`}}
	for _, want := range []int{2, 25, 257} {
		if err := reply.Expect(want); err != nil {
			t.Errorf("want %d: got %v", want, err)
		}
	}
	for _, want := range []int{0, 5, 57, 250, 2570} {
		var refused *ReplyError
		if err := reply.Expect(want); !errors.As(err, &refused) || *refused != (ReplyError{257, `"/"`}) {
			t.Errorf("want %d: got %v", want, err)
		}
	}
	if got := (Reply{211, []string{"211-a", "211 b"}}).String(); got != "211-a\n211 b" {
		t.Errorf("as a string: got %q", got)
	}
	if got := (Reply{}).Text(); got != "" {
		t.Errorf("text of no reply: got %q", got)
	}
}

// FuzzReply: a reply that was read, written again, reads the same, and no byte
// after it was touched.
func FuzzReply(f *testing.F) {
	f.Add("220 Ready\r\n")
	f.Add("211-Features:\r\n AUTH TLS\r\n211 End\r\n")
	f.Add("211-a\r\n220 b\r\n211 c\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		r := bufio.NewReader(strings.NewReader(in))
		reply, err := readReply(r)
		if err != nil {
			return
		}
		written := strings.Join(reply.Lines, "\r\n") + "\r\n"
		rest, err := io.ReadAll(r)
		if err != nil || written+string(rest) != in {
			t.Errorf("got %q and the rest %q of %q", written, rest, in)
		}
		if reply.Code < 0 || reply.Code > 999 || reply.Lines[len(reply.Lines)-1][4:] != reply.Text() {
			t.Errorf("got code %d, text %q from %q", reply.Code, reply.Text(), in)
		}
	})
}

func TestUnquote(t *testing.T) {
	tests := []struct{ in, want string }{
		{`"/"`, "/"},
		{`"/a b" is it`, "/a b"},
		{`"/a ""b"""`, `/a "b"`},
		{`""`, ""},
		{"\"\xff\xff\"", "\xff"},
	}
	for _, tt := range tests {
		if got, err := unquote(tt.in); got != tt.want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "/", `"/`, `"/""`, ` "/"`} {
		if got, err := unquote(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, got)
		}
	}
}

func TestPassiveReplies(t *testing.T) {
	for _, text := range []string{"Entering Passive Mode (127,0,0,1,4,1).", "ok (127,0,0,1,4,1)"} {
		if got, err := parsePASV(text); err != nil || got.String() != "127.0.0.1:1025" {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "127,0,0,1,4,1", "(127,0,0,1,4)", "(127,0,0,1,4,1", "(127,0,0,1,4,256)"} {
		if got, err := parsePASV(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
	if got, err := parseEPSV("Entering Extended Passive Mode (|||65535|)"); err != nil || got != 65535 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "(|||65536|)", "(||||)", "(|||1)", "(|1|127.0.0.1|1|)", "(|||-1|)"} {
		if got, err := parseEPSV(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
