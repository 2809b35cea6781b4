package session

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// fileCommands walk the tree, change it and describe it over the control
// connection.
func fileCommands() []command {
	return []command{
		{verb: codec.V("CWD"), flags: mayBlock | pathArg | argRequired, perm: auth.PermList, usage: "CWD <directory>", rfc: "RFC 959 section 4.1.1", run: (*Session).changeDir},
		{verb: codec.V("XCWD"), flags: mayBlock | pathArg | argRequired | hidden, perm: auth.PermList, usage: "XCWD <directory>", rfc: "RFC 775", run: (*Session).changeDir},
		{verb: codec.V("CDUP"), flags: mayBlock, perm: auth.PermList, usage: "CDUP", rfc: "RFC 959 section 4.1.1", run: (*Session).changeUp},
		{verb: codec.V("XCUP"), flags: mayBlock | hidden, perm: auth.PermList, usage: "XCUP", rfc: "RFC 775", run: (*Session).changeUp},
		{verb: codec.V("PWD"), usage: "PWD", rfc: "RFC 959 section 4.1.3", run: (*Session).printDir},
		{verb: codec.V("XPWD"), flags: hidden, usage: "XPWD", rfc: "RFC 775", run: (*Session).printDir},
		{verb: codec.V("MKD"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermMkdir, usage: "MKD <directory>", rfc: "RFC 959 section 4.1.3", run: (*Session).makeDir},
		{verb: codec.V("XMKD"), flags: mayBlock | pathArg | argRequired | modifies | hidden, perm: auth.PermMkdir, usage: "XMKD <directory>", rfc: "RFC 775", run: (*Session).makeDir},
		{verb: codec.V("RMD"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermDelete, usage: "RMD <directory>", rfc: "RFC 959 section 4.1.3", run: (*Session).removeDir},
		{verb: codec.V("XRMD"), flags: mayBlock | pathArg | argRequired | modifies | hidden, perm: auth.PermDelete, usage: "XRMD <directory>", rfc: "RFC 775", run: (*Session).removeDir},
		{verb: codec.V("DELE"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermDelete, usage: "DELE <file>", rfc: "RFC 959 section 4.1.3", run: (*Session).deleteFile},
		{verb: codec.V("RNFR"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermRename, usage: "RNFR <old name>", rfc: "RFC 959 section 4.1.3", run: (*Session).renameFrom},
		{verb: codec.V("RNTO"), flags: mayBlock | pathArg | argRequired | modifies | namesNew, perm: auth.PermRename, usage: "RNTO <new name>", rfc: "RFC 959 section 4.1.3", run: (*Session).renameTo},
		{verb: codec.V("SIZE"), flags: mayBlock | readsText | pathArg | argRequired, perm: auth.PermList, feat: line("SIZE"), usage: "SIZE <file>", rfc: "RFC 3659 section 4", run: (*Session).fileSize},
		{verb: codec.V("MDTM"), flags: mayBlock | pathArg | argRequired, perm: auth.PermList, feat: line("MDTM"), usage: "MDTM [<time>] <path>", rfc: "RFC 3659 section 3", run: (*Session).fileTime},
		{verb: codec.V("MFMT"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermAttr, feat: line("MFMT"), usage: "MFMT <time> <path>", rfc: "draft-somers-ftp-mfxx-03 section 3", run: (*Session).modifyTime},
		{verb: codec.V("MFF"), flags: mayBlock | pathArg | argRequired | modifies, perm: auth.PermAttr, feat: line("MFF Modify;UNIX.mode;"), usage: "MFF <fact>=<value>; <path>", rfc: "draft-somers-ftp-mfxx-03 section 5", run: (*Session).modifyFacts},
		{verb: codec.V("MLST"), flags: mayBlock | pathArg, perm: auth.PermList, feat: factsFeature, usage: "MLST [<path>]", rfc: "RFC 3659 section 7", run: (*Session).describe},
		{verb: codec.V("AVBL"), flags: mayBlock | pathArg, perm: auth.PermWrite, feat: line("AVBL"), usage: "AVBL [<directory>]", rfc: "draft-peterson-streamlined-ftp-command-extensions-10 section 4", run: (*Session).available},
	}
}

// path resolves an argument against the working directory.
func (s *Session) path(arg string) (storage.Path, error) { return storage.Clean(s.cwd, arg) }

// may reports whether the user has all the permissions in p.
func (s *Session) may(p auth.Perm) bool { return s.user.Perms&p == p }

// changeDir goes to a directory. "~" and "~/x" start at the top of the tree,
// as some clients have it, unless something of that name is there.
func (s *Session) changeDir(arg string) (reply, error) {
	err := s.enter(arg)
	if rest, ok := strings.CutPrefix(arg, "~"); ok && errors.Is(err, fs.ErrNotExist) && (rest == "" || rest[0] == '/') {
		err = s.enter("/" + rest)
	}
	return reply{codec.C250FileOK, "Directory changed"}, err
}

// changeUp goes to the directory above; at the top it stays there. An argument
// is of no use and does no harm.
func (s *Session) changeUp(string) (reply, error) {
	return reply{codec.C250FileOK, "Directory changed"}, s.enter("..")
}

// enter makes arg the working directory.
func (s *Session) enter(arg string) error {
	p, err := s.path(arg)
	if err != nil {
		return err
	}
	info, err := s.fs.Stat(p)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return storage.ErrNotDir
	}
	s.cwd = p
	return nil
}

// printDir shows the working directory. Clients send it to keep a session
// alive, so it costs no allocation.
func (s *Session) printDir(string) (reply, error) {
	s.sayPath(s.cwd, " is the current directory\r\n")
	return written, nil
}

// makeDir makes one directory and answers with its absolute name
// (RFC 959 appendix II).
func (s *Session) makeDir(arg string) (reply, error) {
	p, err := s.path(arg)
	if err == nil {
		err = s.fs.Mkdir(p, s.unmasked(fs.ModePerm))
	}
	if err != nil {
		return reply{}, err
	}
	s.sayPath(p, " created\r\n")
	return written, nil
}

// unmasked returns what the umask leaves of the permission bits of something new.
// Where that is nothing the owner may still write: 0 is the storage's default,
// which may be more than the umask lets through.
func (s *Session) unmasked(perm fs.FileMode) fs.FileMode {
	return cmp.Or(perm&^fs.FileMode(s.umask), 0o200)
}

// sayPath writes a 257 with p between quotes.
func (s *Session) sayPath(p storage.Path, end string) {
	s.out = append(s.out, "257 "...)
	s.out = codec.AppendQuoted(s.out, p)
	s.out = append(s.out, end...)
}

func (s *Session) removeDir(arg string) (reply, error) {
	p, err := s.path(arg)
	if err == nil {
		err = s.fs.Rmdir(p)
	}
	return reply{codec.C250FileOK, "Directory removed"}, err
}

func (s *Session) deleteFile(arg string) (reply, error) {
	p, err := s.path(arg)
	if err == nil {
		err = s.fs.Remove(p)
	}
	return reply{codec.C250FileOK, "File deleted"}, err
}

// renameFrom names what is to be renamed. It stays named until RNTO, another
// RNFR, a transfer command, AUTH or REIN. Deviation: RFC 959 section 4.1.3
// wants RNTO at once, but clients send NOOP and the like in between.
func (s *Session) renameFrom(arg string) (reply, error) {
	s.from = ""
	p, err := s.path(arg)
	if err == nil {
		_, err = s.fs.Lstat(p)
	}
	if err == nil && p == storage.Root {
		err = fs.ErrPermission
	}
	if err == nil {
		s.from = p
	}
	return reply{codec.C350Pending, "Send RNTO with the new name"}, err
}

// renameTo renames. Whoever may not change a file may not put another in its
// place either.
func (s *Session) renameTo(arg string) (reply, error) {
	from := s.from
	s.from = ""
	if from == "" {
		return reply{codec.C503BadSequence, "Send RNFR first"}, nil
	}
	to, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	rename := s.fs.Rename
	if !s.may(auth.PermModify) {
		rename = s.fs.RenameNew
	}
	return reply{codec.C250FileOK, "Renamed"}, rename(from, to)
}

// fileSize tells how many bytes RETR would send. In TYPE A that is known only
// after reading the file, so it is done for small files; a number that may be
// wrong is never given (RFC 3659 section 4).
func (s *Session) fileSize(arg string) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	if !s.binary {
		return s.textSize(p)
	}
	info, err := s.fs.Stat(p)
	if err != nil {
		return reply{}, err
	}
	if err := regular(info); err != nil {
		return reply{}, err
	}
	return reply{codec.C213File, strconv.FormatInt(info.Size, 10)}, nil
}

// regular tells why info is not of a regular file, nil if it is.
func regular(info storage.Info) error {
	switch {
	case info.IsDir():
		return storage.ErrIsDir
	case !info.Mode.IsRegular():
		return storage.ErrNotRegular
	}
	return nil
}

// textSize answers SIZE in TYPE A.
func (s *Session) textSize(p storage.Path) (reply, error) {
	f, info, err := s.open(p)
	if err != nil {
		return reply{}, err
	}
	defer f.Close()
	if info.Size > s.cfg.MaxTextSize {
		s.limit(metrics.LimitMaxTextSize)
		return reply{codec.C550Unavailable, "Size in TYPE A is not known, use TYPE I"}, nil
	}
	var t textCounter
	if _, err := s.copy(&t, io.LimitReader(f, info.Size)); err != nil {
		return reply{}, err
	}
	return reply{codec.C213File, strconv.FormatInt(t.n, 10)}, nil
}

// textCounter counts the bytes that what is written to it has in TYPE A: a LF
// without a CR before it is sent as CRLF (RFC 959 section 3.1.1.1).
type textCounter struct {
	n  int64
	cr bool // the last byte was CR
}

func (t *textCounter) Write(p []byte) (int, error) {
	for _, c := range p {
		if c == '\n' && !t.cr {
			t.n++
		}
		t.cr = c == '\r'
	}
	t.n += int64(len(p))
	return len(p), nil
}

// fileTime tells when a file or directory was changed. With a time before the
// path it sets it, as clients that know no MFMT want; a file whose name looks
// like that comes first (RFC 3659 section 3.4).
func (s *Session) fileTime(arg string) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	info, err := s.fs.Stat(p)
	if errors.Is(err, fs.ErrNotExist) && looksTimed(arg) && s.may(auth.PermAttr) {
		return s.modifyTime(arg)
	}
	if err == nil && !info.IsDir() {
		err = regular(info)
	}
	if err != nil {
		return reply{}, err
	}
	return reply{codec.C213File, string(codec.AppendTime(nil, info.ModTime.Truncate(time.Second)))}, nil
}

// looksTimed reports whether arg starts with what could be a time and a space.
func looksTimed(arg string) bool {
	t, _, ok := strings.Cut(arg, " ")
	whole, frac, dot := strings.Cut(t, ".")
	return ok && len(whole) == len("20060102150405") && digits(whole) && (!dot || digits(frac))
}

// digits reports whether text is one or more decimal digits.
func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// modifyTime sets the modification time. The reply repeats it as it was taken.
func (s *Session) modifyTime(arg string) (reply, error) {
	stamp, name, _ := strings.Cut(arg, " ")
	t, err := codec.ParseTime([]byte(stamp))
	if err != nil || name == "" {
		return reply{codec.C501BadArgument, "Usage: MFMT YYYYMMDDHHMMSS <path>"}, nil
	}
	p, err := s.path(name)
	if err == nil {
		err = s.fs.Chtimes(p, t)
	}
	if err != nil {
		return reply{}, err
	}
	text := codec.AppendTime([]byte("Modify="), t)
	return reply{codec.C213File, string(codec.AppendSafe(append(text, "; "...), name))}, nil
}

// modifyFacts sets several facts of one file at once. Nothing is changed unless
// all of them can be read.
func (s *Session) modifyFacts(arg string) (reply, error) {
	list, name, _ := strings.Cut(arg, " ")
	changes, bad := parseFactChanges(list)
	switch {
	case bad.code != 0:
		return bad, nil
	case name == "":
		return reply{codec.C501BadArgument, "Usage: MFF <fact>=<value>; <path>"}, nil
	}
	p, err := s.path(name)
	if err != nil {
		return reply{}, err
	}
	text := []byte(nil)
	for _, c := range changes {
		if err := c.apply(s.fs, p); err != nil {
			return reply{}, err
		}
		text = append(append(text, c.shown...), ';')
	}
	return reply{codec.C213File, string(codec.AppendSafe(append(text, ' '), name))}, nil
}

// factChange is one fact of MFF.
type factChange struct {
	shown string // as the reply repeats it
	apply func(storage.FS, storage.Path) error
}

// maxFactChanges bounds the facts of one MFF: there are two to be set.
const maxFactChanges = 8

// parseFactChanges reads "fact=value;fact=value;". The reply says what is wrong,
// and names a fact that cannot be set.
func parseFactChanges(list string) ([]factChange, reply) {
	items := strings.Split(strings.TrimSuffix(list, ";"), ";")
	if len(items) > maxFactChanges {
		return nil, reply{codec.C501BadArgument, "Too many facts"}
	}
	var changes []factChange
	for _, item := range items {
		fact, value, ok := strings.Cut(item, "=")
		if !ok {
			return nil, reply{codec.C501BadArgument, "Usage: MFF <fact>=<value>; <path>"}
		}
		c, r := parseFactChange(fact, value)
		if r.code != 0 {
			return nil, r
		}
		changes = append(changes, c)
	}
	return changes, reply{}
}

func parseFactChange(fact, value string) (factChange, reply) {
	switch strings.ToLower(fact) {
	case "modify":
		t, err := codec.ParseTime([]byte(value))
		if err != nil {
			return factChange{}, reply{codec.C501BadArgument, "Modify takes YYYYMMDDHHMMSS"}
		}
		return factChange{
			shown: string(codec.AppendTime([]byte("Modify="), t)),
			apply: func(f storage.FS, p storage.Path) error { return f.Chtimes(p, t) },
		}, reply{}
	case "unix.mode":
		mode, err := strconv.ParseUint(value, 8, 12)
		if err != nil {
			return factChange{}, reply{codec.C501BadArgument, "UNIX.mode takes an octal number"}
		}
		perm := fs.FileMode(mode) & fs.ModePerm
		return factChange{
			shown: "UNIX.mode=0" + strconv.FormatUint(uint64(perm), 8),
			apply: func(f storage.FS, p storage.Path) error { return chmod(f, p, perm) },
		}, reply{}
	}
	return factChange{}, reply{codec.C504BadParameter, "Fact " + string(codec.AppendSafe(nil, fact)) + " cannot be set"}
}

// available tells how many bytes may still be stored.
func (s *Session) available(arg string) (reply, error) {
	p, err := s.path(arg)
	if err != nil {
		return reply{}, err
	}
	n, err := s.fs.Available(p)
	if err != nil {
		return reply{}, err
	}
	return reply{codec.C213File, strconv.FormatInt(n, 10)}, nil
}
