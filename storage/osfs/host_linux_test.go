package osfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/storage/storagetest"
)

func mknod(path string, major, minor uint32) error {
	return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor)))
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	return len(hostNames(t, "/proc/self/fd"))
}

// TestMagicLinks takes /proc/self for a root: its links lead anywhere without a
// path that could be checked.
func TestMagicLinks(t *testing.T) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		jail := open(t, "/proc/self", o)
		for _, p := range []storage.Path{"/root", "/root/etc/passwd", "/cwd", "/cwd/osfs.go", "/exe", "/fd/0", "/task/../root/etc/passwd"} {
			for _, op := range []string{"stat", "open", "readdir", "create", "append", "chmod"} {
				if err := follow(jail, p)[op](); err == nil {
					t.Errorf("%s %q succeeded", op, p)
				}
			}
		}
	})
}

// mountTmpfs mounts a file system of limited size below host, or skips.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no tmpfs of limited size: mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestDiskFull fills a small file system, in each way that a server can.
func TestDiskFull(t *testing.T) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		host := t.TempDir()
		mountTmpfs(t, host, "size=1m,nr_inodes=20")
		fill(t, host, open(t, host, o), !o.Portable)
	})
}

func fill(t *testing.T, host string, jail storage.FS, reserves bool) {
	storagetest.WriteFile(t, jail, "/old", "old")
	for _, begin := range []func() (storage.Upload, error){
		func() (storage.Upload, error) { return jail.Create("/new", storage.CreateOptions{}) },
		func() (storage.Upload, error) { return jail.Create("/old", storage.CreateOptions{}) },
	} {
		u, err := begin()
		must(t, err)
		n, err := io.Copy(struct{ io.Writer }{u}, io.LimitReader(zeros{}, 2<<20))
		storagetest.WantError(t, "write", err, storage.ErrNoSpace)
		if n == 0 || n >= 2<<20 {
			t.Errorf("%d bytes went in", n)
		}
		must(t, u.Discard())
		if got := hostNames(t, host); len(got) != 1 || got[0] != "old" {
			t.Errorf("left behind: %q", got)
		}
	}
	if reserves {
		_, err := jail.Create("/new", storage.CreateOptions{Size: 2 << 20})
		storagetest.WantError(t, "reserve", err, storage.ErrNoSpace)
	}
	if got := storagetest.ReadFile(t, jail, "/old"); got != "old" {
		t.Errorf("the old file holds %.20q", got)
	}
	if left, err := jail.Available("/"); err != nil || left < 900<<10 || left > 1<<20 {
		t.Errorf("available: %d, %v", left, err)
	}
	storagetest.WriteFile(t, jail, "/small", "fits")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestMountBelow renames from one file system to another, and writes to one
// that is read-only.
func TestMountBelow(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		mount := filepath.Join(host, "mount")
		must(t, os.Mkdir(mount, 0o755))
		hostWrite(t, "x", host, "file")
		mountTmpfs(t, mount, "size=1m")
		storagetest.WriteFile(t, jail, "/mount/there", "x")
		storagetest.WantError(t, "rename across", jail.Rename("/file", "/mount/file"), storage.ErrUnsupported)
		storagetest.WantError(t, "rmdir", jail.Rmdir("/mount"), storage.ErrBusy)
		if err := unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Skipf("no read-only tmpfs: remount: %v", err)
		}
		for _, op := range []string{"create", "write", "append", "chmod", "mtime"} {
			storagetest.WantError(t, op, follow(jail, "/mount/there")[op](), storage.ErrReadOnly)
		}
		_, err := jail.Create("/mount/new", storage.CreateOptions{})
		storagetest.WantError(t, "create new", err, storage.ErrReadOnly)
		storagetest.WantError(t, "mkdir", jail.Mkdir("/mount/dir", 0), storage.ErrReadOnly)
		storagetest.WantError(t, "remove", jail.Remove("/mount/there"), storage.ErrReadOnly)
	})
}

