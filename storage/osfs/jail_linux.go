package osfs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

// resolve is the jail: the kernel refuses, at each step and at the moment of
// the step, whatever would lead above the root.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// maxAgain bounds the retries of an openat2 that raced a rename; the kernel
// gives EAGAIN when it cannot tell whether a ".." was safe.
const maxAgain = 1000

// HasOpenat2 reports whether this kernel keeps the jail itself. It asks once.
var HasOpenat2 = sync.OnceValue(func() bool {
	fd, err := openat2(unix.AT_FDCWD, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
})

// openat2 opens path below root.
func openat2(root int, path string, flags uint64, perm fs.FileMode) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: uint64(perm), Resolve: resolve}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(root, path, &how)
		if err == unix.EINTR || err == unix.EAGAIN && tries < maxAgain {
			continue
		}
		return fd, err
	}
}

// kernelJail is a storage.FS whose paths the kernel resolves.
type kernelJail struct {
	opt   Options
	chown bool // we may give files away, so a replaced file keeps its owner

	root int // O_PATH

	mu     sync.Mutex // guards the fields below
	users  int        // calls under way: root must not be closed under them
	closed bool
}

func newKernelJail(dir string, o Options) (storage.FS, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", dir, storage.MapError(err))
	}
	return &kernelJail{opt: o, root: fd, chown: os.Geteuid() == 0}, nil
}

// Close implements storage.FS. It does not wait for calls that are under way, for
// they may hang on a disk: the last of them closes the root. A second call gives
// fs.ErrClosed.
func (j *kernelJail) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return fs.ErrClosed
	}
	j.closed = true
	return j.endLocked()
}

// use keeps root open until the call of leave.
func (j *kernelJail) use() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return fs.ErrClosed
	}
	j.users++
	return nil
}

func (j *kernelJail) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.users--
	_ = j.endLocked() // of a descriptor that was only ever looked up from
}

func (j *kernelJail) endLocked() error {
	if !j.closed || j.users > 0 {
		return nil
	}
	return unix.Close(j.root)
}

// open opens what path, relative to the root, names.
func (j *kernelJail) open(path string, flags uint64, perm fs.FileMode) (int, error) {
	if err := j.use(); err != nil {
		return -1, err
	}
	defer j.leave()
	return openat2(j.root, path, flags, perm)
}

// parent opens the directory that holds p, for *at calls on p's last element.
func (j *kernelJail) parent(p storage.Path) (dir int, name string, err error) {
	if p == storage.Root {
		return -1, "", errRoot
	}
	if name = p.Base(); name == "." || name == ".." {
		return -1, "", storage.ErrName
	}
	dir, err = j.open(rel(p.Dir()), unix.O_PATH|unix.O_DIRECTORY, 0)
	return dir, name, err
}

// Stat implements storage.FS.
func (j *kernelJail) Stat(p storage.Path) (storage.Info, error) {
	return j.stat("stat", p, unix.O_PATH)
}

// Lstat implements storage.FS.
func (j *kernelJail) Lstat(p storage.Path) (storage.Info, error) {
	return j.stat("lstat", p, unix.O_PATH|unix.O_NOFOLLOW)
}

func (j *kernelJail) stat(op string, p storage.Path, flags uint64) (storage.Info, error) {
	fd, err := j.open(rel(p), flags, 0)
	if err != nil {
		return storage.Info{}, fail(op, p, err)
	}
	defer unix.Close(fd)
	info, err := statFD(fd, p.Base())
	if err == nil && info.Mode&fs.ModeSymlink != 0 {
		info.Target, err = readlinkAt(fd, "")
	}
	if err != nil {
		return storage.Info{}, fail(op, p, err)
	}
	return info, nil
}

