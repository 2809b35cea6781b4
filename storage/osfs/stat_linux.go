package osfs

import (
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

const (
	statMask  = unix.STATX_BASIC_STATS
	statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
)

// statFD describes what an open descriptor, O_PATH included, stands for.
func statFD(fd int, name string) (storage.Info, error) {
	var nul byte
	var st unix.Statx_t
	err := statx(fd, &nul, unix.AT_EMPTY_PATH|statFlags, &st)
	if err != nil {
		return storage.Info{}, err
	}
	return infoOf(&st, name), nil
}

// statAt describes name itself in the open directory dir.
func statAt(dir int, name string) (storage.Info, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return storage.Info{}, err
	}
	var st unix.Statx_t
	if err := statx(dir, p, statFlags, &st); err != nil {
		return storage.Info{}, err
	}
	return infoOf(&st, name), nil
}

// statx is unix.Statx on a name that ends with a NUL: a directory listing has
// its names in that form, and a copy of each would be all that it allocates.
func statx(dir int, name *byte, flags int, st *unix.Statx_t) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(name)),
			uintptr(flags), statMask, uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

func infoOf(st *unix.Statx_t, name string) (info storage.Info) {
	setInfo(&info, st, name)
	return info
}

func setInfo(info *storage.Info, st *unix.Statx_t, name string) {
	*info = storage.Info{
		Name:    name,
		Size:    int64(st.Size),
		ModTime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)).UTC(),
		Mode:    modeOf(uint32(st.Mode)),
		UID:     st.Uid,
		GID:     st.Gid,
		Nlink:   uint64(st.Nlink),
		Dev:     unix.Mkdev(st.Dev_major, st.Dev_minor),
		Ino:     st.Ino,
	}
}

// modeOf turns st_mode into the type and permission bits of package fs.
func modeOf(mode uint32) fs.FileMode {
	return typeOf(mode) | fs.FileMode(mode)&fs.ModePerm
}

func typeOf(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}

// syncData brings a file's bytes, and what is needed to find them, to stable storage.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// syncDir brings the names in a directory to stable storage. dir may be O_PATH.
func syncDir(dir int) error {
	fd, err := openat2(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}

// readlinkAt reads the target of the link name in dir; an empty name reads the
// link that dir itself stands for.
func readlinkAt(dir int, name string) (string, error) {
	var buf [storage.MaxPath + 1]byte
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func available(fd int, p storage.Path) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, fail("statfs", p, err)
	}
	return int64(st.Bavail) * int64(st.Frsize), nil
}
