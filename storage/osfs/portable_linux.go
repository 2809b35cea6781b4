package osfs

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

func (j *rootJail) setMtime(f *os.File, _ storage.Path, mtime time.Time) error {
	return setMtime(int(f.Fd()), mtime)
}

// Available implements storage.FS.
func (j *rootJail) Available(p storage.Path) (int64, error) {
	f, err := j.root.OpenFile(rel(p), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return 0, j.fail("statfs", p, err)
	}
	defer f.Close()
	return available(int(f.Fd()), p)
}

// setMtime sets the modification time of an open descriptor, O_PATH included,
// and leaves the access time.
func setMtime(fd int, mtime time.Time) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {}}
	var err error
	if ts[1], err = unix.TimeToTimespec(mtime); err != nil {
		return err
	}
	err = unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH)
	if err == unix.EINVAL { // before Linux 5.8
		err = unix.UtimesNanoAt(unix.AT_FDCWD, procFD(fd), ts, 0)
	}
	return err
}
