package ftptest

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// echo is a server that answers each line with the code 200 and the line, and
// PASV, RETR and STOR with what a transfer needs.
type echo struct {
	in      string
	events  []Event
	private bool // what it asks of data connections
	opened  bool // how the client opened its end
	sent    string
	writes  []string
	names   []string
}

func (e *echo) Send(p []byte) error {
	e.writes = append(e.writes, string(p))
	e.in += string(p)
	for {
		line, rest, ok := strings.Cut(e.in, "\r\n")
		if !ok {
			return nil
		}
		e.in = rest
		e.answer(line)
	}
}

func (e *echo) answer(line string) {
	switch line {
	case "PASV":
		e.say("227 Entering Passive Mode (127,0,0,1,4,5).")
	case "RETR", "STOR":
		e.say("150 Opening")
	case "REIN":
		e.say("220 Ready")
		e.events = append(e.events, Event{Kind: EndTLS})
	case "QUIT":
		e.events = append(e.events, Event{Kind: Closed})
	default:
		e.say("200 " + line)
	}
}

func (e *echo) say(line string) { e.events = append(e.events, Event{Text: line}) }

func (e *echo) Next(Kind) (Event, error) {
	if len(e.events) == 0 {
		return Event{}, ErrSilent
	}
	ev := e.events[0]
	e.events = e.events[1:]
	return ev, nil
}

func (e *echo) Ready() bool { return len(e.events) > 0 }

func (e *echo) Handshake(name string) error {
	e.names = append(e.names, name)
	return nil
}

func (e *echo) DataAddr() (netip.AddrPort, error) {
	return netip.MustParseAddrPort("127.0.0.1:1029"), nil
}

func (e *echo) DataOpen(private bool) error {
	e.opened = private
	return nil
}

func (e *echo) check() error {
	if e.opened != e.private {
		return ErrProtection
	}
	return nil
}

func (e *echo) DataSend(p []byte) error {
	e.sent += string(p)
	return e.check()
}

func (e *echo) DataRead() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	e.say("226 Done")
	return []byte("one\ntwo"), nil
}

func (e *echo) DataEnd(how string) error {
	e.say("226 " + how)
	return e.check()
}

func (e *echo) Advance(time.Duration) error { return errors.New("no clock") }

func TestPlay(t *testing.T) {
	tests := []struct {
		name, text, want string
		private          bool
	}{
		{"as written", "C: NOOP\nS: 200 NOOP\n", "C: NOOP\nS: 200 NOOP\n", false},
		{"another reply", "C: NOOP\nS: 250 NOOP\n", "C: NOOP\nS: 200 NOOP\n", false},
		{"no reply awaited", "C: NOOP\n", "C: NOOP\nS: 200 NOOP\n", false},
		{"no reply came", "C: NOOP\nS: 200 NOOP\nS: 200 NOOP\n", "C: NOOP\nS: 200 NOOP\n", false},
		{"comments stay", "# a\n\nC: A\n# b\nS: 200 A\n# c\n", "# a\n\nC: A\n# b\nS: 200 A\n# c\n", false},
		{"one write", "C+ A\nC+ B\nC: C\nS: 200 A\nS: 200 B\nS: 200 C\n", "C+ A\nC+ B\nC: C\nS: 200 A\nS: 200 B\nS: 200 C\n", false},
		{"raw", "C~ A\nC: B\nS: 200 AB\n", "C~ A\nC: B\nS: 200 AB\n", false},
		{"escapes", "C: \\x01\\\\ü\\xff\nS: 200 \\x01\\\\ü\\xff\n", "C: \\x01\\\\ü\\xff\nS: 200 \\x01\\\\ü\\xff\n", false},
		{"port", "C: PORT {port}\n", "C: PORT {port}\nS: 200 PORT 127,0,0,1,4,5\n", false},
		{"eprt", "C: EPRT {eprt}\n", "C: EPRT {eprt}\nS: 200 EPRT |1|127.0.0.1|1029|\n", false},
		{"passive port hidden", "C: PASV\n", "C: PASV\nS: 227 Entering Passive Mode (127,0,0,1,*).\n", false},
		{"end of TLS", "C: REIN\nS: 220 Ready\nT: close_notify\nT: handshake a.example\n", "C: REIN\nS: 220 Ready\nT: close_notify\nT: handshake a.example\n", false},
		{"closed", "C: QUIT\nE: closed\n", "C: QUIT\nE: closed\n", false},
		{"data", "C: RETR\nS: 150 Opening\nD: < \"one\\ntwo\"\nS: 226 Done\n", "C: RETR\nS: 150 Opening\nD: < \"one\\ntwo\"\nS: 226 Done\n", false},
		{"other data", "C: RETR\nS: 150 Opening\nD: < \"\"\n", "C: RETR\nS: 150 Opening\nD: < \"one\\n\"\nD: < \"two\"\nS: 226 Done\n", false},
		{"level added", "C: RETR\nS: 150 Opening\nD: < \"one\\ntwo\"\n", "C: RETR\nS: 150 Opening\nD: tls\nD: < \"one\\ntwo\"\nS: 226 Done\n", true},
		{"upload", "C: STOR\nS: 150 Opening\nD: > \"x\"\nD: close\nS: 226 close\n", "C: STOR\nS: 150 Opening\nD: > \"x\"\nD: close\nS: 226 close\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script, err := Parse([]byte("-- transcript --\n" + tt.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, cut := range []int{0, 1} {
				got, err := script.Play(&echo{private: tt.private}, cut)
				if err != nil || got != tt.want {
					t.Errorf("cut %d: got %v\n%s\nwant\n%s", cut, err, got, tt.want)
				}
			}
		})
	}
}

