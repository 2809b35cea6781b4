package memfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/storage"
	"fastftps/storage/memfs"
	"fastftps/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storagetest.Backend {
		m := memfs.New(memfs.Options{})
		return storagetest.Backend{FS: m, Symlink: m.Symlink}
	})
}

func TestLimit(t *testing.T) {
	m := memfs.New(memfs.Options{Limit: 100})
	write := func(p storage.Path, n int) error {
		return m.WriteFile(p, bytes.Repeat([]byte{'x'}, n))
	}
	wantLeft := func(want int64) {
		t.Helper()
		if got, err := m.Available("/"); err != nil || got != want {
			t.Errorf("available %d, %v, want %d", got, err, want)
		}
	}
	if err := errors.Join(write("/a", 60), write("/b", 40)); err != nil {
		t.Fatal(err)
	}
	wantLeft(0)
	storagetest.WantError(t, "full", write("/c", 1), storage.ErrNoSpace)
	if err := m.Remove("/b"); err != nil {
		t.Fatal(err)
	}
	wantLeft(40)
	storagetest.WantError(t, "both files at once", write("/a", 50), storage.ErrNoSpace)
	wantLeft(40)
	if err := write("/a", 40); err != nil {
		t.Fatal(err)
	}
	wantLeft(60)
	u, err := m.OpenWrite("/a", 30, storage.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, strings.Repeat("y", 20)); err != nil {
		t.Fatal(err)
	}
	wantLeft(50)
	if err := errors.Join(u.Commit(), m.Rename("/a", "/z"), m.Remove("/z")); err != nil {
		t.Fatal(err)
	}
	wantLeft(100)
	_, err = m.Create("/big", storage.CreateOptions{Size: 101})
	storagetest.WantError(t, "announced size", err, storage.ErrNoSpace)
}

// TestDeterministic lists a tree twice built, to the last inode number.
func TestDeterministic(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := memfs.Options{Now: func() time.Time { return now }}
	render := func(m *memfs.FS) string {
		var b strings.Builder
		for _, dir := range []storage.Path{"/", "/sub"} {
			for _, i := range storagetest.List(t, m, dir, storage.WantStat|storage.WantLink, 2) {
				fmt.Fprintf(&b, "%s %q %d %d %s %q\n", i.Mode, i.Name, i.Size, i.Ino, i.ModTime.Format(time.RFC3339), i.Target)
			}
		}
		return b.String()
	}
	fromMap, err := memfs.FromMap(o, map[string]string{"a": "1\n", "empty/": "", "link -> a": "", "sub/b": "22\n"})
	if err != nil {
		t.Fatal(err)
	}
	fromTxtar, err := memfs.FromTxtar(o, []byte("-- a --\n1\n-- empty/ --\n-- link -> a --\n-- sub/b --\n22\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `-rw-r--r-- "a" 2 2 2026-01-02T03:04:05Z ""
drwxr-xr-x "empty" 0 3 2026-01-02T03:04:05Z ""
Lrwxrwxrwx "link" 1 4 2026-01-02T03:04:05Z "a"
drwxr-xr-x "sub" 0 5 2026-01-02T03:04:05Z ""
-rw-r--r-- "b" 3 6 2026-01-02T03:04:05Z ""
`
	for name, m := range map[string]*memfs.FS{"map": fromMap, "txtar": fromTxtar} {
		if got := render(m); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	for _, files := range []map[string]string{
		{"a": "", "a/b": ""}, {"a\x00": ""}, {"x/": "", "x": ""}, {"l -> ": ""}, {storage.HiddenPrefix + "x": ""},
	} {
		if _, err := memfs.FromMap(memfs.Options{}, files); err == nil {
			t.Errorf("%q: no error", files)
		}
	}
}
