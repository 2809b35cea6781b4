package session

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"sync"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/storage"
)

// digestCommands compute checksums of files, so that a client can compare
// without transferring. All are of the bytes as stored, whatever TYPE and MODE
// are. Deviation: draft-bryan-ftpext-hash-02 has 551 for TYPE A; clients ask in
// whatever TYPE their last listing left.
func digestCommands() []command {
	const usage = " <path> [<start> <end>]"
	const flags = mayBlock | readsFile | pathArg | argRequired
	sum := func(verb string, h hashAlgorithm) command {
		return command{
			verb: codec.V(verb), flags: flags, perm: auth.PermRead, feat: line(verb),
			usage: verb + usage, rfc: "GlobalSCAPE extension",
			run: func(s *Session, arg string) (reply, error) { return s.checksum(h, arg) },
		}
	}
	return []command{
		{verb: codec.V("HASH"), flags: flags, perm: auth.PermRead, feat: hashFeature, usage: "HASH <path>", rfc: "draft-bryan-ftpext-hash-02 section 3", run: (*Session).hashFile},
		sum("XCRC", crc32Hash),
		sum("XMD5", md5Hash),
		sum("XSHA", sha1Hash),
		sum("XSHA1", sha1Hash),
		sum("XSHA256", sha256Hash),
		sum("XSHA512", sha512Hash),
	}
}

// hashAlgorithm is what OPTS HASH selects. The zero value is the default.
type hashAlgorithm uint8

// The algorithms, in the order in which FEAT lists them.
const (
	sha256Hash hashAlgorithm = iota
	sha512Hash
	sha1Hash
	md5Hash
	crc32Hash
)

// hashAlgorithms has the name of each algorithm (draft-bryan-ftpext-hash-02 section 3.1)
// and what computes it.
var hashAlgorithms = [...]struct {
	name string
	make func() hash.Hash
}{
	sha256Hash: {"SHA-256", sha256.New},
	sha512Hash: {"SHA-512", sha512.New},
	sha1Hash:   {"SHA-1", sha1.New},
	md5Hash:    {"MD5", md5.New},
	crc32Hash:  {"CRC32", func() hash.Hash { return crc32.NewIEEE() }},
}

// String is the name of the algorithm in FEAT, OPTS HASH and HASH.
func (h hashAlgorithm) String() string { return hashAlgorithms[h].name }

// hashNamed returns the algorithm of that name, in either case.
func hashNamed(name string) (h hashAlgorithm, ok bool) {
	for h := range hashAlgorithms {
		if strings.EqualFold(name, hashAlgorithms[h].name) {
			return hashAlgorithm(h), true
		}
	}
	return 0, false
}

// hashFeature lists the algorithms, the selected one with a star.
func hashFeature(s *Session) []string {
	text := "HASH "
	for h := range hashAlgorithms {
		if h > 0 {
			text += ";"
		}
		text += hashAlgorithms[h].name
		if hashAlgorithm(h) == s.hash {
			text += "*"
		}
	}
	return []string{text}
}

// span is a part of a file: the bytes from start up to, not including, end.
type span struct{ start, end int64 }

// toEnd is the end of a span that reaches to the end of the file.
const toEnd = 1<<63 - 1

// hashFile computes the selected digest of a file, or of the part that RANG
// selected, and answers "SHA-256 0-99 hex path", with the first and the last
// byte of the range. WinSCP puts a path with spaces between quotes.
func (s *Session) hashFile(arg string) (reply, error) {
	part := span{0, toEnd}
	if s.rangeEnd > 0 {
		part = span{s.restart, s.rangeEnd}
		s.restart, s.rangeEnd = 0, 0
	}
	sum, done, err := s.digest(s.hash, arg, part)
	if path, rest, ok := cutQuoted(arg); ok && rest == "" && errors.Is(err, fs.ErrNotExist) {
		sum, done, err = s.digest(s.hash, path, part)
		arg = path
	}
	switch {
	case errors.Is(err, storage.ErrIsDir):
		return reply{codec.C553BadName, "Is a directory"}, nil
	case err != nil:
		return s.digestReply(err)
	}
	text := fmt.Appendf(nil, "%s %d-%d %x ", s.hash, done.start, max(done.start, done.end-1), sum)
	return reply{codec.C213File, string(codec.AppendSafe(text, arg))}, nil
}

// checksum answers the X commands with the digest alone. The path may stand
// between quotes; the range starts at the first number and ends before the
// second.
func (s *Session) checksum(h hashAlgorithm, arg string) (reply, error) {
	var sum []byte
	err := fs.ErrNotExist
	for _, form := range checksumForms(arg) {
		if form.part.start > form.part.end {
			return reply{codec.C501BadArgument, "The range ends before it starts"}, nil
		}
		if sum, _, err = s.digest(h, form.path, form.part); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return s.digestReply(err)
	}
	return reply{codec.C213File, strings.ToUpper(hex.EncodeToString(sum))}, nil
}

