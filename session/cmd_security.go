package session

import (
	"strings"

	"fastftps/codec"
)

// securityCommands are those of RFC 2228 and RFC 4217.
func securityCommands() []command {
	return []command{
		{verb: codec.V("AUTH"), flags: anytime | argRequired, feat: authFeature, usage: "AUTH TLS|SSL|TLS-C", rfc: "RFC 4217 section 4, [MS-FTPS] section 3.2.5.4", run: (*Session).authTLS},
		{verb: codec.V("PBSZ"), flags: anytime | argRequired, feat: tlsFeature("PBSZ"), usage: "PBSZ <size>", rfc: "RFC 2228 section 3", run: (*Session).pbszSize},
		{verb: codec.V("PROT"), flags: anytime | argRequired, feat: tlsFeature("PROT"), usage: "PROT C|P", rfc: "RFC 4217 section 9", run: (*Session).protLevel},
		{verb: codec.V("CCC"), flags: anytime | argNone, feat: cccFeature, usage: "CCC", rfc: "RFC 4217 section 5", run: (*Session).ccc},
		{verb: codec.V("ADAT"), flags: anytime | hidden, usage: "ADAT", rfc: "RFC 2228 section 3", run: (*Session).adat},
		{verb: codec.V("MIC"), flags: anytime | hidden, usage: "MIC", rfc: "RFC 2228 section 3", run: (*Session).protected},
		{verb: codec.V("CONF"), flags: anytime | hidden, usage: "CONF", rfc: "RFC 2228 section 3", run: (*Session).protected},
		{verb: codec.V("ENC"), flags: anytime | hidden, usage: "ENC", rfc: "RFC 2228 section 3", run: (*Session).protected},
	}
}

// authFeature names both mechanisms on lines of their own: some clients compare
// the whole value ([MS-FTPS] section 3.2.5.5 asks for SSL to be there).
func authFeature(s *Session) []string {
	if s.cfg.Mode == Plain {
		return nil
	}
	return []string{"AUTH TLS", "AUTH SSL"}
}

// tlsFeature is a feature line where TLS is offered.
func tlsFeature(text string) feature {
	lines := []string{text}
	return func(s *Session) []string {
		if s.cfg.Mode == Plain {
			return nil
		}
		return lines
	}
}

// cccFeature: CCC is named where it can succeed.
func cccFeature(s *Session) []string {
	if !s.cfg.CCC || s.cfg.Mode != Explicit {
		return nil
	}
	return []string{"CCC"}
}

// authTLS begins TLS on the control connection. SSL is taken exactly as TLS.
// Bytes behind the command end the connection: they came in clear and must
// neither be executed nor reach TLS.
func (s *Session) authTLS(mech string) (reply, error) {
	switch m := strings.ToUpper(mech); {
	case m != "TLS" && m != "SSL" && m != "TLS-C":
		return reply{codec.C504BadParameter, "Security mechanism not known, use TLS"}, nil
	case s.secure:
		return reply{codec.C534Policy, "TLS is on already"}, nil
	case s.cfg.Mode == Plain, s.ended:
		return reply{codec.C534Policy, "TLS is not offered here"}, nil
	case s.more:
		return s.smuggled(), nil
	}
	s.reset()
	s.state = stateUser
	s.then = StartTLS
	return reply{codec.C234StartTLS, "Starting TLS"}, nil
}

// pbszSize takes any 32-bit size and settles on 0, as TLS asks for
// (RFC 4217 section 8).
func (s *Session) pbszSize(arg string) (reply, error) {
	n, ok := codec.ParseInt63([]byte(arg))
	switch {
	case !s.secure:
		return reply{codec.C503BadSequence, "Send AUTH first"}, nil
	case !ok || n > 1<<32-1:
		return reply{codec.C501BadArgument, "PBSZ takes a number of 32 bits"}, nil
	}
	s.pbsz = true
	return reply{codec.C200OK, "PBSZ=0"}, nil
}

// protLevel sets the protection level of the next data connections. After CCC
// it is frozen (RFC 4217 section 5): then the connection is not secure and 503
// follows.
func (s *Session) protLevel(arg string) (reply, error) {
	switch {
	case !s.secure:
		return reply{codec.C503BadSequence, "Send AUTH first"}, nil
	case !s.pbsz && !s.cfg.LenientPBSZ:
		return reply{codec.C503BadSequence, "Send PBSZ first"}, nil
	}
	switch strings.ToUpper(arg) {
	case "P":
		s.prot = Private
		return reply{codec.C200OK, "Protection level is Private"}, nil
	case "C":
		if s.cfg.RequireProt {
			return reply{codec.C534Policy, "Clear data connections are not allowed"}, nil
		}
		s.prot = Clear
		return reply{codec.C200OK, "Protection level is Clear"}, nil
	case "S", "E":
		return reply{codec.C536ProtUnsupported, "Protection level not supported by TLS"}, nil
	}
	return reply{codec.C504BadParameter, "Protection level not known"}, nil
}

// ccc gives up TLS on the control connection. An implicit listener always
// refuses ([MS-FTPS] section 3.2.5.2).
func (s *Session) ccc(string) (reply, error) {
	switch {
	case !s.secure:
		return reply{codec.C533NotProtected, "The control connection is not under TLS"}, nil
	case s.cfg.Mode == Implicit, !s.cfg.CCC, s.state != stateReady:
		return reply{codec.C534Policy, "CCC is not allowed"}, nil
	case s.more:
		return s.smuggled(), nil
	}
	s.ended = true
	s.then = EndTLS
	return reply{codec.C200OK, "The control connection is clear from here on"}, nil
}

// adat: no mechanism of ours exchanges security data.
func (s *Session) adat(string) (reply, error) {
	return reply{codec.C503BadSequence, "No mechanism that uses ADAT"}, nil
}

// protected answers MIC, CONF and ENC, which TLS does not use.
func (s *Session) protected(string) (reply, error) {
	if s.secure {
		return reply{codec.C537ProtNotPossible, "Protected commands are not used with TLS"}, nil
	}
	return reply{codec.C503BadSequence, "Send AUTH first"}, nil
}
