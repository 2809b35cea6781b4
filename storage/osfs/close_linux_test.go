package osfs

import (
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

// TestCloseWaitsForNobody: Close returns while a call hangs on a disk, and the
// root stays open for that call. The event loop closes the jails of sessions.
func TestCloseWaitsForNobody(t *testing.T) {
	jail, err := newKernelJail(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := jail.(*kernelJail)
	if err := j.use(); err != nil { // as open does around openat2
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(j.root, &st); err != nil {
		t.Errorf("the root is gone under a call: %v", err)
	}
	for name, err := range map[string]error{"call": statOf(j), "second close": j.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: got %v, want %v", name, err, fs.ErrClosed)
		}
	}
	j.leave()
	if err := unix.Fstat(j.root, &st); err != unix.EBADF {
		t.Errorf("the root is left open: %v", err)
	}
}

func statOf(f storage.FS) error {
	_, err := f.Stat(storage.Root)
	return err
}