// Open implements storage.FS. O_NONBLOCK lets the open of a FIFO return; what
// is not a regular file is closed again unread.
func (j *kernelJail) Open(p storage.Path) (storage.File, error) {
	fd, err := j.open(rel(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fail("open", p, err)
	}
	f, info, err := regular(fd, p)
	if err != nil {
		return nil, fail("open", p, err)
	}
	return &file{f: f, info: info}, nil
}

// regular makes an os.File of fd, in blocking mode so that package os leaves it
// out of the poller. It closes fd when it is no regular file. fd has just been
// opened with no other flag that F_SETFL knows.
func regular(fd int, p storage.Path) (*os.File, storage.Info, error) {
	info, err := statFD(fd, p.Base())
	if err == nil {
		err = checkRegular(info.Mode)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, info, err
	}
	return os.NewFile(uintptr(fd), string(p)), info, nil
}

// OpenWrite implements storage.FS.
func (j *kernelJail) OpenWrite(p storage.Path, off int64, o storage.CreateOptions) (storage.Upload, error) {
	u, err := j.openWrite(p, off, o)
	if err != nil {
		return nil, fail("write", p, err)
	}
	return u, nil
}

func (j *kernelJail) openWrite(p storage.Path, off int64, o storage.CreateOptions) (*upload, error) {
	flags := uint64(unix.O_WRONLY | unix.O_NONBLOCK | unix.O_NOCTTY)
	if off <= 0 {
		flags |= unix.O_CREAT
	}
	if o.Excl {
		flags |= unix.O_CREAT | unix.O_EXCL
	}
	var perm fs.FileMode
	if flags&unix.O_CREAT != 0 {
		perm = j.filePerm(o) // openat2 refuses a mode without O_CREAT
	}
	fd, err := j.open(rel(p), flags, perm)
	if err != nil {
		return nil, err
	}
	f, info, err := regular(fd, p)
	if err != nil {
		return nil, err
	}
	u := &upload{f: f, at: inPlace{}, fsync: o.Fsync}
	if u.off, err = seekTo(f, info.Size, off); err == nil && o.Fsync {
		u.at, err = j.syncedPlace(p)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return u, nil
}

// syncedPlace is the place of an in-place upload that also brings its name,
// which may be new, to stable storage.
func (j *kernelJail) syncedPlace(p storage.Path) (place, error) {
	dir, _, _, err := j.locate(p, false)
	if err != nil {
		return nil, err
	}
	return inPlace{dir: os.NewFile(uintptr(dir), string(p.Dir())), sync: func(d *os.File) error {
		return syncDir(int(d.Fd()))
	}}, nil
}

func (j *kernelJail) filePerm(o storage.CreateOptions) fs.FileMode {
	return cmp.Or(o.Perm&fs.ModePerm, j.opt.FilePerm)
}

// Mkdir implements storage.FS.
func (j *kernelJail) Mkdir(p storage.Path, perm fs.FileMode) error {
	if p == storage.Root {
		return fail("mkdir", p, fs.ErrExist)
	}
	return j.at("mkdir", p, func(dir int, name string) error {
		return unix.Mkdirat(dir, name, uint32(cmp.Or(perm&fs.ModePerm, j.opt.DirPerm)))
	})
}

// Rmdir implements storage.FS.
func (j *kernelJail) Rmdir(p storage.Path) error {
	return j.at("rmdir", p, func(dir int, name string) error {
		return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	})
}

// Remove implements storage.FS.
func (j *kernelJail) Remove(p storage.Path) error {
	if p == storage.Root {
		return fail("remove", p, storage.ErrIsDir)
	}
	return j.at("remove", p, func(dir int, name string) error {
		return unix.Unlinkat(dir, name, 0)
	})
}

// at calls do on p's last element in its parent directory.
func (j *kernelJail) at(op string, p storage.Path, do func(dir int, name string) error) error {
	dir, name, err := j.parent(p)
	if err != nil {
		return fail(op, p, err)
	}
	defer unix.Close(dir)
	if err := do(dir, name); err != nil {
		return fail(op, p, err)
	}
	return nil
}

// Rename implements storage.FS. Between two file systems below the root it is
// storage.ErrUnsupported: a copy would not be one step.
func (j *kernelJail) Rename(from, to storage.Path) error {
	return j.rename(from, to, unix.Renameat)
}

// RenameNew implements storage.FS.
func (j *kernelJail) RenameNew(from, to storage.Path) error {
	return j.rename(from, to, func(fromDir int, fromName string, toDir int, toName string) error {
		err := unix.Renameat2(fromDir, fromName, toDir, toName, unix.RENAME_NOREPLACE)
		switch {
		case err == unix.EEXIST:
			return fs.ErrExist
		case err != unix.EINVAL && err != unix.ENOSYS:
			return err
		}
		// Not all file systems know that. EINVAL also stands for a directory that is
		// to go into itself; Renameat says so again.
		var st unix.Stat_t
		switch err := unix.Fstatat(toDir, toName, &st, unix.AT_SYMLINK_NOFOLLOW); err {
		case nil:
			return fs.ErrExist
		case unix.ENOENT:
			return unix.Renameat(fromDir, fromName, toDir, toName)
		default:
			return err
		}
	})
}

func (j *kernelJail) rename(from, to storage.Path, rename func(fromDir int, fromName string, toDir int, toName string) error) error {
	return j.at("rename", to, func(toDir int, toName string) error {
		return j.at("rename", from, func(fromDir int, fromName string) error {
			return renameError(rename(fromDir, fromName, toDir, toName))
		})
	})
}

// Chmod implements storage.FS. It follows a final link inside the root, then
// works on the descriptor, so a link that is swapped meanwhile cannot redirect it.
// A directory keeps what lets files in it inherit its group, and its sticky bit.
func (j *kernelJail) Chmod(p storage.Path, mode fs.FileMode) error {
	return j.change("chmod", p, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		perm := uint32(mode & fs.ModePerm)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			perm |= st.Mode & (unix.S_ISGID | unix.S_ISVTX)
		}
		err := unix.Fchmodat(fd, "", perm, unix.AT_EMPTY_PATH)
		if err == unix.EOPNOTSUPP { // before Linux 6.6
			err = unix.Chmod(procFD(fd), perm)
		}
		return err
	})
}

// Chtimes implements storage.FS. The access time stays.
func (j *kernelJail) Chtimes(p storage.Path, mtime time.Time) error {
	return j.change("chtimes", p, func(fd int) error { return setMtime(fd, mtime) })
}

// change calls do on an O_PATH descriptor of the file or directory p.
func (j *kernelJail) change(op string, p storage.Path, do func(fd int) error) error {
	fd, err := j.open(rel(p), unix.O_PATH, 0)
	if err != nil {
		return fail(op, p, err)
	}
	defer unix.Close(fd)
	info, err := statFD(fd, "")
	if err == nil && !info.IsDir() {
		err = checkRegular(info.Mode)
	}
	if err == nil {
		err = do(fd)
	}
	if err != nil {
		return fail(op, p, err)
	}
	return nil
}

// Available implements storage.FS: what the file system below p leaves to
// users without privileges.
func (j *kernelJail) Available(p storage.Path) (int64, error) {
	fd, err := j.open(rel(p), unix.O_PATH, 0)
	if err != nil {
		return 0, fail("statfs", p, err)
	}
	defer unix.Close(fd)
	return available(fd, p)
}

// procFD names an open descriptor, for calls that take none.
func procFD(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