// TestBusy writes to a program that runs.
func TestBusy(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		cat, err := exec.LookPath("cat")
		if err != nil {
			t.Skip("no cat")
		}
		data, err := os.ReadFile(cat)
		must(t, err)
		name := hostWrite(t, string(data), host, "cat")
		must(t, os.Chmod(name, 0o755))
		cmd := exec.Command(name)
		stdin, err := cmd.StdinPipe()
		must(t, err)
		must(t, cmd.Start())
		_, err = jail.OpenWrite("/cat", -1, storage.CreateOptions{})
		storagetest.WantError(t, "append to a running program", err, storage.ErrBusy)
		must(t, stdin.Close())
		must(t, cmd.Wait())
	})
}

// TestOSFile: the data plane gets a descriptor in blocking mode, outside the
// poller, at the restart point.
func TestOSFile(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		storagetest.WriteFile(t, jail, "/file", "0123456789")
		r, err := jail.Open("/file")
		must(t, err)
		defer r.Close()
		u, err := jail.OpenWrite("/file", 4, storage.CreateOptions{})
		must(t, err)
		defer u.Discard()
		c, err := jail.Create("/new", storage.CreateOptions{})
		must(t, err)
		defer c.Discard()
		for name, row := range map[string]struct {
			of any
			at int64
		}{"open": {r, 0}, "write": {u, 4}, "create": {c, 0}} {
			f := row.of.(storage.OSFile).OSFile()
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
			if err != nil || flags&(unix.O_NONBLOCK|unix.O_APPEND) != 0 {
				t.Errorf("%s: flags %#x, %v", name, flags, err)
			}
			if fd, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || fd&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: descriptor flags %#x, %v", name, fd, err)
			}
			if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != row.at {
				t.Errorf("%s: at %d, %v, want %d", name, at, err, row.at)
			}
		}
	})
}

// TestNothingLeftByCrash: with O_TMPFILE an upload has no name at all; else it
// has one that is hidden and that Sweep knows.
func TestNothingLeftByCrash(t *testing.T) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		host := t.TempDir()
		u, err := open(t, host, o).Create("/file", storage.CreateOptions{})
		must(t, err)
		got := hostNames(t, host)
		must(t, u.Discard())
		if !o.NamedTemp && !o.Portable {
			if len(got) > 0 && storage.IsHidden(got[0]) {
				t.Skip("this file system has no O_TMPFILE")
			}
			if len(got) != 0 {
				t.Errorf("names during an upload: %q", got)
			}
			return
		}
		if len(got) != 1 || !storage.IsHidden(got[0]) || len(got[0]) != len(storage.HiddenPrefix)+16 {
			t.Errorf("names during an upload: %q", got)
		}
	})
}

// TestReservedSpaceGoesBack announces much and sends little.
func TestReservedSpaceGoesBack(t *testing.T) {
	host := t.TempDir()
	jail := open(t, host, osfs.Options{})
	u, err := jail.Create("/file", storage.CreateOptions{Size: 8 << 20})
	must(t, err)
	f := u.(storage.OSFile).OSFile()
	var during, after unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &during))
	if _, err := io.WriteString(u, "short"); err != nil {
		t.Fatal(errors.Join(err, u.Discard()))
	}
	must(t, u.Commit())
	must(t, unix.Stat(filepath.Join(host, "file"), &after))
	if after.Size != 5 || after.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks", after.Size, after.Blocks)
	}
	if during.Size != 0 {
		t.Errorf("the reservation shows: size %d", during.Size)
	}
	if during.Blocks*512 < 8<<20 {
		t.Logf("this file system does not reserve: %d blocks", during.Blocks)
	}
}

// TestReadDirAllocs: a listing costs less than one allocation an entry, stat
// included.
func TestReadDirAllocs(t *testing.T) {
	if !osfs.HasOpenat2() {
		t.Skip("this kernel has no openat2")
	}
	const entries = 2000
	host := t.TempDir()
	makeFiles(t, host, entries)
	jail := open(t, host, osfs.Options{})
	buf := make([]storage.Info, 128)
	for _, want := range []storage.Want{storage.WantNone, storage.WantStat | storage.WantLink | storage.WantFollow} {
		got := testing.AllocsPerRun(5, func() {
			if n := readDir(t, jail, want, buf); n != entries {
				t.Fatalf("%d entries", n)
			}
		})
		if got > entries/20 {
			t.Errorf("want %b: %.0f allocations for %d entries", want, got, entries)
		}
	}
}

