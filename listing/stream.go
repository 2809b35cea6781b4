package listing

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"
	"unsafe"

	"fastftps/codec"
	"fastftps/storage"
)

// Format is the kind of lines of a listing.
type Format uint8

// The formats.
const (
	Long  Format = iota // LIST, STAT
	Names               // NLST
	Facts               // MLSD
)

// Options say what a listing shows.
type Options struct {
	Format Format
	Words  Words // of LIST and NLST

	Now     time.Time   // of Long: decides between time of day and year
	Facts   codec.Facts // of Facts
	Rights  Rights      // of Facts: the perm fact
	MaxGlob int         // most names that a pattern shows; 0 without bound
	Limited func()      // called, by whom calls Read, when MaxGlob hides a name; may be nil
	HideDot bool        // of Long and Names: leave out names that start with a dot, unless -a or a pattern asks for them
}

// want is what the storage must be asked for.
func (o *Options) want() storage.Want {
	switch o.Format {
	case Names:
		return storage.WantNone
	case Facts:
		return Want(o.Facts)
	}
	return storage.WantStat | storage.WantLink | storage.WantFollow
}

// Open begins the listing of arg, a path as the client sent it, in the working
// directory cwd; "" is cwd itself. It opens the directory, so that what is
// missing or may not be read is known before the transfer is announced.
//
// A file, in Long and Names, is a listing of one line. When nothing stands under
// arg and its last element is a pattern (see Match) the entries of its directory
// that match are listed; there may be none. Facts takes directories only
// (storage.ErrNotDir) and no pattern (RFC 3659 section 2.2.2), and shows the
// directory itself first, as "." and not as its whole path, which RFC 3659
// section 7.3.1 allows too: rclone, jlaffaye/ftp and commons-net take a cdir of
// any other name for a child of that name.
//
// It blocks on the disk, and so does Read.
func Open(f storage.FS, cwd storage.Path, arg string, o Options) (*Stream, error) {
	p, err := storage.Clean(cwd, arg)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat(p)
	switch {
	case err == nil && info.IsDir() && !o.Words.Self:
		return openDir(f, p, arg, "", &info, o)
	case err == nil && o.Format == Facts && !info.IsDir():
		return nil, storage.ErrNotDir
	case err == nil:
		return oneLine(&info, arg, o), nil
	case o.Format == Facts || !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return openPattern(f, cwd, arg, o, err)
}

// oneLine is the listing of a single file, by the name that the client used.
func oneLine(info *storage.Info, arg string, o Options) *Stream {
	if o.Format == Names && arg != "" {
		info.Name = arg
	}
	s := &Stream{opt: o}
	s.rest = s.line(make([]byte, 0, maxLine), info)
	return s
}

// openPattern lists what matches the last element of arg; missing is the answer
// when that is no pattern.
func openPattern(f storage.FS, cwd storage.Path, arg string, o Options, missing error) (*Stream, error) {
	slash := strings.LastIndexByte(arg, '/') + 1
	dir, pattern := arg[:slash], arg[slash:]
	if !hasGlob(pattern) {
		return nil, missing
	}
	p, err := storage.Clean(cwd, dir)
	if err != nil {
		return nil, err
	}
	return openDir(f, p, dir, pattern, nil, o)
}

// openDir lists the directory p, which the client calls arg. info describes it;
// it is nil for a pattern, which shows no more than what matches.
func openDir(f storage.FS, p storage.Path, arg, pattern string, info *storage.Info, o Options) (*Stream, error) {
	d, err := f.ReadDir(p, o.want())
	if err != nil {
		return nil, err
	}
	s := &Stream{opt: o, dir: d, pattern: pattern}
	if arg != "" && !strings.HasSuffix(arg, "/") {
		arg += "/"
	}
	s.prefix = string(appendName(nil, arg))
	switch {
	case info == nil:
	case o.Format == Facts:
		s.rest = appendSelf(make([]byte, 0, maxLine), p, info, &o)
	case o.Format == Long && o.Words.Dots:
		s.rest = s.appendDots(make([]byte, 0, 2*maxLine), f, p, *info)
	}
	return s, nil
}

// appendSelf appends the line of the listed directory itself. The root
// cannot be removed or renamed.
func appendSelf(dst []byte, p storage.Path, info *storage.Info, o *Options) []byte {
	may := o.Rights
	if p == storage.Root {
		may = may.Top()
	}
	dst = appendFacts(dst, info, "cdir", o.Facts, may)
	return append(dst, " .\r\n"...)
}

// appendDots appends the lines of "." and "..".
func (s *Stream) appendDots(dst []byte, f storage.FS, p storage.Path, self storage.Info) []byte {
	self.Name = "."
	dst = s.line(dst, &self)
	parent, err := f.Stat(p.Dir())
	if err != nil {
		parent = self // it was moved or locked meanwhile; a line is due all the same
	}
	parent.Name = ".."
	return s.line(dst, &parent)
}

// Stream is a listing that is read piece by piece. One goroutine uses it.
type Stream struct {
	opt     Options
	pattern string      // of names to be shown; "" shows all
	matched int         // names that were shown because of it
	prefix  string      // of names in NLST: what the client wrote, as a line may hold it
	dir     storage.Dir // nil when there is none
	over    bool        // it has shown its most
	closed  bool

	batch   *batch         // taken by the first Read that needs it
	entries []storage.Info // of batch, not yet looked at
	rest    []byte         // of lines that are made, not yet given
	spill   []byte         // where the last line of a piece is made when it does not fit
}

// batch is how many entries are asked for at a time.
type batch [128]storage.Info

var batches = sync.Pool{New: func() any { return new(batch) }}

// maxLine is how long a line can be without its names: LIST needs at most 90
// bytes, MLSx with every fact 180.
const maxLine = 256

// Memory returns how many bytes the listing holds from the first Read on, until
// it is closed. Before that it holds a descriptor and next to no memory.
func (s *Stream) Memory() int64 {
	if s.dir == nil {
		return 0
	}
	return int64(unsafe.Sizeof(batch{})) + storage.DirMemory
}

// Read implements io.Reader: the lines, one after the other. It fills p as far
// as the entries at hand allow and asks the directory for more only when it has
// nothing to give, so that what is known can be sent before the disk answers.
// An error other than io.EOF is the directory's; what was read before it is
// right as far as it goes.
func (s *Stream) Read(p []byte) (int, error) {
	if s.closed {
		return 0, fs.ErrClosed
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	for n < len(p) && (n == 0 || len(s.entries) > 0) {
		if len(s.entries) == 0 {
			if err := s.next(); err != nil {
				return 0, err
			}
		}
		n = s.fill(p, n)
	}
	return n, nil
}

// next asks the directory for entries.
func (s *Stream) next() error {
	if s.dir == nil || s.over {
		return io.EOF
	}
	if s.batch == nil {
		s.batch = batches.Get().(*batch)
	}
	n, err := s.dir.Next(s.batch[:])
	s.entries = s.batch[:n]
	return err
}

// fill makes lines of the entries at hand, in p from n on and as far as they
// fit, and returns where they end. Of the line that does not fit p gets what it
// can take.
func (s *Stream) fill(p []byte, n int) int {
	dst := p[:n]
	for i := range s.entries {
		info := &s.entries[i]
		if !s.shows(info.Name) {
			continue
		}
		if s.full() {
			s.over = true
			break
		}
		if len(p)-len(dst) < maxLine+len(s.prefix)+len(info.Name)+len(info.Target) {
			s.spill = s.line(s.spill[:0], info)
			m := copy(p[len(dst):], s.spill)
			s.rest, s.entries = s.spill[m:], s.entries[i+1:]
			return len(dst) + m
		}
		dst = s.line(dst, info)
	}
	s.entries = nil
	return len(dst)
}

// full counts a name that is about to be shown and reports whether a pattern
// has shown its most already: the listing ends there, for each further name
// would cost a look at the whole directory.
func (s *Stream) full() bool {
	if s.pattern == "" || s.opt.MaxGlob == 0 {
		return false
	}
	if s.matched++; s.matched <= s.opt.MaxGlob {
		return false
	}
	if s.opt.Limited != nil {
		s.opt.Limited()
	}
	return true
}

// line appends one entry in the format of the listing.
func (s *Stream) line(dst []byte, info *storage.Info) []byte {
	switch s.opt.Format {
	case Names:
		return AppendNLST(append(dst, s.prefix...), "", info.Name)
	case Facts:
		return AppendMLSx(dst, info, s.opt.Facts, s.opt.Rights)
	}
	return AppendLIST(dst, info, s.opt.Now)
}

// shows reports whether an entry of the directory belongs into the listing.
func (s *Stream) shows(name string) bool {
	if s.pattern != "" && !Match(s.pattern, name) {
		return false
	}
	if s.opt.Format == Facts || !s.opt.HideDot || s.opt.Words.All {
		return true
	}
	return !strings.HasPrefix(name, ".") || strings.HasPrefix(s.pattern, ".")
}

// Close closes the directory.
func (s *Stream) Close() error {
	if s.closed {
		return fs.ErrClosed
	}
	s.closed, s.entries, s.rest = true, nil, nil
	if s.batch != nil {
		clear(s.batch[:]) // names would stay reachable from the pool
		batches.Put(s.batch)
		s.batch = nil
	}
	if s.dir == nil {
		return nil
	}
	return s.dir.Close()
}
