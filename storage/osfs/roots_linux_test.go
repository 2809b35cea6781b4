package osfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/storage/storagetest"
)

// TestRootsSuite: a shared jail is a jail.
func TestRootsSuite(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Backend {
		host := t.TempDir()
		return storagetest.Backend{
			FS:      openRoot(t, osfs.NewRoots(osfs.Options{}), host),
			Symlink: func(target string, p storage.Path) error { return os.Symlink(target, filepath.Join(host, string(p))) },
		}
	})
}

func openRoot(t *testing.T, r *osfs.Roots, dir string) storage.FS {
	t.Helper()
	f, err := r.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestRootsShare: one descriptor serves all, to the last.
func TestRootsShare(t *testing.T) {
	r, dir := osfs.NewRoots(osfs.Options{}), t.TempDir()
	before := descriptors(t)
	var all []storage.FS
	for range 100 {
		all = append(all, openRoot(t, r, dir))
	}
	if n := descriptors(t) - before; n != 1 {
		t.Errorf("a hundred jails of one directory hold %d descriptors", n)
	}
	last := len(all) - 1
	for _, f := range all[:last] {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := all[last].Mkdir("/d", 0); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if err := all[last].Close(); err != nil {
		t.Error(err)
	}
	if err := all[last].Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: got %v", err)
	}
	if n := descriptors(t) - before; n != 0 {
		t.Errorf("%d descriptors are left", n)
	}
}

// TestRootsReplaced: who comes after a directory was replaced gets the new one.
func TestRootsReplaced(t *testing.T) {
	r, dir := osfs.NewRoots(osfs.Options{}), filepath.Join(t.TempDir(), "home")
	for _, name := range []string{"old", "new"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		defer func(f storage.FS) {
			if _, err := f.Stat(storage.Path("/" + name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}(openRoot(t, r, dir))
		if err := os.Rename(dir, dir+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is gone: got %v", err)
	}
}

// TestRootsRace: opening and closing from all sides leaves nothing open.
func TestRootsRace(t *testing.T) {
	r, dir := osfs.NewRoots(osfs.Options{}), t.TempDir()
	before := descriptors(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				f, err := r.Open(dir)
				if err == nil {
					_, err = f.Stat(storage.Root)
				}
				if err = errors.Join(err, f.Close()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := descriptors(t) - before; n != 0 {
		t.Errorf("%d descriptors are left", n)
	}
}
