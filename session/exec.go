package session

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
)

// reply is a completion, mark or intermediate reply. The zero reply says that
// the handler has already written its own.
type reply struct {
	code codec.Code
	text string
}

// written is returned by a handler that wrote its reply itself.
var written reply

// handler runs one command. arg is the argument without the one space that
// separates it; it is verbatim for paths and trimmed otherwise. An error goes
// through replyFor.
type handler func(s *Session, arg string) (reply, error)

// execute checks one command in a fixed order and runs it, or leaves it to
// Work. The order: line, verb, setting, TLS policy, login, argument; sequence
// and value are the handler's (RFC 959 section 5.4).
func (s *Session) execute(verb codec.Verb, arg []byte, lineErr error) Action {
	row, r, act := s.admit(verb, arg, lineErr)
	if row == nil {
		return s.conclude(verb, r, act)
	}
	text := string(arg)
	if row.flags&pathArg == 0 {
		text = strings.TrimSpace(text)
	}
	if row.flags&mayBlock != 0 && !(row.flags&blockArg != 0 && text == "") {
		if row.flags&hashes != 0 && !s.awaitTurn() {
			return s.conclude(verb, s.slowed(), Close)
		}
		s.row, s.arg = row, text
		return s.pending()
	}
	s.finish(row, row.run, text)
	return s.after()
}

// after is what the driver must do once a command has ended.
func (s *Session) after() Action {
	if s.then != Continue {
		act := s.then
		s.then = Continue
		return act
	}
	return s.pending()
}

// admit makes the checks that need no handler. A nil row carries the refusal.
func (s *Session) admit(verb codec.Verb, arg []byte, lineErr error) (*command, reply, Action) {
	if lineErr != nil {
		return s.refuseLine(lineErr, arg)
	}
	row := lookup(verb)
	switch {
	case row == nil:
		return s.refuseUnknown(verb, nil)
	case row.enabled != nil && !row.enabled(s.cfg):
		return nil, row.disabled, Continue
	case s.clearForbidden() && row.flags&anytime == 0,
		s.clearForbidden() && row.flags&loginSecret != 0:
		return nil, reply{codec.C530NotLoggedIn, "TLS required: send AUTH TLS first"}, Continue
	case s.state != stateReady && row.flags&anytime == 0:
		return nil, reply{codec.C530NotLoggedIn, "Please log in with USER and PASS"}, Continue
	case row.argMissing(arg), row.flags&argNone != 0 && len(bytes.TrimSpace(arg)) > 0:
		return nil, reply{codec.C501BadArgument, "Usage: " + row.usage}, Continue
	case s.state == stateReady && !s.may(row.needs(arg)):
		return nil, reply{row.denial(), "Permission denied"}, Continue
	case row.flags&opensData != 0 && s.cfg.RequireProt && s.prot != Private:
		return nil, reply{codec.C521NeedsProtection, "Data connections need protection: send PROT P"}, Continue
	case row.flags&opensData != 0 && !s.peer.Data.Armed():
		return nil, reply{codec.C425NoData, "Use PORT or PASV first"}, Continue
	}
	return row, reply{}, Continue
}

// needs is what a user must be allowed to do. STAT without a path is about the session,
// not about files.
func (c *command) needs(arg []byte) auth.Perm {
	if c.flags&blockArg != 0 && len(arg) == 0 {
		return 0
	}
	return c.perm
}

// argMissing reports whether the row needs an argument and there is none. A
// path may consist of spaces, any other argument may not.
func (c *command) argMissing(arg []byte) bool {
	if c.flags&pathArg == 0 {
		arg = bytes.TrimSpace(arg)
	}
	return c.flags&argRequired != 0 && len(arg) == 0
}

// settle forgets what was said about the next transfer once a transfer command
// has been answered, whatever the answer (RFC 3659 section 5.3).
func (s *Session) settle(row *command) {
	if row != nil && row.flags&opensData != 0 {
		s.restart, s.rangeEnd, s.from, s.allo = 0, 0, "", 0
	}
}

// clearForbidden reports whether the policy asks for TLS that is not there.
func (s *Session) clearForbidden() bool { return s.cfg.RequireTLS && !s.secure && !s.ended }

// refuseLine answers a line that is no command.
func (s *Session) refuseLine(err error, line []byte) (*command, reply, Action) {
	switch {
	case errors.Is(err, codec.ErrNUL):
		return nil, reply{codec.C501BadArgument, "NUL is not allowed in a command"}, Continue
	case errors.Is(err, codec.ErrLineFlood):
		s.limit(metrics.LimitMaxLine)
		return nil, reply{codec.C421Closing, "Line far too long"}, Close
	case errors.Is(err, codec.ErrLineTooLong):
		s.limit(metrics.LimitMaxLine)
		if s.state != stateReady {
			return nil, reply{codec.C421Closing, "Line too long"}, Close
		}
		return nil, reply{codec.C500Unknown, "Line too long"}, Continue
	}
	return s.refuseUnknown(0, line)
}

