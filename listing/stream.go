package listing

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

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
	Limited func()      // called, by whom calls Append, when MaxGlob hides a name; may be nil
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
// It blocks on the disk, and so does Append.
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
	s := newStream(nil, o)
	if o.Format == Names && arg != "" {
		info.Name = arg
	}
	s.first = append(s.first, *info)
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
	s := newStream(d, o)
	s.pattern = pattern
	if arg != "" && !strings.HasSuffix(arg, "/") {
		arg += "/"
	}
	s.prefix = arg
	switch {
	case info == nil:
	case o.Format == Facts:
		s.self = p
		s.first = append(s.first, *info)
	case o.Format == Long && o.Words.Dots:
		s.first = appendDots(s.first, f, p, *info)
	}
	return s, nil
}

// appendDots appends the entries "." and "..".
func appendDots(dst []storage.Info, f storage.FS, p storage.Path, self storage.Info) []storage.Info {
	self.Name = "."
	dst = append(dst, self)
	parent, err := f.Stat(p.Dir())
	if err != nil {
		parent = self // it was moved or locked meanwhile; a line is due all the same
	}
	parent.Name = ".."
	return append(dst, parent)
}

// Stream is a listing that is read piece by piece. One goroutine uses it.
type Stream struct {
	opt     Options
	pattern string         // of names to be shown; "" shows all
	matched int            // names that were shown because of it
	over    bool           // it has shown its most
	prefix  string         // of names in NLST, as the client wrote it
	self    storage.Path   // of Facts: the directory, to be shown first
	first   []storage.Info // shown before those of dir, whatever their names
	dir     storage.Dir    // nil when there is none
	batch   *batch         // nil once closed
}

// batch is how many entries are asked for and encoded at a time.
type batch [128]storage.Info

var batches = sync.Pool{New: func() any { return new(batch) }}

func newStream(d storage.Dir, o Options) *Stream {
	return &Stream{opt: o, dir: d, batch: batches.Get().(*batch)}
}

// Append appends the next lines to dst, up to 128 of them, and returns it;
// io.EOF, with nothing appended, at the end. Any other error comes from the
// directory; what was sent before it is right as far as it goes.
func (s *Stream) Append(dst []byte) ([]byte, error) {
	if s.batch == nil {
		return dst, fs.ErrClosed
	}
	start := len(dst)
	dst = s.appendFirst(dst)
	for len(dst) == start {
		if s.dir == nil || s.over {
			return dst, io.EOF
		}
		n, err := s.dir.Next(s.batch[:])
		if err != nil {
			return dst, err
		}
		for i := range n {
			info := &s.batch[i]
			if !s.shows(info.Name) {
				continue
			}
			if s.full() {
				s.over = true
				break
			}
			dst = s.line(dst, info)
		}
	}
	return dst, nil
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

// appendFirst appends the lines that were known when the listing was opened.
func (s *Stream) appendFirst(dst []byte) []byte {
	for i := range s.first {
		if s.self != "" {
			dst = s.appendSelf(dst, &s.first[i])
			continue
		}
		dst = s.line(dst, &s.first[i])
	}
	s.first = nil
	return dst
}

// appendSelf appends the line of the listed directory itself. The root
// cannot be removed or renamed.
func (s *Stream) appendSelf(dst []byte, info *storage.Info) []byte {
	may := s.opt.Rights
	if s.self == storage.Root {
		if may&MayDelete != 0 {
			may |= mayPurge
		}
		may &^= MayDelete | MayRename
	}
	dst = appendFacts(dst, info, "cdir", s.opt.Facts, may)
	return append(dst, " .\r\n"...)
}

// line appends one entry in the format of the listing.
func (s *Stream) line(dst []byte, info *storage.Info) []byte {
	switch s.opt.Format {
	case Names:
		return AppendNLST(dst, s.prefix, info.Name)
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
	if s.batch == nil {
		return fs.ErrClosed
	}
	clear(s.batch[:]) // names would stay reachable from the pool
	batches.Put(s.batch)
	s.batch = nil
	if s.dir == nil {
		return nil
	}
	return s.dir.Close()
}
