package osfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

// Create implements storage.FS. The file is written without a name (O_TMPFILE)
// where the file system can do that, so that a crash leaves nothing, and under a
// hidden random one elsewhere. A replaced file's permission bits are kept, and its
// owner when the server runs as root. A file that the server may not write is
// not replaced either: fs.ErrPermission.
func (j *kernelJail) Create(p storage.Path, o storage.CreateOptions) (storage.Upload, error) {
	u, err := j.create(p, o)
	if err != nil {
		return nil, fail("create", p, err)
	}
	return u, nil
}

func (j *kernelJail) create(p storage.Path, o storage.CreateOptions) (*upload, error) {
	if p == storage.Root {
		return nil, storage.ErrIsDir
	}
	dir, name, old, err := j.locate(p, o.Excl)
	if err != nil {
		return nil, err
	}
	s := &slot{dir: dir, name: name, excl: o.Excl, exists: old != nil}
	f, err := j.openTemp(s, p, j.filePerm(o))
	if err != nil {
		unix.Close(dir)
		return nil, err
	}
	if err := j.prepare(f, old, o.Size); err != nil {
		return nil, errors.Join(err, s.drop(f))
	}
	return &upload{f: f, at: s, fsync: o.Fsync, trim: o.Size > 0}, nil
}

// locate finds where a file of path p would be made: the directory, the name in
// it, and what stands there now (nil for nothing). Links are followed one at a
// time, each by a new walk from the root, so the kernel checks every step.
func (j *kernelJail) locate(p storage.Path, excl bool) (dir int, name string, old *storage.Info, err error) {
	path := rel(p)
	for range maxLinks {
		parent, last, ok := splitLast(path)
		if !ok {
			return -1, "", nil, j.noFile(path)
		}
		dir, err := j.open(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return -1, "", nil, err
		}
		old, err := lookAt(dir, last, excl)
		if err == nil && (old == nil || old.Target == "") {
			return dir, last, old, nil
		}
		unix.Close(dir)
		if err != nil {
			return -1, "", nil, err
		}
		if old.Target[0] == '/' {
			return -1, "", nil, storage.ErrEscape
		}
		path = parent + "/" + old.Target
	}
	return -1, "", nil, unix.ELOOP
}

// noFile tells why a path that ends in "..", "." or a slash is no file.
func (j *kernelJail) noFile(path string) error {
	fd, err := j.open(path, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	unix.Close(fd)
	return storage.ErrIsDir
}

// lookAt says what stands under name: nil for nothing, a link, or a file that
// may be replaced. Anything else is an error.
func lookAt(dir int, name string, excl bool) (*storage.Info, error) {
	info, err := statAt(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case excl:
		return nil, fs.ErrExist
	case info.Mode&fs.ModeSymlink != 0:
		info.Target, err = readlinkAt(dir, name)
		return &info, err
	}
	if err := checkRegular(info.Mode); err != nil {
		return nil, err
	}
	return &info, unix.Faccessat(dir, name, unix.W_OK, unix.AT_EACCESS)
}

// openTemp opens a new file in s.dir, without a name or under a hidden one.
func (j *kernelJail) openTemp(s *slot, p storage.Path, perm fs.FileMode) (*os.File, error) {
	if !j.opt.NamedTemp {
		fd, err := openat2(s.dir, ".", unix.O_TMPFILE|unix.O_WRONLY, perm)
		if err == nil {
			return os.NewFile(uintptr(fd), string(p)), nil
		}
		if !noTmpfile(err) {
			return nil, err
		}
	}
	for {
		s.temp = hiddenName()
		fd, err := openat2(s.dir, s.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, perm)
		if err == nil {
			return os.NewFile(uintptr(fd), string(p)), nil
		}
		if err != unix.EEXIST {
			return nil, err
		}
	}
}

// noTmpfile tells a file system that knows no O_TMPFILE from a real failure.
func noTmpfile(err error) bool {
	return err == unix.EOPNOTSUPP || err == unix.EISDIR || err == unix.EINVAL || err == unix.ENOSYS
}

// prepare takes over what a replaced file looked like and reserves space. The
// reservation keeps the size, so a short upload is as long as what came.
func (j *kernelJail) prepare(f *os.File, old *storage.Info, size int64) error {
	fd := int(f.Fd())
	if old != nil {
		if j.chown {
			if err := unix.Fchown(fd, int(old.UID), int(old.GID)); err != nil {
				return err
			}
		}
		if err := unix.Fchmod(fd, uint32(old.Mode.Perm())); err != nil {
			return err
		}
	}
	if size <= 0 {
		return nil
	}
	err := unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err == unix.ENOSPC || err == unix.EDQUOT || err == unix.EFBIG {
		return err
	}
	return nil // a file system that cannot reserve
}

// slot is the place of an upload that Create began.
type slot struct {
	dir    int    // O_PATH of the parent directory
	name   string // in dir
	temp   string // hidden name of the file in dir; "" while it has none
	excl   bool
	exists bool // something stood under name when the upload began
}

func (s *slot) publish(f *os.File, fsync bool) error {
	defer unix.Close(s.dir)
	err := s.link(f)
	if err == nil {
		err = s.rename()
	}
	if err != nil {
		return errors.Join(err, s.unlink())
	}
	if fsync {
		return syncDir(s.dir)
	}
	return nil
}

// link closes f, and if it has no name yet gives it its own or a hidden one.
func (s *slot) link(f *os.File) error {
	if s.temp != "" {
		return f.Close()
	}
	// A file without a name is gone once it is closed, and only close tells
	// whether everything was written (FUSE, NFS). A second descriptor keeps it.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer unix.Close(fd)
	if err := f.Close(); err != nil {
		return err
	}
	if s.excl || !s.exists {
		err := linkFD(fd, s.dir, s.name)
		if err != unix.EEXIST || s.excl {
			return err
		}
	}
	for {
		temp := hiddenName()
		err := linkFD(fd, s.dir, temp)
		if err == nil {
			s.temp = temp
		}
		if err != unix.EEXIST {
			return err
		}
	}
}

// linkFD gives the open file fd a name. Without the right to link a bare
// descriptor (before Linux 6.10, not root) it goes through /proc.
func linkFD(fd, dir int, name string) error {
	err := unix.Linkat(fd, "", dir, name, unix.AT_EMPTY_PATH)
	if err == unix.ENOENT || err == unix.EPERM {
		err = unix.Linkat(unix.AT_FDCWD, procFD(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	}
	return err
}

// rename moves the file from its hidden name, if it has one, to its own.
func (s *slot) rename() error {
	if s.temp == "" {
		return nil
	}
	var err error
	if s.excl {
		err = renameNew(s.dir, s.temp, s.name)
	} else {
		err = unix.Renameat(s.dir, s.temp, s.dir, s.name)
	}
	if err == nil {
		s.temp = ""
	}
	return err
}

// renameNew renames only if nothing stands under to. Not all file systems know
// that in one call; a second link and an unlink do the same.
func renameNew(dir int, from, to string) error {
	err := unix.Renameat2(dir, from, dir, to, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	if err := unix.Linkat(dir, from, dir, to, 0); err != nil {
		return err
	}
	return unix.Unlinkat(dir, from, 0)
}

func (s *slot) drop(f *os.File) error {
	defer unix.Close(s.dir)
	return errors.Join(f.Close(), s.unlink())
}

func (s *slot) unlink() error {
	if s.temp == "" {
		return nil
	}
	return unix.Unlinkat(s.dir, s.temp, 0)
}
