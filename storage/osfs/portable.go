package osfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"fastftps/storage"
)

// rootJail is a storage.FS whose paths os.Root resolves.
type rootJail struct {
	opt    Options
	root   *os.Root
	escape error // what os.Root answers to a path that leaves it; it has no exported name
}

func newRootJail(dir string, o Options) (storage.FS, error) {
	root, err := os.OpenRoot(dir)
	if fi, statErr := os.Stat(dir); err != nil && statErr == nil && !fi.IsDir() {
		err = storage.ErrNotDir // os.Root says so in an error that has no name
	}
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", dir, storage.MapError(err))
	}
	_, err = root.Lstat("../x")
	var pe *fs.PathError
	if !errors.As(err, &pe) {
		return nil, errors.Join(fmt.Errorf("open root %q: no jail", dir), err, root.Close())
	}
	return &rootJail{opt: o, root: root, escape: pe.Err}, nil
}

// Close implements storage.FS.
func (j *rootJail) Close() error { return j.root.Close() }

// fail is the package's fail with os.Root's own error made ours.
func (j *rootJail) fail(op string, p storage.Path, err error) error {
	if errors.Is(err, j.escape) {
		err = storage.ErrEscape
	}
	return fail(op, p, err)
}

// Stat implements storage.FS.
func (j *rootJail) Stat(p storage.Path) (storage.Info, error) {
	fi, err := j.root.Stat(rel(p))
	if err != nil {
		return storage.Info{}, j.fail("stat", p, err)
	}
	return infoOfFile(fi, p.Base()), nil
}

// Lstat implements storage.FS.
func (j *rootJail) Lstat(p storage.Path) (storage.Info, error) {
	fi, err := j.root.Lstat(rel(p))
	if err != nil {
		return storage.Info{}, j.fail("lstat", p, err)
	}
	info := infoOfFile(fi, p.Base())
	if info.Mode&fs.ModeSymlink != 0 {
		if info.Target, err = j.root.Readlink(rel(p)); err != nil {
			return storage.Info{}, j.fail("lstat", p, err)
		}
	}
	return info, nil
}

// Open implements storage.FS.
func (j *rootJail) Open(p storage.Path) (storage.File, error) {
	f, fi, err := j.regular(p, os.O_RDONLY, 0)
	if err != nil {
		return nil, j.fail("open", p, err)
	}
	return &file{f: f, info: infoOfFile(fi, p.Base())}, nil
}

// regular opens a regular file; whatever else p names is closed again.
func (j *rootJail) regular(p storage.Path, flags int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	f, err := j.root.OpenFile(rel(p), flags|openFlags, perm)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		err = checkRegular(fi.Mode())
	}
	if err == nil {
		err = setBlocking(f)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, fi, nil
}

// OpenWrite implements storage.FS.
func (j *rootJail) OpenWrite(p storage.Path, off int64, o storage.CreateOptions) (storage.Upload, error) {
	u, err := j.openWrite(p, off, o)
	if err != nil {
		return nil, j.fail("write", p, err)
	}
	return u, nil
}

