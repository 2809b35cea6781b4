package session

import (
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"fastftps/codec"
)

// parameterCommands set up the transfers that follow.
func parameterCommands() []command {
	return []command{
		{verb: codec.V("TYPE"), flags: argRequired, usage: "TYPE A|I|L 8", rfc: "RFC 959 section 4.1.2", run: (*Session).setType},
		{verb: codec.V("STRU"), flags: argRequired, usage: "STRU F", rfc: "RFC 959 section 4.1.2", run: (*Session).setStructure},
		{verb: codec.V("MODE"), flags: argRequired, feat: modeFeature, usage: "MODE S|Z", rfc: "RFC 959 section 4.1.2", run: (*Session).setMode},
		{verb: codec.V("PASV"), usage: "PASV", rfc: "RFC 959 section 4.1.2", run: (*Session).passive},
		{verb: codec.V("EPSV"), feat: line("EPSV"), usage: "EPSV [1|2|ALL]", rfc: "RFC 2428 section 3", run: (*Session).extendedPassive},
		{verb: codec.V("PORT"), flags: argRequired, usage: "PORT <h1,h2,h3,h4,p1,p2>", rfc: "RFC 959 section 4.1.2", run: (*Session).port},
		{verb: codec.V("EPRT"), flags: argRequired, feat: line("EPRT"), usage: "EPRT |<family>|<address>|<port>|", rfc: "RFC 2428 section 2", run: (*Session).extendedPort},
		{verb: codec.V("ALLO"), flags: argRequired, usage: "ALLO <bytes> [R <bytes>]", rfc: "RFC 959 section 4.1.3", run: (*Session).allocate},
		{verb: codec.V("REST"), flags: argRequired, feat: line("REST STREAM"), usage: "REST <byte>", rfc: "RFC 3659 section 5", run: (*Session).restartAt},
		{verb: codec.V("RANG"), flags: argRequired, feat: line("RANG STREAM"), usage: "RANG <first byte> <last byte>", rfc: "draft-bryan-ftp-range-08 section 3", run: (*Session).setRange},
	}
}

// setType sets the representation type. A T is taken as A N (RFC 1123 section
// 4.1.2.2); carriage control and EBCDIC are not there.
func (s *Session) setType(arg string) (reply, error) {
	kind, form, _ := strings.Cut(strings.ToUpper(arg), " ")
	form = strings.TrimLeft(form, " ")
	switch kind {
	case "A", "E":
		switch {
		case form != "" && form != "N" && form != "T" && form != "C":
			return reply{codec.C501BadArgument, "Usage: TYPE A|I|L 8"}, nil
		case kind == "E", form == "C":
			return reply{codec.C504BadParameter, "Type not implemented, use A or I"}, nil
		}
		s.binary = false
		return reply{codec.C200OK, "Type is A"}, nil
	case "I":
		if form != "" && form != "N" {
			return reply{codec.C501BadArgument, "Usage: TYPE A|I|L 8"}, nil
		}
	case "L", "L8":
		size, ok := codec.ParseInt63([]byte(strings.TrimPrefix(kind, "L") + form))
		switch {
		case !ok:
			return reply{codec.C501BadArgument, "Usage: TYPE L 8"}, nil
		case size != 8:
			return reply{codec.C504BadParameter, "Bytes have 8 bits here"}, nil
		}
	default:
		return reply{codec.C501BadArgument, "Usage: TYPE A|I|L 8"}, nil
	}
	s.binary = true
	return reply{codec.C200OK, "Type is I"}, nil
}

// setStructure: only files without structure are transferred. Deviation: RFC
// 959 section 5.1 wants record structure for text as well; no client has it.
func (s *Session) setStructure(arg string) (reply, error) {
	switch strings.ToUpper(arg) {
	case "F":
		return reply{codec.C200OK, "Structure is F"}, nil
	case "R", "P":
		return reply{codec.C504BadParameter, "Structure not implemented, use F"}, nil
	}
	return reply{codec.C501BadArgument, "Usage: STRU F"}, nil
}