// TestWrites: held lines go out in one write; cuts are as wide as asked for.
func TestWrites(t *testing.T) {
	script, err := Parse([]byte("-- transcript --\nC+ A\nC~ B\nC: C\n"))
	if err != nil {
		t.Fatal(err)
	}
	for cut, want := range map[int]string{0: "A\r\nB|C\r\n", 2: "A\r|\nB|C\r|\n"} {
		e := new(echo)
		if _, err := script.Play(e, cut); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(e.writes, "|"); got != want {
			t.Errorf("cut %d: got %q, want %q", cut, got, want)
		}
	}
	if got, want := string(script.Sent()), "A\r\nBC\r\n"; got != want {
		t.Errorf("sent: got %q, want %q", got, want)
	}
}

// TestPlayStops: a step that cannot be done ends the play with an error.
func TestPlayStops(t *testing.T) {
	for _, text := range []string{
		"W: 1s\n", "W: soon\n", "T: restart\n", "D: nothing\n", "D: > x\n", "D: < x\n",
	} {
		script, err := Parse([]byte("-- transcript --\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := script.Play(new(echo), 0); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
	script, err := Parse([]byte("start: login\n-- transcript --\nC: NOOP\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := script.Play(new(echo), 0); err == nil || !strings.Contains(err.Error(), "before the transcript") {
		t.Errorf("login that fails: got %v", err)
	}
}

func TestParseFails(t *testing.T) {
	for _, text := range []string{
		"", "-- a.txt --\nx\n", "-- transcript --\nX: y\n", "-- transcript --\nNOOP\n",
		"nothing\n-- transcript --\n", "no: such\n-- transcript --\n", "mode: loud\n-- transcript --\n",
		"ccc: maybe\n-- transcript --\n", "attempts: x\n-- transcript --\n", "failure-delay: 5\n-- transcript --\n",
	} {
		if s, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q: got %+v, want an error", text, s)
		}
	}
}

func TestInMemoryOnly(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{"-- transcript --\nC: NOOP\nD: close\n", false},
		{"only: memory\n-- transcript --\nC: NOOP\n", true},
		{"no-ports: yes\n-- transcript --\nC: NOOP\n", true},
		{"-- transcript --\nW: 1s\n", true},
		{"-- transcript --\nD: none\n", true},
		{"-- transcript --\nD: fail tls\n", true},
	}
	for _, tt := range tests {
		script, err := Parse([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := script.InMemoryOnly(); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestWith(t *testing.T) {
	script, err := Parse([]byte("mode: plain\n-- a.txt --\nx\n-- transcript --\nC: A\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "mode: plain\n-- a.txt --\nx\n-- transcript --\nC: B\n"
	if got := string(script.With("C: B\n")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tree, err := script.Setup.FS(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := tree.ReadFile("/a.txt"); err != nil || string(b) != "x\n" {
		t.Errorf("tree: got %q, %v", b, err)
	}
}

// FuzzEscape: a line of the wire comes back from its form in a transcript.
func FuzzEscape(f *testing.F) {
	f.Add("200 a\\b\x00\xff ü \r")
	f.Add(" ")
	f.Fuzz(func(t *testing.T, line string) {
		text := escape(line)
		if got := unescape(text); got != line {
			t.Errorf("%q as %q: got %q", line, text, got)
		}
		if strings.ContainsAny(text, "\r\n") || strings.HasSuffix(text, " ") {
			t.Errorf("%q as %q: it does not keep to its line", line, text)
		}
	})
}

func TestHidePort(t *testing.T) {
	tests := []struct{ line, want string }{
		{"227 Entering Passive Mode (1,2,3,4,5,6).", "227 Entering Passive Mode (1,2,3,4,*)."},
		{"227 no (1,2) address", "227 no (1,2) address"},
		{"227 )(", "227 )("},
		{"229 Entering Extended Passive Mode (|||123|)", "229 Entering Extended Passive Mode (|||*|)"},
		{"229 |)(|||", "229 |)(|||"},
		{"200 (1,2,3,4,5,6)", "200 (1,2,3,4,5,6)"},
	}
	for _, tt := range tests {
		if got := hidePort(tt.line); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestDiff(t *testing.T) {
	if got := Diff("a\nb\n", "a\nb\n"); got != "" {
		t.Errorf("the same: got %q", got)
	}
	if got := Diff("a\nb\nc\nd\ne\n", "a\nb\nc\nd\nf\n"); !strings.Contains(got, "from line 2") || !strings.Contains(got, "\tf") {
		t.Errorf("got %q", got)
	}
}
