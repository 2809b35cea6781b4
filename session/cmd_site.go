package session

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// siteCommands is the one row of SITE; what may follow it has a table of its
// own.
func siteCommands() []command {
	return []command{
		{verb: verbSITE, flags: mayBlock | pathArg | argRequired, usage: "SITE <command>", rfc: "RFC 959 section 4.1.3", run: (*Session).site},
	}
}

var verbSITE = codec.V("SITE")

// siteCommand is one command behind SITE.
type siteCommand struct {
	name  string
	perm  auth.Perm
	path  bool // the argument ends in a path name: verbatim, as with pathArg
	usage string
	run   handler
}

// siteTable is a function for the same reason as commands.
func siteTable() []siteCommand {
	return []siteCommand{
		{"CHMOD", auth.PermAttr, true, "SITE CHMOD <octal mode> <path>", (*Session).siteChmod},
		{"HELP", 0, false, "SITE HELP", (*Session).siteHelp},
		{"IDLE", 0, false, "SITE IDLE [<seconds>]", (*Session).siteIdle},
		{"UMASK", auth.PermAttr, false, "SITE UMASK [<octal mode>]", (*Session).siteUmask},
		{"UTIME", auth.PermAttr, true, "SITE UTIME <YYYYMMDDhhmm[ss]> <path>", (*Session).siteUtime},
	}
}

// site runs one command of the table. EXEC, which runs programs elsewhere, is
// no command here (RFC 2577 section 9).
func (s *Session) site(arg string) (reply, error) {
	name, rest, _ := strings.Cut(strings.TrimLeft(arg, " "), " ")
	name = strings.ToUpper(name)
	for _, c := range siteTable() {
		switch {
		case c.name != name:
		case s.user.Perms&c.perm != c.perm:
			return reply{codec.C550Unavailable, "Permission denied"}, nil
		case c.path:
			return c.run(s, rest)
		default:
			return c.run(s, strings.TrimSpace(rest))
		}
	}
	if name == "EXEC" {
		return reply{codec.C500Unknown, "Unknown command"}, nil
	}
	return reply{codec.C504BadParameter, "SITE command not implemented, see SITE HELP"}, nil
}

// siteHelp lists the forms of the SITE commands.
func (s *Session) siteHelp(string) (reply, error) {
	var lines []string
	for _, c := range siteTable() {
		lines = append(lines, c.usage)
	}
	s.sayLines(codec.C214Help, "SITE commands:", lines)
	return reply{codec.C214Help, "End"}, nil
}

// siteUsage answers a SITE command that cannot be read.
func siteUsage(usage string) (reply, error) {
	return reply{codec.C501BadArgument, "Usage: SITE " + usage}, nil
}

// maxMode is the largest mode that SITE CHMOD reads. Of it the nine permission
// bits are set.
const maxMode = 0o7777

// siteChmod sets permission bits.
func (s *Session) siteChmod(arg string) (reply, error) {
	octal, path, _ := strings.Cut(arg, " ")
	if octal == "" || path == "" {
		return siteUsage("CHMOD <octal mode> <path>")
	}
	mode, err := strconv.ParseUint(octal, 8, 16)
	if err != nil || mode > maxMode {
		return reply{codec.C504BadParameter, "The mode is an octal number up to 7777"}, nil
	}
	p, err := s.path(path)
	if err == nil {
		err = chmod(s.fs, p, fs.FileMode(mode)&fs.ModePerm)
	}
	return reply{codec.C200OK, "Mode set"}, err
}

// chmod sets permission bits, but not those of the top of the tree: a client
// that took them away could not give them back.
func chmod(f storage.FS, p storage.Path, perm fs.FileMode) error {
	if p == storage.Root {
		return fs.ErrPermission
	}
	return f.Chmod(p, perm)
}

// siteUtime sets the modification time, in one of two forms:
//
//	UTIME YYYYMMDDhhmm[ss] path
//	UTIME path access-time modification-time creation-time UTC
func (s *Session) siteUtime(arg string) (reply, error) {
	t, path, ok := longUtime(arg)
	if !ok {
		var stamp string
		stamp, path, _ = strings.Cut(arg, " ")
		t, ok = parseStamp(stamp)
	}
	if !ok || path == "" {
		return siteUsage("UTIME <YYYYMMDDhhmm[ss]> <path>")
	}
	p, err := s.path(path)
	if err == nil {
		err = s.fs.Chtimes(p, t)
	}
	return reply{codec.C200OK, "Time set"}, err
}

// longUtime reads the form with three times from its end, for the path may
// have spaces.
func longUtime(arg string) (t time.Time, path string, ok bool) {
	n := len(arg) - len(" UTC")
	if n < 0 || !strings.EqualFold(arg[n:], " UTC") {
		return t, "", false
	}
	rest := arg[:n]
	var stamps [3]time.Time // creation, modification, access
	for i := range stamps {
		space := strings.LastIndexByte(rest, ' ')
		if space <= 0 {
			return t, "", false
		}
		if stamps[i], ok = parseStamp(rest[space+1:]); !ok {
			return t, "", false
		}
		rest = rest[:space]
	}
	return stamps[1], rest, true
}

// parseStamp reads a time with or without seconds.
func parseStamp(stamp string) (time.Time, bool) {
	if len(stamp) == len("YYYYMMDDhhmm") {
		stamp += "00"
	}
	t, err := codec.ParseTime([]byte(stamp))
	return t, err == nil && len(stamp) == len("YYYYMMDDhhmmss")
}

// siteUmask shows or sets the permission bits that new files do not get.
func (s *Session) siteUmask(arg string) (reply, error) {
	if arg == "" {
		return reply{codec.C200OK, fmt.Sprintf("UMASK is %03o", s.umask)}, nil
	}
	mask, err := strconv.ParseUint(arg, 8, 16)
	if err != nil || mask > 0o777 {
		return siteUsage("UMASK [<octal mode>]")
	}
	s.umask = uint16(mask)
	return reply{codec.C200OK, fmt.Sprintf("UMASK is %03o", s.umask)}, nil
}

// siteIdle shows or sets how long the session may be idle.
func (s *Session) siteIdle(arg string) (reply, error) {
	if arg != "" {
		n, ok := codec.ParseInt63([]byte(arg))
		if most := int64(s.cfg.MaxIdle / time.Second); !ok || n < 1 || n > most {
			if ok && n > most {
				s.limit(metrics.LimitMaxIdle)
			}
			return siteUsage(fmt.Sprintf("IDLE [<1-%d seconds>]", most))
		}
		s.idle = time.Duration(n) * time.Second
	}
	limit := s.idle
	if limit == 0 {
		limit = s.cfg.IdleTimeout
	}
	return reply{codec.C200OK, fmt.Sprintf("Idle limit is %d seconds", limit/time.Second)}, nil
}