func makeFiles(t testing.TB, host string, n int) {
	t.Helper()
	for i := range n {
		hostWrite(t, "", host, "some-file-name-"+strings.Repeat("x", i%20)+string(rune('a'+i%26))+"-"+strconv.Itoa(i))
	}
}

func readDir(t testing.TB, jail storage.FS, want storage.Want, buf []storage.Info) int {
	t.Helper()
	d, err := jail.ReadDir("/", want)
	must(t, err)
	total := 0
	for {
		n, err := d.Next(buf)
		if total += n; err == io.EOF {
			break
		}
		must(t, err)
	}
	must(t, d.Close())
	return total
}

func eachBench(b *testing.B, bench func(b *testing.B, host string, jail storage.FS)) {
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			host := b.TempDir()
			jail := open(b, host, v.opt)
			b.ReportAllocs()
			bench(b, host, jail)
		})
	}
}

func BenchmarkOpenClose(b *testing.B) {
	eachBench(b, func(b *testing.B, host string, jail storage.FS) {
		hostWrite(b, "x", host, "a", "b", "c", "file")
		for b.Loop() {
			f, err := jail.Open("/a/b/c/file")
			must(b, err)
			must(b, f.Close())
		}
	})
}

func BenchmarkStat(b *testing.B) {
	eachBench(b, func(b *testing.B, host string, jail storage.FS) {
		hostWrite(b, "x", host, "a", "b", "c", "file")
		for b.Loop() {
			if _, err := jail.Stat("/a/b/c/file"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReadDir10k(b *testing.B) {
	for name, want := range map[string]storage.Want{"none": storage.WantNone, "stat": storage.WantStat} {
		b.Run(name, func(b *testing.B) {
			eachBench(b, func(b *testing.B, host string, jail storage.FS) {
				makeFiles(b, host, 10_000)
				buf := make([]storage.Info, 128)
				for b.Loop() {
					readDir(b, jail, want, buf)
				}
			})
		})
	}
}

func BenchmarkCreate1K(b *testing.B) {
	data := make([]byte, 1024)
	for name, p := range map[string]string{"new": "", "over": "/file"} {
		b.Run(name, func(b *testing.B) {
			eachBench(b, func(b *testing.B, _ string, jail storage.FS) {
				for i := 0; b.Loop(); i++ {
					at := storage.Path(p)
					if at == "" {
						at = storage.Path("/file" + strconv.Itoa(i))
					}
					u, err := jail.Create(at, storage.CreateOptions{})
					must(b, err)
					if _, err := u.Write(data); err != nil {
						b.Fatal(err)
					}
					must(b, u.Commit())
				}
			})
		})
	}
}

// TestGroupInherited: a directory that gives its group to what is made in it still does so
// after its mode was set, and so does one that was made in it.
func TestGroupInherited(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		if err := os.Chmod(host, 0o775|fs.ModeSetgid|fs.ModeSticky); err != nil {
			t.Fatal(err)
		}
		if err := jail.Mkdir("/made", 0); err != nil {
			t.Fatal(err)
		}
		for _, p := range []storage.Path{storage.Root, "/made"} {
			before, err := os.Stat(filepath.Join(host, string(p)))
			if err != nil {
				t.Fatal(err)
			}
			if err := jail.Chmod(p, 0o750); err != nil {
				t.Fatal(err)
			}
			after, err := os.Stat(filepath.Join(host, string(p)))
			if want := before.Mode()&^fs.ModePerm | 0o750; err != nil || after.Mode() != want || want&fs.ModeSetgid == 0 {
				t.Errorf("%s: got %v, %v, want %v", p, after.Mode(), err, want)
			}
		}
	})
}
