package osfs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"fastftps/storage"
)

// file is a regular file open for reading.
type file struct {
	f    *os.File
	info storage.Info // as it was opened
}

func (r *file) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, storage.MapError(err)
}

func (r *file) Seek(off int64, whence int) (int64, error) { return r.f.Seek(off, whence) }
func (r *file) Close() error                              { return storage.MapError(r.f.Close()) }
func (r *file) Stat() (storage.Info, error)               { return r.info, nil }

// OSFile is the open file, in blocking mode: package os keeps it out of the
// runtime's poller, and sendfile and splice work on it.
func (r *file) OSFile() *os.File { return r.f }

// upload is a file being written, and the place where it will stand.
type upload struct {
	f     *os.File
	at    place
	off   int64
	trim  bool // space was reserved; what was not used goes back
	fsync bool
}

// place is where an upload ends up. Each of its calls closes f.
type place interface {
	// publish makes f visible under its name. After an error nothing of it
	// is left. With fsync the name is on stable storage when it returns.
	publish(f *os.File, fsync bool) error
	// drop leaves what was there before.
	drop(f *os.File) error
}

func (u *upload) Offset() int64    { return u.off }
func (u *upload) OSFile() *os.File { return u.f }

func (u *upload) Write(p []byte) (int, error) {
	n, err := u.f.Write(p)
	return n, storage.MapError(err)
}

// Commit implements storage.Upload. When only the last step of CreateOptions.
// Fsync fails, that of the directory, the file stands under its name: to take
// it away could hit somebody else's, and the old one is gone.
func (u *upload) Commit() error {
	if err := u.flush(); err != nil {
		return storage.MapError(errors.Join(err, u.at.drop(u.f)))
	}
	return storage.MapError(u.at.publish(u.f, u.fsync))
}

// flush brings the bytes to where close would report no more news.
func (u *upload) flush() error {
	if u.trim {
		if err := trim(u.f); err != nil {
			return err
		}
	}
	if u.fsync {
		return syncData(u.f)
	}
	return nil
}

func (u *upload) Discard() error { return storage.MapError(u.at.drop(u.f)) }

// trim gives back space that was reserved behind the end of the file.
func trim(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate(fi.Size())
}

// inPlace is the place of a file that was written where it stands.
type inPlace struct {
	dir  *os.File // its directory, to be synced; nil when that is not asked
	sync func(dir *os.File) error
}

func (w inPlace) publish(f *os.File, _ bool) error {
	err := f.Close()
	if w.dir == nil {
		return err
	}
	if err == nil {
		err = w.sync(w.dir)
	}
	return errors.Join(err, w.dir.Close())
}

func (w inPlace) drop(f *os.File) error {
	err := f.Close()
	if w.dir != nil {
		err = errors.Join(err, w.dir.Close())
	}
	return err
}

// seekTo moves a file opened for writing to the restart point off, or to its
// end, and returns where that is.
func seekTo(f *os.File, size, off int64) (int64, error) {
	if off < 0 {
		off = size
	}
	if off > size {
		return 0, storage.ErrOffset
	}
	return f.Seek(off, io.SeekStart)
}

// hiddenLen is the length of the names that hiddenName makes.
const hiddenLen = len(storage.HiddenPrefix) + 16

// hiddenName makes a name that no client can say and nobody can guess.
func hiddenName() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return storage.HiddenPrefix + hex.EncodeToString(b[:])
}
