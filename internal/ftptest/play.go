package ftptest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fastftps/codec"
)

// Kind says what a server did.
type Kind uint8

// What a server may do on the control connection.
const (
	Line   Kind = iota // it sent a line
	EndTLS             // it ended TLS with close_notify and left the connection open
	Closed             // it closed the connection
)

// Event is one thing that the server did; Text is the line without CRLF.
type Event struct {
	Kind Kind
	Text string
}

// Errors of a Server that the player decides on.
var (
	// ErrSilent: the server has nothing to say.
	ErrSilent = errors.New("the server says nothing")
	// ErrProtection: the server protects the data connection otherwise than
	// it was opened.
	ErrProtection = errors.New("the data connection has another protection level")
)

// Server is a server together with the client's ends of its connections. One
// value plays one transcript, in one goroutine.
type Server interface {
	// Send writes p on the control connection, in one write.
	Send(p []byte) error
	// Next returns what the server does next. want is what the transcript
	// expects: over a network the end of TLS and the end of the connection
	// look alike at first. ErrSilent when nothing comes.
	Next(want Kind) (Event, error)
	// Ready reports whether Next would return at once.
	Ready() bool
	// Handshake starts TLS on the control connection. "" sends no SNI.
	Handshake(serverName string) error

	// DataAddr is where the client listens for active data connections.
	DataAddr() (netip.AddrPort, error)
	// DataOpen makes the data connection, under TLS if private.
	DataOpen(private bool) error
	// DataSend sends p on it.
	DataSend(p []byte) error
	// DataRead receives all that comes on it, to its end.
	DataRead() ([]byte, error)
	// DataEnd ends it: close, cut, none, or fail with a cause.
	DataEnd(how string) error

	// Advance moves the server's clock.
	Advance(d time.Duration) error
}

// Play plays the conversation and returns it as it went: what the client does
// as written, what the server does as it did. It equals s.Text when all went
// as written. cut is into pieces of how many bytes the client's writes are
// cut, 0 for not at all. An error means that the client could not go on.
func (s *Script) Play(srv Server, cut int) (string, error) {
	p := &player{srv: srv, cut: cut}
	if err := p.prepare(&s.Setup); err != nil {
		return "", fmt.Errorf("before the transcript: %w", err)
	}
	p.steps = s.steps
	err := p.run()
	return p.out.String(), err
}

// player is a conversation under way.
type player struct {
	srv   Server
	cut   int
	steps []step // still to be played
	out   strings.Builder
	held  []byte // of C+ lines
	data  bool   // the data connection is open
	mark  bool   // a transfer is under way
}

