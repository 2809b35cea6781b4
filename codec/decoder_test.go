package codec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// decoded is what came out of a Decoder, in a form that can be compared.
type decoded struct {
	commands string // a line a command
	answers  string
	partial  bool
}

func (d decoded) String() string {
	return fmt.Sprintf("%sanswers %q, partial %v", d.commands, d.answers, d.partial)
}

// decode feeds the pieces one after the other.
func decode(t testing.TB, pieces ...[]byte) decoded {
	t.Helper()
	var d Decoder
	var out strings.Builder
	for _, p := range pieces {
		for {
			cmd, n, ok := d.Next(p)
			if n > len(p) || !ok && n != len(p) {
				t.Fatalf("Next took %d of %d bytes, ok %v", n, len(p), ok)
			}
			p = p[n:]
			if !ok {
				break
			}
			fmt.Fprintln(&out, describe(cmd))
		}
		if d.raw == 0 && d.buf != nil {
			t.Fatal("an idle decoder holds memory")
		}
	}
	partial := d.Partial()
	return decoded{out.String(), string(d.AppendTelnet(nil)), partial}
}

func describe(cmd Command) string {
	if cmd.Err != nil {
		return fmt.Sprintf("%v %q", cmd.Err, cmd.Arg)
	}
	return fmt.Sprintf("%s %q", cmd.Verb, cmd.Arg)
}

func lines(s ...string) string {
	if len(s) == 0 {
		return ""
	}
	return strings.Join(s, "\n") + "\n"
}

func TestDecoder(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"CRLF", "NOOP\r\n", []string{`NOOP ""`}},
		{"lone LF", "NOOP\n", []string{`NOOP ""`}},
		{"CR CR LF", "PWD\r\r\n", []string{`PWD ""`}},
		{"lower case", "user bob\r\n", []string{`USER "bob"`}},
		{"verb with digits", "XSHA256 a\r\n", []string{`XSHA256 "a"`}},
		{"spaces are verbatim", "STOR  a b \r\n", []string{`STOR " a b "`}},
		{"trailing space", "PWD \r\n", []string{`PWD ""`}},
		{"empty lines", "\r\n\n\r\nNOOP\r\n\r\n", []string{`NOOP ""`}},
		{"two lines", "USER a\r\nPASS b\r\n", []string{`USER "a"`, `PASS "b"`}},
		{"8-bit argument", "STOR \xc3\xa9\x80\r\n", []string{`STOR "é\x80"`}},
		{"controls in argument", "STOR a\x01\x7f\r\n", []string{`STOR "a\x01\x7f"`}},
		{"CR NUL is CR", "STOR a\r\x00b\r\n", []string{`STOR "a\rb"`}},
		{"CR NUL before the end", "STOR a\r\x00\r\n", []string{`STOR "a\r"`}},
		{"lone CR stays", "STOR a\rb\r\n", []string{`STOR "a\rb"`}},
		{"CR CR NUL", "STOR a\r\r\x00b\r\n", []string{`STOR "a\r\rb"`}},
		{"NUL", "STOR a\x00b\r\nNOOP\r\n", []string{`NUL in command line ""`, `NOOP ""`}},
		{"only NUL", "\x00\r\n", []string{`NUL in command line ""`}},
		{"leading space", " NOOP\r\n", []string{`no verb in command line " NOOP"`}},
		{"only a space", " \r\n", []string{`no verb in command line " "`}},
		{"leading digit", "1NOOP\r\n", []string{`no verb in command line "1NOOP"`}},
		{"header line", "Host: a\r\n", []string{`no verb in command line "Host: a"`}},
		{"tab", "NOOP\ta\r\n", []string{`no verb in command line "NOOP\ta"`}},
		{"eight letters", "ABCDEFGH x\r\n", []string{`ABCDEFGH "x"`}},
		{"nine letters", "ABCDEFGHI x\r\n", []string{`no verb in command line "ABCDEFGHI x"`}},
		{"unfinished", "NOOP\r\nABO", []string{`NOOP ""`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := lines(tt.want...)
			if got := decode(t, []byte(tt.in)); got.commands != want {
				t.Errorf("whole: got\n%swant\n%s", got.commands, want)
			}
			if got := decode(t, bytewise([]byte(tt.in))...); got.commands != want {
				t.Errorf("byte by byte: got\n%swant\n%s", got.commands, want)
			}
		})
	}
}

