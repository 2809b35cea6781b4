//go:build unix

package osfs

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

// openFlags let the open of a FIFO or a device return at once.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// infoOfFile turns what package os tells of a file into ours.
func infoOfFile(fi fs.FileInfo, name string) storage.Info {
	info := storage.Info{
		Name:    name,
		Size:    fi.Size(),
		ModTime: fi.ModTime().UTC(),
		Mode:    fi.Mode() & (fs.ModeType | fs.ModePerm),
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.UID, info.GID, info.Nlink = st.Uid, st.Gid, uint64(st.Nlink)
		info.Dev, info.Ino = uint64(st.Dev), uint64(st.Ino)
	}
	return info
}

// unrooted is d, an open directory, in a file of its own; d is closed. Of a
// directory that was opened in an os.Root package os examines each entry that it
// lists, which costs many times the listing.
func unrooted(d *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(d.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	d.Close() // nothing was written
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.Name()), nil
}

// setBlocking undoes O_NONBLOCK in openFlags on a regular file.
func setBlocking(f *os.File) error { return syscall.SetNonblock(int(f.Fd()), false) }