// setMode sets the transmission mode: stream, or deflated stream
// (draft-preston-ftpext-deflate) where the settings have it.
func (s *Session) setMode(arg string) (reply, error) {
	switch mode := strings.ToUpper(arg); {
	case mode == "S", mode == "Z" && s.cfg.ModeZ:
		s.deflate = mode == "Z"
		return reply{codec.C200OK, "Mode is " + mode}, nil
	case mode == "Z", mode == "B", mode == "C":
		return reply{codec.C504BadParameter, "Mode not implemented, use S"}, nil
	}
	return reply{codec.C501BadArgument, "Usage: MODE S|Z"}, nil
}

// modeFeature names MODE Z where it is offered.
func modeFeature(s *Session) []string {
	if !s.cfg.ModeZ {
		return nil
	}
	return []string{"MODE Z LEVEL;"}
}

// afterEPSVAll refuses what sets up a data connection otherwise than by EPSV
// (RFC 2428 section 4).
func afterEPSVAll() reply {
	return reply{codec.C500Unknown, "Only EPSV is taken after EPSV ALL"}
}

// passive opens a port for the next transfer and tells where it is. There is no
// form of the reply for IPv6.
func (s *Session) passive(string) (reply, error) {
	switch {
	case s.epsvAll:
		return afterEPSVAll(), nil
	case !s.peer.Remote.Addr().Is4():
		return reply{codec.C502NotImplemented, "PASV knows IPv4 only, use EPSV"}, nil
	}
	addr, err := s.peer.Data.Passive(s.prot == Private)
	if err != nil {
		return s.noPort(err), nil
	}
	s.out = append(codec.AppendPASV(append(s.out, "227 "...), addr), "\r\n"...)
	return written, nil
}

// extendedPassive is PASV for any family, without the address. EPSV ALL says
// that nothing else will be used.
func (s *Session) extendedPassive(arg string) (reply, error) {
	family, all, err := codec.ParseEPSV([]byte(arg))
	switch {
	case errors.Is(err, codec.ErrFamily), err == nil && family != 0 && family != s.family():
		return s.otherFamily(), nil
	case err != nil:
		return reply{codec.C501BadArgument, "Usage: EPSV [1|2|ALL]"}, nil
	case all:
		s.epsvAll = true
		return reply{codec.C200OK, "Only EPSV is taken from here on"}, nil
	}
	addr, err := s.peer.Data.Passive(s.prot == Private)
	if err != nil {
		return s.noPort(err), nil
	}
	s.out = append(codec.AppendEPSV(append(s.out, "229 "...), addr.Port()), "\r\n"...)
	return written, nil
}

// noPort answers PASV and EPSV when no port is free.
func (s *Session) noPort(err error) reply {
	s.log().Warn("no passive port", slog.Any("err", err))
	return reply{codec.C425NoData, "No data port is free, try again"}
}

// family is the address family of the control connection.
func (s *Session) family() int {
	if s.peer.Remote.Addr().Is4() {
		return codec.FamilyIPv4
	}
	return codec.FamilyIPv6
}

// otherFamily answers 522 with the one family that can be used (RFC 2428
// section 2): data goes where the control connection goes.
func (s *Session) otherFamily() reply {
	return reply{codec.C522DataRefused, "Network protocol not supported, use (" + strconv.Itoa(s.family()) + ")"}
}

// port takes the address of an active data connection.
func (s *Session) port(arg string) (reply, error) {
	if s.epsvAll {
		return afterEPSVAll(), nil
	}
	to, err := codec.ParsePort([]byte(arg))
	switch {
	case err != nil:
		return reply{codec.C501BadArgument, "Usage: PORT <h1,h2,h3,h4,p1,p2>"}, nil
	case s.family() != codec.FamilyIPv4:
		return reply{codec.C501BadArgument, "PORT knows IPv4 only, use EPRT"}, nil
	}
	return s.active(to), nil
}

// extendedPort is PORT for any family.
func (s *Session) extendedPort(arg string) (reply, error) {
	if s.epsvAll {
		return afterEPSVAll(), nil
	}
	to, err := codec.ParseEPRT([]byte(arg))
	switch {
	case errors.Is(err, codec.ErrFamily), err == nil && to.Addr().Is4() != s.peer.Remote.Addr().Is4():
		return s.otherFamily(), nil
	case err != nil:
		return reply{codec.C501BadArgument, "Usage: EPRT |<family>|<address>|<port>|"}, nil
	}
	return s.active(to), nil
}

// minActivePort keeps clients from having the server connect to well-known
// services (RFC 2577 section 3).
const minActivePort = 1024

// active remembers where to connect to: the client's own address and no other
// (RFC 2577 section 3, the bounce attack).
func (s *Session) active(to netip.AddrPort) reply {
	switch {
	case to.Addr() != s.peer.Remote.Addr():
		s.log().Info("data address is not the client's", slog.String("addr", to.String()))
		return reply{codec.C501BadArgument, "Data goes only to the address of the control connection"}
	case to.Port() < minActivePort:
		return reply{codec.C504BadParameter, "Data goes only to ports from 1024"}
	}
	s.peer.Data.Active(to)
	return reply{codec.C200OK, "Data goes to that port"}
}

// allocate takes the size of the coming upload as a hint.
func (s *Session) allocate(arg string) (reply, error) {
	words := strings.Fields(arg)
	if len(words) != 1 && (len(words) != 3 || !strings.EqualFold(words[1], "R")) {
		return reply{codec.C501BadArgument, "Usage: ALLO <bytes> [R <bytes>]"}, nil
	}
	n, ok := codec.ParseInt63([]byte(words[0]))
	if _, okRecord := codec.ParseInt63([]byte(words[len(words)-1])); !ok || !okRecord {
		return reply{codec.C501BadArgument, "Usage: ALLO <bytes> [R <bytes>]"}, nil
	}
	s.allo = n
	return reply{codec.C202Superfluous, "No space has to be reserved"}, nil
}

// restartAt sets where the next transfer starts. Whether the file has that byte
// shows only then (RFC 3659 section 5.3). Of REST and RANG the last one counts.
func (s *Session) restartAt(arg string) (reply, error) {
	n, ok := codec.ParseInt63([]byte(arg))
	if !ok {
		return reply{codec.C501BadArgument, "Usage: REST <byte>"}, nil
	}
	s.restart, s.rangeEnd = n, 0
	return reply{codec.C350Pending, "Restarting at " + strconv.FormatInt(n, 10)}, nil
}

// setRange selects a part of the next file, from the first to the last byte.
// RANG 1 0 selects all of it again.
func (s *Session) setRange(arg string) (reply, error) {
	s.restart, s.rangeEnd = 0, 0
	words := strings.Fields(arg)
	if len(words) != 2 {
		return reply{codec.C501BadArgument, "Usage: RANG <first byte> <last byte>"}, nil
	}
	first, ok := codec.ParseInt63([]byte(words[0]))
	last, okLast := codec.ParseInt63([]byte(words[1]))
	switch {
	case !ok || !okLast:
		return reply{codec.C501BadArgument, "Usage: RANG <first byte> <last byte>"}, nil
	case first == 1 && last == 0:
		return reply{codec.C350Pending, "The range is the whole file"}, nil
	case first > last:
		return reply{codec.C501BadArgument, "The range ends before it starts"}, nil
	case !s.binary || s.deflate:
		return reply{codec.C551WrongType, "A range needs TYPE I and MODE S"}, nil
	}
	s.restart, s.rangeEnd = first, max(last, last+1) // last+1 overflows at 2^63-1
	return reply{codec.C350Pending, "The range is " + words[0] + " to " + words[1]}, nil
}