// refuseUnknown answers a verb that is not in the table, or a line without a
// verb. A client that speaks another protocol is cut off without a word, so
// that nothing it sent is ever echoed or executed (cross-protocol attacks), and
// so is one that only probes.
func (s *Session) refuseUnknown(verb codec.Verb, line []byte) (*command, reply, Action) {
	if s.state != stateReady {
		s.bad++
		if foreign(verb) || foreignLine(line) {
			s.rejected(metrics.RejectProtocol, "not an FTP client")
			return nil, reply{}, CloseDrop
		}
		if s.bad >= s.cfg.MaxBadCommands {
			s.limit(metrics.LimitMaxBadCommands)
			return nil, reply{codec.C421Closing, "Too many unknown commands"}, Close
		}
	}
	return nil, reply{codec.C500Unknown, "Unknown command"}, Continue
}

// conclude answers a command that was refused before its handler.
func (s *Session) conclude(verb codec.Verb, r reply, act Action) Action {
	row := lookup(verb)
	s.settle(row)
	if r.code != 0 {
		s.say(r.code, r.text)
		s.report(row, r.code)
	}
	if act == Close || act == CloseDrop {
		s.state = stateClosed
		return act
	}
	return s.pending()
}

// finish runs a handler and writes what it answers.
func (s *Session) finish(row *command, run handler, arg string) {
	start := len(s.out)
	r, err := run(s, arg)
	if err != nil {
		r = s.replyFor(row, err)
	}
	s.settle(row)
	if r.code != 0 {
		s.say(r.code, r.text)
	}
	if code := codeOf(s.out[start:]); code >= 200 {
		s.report(row, code)
	}
}

// codeOf is the code of the reply at the start of out, 0 when there is none.
func codeOf(out []byte) codec.Code {
	if len(out) < 3 {
		return 0
	}
	return codec.Code(out[0]-'0')*100 + codec.Code(out[1]-'0')*10 + codec.Code(out[2]-'0')
}

// duringTransfer deals with a command that arrives while a transfer runs:
// ABOR and STAT are heard at once, the rest is queued and answered in order
// when the transfer is over (RFC 959 section 4.1.3).
func (s *Session) duringTransfer(c codec.Command) Action {
	switch {
	case c.Verb == verbABOR && c.Err == nil:
		s.peer.Data.Abort()
	case c.Verb == verbSTAT && c.Err == nil && len(c.Arg) == 0:
		s.finish(lookup(verbSTAT), (*Session).stat, "")
		return Continue
	case errors.Is(c.Err, codec.ErrLineFlood):
		s.limit(metrics.LimitMaxLine)
		return s.Stop("Line far too long")
	}
	if s.queue.len() >= s.cfg.MaxPendingCommands || len(s.queue.buf)+len(c.Arg) > s.cfg.MaxPendingBytes {
		s.limit(metrics.LimitMaxPendingCommands)
		return s.Stop("Too many commands during a transfer")
	}
	s.queue.push(c)
	return Continue
}

// report tells Events of an executed command; row is nil for a verb that is
// not in the table.
func (s *Session) report(row *command, code codec.Code) {
	if s.cfg.Events == nil {
		return
	}
	label := metrics.VerbOther
	if row != nil {
		label = row.label
	}
	s.cfg.Events.Command(label, code)
}

// limit reports that a limit was met.
func (s *Session) limit(l metrics.Limit) {
	s.log().Info("limit", slog.String("limit", l.String()))
	if s.cfg.Events != nil {
		s.cfg.Events.Limit(l)
	}
}

// rejected reports a client that is cut off, and why.
func (s *Session) rejected(r metrics.Reject, why string) {
	s.log().Warn(why)
	if s.cfg.Events != nil {
		s.cfg.Events.Rejected(r)
	}
}

// say appends one reply line. Text is ASCII of ours, or was made safe.
func (s *Session) say(code codec.Code, text string) {
	s.out = codec.AppendReply(s.out, code, text)
}

// foreign reports whether verb is of HTTP, SMTP or another protocol that
// browsers and scanners speak.
func foreign(v codec.Verb) bool {
	switch v {
	case codec.V("GET"), codec.V("POST"), codec.V("PUT"), codec.V("HEAD"), codec.V("OPTIONS"),
		codec.V("CONNECT"), codec.V("DELETE"), codec.V("PATCH"), codec.V("TRACE"), codec.V("PRI"),
		codec.V("EHLO"), codec.V("HELO"), codec.V("LHLO"), codec.V("RCPT"), codec.V("DATA"):
		return true
	}
	return false
}

// foreignLine reports whether a line without a verb is of another protocol: it
// begins with the name of a header, or with bytes that nobody types.
func foreignLine(line []byte) bool {
	word, _, _ := bytes.Cut(line, []byte{' '})
	return bytes.HasSuffix(word, []byte{':'}) || bytes.ContainsFunc(word, isControl)
}

var (
	verbABOR = codec.V("ABOR")
	verbQUIT = codec.V("QUIT")
	verbSTAT = codec.V("STAT")
)
