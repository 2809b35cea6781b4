package listing_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/listing"
	"fastftps/storage"
	"fastftps/storage/osfs"
)

// benchEntries is how many files the directory of these benchmarks holds.
const benchEntries = 10_000

// benchDir makes it, on a tmpfs where there is one.
func benchDir(b *testing.B) storage.FS {
	b.Helper()
	root := "/dev/shm"
	if _, err := os.Stat(root); err != nil {
		root = ""
	}
	dir, err := os.MkdirTemp(root, "listing")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	for i := range benchEntries {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%06d.dat", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	f, err := osfs.New(dir, osfs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// benchListing lists a directory of the host, to nowhere. On a machine that has
// other work the CPU time is the figure to look at.
func benchListing(b *testing.B, format listing.Format) {
	f, p := benchDir(b), make([]byte, 256<<10)
	b.ReportAllocs()
	began := cpuTime(b)
	for b.Loop() {
		list(b, f, format, p)
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/benchEntries, "cpu-ns/entry")
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkList(b *testing.B) { benchListing(b, listing.Long) }
func BenchmarkNLST(b *testing.B) { benchListing(b, listing.Names) }
func BenchmarkMLSD(b *testing.B) { benchListing(b, listing.Facts) }
