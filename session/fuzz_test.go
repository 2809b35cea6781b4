package session

import (
	"bytes"
	"fmt"
	"testing"

	"fastftps/codec"
)

// stream drives a session with bytes alone: TLS steps are taken without a
// word, transfers go well once all bytes are fed.
type stream struct {
	*memory
	out    []byte
	border bool // TLS began or ended right behind the bytes that were fed
}

// newStream makes one of a few servers, chosen by the bits of kind.
func newStream(t testing.TB, kind uint8) *stream {
	t.Helper()
	head := ""
	for i, setting := range []string{"require-tls", "ccc", "mode-z", "csid", "read-only", "require-prot"} {
		if kind&(1<<i) != 0 {
			head += setting + ": yes\n"
		}
	}
	if kind&(1<<6) != 0 {
		head += "mode: implicit\n"
	}
	s := &stream{memory: newMemory(t, setup(t, head))}
	if s.awaitTLS {
		s.awaitTLS = false
		s.s.Secured("")
		s.flush()
	}
	s.events = nil
	if kind&(1<<7) == 0 {
		return s
	}
	if s.s.clearForbidden() {
		s.send(t, "AUTH TLS")
		if err := s.Handshake(""); err != nil {
			t.Fatal(err)
		}
	}
	s.login(t)
	return s
}

// feed gives the session some bytes.
func (s *stream) feed(p []byte) {
	s.border = false
	for !s.closed {
		n, act := s.s.Feed(p)
		p = p[n:]
		s.step(act)
		if len(p) == 0 && act == Continue {
			return
		}
		s.border = len(p) == 0 && (act == StartTLS || act == EndTLS || act == Restart)
		if s.border {
			return
		}
	}
}

// step does what an action asks for.
func (s *stream) step(act Action) {
	s.out = append(s.out, s.s.Out()...)
	s.s.Sent()
	switch act {
	case Work, WorkHash, WorkRead:
		s.s.Work()
		s.step(s.s.Resume())
	case Flush:
		s.step(s.s.Resume())
	case StartTLS, Restart:
		s.s.Secured("")
		s.s.Sent() // a greeting answers no command
	case EndTLS:
		s.s.Cleared()
	case Close, CloseDrop:
		s.gone()
	}
	for r := s.data.ended; r != nil; r = s.data.ended { // aborted
		s.data.ended = nil
		s.step(s.s.TransferDone(*r))
	}
}

// finish lets the transfers end, the queued ones included.
func (s *stream) finish() {
	for !s.closed && s.data.job != nil {
		cause := CauseOK
		if s.data.job.Upload != nil {
			cause = s.data.store()
		} else {
			_, cause = s.data.download()
		}
		s.data.end(Result{Cause: cause})
		r := *s.data.ended
		s.data.ended = nil
		s.step(s.s.TransferDone(r))
	}
}

// FuzzSession: where the client's bytes are cut changes nothing in the replies;
// the replies are whole; each command has one completion reply.
func FuzzSession(f *testing.F) {
	for _, file := range transcriptFiles(f) {
		script := readTranscript(f, file)
		for _, kind := range []uint8{0, 1 << 7, 1<<6 | 1<<7} {
			f.Add(script.Sent(), uint16(len(file)), kind)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint16, kind uint8) {
		if len(p) > 4<<10 {
			return
		}
		whole, split := newStream(t, kind), newStream(t, kind)
		whole.feed(p)
		whole.finish()
		n := min(int(cut), len(p))
		split.feed(p[:n])
		if split.border {
			return // what follows came on the other side of TLS
		}
		split.feed(p[n:])
		split.finish()
		if !bytes.Equal(whole.out, split.out) {
			t.Errorf("cut at %d: got\n%q\nwant\n%q", n, split.out, whole.out)
		}
		completions, err := countReplies(whole.out)
		if err != nil {
			t.Errorf("replies: %v\n%q", err, whole.out)
		}
		if want := countCommands(p); !whole.closed && completions != want {
			t.Errorf("got %d completion replies to %d commands\n%q", completions, want, whole.out)
		}
	})
}

// countCommands is how many commands p holds, empty lines left out.
func countCommands(p []byte) (n int) {
	var d codec.Decoder
	for {
		_, k, ok := d.Next(p)
		if !ok {
			return n
		}
		p = p[k:]
		n++
	}
}

// countReplies reads replies to their end (RFC 959 section 4.2) and counts those
// that complete a command. Answers to Telnet options may stand between them.
func countReplies(out []byte) (completions int, err error) {
	for len(out) > 0 {
		if out[0] == 0xff && len(out) >= 3 {
			out = out[3:]
			continue
		}
		line, rest, ok := bytes.Cut(out, []byte("\r\n"))
		if !ok || !replyLine(line) {
			return completions, fmt.Errorf("%q is no line of a reply", line)
		}
		for line[3] == '-' {
			inner, after, ok := bytes.Cut(rest, []byte("\r\n"))
			if !ok {
				return completions, fmt.Errorf("reply %q has no end", line)
			}
			rest = after
			if bytes.HasPrefix(inner, line[:3]) && len(inner) > 3 && inner[3] == ' ' {
				break
			}
			if !bytes.HasPrefix(inner, []byte(" ")) || bytes.ContainsAny(inner, "\r\n\x00") {
				return completions, fmt.Errorf("%q is no inner line", inner)
			}
		}
		if line[0] != '1' {
			completions++
		}
		out = rest
	}
	return completions, nil
}

// replyLine reports whether line begins a reply.
func replyLine(line []byte) bool {
	return len(line) >= 4 && line[0] >= '1' && line[0] <= '5' && line[1] >= '0' && line[1] <= '5' &&
		line[2] >= '0' && line[2] <= '9' && (line[3] == ' ' || line[3] == '-') && !bytes.ContainsAny(line, "\r\n\x00")
}
