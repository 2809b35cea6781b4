package session

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
)

// loginCommands are the access control commands (RFC 959 section 4.1.1).
func loginCommands() []command {
	return []command{
		{verb: codec.V("USER"), flags: anytime | loginSecret | argRequired, usage: "USER <name>", rfc: "RFC 959 section 4.1.1", run: (*Session).userName},
		{verb: codec.V("PASS"), flags: anytime | loginSecret | mayBlock | hashes | pathArg, usage: "PASS <password>", rfc: "RFC 959 section 4.1.1", run: (*Session).pass},
		{verb: codec.V("ACCT"), flags: loginSecret | argRequired, usage: "ACCT <account>", rfc: "RFC 959 section 4.1.1", run: (*Session).acct},
		{verb: codec.V("REIN"), flags: anytime | argNone, usage: "REIN", rfc: "RFC 959 section 4.1.1, [MS-FTPS] section 3.2.5.3", run: (*Session).rein},
		{verb: codec.V("QUIT"), flags: anytime, usage: "QUIT", rfc: "RFC 959 section 4.1.1", run: (*Session).quit},
	}
}

// maxUserName bounds the name of a user, in bytes.
const maxUserName = 128

// userName answers 331 whether the user exists or not (RFC 2577 section 7).
func (s *Session) userName(name string) (reply, error) {
	if s.state == stateReady {
		return reply{codec.C530NotLoggedIn, "Already logged in, send REIN first"}, nil
	}
	if len(name) > maxUserName || strings.ContainsFunc(name, isControl) {
		return reply{codec.C501BadArgument, "User name not allowed"}, nil
	}
	s.name, s.state = name, statePassword
	return reply{codec.C331NeedPassword, "Password required"}, nil
}

// isControl reports whether r is a control character.
func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// awaitTurn lets the password that Work is to check wait for its turn, without
// a worker: an address or a user that has failed is answered late, right or
// wrong (RFC 2577 section 5). Deviation: the first failure is answered at once.
// It returns false when there are too many before it.
func (s *Session) awaitTurn() bool {
	if s.cfg.LoginTurn == nil || s.state != statePassword {
		return true
	}
	at, ok := s.cfg.LoginTurn(s.peer.Remote.Addr(), s.name)
	s.wake = at
	return ok
}

// slowed refuses a password unchecked.
func (s *Session) slowed() reply {
	s.wake = time.Time{}
	s.loginEvent(metrics.LoginSlowed)
	s.log().Warn("login refused, too many of this address wait after failures", slog.String("user", s.name))
	return reply{codec.C421Closing, "Too many failed logins from this address, try again later"}
}

// pass checks the password. It runs on a hash worker.
func (s *Session) pass(password string) (reply, error) {
	switch s.state {
	case stateReady:
		return reply{codec.C503BadSequence, "Already logged in"}, nil
	case stateUser:
		return reply{codec.C503BadSequence, "Send USER first"}, nil
	}
	s.state = stateUser
	u, err := s.cfg.Auth.Authenticate(s.ctx, s.name, password)
	switch {
	case errors.Is(err, auth.ErrDenied):
		return s.denied(), nil
	case errors.Is(err, auth.ErrBusy):
		s.loginEvent(metrics.LoginBusy)
		s.then, s.state = Close, stateClosed
		return reply{codec.C421Closing, "Too many logins at once, try again later"}, nil
	case err != nil:
		result := metrics.LoginGone
		if s.ctx.Err() == nil {
			result = metrics.LoginError
			s.log().Error("login", slog.String("user", s.name), slog.Any("err", err))
		} else {
			s.failed() // it has cost what a wrong password costs
		}
		s.loginEvent(result)
		s.then, s.state = Close, stateClosed
		return reply{codec.C421Closing, "Login is not possible now, try again later"}, nil
	}
	return s.admitUser(u)
}

// admitUser opens the user's root and logs the user in.
func (s *Session) admitUser(u *auth.User) (reply, error) {
	root, err := s.cfg.OpenFS(s.ctx, u)
	if err != nil {
		s.loginEvent(metrics.LoginError)
		s.log().Error("open root", slog.String("user", u.Name), slog.Any("err", err))
		return reply{codec.C530NotLoggedIn, "Home directory is not available"}, nil
	}
	s.fs, s.user, s.state = root, u, stateReady
	if s.cfg.LoginOK != nil {
		s.cfg.LoginOK(s.peer.Remote.Addr(), u.Name)
	}
	s.loginEvent(metrics.LoginOK)
	s.log().Info("login", slog.String("user", u.Name), slog.Bool("tls", s.secure), slog.String("host", s.host))
	return reply{codec.C230LoggedIn, "Logged in"}, nil
}

// denied answers a wrong password.
func (s *Session) denied() reply {
	s.attempts++
	s.loginEvent(metrics.LoginDenied)
	s.log().Warn("login failed", slog.String("user", s.name), slog.Int("attempt", s.attempts))
	s.failed()
	if s.attempts < s.cfg.MaxAttempts {
		return reply{codec.C530NotLoggedIn, "Login incorrect"}
	}
	s.limit(metrics.LimitMaxLoginAttempts)
	s.then, s.state = Close, stateClosed
	return reply{codec.C421Closing, "Login incorrect, too many attempts"}
}

// failed has the next logins of this address and user wait.
func (s *Session) failed() {
	if s.cfg.LoginFailed != nil {
		s.cfg.LoginFailed(s.peer.Remote.Addr(), s.name)
	}
}

// loginEvent reports the outcome of a PASS.
func (s *Session) loginEvent(r metrics.LoginResult) {
	if s.cfg.Events != nil {
		s.cfg.Events.Login(r)
	}
}

// acct: no account is ever needed.
func (s *Session) acct(string) (reply, error) {
	return reply{codec.C202Superfluous, "No account needed"}, nil
}

// rein logs the user out and puts all parameters back. TLS ends with it, after
// the reply; on an implicit listener a new handshake follows on the same
// connection ([MS-FTPS] section 3.2.5.3), on an explicit one clear text with
// no second greeting (RFC 4217 section 13).
func (s *Session) rein(string) (reply, error) {
	if s.secure && s.more {
		return s.smuggled(), nil
	}
	s.reset()
	s.forget()
	s.state = stateUser
	if s.secure {
		s.then = EndTLS
		if s.cfg.Mode == Implicit {
			s.then, s.state = Restart, stateSilent
		}
	}
	return reply{codec.C220Ready, "Ready for a new user"}, nil
}

// smuggled refuses to cross a border between clear text and TLS while bytes of
// the near side lie behind the command: they are never executed.
func (s *Session) smuggled() reply {
	s.rejected(metrics.RejectInjection, "bytes behind a TLS border command")
	s.then, s.state = Close, stateClosed
	return reply{codec.C503BadSequence, "Nothing may follow this command before TLS changes"}
}

// quit ends the session. During a transfer it is queued, so the transfer ends
// first (RFC 959 section 4.1.1).
func (s *Session) quit(string) (reply, error) {
	s.then, s.state = Close, stateClosed
	return reply{codec.C221Closing, "Goodbye"}, nil
}
