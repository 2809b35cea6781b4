package session

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/listing"
)

// infoCommands tell of the server, the session and the commands.
func infoCommands() []command {
	return []command{
		{verb: codec.V("SYST"), flags: anytime, usage: "SYST", rfc: "RFC 959 section 4.1.3", run: (*Session).system},
		{verb: verbSTAT, flags: mayBlock | blockArg | pathArg, perm: auth.PermList, usage: "STAT [<path>]", rfc: "RFC 959 section 4.1.3", run: (*Session).stat},
		{verb: codec.V("HELP"), flags: anytime, usage: "HELP [<command>]", rfc: "RFC 959 section 4.1.3", run: (*Session).help},
		{verb: codec.V("NOOP"), flags: anytime, usage: "NOOP", rfc: "RFC 959 section 4.1.3", run: (*Session).noop},
		{verb: codec.V("FEAT"), flags: anytime | argNone, feat: pathFeature, usage: "FEAT", rfc: "RFC 2389 section 3", run: (*Session).features},
	}
}

// refusedCommands are known and not offered: 502 tells a client that looking
// for them is of no use.
func refusedCommands() []command {
	refuse := func(verb, rfc string) command {
		return command{verb: codec.V(verb), flags: hidden, usage: verb, rfc: rfc, run: (*Session).refused}
	}
	long := func(verb string) command {
		return command{verb: codec.V(verb), flags: hidden, usage: verb, rfc: "RFC 1639", run: (*Session).longAddress}
	}
	return []command{refuse("SMNT", "RFC 959 section 4.1.1"), long("LPRT"), long("LPSV")}
}

func (s *Session) refused(string) (reply, error) {
	return reply{codec.C502NotImplemented, "Command not implemented"}, nil
}

// longAddress refuses LPRT and LPSV, which EPRT and EPSV have replaced.
func (s *Session) longAddress(string) (reply, error) {
	if s.epsvAll {
		return afterEPSVAll(), nil
	}
	return reply{codec.C502NotImplemented, "Use EPRT or EPSV"}, nil
}

// system answers with the text by which clients choose how to read listings.
func (s *Session) system(string) (reply, error) {
	return reply{codec.C215System, "UNIX Type: L8"}, nil
}

// noop also keeps sessions alive, so it costs no allocation.
func (s *Session) noop(string) (reply, error) { return reply{codec.C200OK, "OK"}, nil }

// pathFeature names what is not a command's: names are as RFC 3659 section 6
// has them.
func pathFeature(*Session) []string { return []string{"TVFS"} }

// features lists the extensions, in the order of the alphabet. It is the same
// before and after login.
func (s *Session) features(string) (reply, error) {
	var lines []string
	for i := range table().rows {
		row := &table().rows[i]
		if row.feat != nil && row.offered(s.cfg) {
			lines = append(lines, row.feat(s)...)
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(label(a), label(b)) })
	s.sayLines(codec.C211Status, "Features:", lines)
	return reply{codec.C211Status, "End"}, nil
}

// label is the name of a feature without its parameters.
func label(feature string) string {
	name, _, _ := strings.Cut(feature, " ")
	return name
}

// sayLines writes all but the last line of a long reply.
func (s *Session) sayLines(code codec.Code, first string, inner []string) {
	s.out = codec.AppendFirst(s.out, code, first)
	for _, text := range inner {
		s.out = codec.AppendInner(s.out, text)
	}
}

// offered reports whether the settings offer the command.
func (c *command) offered(cfg *Config) bool { return c.enabled == nil || c.enabled(cfg) }

// help lists the commands, or shows the form of one.
func (s *Session) help(arg string) (reply, error) {
	if arg == "" {
		s.sayLines(codec.C214Help, "Commands:", columns(s.verbs()))
		return reply{codec.C214Help, "HELP <command> shows the form of a command"}, nil
	}
	verb, _ := codec.CutVerb([]byte(arg))
	row := lookup(verb)
	switch {
	case row == nil, !row.offered(s.cfg):
		return reply{codec.C501BadArgument, "No such command"}, nil
	case verb == verbSITE:
		return s.siteHelp("")
	}
	return reply{codec.C214Help, row.usage}, nil
}

// verbs are the names of the commands worth listing, in order.
func (s *Session) verbs() []string {
	var names []string
	for i := range table().rows {
		row := &table().rows[i]
		if row.flags&hidden == 0 && row.offered(s.cfg) {
			names = append(names, row.verb.String())
		}
	}
	slices.Sort(names)
	return names
}

// columns sets names eight to a line.
func columns(names []string) []string {
	var lines []string
	for row := range slices.Chunk(names, 8) {
		text := ""
		for _, name := range row {
			text += name + strings.Repeat(" ", max(1, 8-len(name)))
		}
		lines = append(lines, strings.TrimRight(text, " "))
	}
	return lines
}

// stat shows the session, also while a transfer runs, or lists a path over the
// control connection.
func (s *Session) stat(arg string) (reply, error) {
	if arg != "" {
		return s.statPath(arg)
	}
	s.sayLines(codec.C211Status, "Status of this session", []string{
		"User " + string(codec.AppendSafe(nil, s.User())),
		"Control connection " + s.controlLevel(),
		"Data connections " + s.dataLevel(),
		s.parameters(),
		s.progress(),
	})
	return reply{codec.C211Status, "End"}, nil
}

func (s *Session) controlLevel() string {
	if s.secure {
		return "under TLS"
	}
	return "in clear"
}

func (s *Session) dataLevel() string {
	if s.prot == Private {
		return "under TLS, PROT P"
	}
	return "in clear, PROT C"
}

// parameters names the transfer parameters as the commands do.
func (s *Session) parameters() string {
	kind, mode := "A", "S"
	if s.binary {
		kind = "I"
	}
	if s.deflate {
		mode = "Z"
	}
	return "TYPE " + kind + ", STRU F, MODE " + mode
}

// progress tells how far the transfer is.
func (s *Session) progress() string {
	if s.xfer == nil {
		return "No transfer"
	}
	return s.xfer.verb.String() + " under way, " + strconv.FormatInt(s.peer.Data.Progress(), 10) + " bytes"
}

// maxStatListing is how many bytes of a listing STAT sends: the control
// connection is no place for more.
const maxStatListing = 64 << 10

// statPath lists a directory (212) or a file (213) as LIST does. A path that is
// not there is 450, for RFC 959 section 5.4 has no 550 for STAT.
func (s *Session) statPath(arg string) (reply, error) {
	words, path := listing.ParseOptions(arg)
	code := codec.C212Directory
	if p, err := s.path(path); err == nil {
		if info, err := s.fs.Stat(p); err == nil && !info.IsDir() {
			code = codec.C213File
		}
	}
	lines, whole, err := s.statLines(path, words)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reply{codec.C450Busy, "No such file or directory"}, nil
	case err != nil:
		return reply{}, err
	}
	s.out = codec.AppendFirst(s.out, code, "Listing:")
	for line := range bytes.SplitSeq(bytes.TrimSuffix(lines, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 0 {
			s.out = codec.AppendInner(s.out, codec.AppendSafe(nil, line))
		}
	}
	if !whole {
		return reply{code, "There is more, use LIST"}, nil
	}
	return reply{code, "End"}, nil
}

// statLines reads a listing, and tells whether that was all of it.
func (s *Session) statLines(path string, words listing.Words) (lines []byte, whole bool, err error) {
	l, err := listing.Open(s.fs, s.cwd, path, listing.Options{
		Format: listing.Long, Words: words, Now: s.cfg.Now(), HideDot: s.cfg.HideDot,
		MaxGlob: s.cfg.MaxGlob, Limited: s.globLimit,
	})
	if err != nil {
		return nil, false, err
	}
	defer l.Close()
	lines = make([]byte, maxStatListing)
	n, err := io.ReadFull(l, lines)
	switch err {
	case nil:
		return lines[:bytes.LastIndexByte(lines, '\n')+1], false, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return lines[:n], true, nil
	}
	return nil, false, err
}