func (j *rootJail) openWrite(p storage.Path, off int64, o storage.CreateOptions) (*upload, error) {
	flags := os.O_WRONLY
	if off <= 0 {
		flags |= os.O_CREATE
	}
	if o.Excl {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, fi, err := j.regular(p, flags, j.filePerm(o))
	if err != nil {
		return nil, err
	}
	u := &upload{f: f, at: inPlace{}, fsync: o.Fsync}
	if u.off, err = seekTo(f, fi.Size(), off); err == nil && o.Fsync {
		u.at, err = j.syncedPlace(p)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return u, nil
}

func (j *rootJail) syncedPlace(p storage.Path) (place, error) {
	parent, _, _, err := j.locate(p, false)
	if err != nil {
		return nil, err
	}
	dir, err := j.root.Open(parent)
	if err != nil {
		return nil, err
	}
	return inPlace{dir: dir, sync: (*os.File).Sync}, nil
}

func (j *rootJail) filePerm(o storage.CreateOptions) fs.FileMode {
	return cmp.Or(o.Perm&fs.ModePerm, j.opt.FilePerm)
}

// Create implements storage.FS: always under a hidden name.
func (j *rootJail) Create(p storage.Path, o storage.CreateOptions) (storage.Upload, error) {
	u, err := j.create(p, o)
	if err != nil {
		return nil, j.fail("create", p, err)
	}
	return u, nil
}

func (j *rootJail) create(p storage.Path, o storage.CreateOptions) (*upload, error) {
	parent, name, old, err := j.locate(p, o.Excl)
	if err != nil {
		return nil, err
	}
	dir, err := j.root.OpenRoot(parent)
	if err != nil {
		return nil, err
	}
	s := &rootSlot{dir: dir, name: name, excl: o.Excl}
	f, err := s.openTemp(j.filePerm(o))
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if old != nil {
		err = f.Chmod(old.Mode.Perm())
	}
	if err != nil {
		return nil, errors.Join(err, s.drop(f))
	}
	return &upload{f: f, at: s, fsync: o.Fsync}, nil
}

// locate follows the links that p ends in: it returns the directory, the name in
// it, and what stands there; nil for nothing. The directory's path is as the links
// say it, for ".." after one leads elsewhere than a cleaned path.
func (j *rootJail) locate(p storage.Path, excl bool) (dir, name string, old *storage.Info, err error) {
	full := rel(p)
	for range maxLinks {
		dir, name, ok := splitLast(full)
		if !ok {
			_, err := j.root.Stat(full) // may leave the root
			return "", "", nil, cmp.Or(err, storage.ErrIsDir)
		}
		fi, err := j.root.Lstat(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return dir, name, nil, nil
		case err != nil:
			return "", "", nil, err
		case excl:
			return "", "", nil, fs.ErrExist
		case fi.Mode()&fs.ModeSymlink == 0:
			info := infoOfFile(fi, "")
			return dir, name, &info, j.writable(full, fi)
		}
		target, err := j.root.Readlink(full)
		if err != nil {
			return "", "", nil, err
		}
		if path.IsAbs(target) {
			return "", "", nil, storage.ErrEscape
		}
		full = dir + "/" + target
	}
	return "", "", nil, fs.ErrNotExist
}

// writable reports why an existing file may not be replaced.
func (j *rootJail) writable(name string, fi fs.FileInfo) error {
	if err := checkRegular(fi.Mode()); err != nil {
		return err
	}
	f, err := j.root.OpenFile(name, os.O_WRONLY|openFlags, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// Mkdir implements storage.FS.
func (j *rootJail) Mkdir(p storage.Path, perm fs.FileMode) error {
	if p == storage.Root {
		return j.fail("mkdir", p, fs.ErrExist)
	}
	if err := j.root.Mkdir(rel(p), cmp.Or(perm&fs.ModePerm, j.opt.DirPerm)); err != nil {
		return j.fail("mkdir", p, err)
	}
	return nil
}

// Rmdir implements storage.FS.
func (j *rootJail) Rmdir(p storage.Path) error { return j.remove("rmdir", p, true) }

// Remove implements storage.FS.
func (j *rootJail) Remove(p storage.Path) error { return j.remove("remove", p, false) }

// remove looks before it removes, for os.Root.Remove takes files and empty
// directories alike: a file swapped for a directory in between goes with it.
func (j *rootJail) remove(op string, p storage.Path, dir bool) error {
	fi, err := j.root.Lstat(rel(p))
	switch {
	case err != nil:
	case dir && p == storage.Root:
		err = errRoot
	case dir && !fi.IsDir():
		err = storage.ErrNotDir
	case !dir && fi.IsDir():
		err = storage.ErrIsDir
	default:
		err = j.root.Remove(rel(p))
	}
	if err != nil {
		return j.fail(op, p, err)
	}
	return nil
}

// Rename implements storage.FS.
func (j *rootJail) Rename(from, to storage.Path) error {
	if from == storage.Root || to == storage.Root {
		return j.fail("rename", from, errRoot)
	}
	err := j.root.Rename(rel(from), rel(to))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, j.escape):
		return j.fail("rename", from, err)
	}
	return j.fail("rename", from, j.renameError(from, to, err))
}

// RenameNew implements storage.FS. os.Root has no such call: a name that is taken
// between the look and the rename is replaced.
func (j *rootJail) RenameNew(from, to storage.Path) error {
	if from == storage.Root || to == storage.Root {
		return j.fail("rename", from, errRoot)
	}
	switch _, err := j.root.Lstat(rel(to)); {
	case err == nil:
		return j.fail("rename", to, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return j.fail("rename", to, err)
	}
	return j.Rename(from, to)
}

// renameError finds the word for a failed rename: os.Root looks at the names
// before it asks the kernel and then says "file exists" for several things.
func (j *rootJail) renameError(from, to storage.Path, err error) error {
	src, srcErr := j.root.Lstat(rel(from))
	dst, dstErr := j.root.Lstat(rel(to))
	if srcErr == nil && dstErr == nil {
		switch {
		case dst.IsDir() && !src.IsDir():
			return storage.ErrIsDir
		case src.IsDir() && !dst.IsDir():
			return storage.ErrNotDir
		}
	}
	return renameError(err)
}

// Chmod implements storage.FS. A directory keeps what lets files in it inherit its group,
// and its sticky bit.
func (j *rootJail) Chmod(p storage.Path, mode fs.FileMode) error {
	return j.change("chmod", p, func(f *os.File) error {
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		mode := mode & fs.ModePerm
		if fi.IsDir() {
			mode |= fi.Mode() & (fs.ModeSetgid | fs.ModeSticky)
		}
		return f.Chmod(mode)
	})
}

// Chtimes implements storage.FS.
func (j *rootJail) Chtimes(p storage.Path, mtime time.Time) error {
	return j.change("chtimes", p, func(f *os.File) error { return j.setMtime(f, p, mtime) })
}

// change calls do on the open file or directory p.
func (j *rootJail) change(op string, p storage.Path, do func(*os.File) error) error {
	f, err := j.root.OpenFile(rel(p), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return j.fail(op, p, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err == nil && !fi.IsDir() {
		err = checkRegular(fi.Mode())
	}
	if err == nil {
		err = do(f)
	}
	if err != nil {
		return j.fail(op, p, err)
	}
	return nil
}

// ReadDir implements storage.FS.
func (j *rootJail) ReadDir(p storage.Path, want storage.Want) (storage.Dir, error) {
	f, err := j.root.OpenFile(rel(p), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, j.fail("readdir", p, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.IsDir() {
		err = storage.ErrNotDir
	}
	if err != nil {
		return nil, j.fail("readdir", p, errors.Join(err, f.Close()))
	}
	if f, err = unrooted(f); err != nil {
		return nil, j.fail("readdir", p, err)
	}
	return &rootDir{jail: j, path: p, want: want, f: f}, nil
}

// rootDir is an open directory.
type rootDir struct {
	jail *rootJail
	path storage.Path
	want storage.Want
	f    *os.File
}

// Next implements storage.Dir.
func (d *rootDir) Next(dst []storage.Info) (int, error) {
	n := 0
	for n == 0 && len(dst) > 0 {
		entries, err := d.f.ReadDir(len(dst))
		if err == io.EOF {
			return 0, err
		}
		if err != nil {
			return 0, d.jail.fail("readdir", d.path, err)
		}
		for _, e := range entries {
			if !storage.IsHidden(e.Name()) && d.entry(e, &dst[n]) {
				n++
			}
		}
	}
	return n, nil
}

// entry fills info with what is wanted of e, and reports whether it is to be shown.
func (d *rootDir) entry(e fs.DirEntry, info *storage.Info) bool {
	*info = storage.Info{Name: e.Name(), Mode: e.Type()}
	link := e.Type()&fs.ModeSymlink != 0
	if d.want&storage.WantStat == 0 && !link {
		return true
	}
	p := d.path.Join(e.Name())
	self, err := d.jail.Lstat(p)
	if err != nil {
		return false
	}
	if *info = self; !link {
		return true
	}
	if d.want&storage.WantFollow != 0 {
		if to, err := d.jail.Stat(p); err == nil {
			*info = to
		}
	}
	if info.Target = ""; d.want&storage.WantLink != 0 {
		info.Target = self.Target
	}
	return true
}

// Close implements storage.Dir.
func (d *rootDir) Close() error { return d.f.Close() }

// rootSlot is the place of an upload that Create began.
type rootSlot struct {
	dir        *os.Root
	name, temp string // in dir
	excl       bool
}

func (s *rootSlot) openTemp(perm fs.FileMode) (*os.File, error) {
	for {
		s.temp = hiddenName()
		f, err := s.dir.OpenFile(s.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

func (s *rootSlot) publish(f *os.File, fsync bool) (err error) {
	defer func() { err = errors.Join(err, s.dir.Close()) }()
	if err = f.Close(); err == nil {
		err = s.rename()
	}
	if err != nil {
		return errors.Join(err, s.dir.Remove(s.temp))
	}
	if !fsync {
		return nil
	}
	dir, err := s.dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// rename gives the file its name. os.Root renames over what is there; a second
// link does not.
func (s *rootSlot) rename() error {
	if !s.excl {
		if fi, err := s.dir.Lstat(s.name); err == nil && fi.IsDir() {
			return storage.ErrIsDir
		}
		return s.dir.Rename(s.temp, s.name)
	}
	if err := s.dir.Link(s.temp, s.name); err != nil {
		return err
	}
	return s.dir.Remove(s.temp)
}

func (s *rootSlot) drop(f *os.File) error {
	return errors.Join(f.Close(), s.dir.Remove(s.temp), s.dir.Close())
}
