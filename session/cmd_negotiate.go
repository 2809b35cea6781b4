package session

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"fastftps/codec"
)

// negotiationCommands tell the two sides what the other can do, and select from
// it. Clients send them before the login and after it.
func negotiationCommands() []command {
	return []command{
		{verb: codec.V("OPTS"), flags: anytime | argRequired, feat: line("UTF8"), usage: "OPTS <command> [<options>]", rfc: "RFC 2389 section 4", run: (*Session).options},
		{verb: codec.V("LANG"), flags: anytime, feat: line("LANG EN*"), usage: "LANG [<tag>]", rfc: "RFC 2640 section 4", run: (*Session).language},
		{verb: codec.V("HOST"), flags: anytime | argRequired, feat: line("HOST"), usage: "HOST <name>", rfc: "RFC 7151 section 3", run: (*Session).hostName},
		{verb: codec.V("CLNT"), flags: anytime, feat: line("CLNT"), usage: "CLNT <name>", rfc: "vendor extension", run: (*Session).clientName},
		{
			verb: codec.V("CSID"), flags: anytime | argRequired, feat: line("CSID"), usage: "CSID Name=<name>;Version=<version>;", rfc: "draft-peterson-streamlined-ftp-command-extensions-10 section 5", run: (*Session).clientID,
			enabled: func(c *Config) bool { return c.CSID }, disabled: reply{codec.C502NotImplemented, "CSID is switched off"},
		},
	}
}

// options sets options of other commands. Only 200, 451 and 501 answer OPTS
// (RFC 2389 section 4).
func (s *Session) options(arg string) (reply, error) {
	name, value, _ := strings.Cut(arg, " ")
	switch strings.ToUpper(name) {
	case "UTF8", "UTF-8":
		if value != "" && !strings.EqualFold(value, "ON") {
			return reply{codec.C501BadArgument, "UTF8 is always on"}, nil
		}
		return reply{codec.C200OK, "UTF8 is on"}, nil
	case "MLST":
		return s.selectFacts(value), nil
	case "HASH":
		return s.selectHash(value), nil
	case "MODE":
		if s.cfg.ModeZ {
			return s.deflateOptions(value), nil
		}
	}
	return reply{codec.C501BadArgument, "No such option"}, nil
}

// selectFacts sets what MLSx states, and answers with it (RFC 3659 section 7.9).
func (s *Session) selectFacts(list string) reply {
	facts, err := codec.ParseFactList([]byte(list))
	if err != nil {
		return reply{codec.C501BadArgument, "Usage: OPTS MLST <fact>;<fact>;"}
	}
	s.facts = facts
	text := codec.AppendFactNames([]byte("MLST OPTS "), facts)
	return reply{codec.C200OK, strings.TrimRight(string(text), " ")}
}

// selectHash sets what HASH computes, or only tells it
// (draft-bryan-ftpext-hash-02 section 3.2).
func (s *Session) selectHash(name string) reply {
	if name != "" {
		h, ok := hashNamed(name)
		if !ok {
			return reply{codec.C501BadArgument, "Hash algorithm not known"}
		}
		s.hash = h
	}
	return reply{codec.C200OK, s.hash.String()}
}

// defaultLevel is the compression level of MODE Z until OPTS sets another.
const defaultLevel = 6

// deflateOptions takes the options of MODE Z: a level, or nothing for the
// default. Level 0, no compression, becomes 1, the least there is here.
func (s *Session) deflateOptions(arg string) reply {
	words := strings.Fields(strings.ToUpper(arg))
	level := int64(defaultLevel)
	switch {
	case len(words) == 1 && words[0] == "Z":
	case len(words) == 3 && words[0] == "Z" && words[1] == "LEVEL":
		n, ok := codec.ParseInt63([]byte(words[2]))
		if !ok || n > 9 {
			return reply{codec.C501BadArgument, "LEVEL is 0 to 9"}
		}
		level = max(n, 1)
	default:
		return reply{codec.C501BadArgument, "Usage: OPTS MODE Z [LEVEL <0-9>]"}
	}
	s.level = int8(level)
	return reply{codec.C200OK, "MODE Z LEVEL is " + strconv.FormatInt(level, 10)}
}

// language: replies are in English, and there is nothing else to choose from.
// LANG without a tag asks for the default.
func (s *Session) language(tag string) (reply, error) {
	primary, _, _ := strings.Cut(tag, "-")
	switch {
	case tag != "" && !languageTag(tag):
		return reply{codec.C501BadArgument, "Usage: LANG [<tag>]"}, nil
	case tag == "", strings.EqualFold(primary, "EN"):
		return reply{codec.C200OK, "Replies are in English"}, nil
	}
	return reply{codec.C504BadParameter, "Language not known, there is EN"}, nil
}

// languageTag reports whether tag has the form that RFC 2640 section 4.2 takes
// from RFC 1766: parts of one to eight letters, with hyphens between them.
func languageTag(tag string) bool {
	for part := range strings.SplitSeq(tag, "-") {
		if part == "" || len(part) > 8 || strings.ContainsFunc(part, notLetter) {
			return false
		}
	}
	return true
}

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }

// hostName takes the name that the client knows this server by. A USER before
// it no longer counts. It must be the name of the TLS handshake, if that gave
// one (RFC 7151 sections 3.2.2 and 4).
func (s *Session) hostName(arg string) (reply, error) {
	if s.state == stateReady {
		return reply{codec.C503BadSequence, "HOST comes before the login"}, nil
	}
	name, literal, ok := parseHost(arg)
	switch {
	case !ok:
		return reply{codec.C501BadArgument, "Usage: HOST <name>"}, nil
	case !s.knowsHost(name, literal),
		!literal && s.serverName != "" && !strings.EqualFold(name, s.serverName):
		return reply{codec.C504BadParameter, "No such host here"}, nil
	}
	s.host, s.name, s.state = strings.ToLower(name), "", stateUser
	return reply{codec.C220Ready, "Host accepted"}, nil
}

// knowsHost reports whether name is one of this server's. Where the settings
// name no hosts, every name is. An address must be the one the client is
// connected to: lftp sends it when it was given no name.
func (s *Session) knowsHost(name string, literal bool) bool {
	if len(s.cfg.TrustHosts) == 0 {
		return true
	}
	for _, h := range s.cfg.TrustHosts {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	addr, err := netip.ParseAddr(name)
	return literal && err == nil && addr.Unmap().WithZone("") == s.peer.Local.Addr().WithZone("")
}

// parseHost reads a host name, an IPv4 address, or an IPv6 address between
// brackets, all without a port (RFC 7151 section 3.1).
func parseHost(arg string) (name string, literal, ok bool) {
	if inner, found := strings.CutPrefix(arg, "["); found {
		inner, found = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return inner, true, found && err == nil && addr.Is6()
	}
	if _, err := netip.ParseAddr(arg); err == nil {
		return arg, true, !strings.Contains(arg, ":")
	}
	return arg, false, hostSyntax(arg)
}

// maxHost is the longest name of the DNS, in bytes.
const maxHost = 253

// hostSyntax reports whether name is made of labels of letters, digits, hyphens
// and, as some networks have it, underscores. Bytes from 0x80 are let through:
// a name may come as UTF-8 (RFC 7151 section 3.1).
func hostSyntax(name string) bool {
	if name == "" || len(name) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notHostRune) {
			return false
		}
	}
	return true
}

func notHostRune(r rune) bool {
	return notLetter(r) && (r < '0' || r > '9') && r != '-' && r != '_' && r < 0x80
}

// clientName is told for the log only.
func (s *Session) clientName(arg string) (reply, error) {
	s.log().Debug("client", slog.String("name", arg))
	return reply{codec.C200OK, "Noted"}, nil
}

// clientID exchanges names and versions.
func (s *Session) clientID(arg string) (reply, error) {
	if !strings.Contains(arg, "=") {
		return reply{codec.C501BadArgument, "Usage: CSID Name=<name>;Version=<version>;"}, nil
	}
	s.log().Debug("client", slog.String("name", arg))
	return reply{codec.C200OK, "Name=fastftps;Version=" + s.cfg.Version + ";CaseSensitive=1;"}, nil
}
