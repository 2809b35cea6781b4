package osfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// variants are the ways in which a jail can be kept; every test runs in each.
var variants = []struct {
	name string
	opt  osfs.Options
}{
	{"openat2", osfs.Options{}},
	{"openat2 named", osfs.Options{NamedTemp: true}},
	{"os.Root", osfs.Options{Portable: true}},
}

// eachOptions runs test with the options of each variant.
func eachOptions(t *testing.T, test func(t *testing.T, o osfs.Options)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			if !v.opt.Portable && !osfs.HasOpenat2() {
				t.Skip("this kernel has no openat2")
			}
			test(t, v.opt)
		})
	}
}

// eachVariant runs test on a jail of each kind, below a new directory host.
func eachVariant(t *testing.T, test func(t *testing.T, host string, jail storage.FS)) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		host := t.TempDir()
		test(t, host, open(t, host, o))
	})
}

func open(t testing.TB, host string, o osfs.Options) storage.FS {
	t.Helper()
	jail, err := osfs.New(host, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jail.Close() })
	return jail
}

func TestSuite(t *testing.T) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		storagetest.Run(t, func(t *testing.T) storagetest.Backend {
			host := t.TempDir()
			return storagetest.Backend{
				FS:      open(t, host, o),
				Symlink: func(target string, p storage.Path) error { return os.Symlink(target, filepath.Join(host, string(p))) },
			}
		})
	})
}