// prepare plays what Start stands for.
func (p *player) prepare(s *Setup) error {
	var text strings.Builder
	if s.Start == StartGreeting {
		return nil
	}
	if s.Mode == Implicit {
		text.WriteString("T: handshake\n")
	}
	text.WriteString("S: 220\n")
	if s.Mode == Explicit && s.Start != StartLogin {
		text.WriteString("C: AUTH TLS\nS: 234\nT: handshake\n")
	}
	text.WriteString("C: USER " + User + "\nS: 331\nC: PASS " + Password + "\nS: 230\n")
	if s.Start == StartPrivate {
		text.WriteString("C: PBSZ 0\nS: 200\nC: PROT P\nS: 200\n")
	}
	for line := range strings.Lines(text.String()) {
		st, err := parseStep(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		p.steps = append(p.steps, st)
	}
	if err := p.run(); err != nil {
		return err
	}
	return p.checkPrepared(text.String())
}

// checkPrepared compares what was played with the codes that were awaited.
func (p *player) checkPrepared(want string) error {
	var got strings.Builder
	for line := range strings.Lines(p.out.String()) {
		if strings.HasPrefix(line, "S: ") && len(line) > 6 {
			line = line[:6] + "\n"
		}
		got.WriteString(line)
	}
	p.out.Reset()
	if got.String() != want {
		return fmt.Errorf("got\n%swant\n%s", got.String(), want)
	}
	return nil
}

// run plays the steps.
func (p *player) run() error {
	for {
		if err := p.observe(); err != nil {
			return err
		}
		if len(p.steps) == 0 {
			return nil
		}
		st := p.take()
		if err := p.act(st); err != nil {
			return fmt.Errorf("%q: %w", st.line, err)
		}
	}
}

// take removes the next step.
func (p *player) take() step {
	st := p.steps[0]
	p.steps = p.steps[1:]
	return st
}

// emit writes a line of the conversation.
func (p *player) emit(line string) { p.out.WriteString(line + "\n") }

// serverKind returns what a step says of the server, if it does.
func (st step) serverKind() (Kind, bool) {
	switch {
	case st.kind == 'S':
		return Line, true
	case st.kind == 'E':
		return Closed, true
	case st.kind == 'T' && st.text == "close_notify":
		return EndTLS, true
	}
	return 0, false
}

// observe writes down what the server does, as long as the transcript expects
// something of it, or it has something ready.
func (p *player) observe() error {
	for {
		n := 0
		for n < len(p.steps) && p.steps[n].kind == '#' {
			n++
		}
		want, expected := Line, false
		if n < len(p.steps) {
			want, expected = p.steps[n].serverKind()
		}
		if !expected && (p.awaitsData(n) || !p.srv.Ready()) {
			return nil
		}
		if expected {
			for range n {
				p.emit(p.take().line)
			}
			p.take()
		}
		ev, err := p.srv.Next(want)
		if errors.Is(err, ErrSilent) {
			continue
		}
		if err != nil {
			return err
		}
		p.emit(ev.String())
		p.follow(ev)
	}
}

// awaitsData reports whether the step after n comments is on the data connection
// of the transfer that is under way. A server that connects by itself may have
// ended it already: its reply is looked at once the client has done its part.
func (p *player) awaitsData(n int) bool {
	return p.mark && n < len(p.steps) && p.steps[n].kind == 'D'
}

// follow keeps in mind whether there is a data connection: the end of a transfer
// is its end, however it came about.
func (p *player) follow(ev Event) {
	switch {
	case strings.HasPrefix(ev.Text, "150 "):
		p.mark = true
	case p.mark && (strings.HasPrefix(ev.Text, "226 ") || strings.HasPrefix(ev.Text, "4") || strings.HasPrefix(ev.Text, "5")):
		p.mark, p.data = false, false
	}
}

// String is the event as a line of a transcript.
func (e Event) String() string {
	switch e.Kind {
	case EndTLS:
		return "T: close_notify"
	case Closed:
		return "E: closed"
	}
	return strings.TrimRight("S: "+escape(hidePort(e.Text)), " ")
}

// act does one step of the client.
func (p *player) act(st step) error {
	if st.kind == 'D' {
		return p.dataStep(st)
	}
	p.emit(st.line)
	switch st.kind {
	case 'C', '+', '~':
		return p.command(st)
	case 'T':
		verb, name, _ := strings.Cut(st.text, " ")
		if verb != "handshake" {
			return errors.New("no such TLS step")
		}
		return p.srv.Handshake(name)
	case 'W':
		d, err := time.ParseDuration(st.text)
		if err != nil {
			return err
		}
		return p.srv.Advance(d)
	}
	return nil
}

// command sends a line, or holds it back.
func (p *player) command(st step) error {
	text, err := p.expand(unescape(st.text))
	if err != nil {
		return err
	}
	p.held = append(p.held, text...)
	if st.kind != '~' {
		p.held = append(p.held, "\r\n"...)
	}
	if st.kind == '+' {
		return nil
	}
	b := p.held
	p.held = nil
	for len(b) > 0 {
		n := len(b)
		if p.cut > 0 {
			n = min(n, p.cut)
		}
		if err := p.srv.Send(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// expand puts the client's data address for {port} and {eprt}.
func (p *player) expand(text string) (string, error) {
	if !strings.Contains(text, "{port}") && !strings.Contains(text, "{eprt}") {
		return text, nil
	}
	addr, err := p.srv.DataAddr()
	if err != nil {
		return "", err
	}
	text = strings.ReplaceAll(text, "{port}", string(codec.AppendPort(nil, addr)))
	return strings.ReplaceAll(text, "{eprt}", string(codec.AppendEPRT(nil, addr))), nil
}

// dataStep does one step on the data connection and writes it down after, so
// that an open that was missing comes before it.
func (p *player) dataStep(st step) error {
	if strings.HasPrefix(st.text, "< ") {
		return p.receive(st)
	}
	err := p.dataAct(st.text)
	p.emit(st.line)
	return err
}

func (p *player) dataAct(text string) error {
	verb, arg, _ := strings.Cut(text, " ")
	switch verb {
	case "open", "tls":
		p.data = true
		return p.srv.DataOpen(verb == "tls")
	case ">":
		b, err := strconv.Unquote(arg)
		if err != nil {
			return err
		}
		return p.onData(func() error { return p.srv.DataSend([]byte(b)) })
	case "close", "cut":
		defer func() { p.data = false }()
		return p.onData(func() error { return p.srv.DataEnd(verb) })
	case "none", "fail":
		p.data = false
		return p.srv.DataEnd(text)
	}
	return errors.New("no such data step")
}

// onData does something on the data connection, which is opened if it is not.
// Where the server wants the other protection level that is done, and shown.
func (p *player) onData(do func() error) error {
	if !p.data {
		p.data = true
		if err := p.srv.DataOpen(false); err != nil {
			return err
		}
	}
	err := do()
	if errors.Is(err, ErrProtection) {
		p.emit("D: tls")
		if err = p.srv.DataOpen(true); err == nil {
			err = do()
		}
	}
	return err
}

// receive compares what comes on the data connection with a run of D: < lines.
func (p *player) receive(first step) error {
	var want []byte
	var lines strings.Builder
	for st, more := first, true; more; {
		b, err := strconv.Unquote(strings.TrimPrefix(st.text, "< "))
		if err != nil {
			return err
		}
		want = append(want, b...)
		lines.WriteString(st.line + "\n")
		if more = len(p.steps) > 0 && p.steps[0].kind == 'D' && strings.HasPrefix(p.steps[0].text, "< "); more {
			st = p.take()
		}
	}
	var got []byte
	err := p.onData(func() (err error) {
		got, err = p.srv.DataRead()
		return err
	})
	p.data = false
	if err != nil {
		return err
	}
	if string(got) == string(want) {
		p.out.WriteString(lines.String())
	} else {
		p.out.WriteString(quoteData(got))
	}
	return nil
}
