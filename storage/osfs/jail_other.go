//go:build !linux

package osfs

import (
	"os"
	"time"

	"fastftps/storage"
)

// HasOpenat2 reports whether this kernel keeps the jail itself.
func HasOpenat2() bool { return false }

func newKernelJail(dir string, o Options) (storage.FS, error) { return newRootJail(dir, o) }

func syncData(f *os.File) error { return f.Sync() }

func (j *rootJail) setMtime(_ *os.File, p storage.Path, mtime time.Time) error {
	return j.root.Chtimes(rel(p), time.Time{}, mtime)
}

// Available implements storage.FS.
func (j *rootJail) Available(p storage.Path) (int64, error) {
	return 0, j.fail("statfs", p, storage.ErrUnsupported)
}