func bytewise(p []byte) [][]byte {
	var pieces [][]byte
	for i := range p {
		pieces = append(pieces, p[i:i+1])
	}
	return pieces
}

func TestDecoderTelnet(t *testing.T) {
	tests := []struct {
		name    string
		in      string
		want    []string
		answers string
	}{
		{"IAC IAC", "STOR a\xff\xffb\r\n", []string{`STOR "a\xffb"`}, ""},
		{"IAC before text", "STOR \xffab\r\n", []string{`STOR "\xffab"`}, ""},
		{"IAC before LF", "STOR a\xff\nNOOP\n", []string{`STOR "a\xff"`, `NOOP ""`}, ""},
		{"WILL", "\xff\xfb\x01NOOP\r\n", []string{`NOOP ""`}, "\xff\xfe\x01"},
		{"DO", "\xff\xfd\x06NOOP\r\n", []string{`NOOP ""`}, "\xff\xfc\x06"},
		{"WONT and DONT", "\xff\xfc\x01\xff\xfe\x01NOOP\r\n", []string{`NOOP ""`}, ""},
		{"option is LF", "\xff\xfd\nNOOP\r\n", []string{`NOOP ""`}, "\xff\xfc\n"},
		{"option is IAC", "\xff\xfd\xffNOOP\r\n", []string{`NOOP ""`}, "\xff\xfc\xff"},
		{"inside a line", "NO\xff\xfb\x01OP\r\n", []string{`NOOP ""`}, "\xff\xfe\x01"},
		{"between CR and LF", "NOOP\r\xff\xf1\n", []string{`NOOP ""`}, ""},
		{"subnegotiation", "\xff\xfa\x18\x00a\nb\xff\xffc\xff\xf0NOOP\r\n", []string{`NOOP ""`}, ""},
		{"urgent ABOR in line", "\xff\xf4\xff\xf2ABOR\r\n", []string{`ABOR ""`}, ""},
		{"urgent ABOR, IAC lost", "\xff\xf4\xf2ABOR\r\n", []string{`ABOR ""`}, ""},
		{"alone on a line", "\xff\xf4\xff\xf2\r\nABOR\r\n", []string{`ABOR ""`}, ""},
		{"stray bytes alone on a line", "\xf2\r\nABOR\r\n", []string{`ABOR ""`}, ""},
		{"byte order mark", "\xef\xbb\xbfUSER a\r\n", []string{`USER "a"`}, ""},
		{"go ahead at the end", "NOOP\xff\xf9\r\n", []string{`NOOP ""`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := decoded{lines(tt.want...), tt.answers, false}
			if got := decode(t, []byte(tt.in)); got != want {
				t.Errorf("whole: got\n%s\nwant\n%s", got, want)
			}
			if got := decode(t, bytewise([]byte(tt.in))...); got != want {
				t.Errorf("byte by byte: got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Line lengths at each limit's edge, the line end not counted.
func TestDecoderLimits(t *testing.T) {
	long := func(n int, end string) string { return "STOR " + strings.Repeat("a", n-len("STOR ")) + end }
	const tooLong, flood, noop = `command line too long ""`, `no line end in sight ""`, `NOOP ""`
	stor := func(n int) string { return fmt.Sprintf("STOR %q", strings.Repeat("a", n-len("STOR "))) }
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"8191", long(MaxLine-1, "\r\n"), []string{stor(MaxLine - 1), noop}},
		{"8192 CRLF", long(MaxLine, "\r\n"), []string{stor(MaxLine), noop}},
		{"8192 LF", long(MaxLine, "\n"), []string{stor(MaxLine), noop}},
		{"8192 CR CR CR LF", long(MaxLine, "\r\r\r\n"), []string{stor(MaxLine), noop}},
		{"8193", long(MaxLine+1, "\r\n"), []string{tooLong, noop}},
		{"8192 and a lone CR", long(MaxLine, "\rb\r\n"), []string{tooLong, noop}},
		{"8192 after Telnet", "\xff\xf1" + long(MaxLine, "\r\n"), []string{stor(MaxLine), noop}},
		{"8193 after Telnet", "\xff\xf1" + long(MaxLine+1, "\r\n"), []string{tooLong, noop}},
		{"too long, with NUL", long(MaxLine, "\x00b\r\n"), []string{tooLong, noop}},
		{"65535", long(MaxFlood-1, "\n"), []string{tooLong, noop}},
		{"65536", long(MaxFlood, "\n"), []string{tooLong, noop}},
		{"65537", long(MaxFlood+1, "\n"), []string{flood, noop}},
		{"far more", long(3*MaxFlood, "\n"), []string{flood, noop}},
		{"endless subnegotiation", "\xff\xfa" + strings.Repeat("\n", MaxFlood) + "\xff\xf0\n", []string{flood, noop}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, want := []byte(tt.in+"NOOP\r\n"), lines(tt.want...)
			if got := decode(t, in); got.commands != want {
				t.Errorf("whole: got %.100q, want %.100q", got.commands, want)
			}
			if got := decode(t, bytewise(in)...); got.commands != want {
				t.Errorf("byte by byte: got %.100q, want %.100q", got.commands, want)
			}
		})
	}
}

// A flood is reported when it happens, not at a line end that may never come.
func TestDecoderFloodAtOnce(t *testing.T) {
	var d Decoder
	p := bytes.Repeat([]byte{'a'}, MaxFlood)
	if _, n, ok := d.Next(p); ok || n != MaxFlood {
		t.Fatalf("after %d bytes: got n %d, ok %v", MaxFlood, n, ok)
	}
	cmd, n, ok := d.Next(p)
	if !ok || n != 1 || !errors.Is(cmd.Err, ErrLineFlood) {
		t.Errorf("one byte more: got n %d, ok %v, error %v", n, ok, cmd.Err)
	}
}

// Keep-alives between lines are not the beginning of a line.
func TestDecoderTelnetKeepAlive(t *testing.T) {
	var d Decoder
	for range MaxFlood {
		if cmd, _, ok := d.Next([]byte("\xff\xf1")); ok {
			t.Fatalf("got %s", describe(cmd))
		}
	}
	if d.Partial() {
		t.Error("a finished Telnet command counts as an unfinished line")
	}
}

func TestDecoderPartialAndReset(t *testing.T) {
	for _, in := range []string{"N", "NOOP", "NOOP\r", "\r", "\xff", "\xff\xfb", "\xff\xfaabc", "\x00"} {
		var d Decoder
		d.Next([]byte(in))
		if !d.Partial() {
			t.Errorf("after %q: not partial", in)
		}
		d.Reset()
		if d.Partial() {
			t.Errorf("after %q and Reset: partial", in)
		}
		if cmd, _, ok := d.Next([]byte("PWD\r\n")); !ok || describe(cmd) != `PWD ""` {
			t.Errorf("after %q and Reset: got %s, ok %v", in, describe(cmd), ok)
		}
	}
}

func TestDecoderTelnetAnswersAreBounded(t *testing.T) {
	var d Decoder
	d.Next(bytes.Repeat([]byte("\xff\xfb\x01"), 1000))
	if got := len(d.AppendTelnet(nil)); got != maxAnswers {
		t.Errorf("got %d bytes of answers, want %d", got, maxAnswers)
	}
	if got := d.AppendTelnet(nil); len(got) != 0 {
		t.Errorf("fetched twice: got %q", got)
	}
}

// A whole line is handed out where it lies.
func TestDecoderInPlace(t *testing.T) {
	var d Decoder
	p := []byte("STOR name\r\n")
	cmd, _, _ := d.Next(p)
	if &cmd.Arg[0] != &p[len("STOR ")] {
		t.Error("the argument was copied")
	}
}

func TestDecoderAllocations(t *testing.T) {
	tests := []struct {
		name   string
		pieces []string
		pooled bool
	}{
		{"whole", []string{"NOOP\r\n"}, false},
		{"pipelined", []string{"USER a\r\nPASS b\r\nPWD\r\n"}, false},
		{"no verb", []string{" NOOP\r\n"}, false},
		{"split", []string{"STOR some/na", "me.bin\r\n"}, true},
		{"Telnet", []string{"STOR \xff\xff\r\n"}, true},
		{"too long", []string{strings.Repeat("a", MaxFlood) + "\n"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if raceEnabled && tt.pooled {
				t.Skip("sync.Pool drops buffers at random under the race detector")
			}
			var pieces [][]byte
			for _, s := range tt.pieces {
				pieces = append(pieces, []byte(s))
			}
			var d Decoder
			limit := 0.0
			if tt.name == "too long" {
				limit = 4 // large buffers are not kept
			}
			if got := testing.AllocsPerRun(1000, func() { drain(&d, pieces) }); got > limit {
				t.Errorf("got %v allocations, want at most %v", got, limit)
			}
		})
	}
}

func drain(d *Decoder, pieces [][]byte) (commands int) {
	for _, p := range pieces {
		for {
			_, n, ok := d.Next(p)
			p = p[n:]
			if !ok {
				break
			}
			commands++
		}
	}
	return commands
}

// FuzzDecoder cuts a stream at two places: neither the commands, nor the
// errors, nor the Telnet answers may change.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"USER a\r\nPASS b\r\n", "\xff\xf4\xff\xf2ABOR\r\n", "STOR a\r\x00b\r\r\n\r\n", "\xff\xfa\x18\xff\xf0NOOP\n",
		"\xff\xfb\x01\xff\xfd\x03 x\n", "a\x00\n\xf2QUIT\n", "\xef\xbb\xbfUSER\n", "STOR \xff\xff\xffa\r\n",
	} {
		f.Add([]byte(s), uint16(2), uint16(7), uint32(0))
	}
	f.Add([]byte("\nNOOP\n"), uint16(100), uint16(9000), uint32(MaxLine))
	f.Add([]byte("\r\n"), uint16(8000), uint16(65535), uint32(MaxFlood))
	f.Fuzz(func(t *testing.T, p []byte, first, second uint16, pad uint32) {
		p = append(bytes.Repeat([]byte{'a'}, int(pad%(MaxFlood+8))), p...)
		a, b := min(int(first), len(p)), min(int(second), len(p))
		a, b = min(a, b), max(a, b)
		whole, split := decode(t, p), decode(t, p[:a], p[a:b], p[b:])
		if whole != split {
			t.Errorf("cut at %d and %d: got\n%.1000s\nwant\n%.1000s", a, b, split, whole)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, bb := range []struct {
		name   string
		pieces []string
	}{
		{"NOOP", []string{"NOOP\r\n"}},
		{"STOR", []string{"STOR photos/2024/holiday/IMG_20240102_030405.jpg\r\n"}},
		{"Pipelined", []string{strings.Repeat("NOOP\r\n", 64)}},
		{"Split", []string{"STOR photos/2024/holi", "day/IMG_20240102_030405.jpg\r\n"}},
		{"Telnet", []string{"\xff\xf4\xff\xf2ABOR\r\n"}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var pieces [][]byte
			size := 0
			for _, s := range bb.pieces {
				pieces = append(pieces, []byte(s))
				size += len(s)
			}
			var d Decoder
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				drain(&d, pieces)
			}
		})
	}
}