// digestReply answers what only digests can run into.
func (s *Session) digestReply(err error) (reply, error) {
	if errors.Is(err, errDigestSize) {
		s.limit(metrics.LimitMaxDigest)
		return reply{codec.C556HashNotAvailable, "Too many bytes for a digest"}, nil
	}
	return reply{}, err
}

// checksumForm is one way to read the argument of an X command.
type checksumForm struct {
	path string
	part span
}

// checksumForms returns the ways to read arg, the likeliest first: a quoted
// path with or without a range; else all of it a path, spaces included, or a
// path with one or two numbers behind it.
func checksumForms(arg string) []checksumForm {
	if path, rest, ok := cutQuoted(arg); ok {
		if part, ok := parseSpan(strings.Fields(rest)); ok {
			return []checksumForm{{path, part}, {arg, span{0, toEnd}}}
		}
	}
	forms := []checksumForm{{arg, span{0, toEnd}}}
	for path, numbers := arg, []string(nil); len(numbers) < 2; {
		i := strings.LastIndexByte(path, ' ')
		if i <= 0 || !digits(path[i+1:]) {
			break
		}
		path, numbers = path[:i], append([]string{path[i+1:]}, numbers...)
		if part, ok := parseSpan(numbers); ok {
			forms = append(forms, checksumForm{path, part})
		}
	}
	return forms
}

// cutQuoted takes a path between quotes off the front of arg. A quote in the
// path is doubled.
func cutQuoted(arg string) (path, rest string, ok bool) {
	if arg == "" || arg[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for rest = arg[1:]; ; rest = rest[1:] {
		var part string
		if part, rest, ok = strings.Cut(rest, `"`); !ok {
			return "", "", false
		}
		b.WriteString(part)
		if rest == "" || rest[0] != '"' {
			return b.String(), rest, rest == "" || rest[0] == ' '
		}
		b.WriteByte('"')
	}
}

// parseSpan reads no number, a start, or a start and an end.
func parseSpan(numbers []string) (part span, ok bool) {
	part.end = toEnd
	if len(numbers) > 2 {
		return part, false
	}
	for i, to := range []*int64{&part.start, &part.end}[:len(numbers)] {
		if *to, ok = codec.ParseInt63([]byte(numbers[i])); !ok {
			return part, false
		}
	}
	return part, true
}

var errDigestSize = errors.New("more bytes than a digest may cost")

// digest reads a part of a file and returns its digest, and the part that the
// file's end left of it. A start beyond the end is storage.ErrOffset.
func (s *Session) digest(h hashAlgorithm, arg string, part span) ([]byte, span, error) {
	p, err := s.path(arg)
	if err != nil {
		return nil, part, err
	}
	f, info, err := s.open(p)
	if err != nil {
		return nil, part, err
	}
	defer f.Close()
	part.end = min(part.end, info.Size)
	switch {
	case part.start > info.Size:
		return nil, part, storage.ErrOffset
	case s.cfg.MaxDigest > 0 && part.end-part.start > s.cfg.MaxDigest:
		return nil, part, errDigestSize
	}
	if _, err := f.Seek(part.start, io.SeekStart); err != nil {
		return nil, part, fmt.Errorf("seek %q: %w", p, err)
	}
	sum := hashAlgorithms[h].make()
	n, err := s.copy(sum, io.LimitReader(f, part.end-part.start))
	if err == nil && n < part.end-part.start {
		err = io.ErrUnexpectedEOF
	}
	return sum.Sum(nil), part, err
}

// open opens a regular file to be read and says how it is now.
func (s *Session) open(p storage.Path) (storage.File, storage.Info, error) {
	f, err := s.fs.Open(p)
	if err != nil {
		return nil, storage.Info{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, storage.Info{}, err
	}
	return f, info, nil
}

// copyBuffers are for copy. A buffer is in use for one command at a time.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyStep is how many bytes copy moves before it looks whether anybody still
// waits for the result.
const copyStep = 1 << 20

// copy reads src to its end and writes it to dst. It gives up, with the error
// of the session's context, once the control connection is gone.
func (s *Session) copy(dst io.Writer, src io.Reader) (total int64, err error) {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		if err := s.ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyBuffer(onlyWriter{dst}, io.LimitReader(src, copyStep), buf[:])
		total += n
		if err != nil || n < copyStep {
			return total, err
		}
	}
}

// onlyWriter hides ReadFrom, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }
