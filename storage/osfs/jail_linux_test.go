package osfs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/storage/storagetest"
)

// deadline is how long a call that must not wait may take on a loaded machine.
const deadline = 20 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hostWrite makes a file on the host, and the directories above it.
func hostWrite(t testing.TB, data string, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(data), 0o644))
	return name
}

func hostNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// follow are the calls that read or write what p names.
func follow(jail storage.FS, p storage.Path) map[string]func() error {
	end := func(u storage.Upload, err error) error {
		if err == nil {
			u.Discard()
		}
		return err
	}
	return map[string]func() error{
		"stat": func() error { _, err := jail.Stat(p); return err },
		"open": func() error {
			f, err := jail.Open(p)
			if err == nil {
				f.Close()
			}
			return err
		},
		"readdir": func() error {
			d, err := jail.ReadDir(p, storage.WantStat)
			if err == nil {
				d.Close()
			}
			return err
		},
		"create": func() error { return end(jail.Create(p, storage.CreateOptions{})) },
		"write":  func() error { return end(jail.OpenWrite(p, 0, storage.CreateOptions{})) },
		"append": func() error { return end(jail.OpenWrite(p, -1, storage.CreateOptions{Fsync: true})) },
		"chmod":  func() error { return jail.Chmod(p, 0o777) },
		"mtime":  func() error { return jail.Chtimes(p, time.Unix(1, 0)) },
	}
}

// TestUncleanPaths hands in paths that Clean would never make: the jail does
// not rest on it.
func TestUncleanPaths(t *testing.T) {
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		host := t.TempDir()
		hostWrite(t, "outside", host, "secret")
		inside := filepath.Join(host, "in", "side")
		hostWrite(t, "mine", inside, "d", "file")
		jail := open(t, inside, o)
		for _, p := range []storage.Path{
			"/../secret", "/../../secret", "/d/../../../secret", "/d/../../side/../../secret", "//../secret", "/./../../secret", "/..", "/d/../..", "/../in/side/../../secret",
			"/" + storage.Path(host) + "/secret", storage.Path(host) + "/secret", "/d/.././../../secret",
		} {
			for name, do := range follow(jail, p) {
				if err := do(); err == nil {
					t.Errorf("%s %q succeeded", name, p)
				}
			}
			for name, err := range map[string]error{
				"mkdir": jail.Mkdir(p+"/x", 0), "remove": jail.Remove(p), "rename from": jail.Rename(p, "/got"), "rename to": jail.Rename("/d/file", p),
			} {
				if err == nil {
					t.Errorf("%s %q succeeded", name, p)
				}
			}
		}
		if got := hostNames(t, host); strings.Join(got, " ") != "in secret" {
			t.Errorf("outside now holds %q", got)
		}
	})
}

// TestSwapRace turns a directory and a file into links that lead out, and back,
// as fast as it can, while others use them. What is outside is never seen and
// never touched.
func TestSwapRace(t *testing.T) {
	const accesses = 10_000
	eachOptions(t, func(t *testing.T, o osfs.Options) {
		host := t.TempDir()
		outside := filepath.Join(host, "outside")
		secret := hostWrite(t, "outside", outside, "file")
		must(t, os.Chmod(secret, 0o600))
		before, err := os.Stat(secret)
		must(t, err)
		root := filepath.Join(host, "root")
		hostWrite(t, "inside", root, "real", "file")
		must(t, os.Symlink("../outside", filepath.Join(root, "link")))
		must(t, os.Symlink(outside, filepath.Join(root, "abs")))
		race(t, root, open(t, root, o), accesses)
		after, err := os.Stat(secret)
		must(t, err)
		if before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) {
			t.Errorf("outside was touched: %v %v, before %v %v", after.Mode(), after.ModTime(), before.Mode(), before.ModTime())
		}
		if got := hostNames(t, outside); len(got) != 1 {
			t.Errorf("outside now holds %q", got)
		}
	})
}

// race swaps root/dir between the real directory and links to outside.
func race(t *testing.T, root string, jail storage.FS, accesses int) {
	must(t, os.Symlink("real", filepath.Join(root, "dir")))
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		next := filepath.Join(root, "next")
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			target := []string{"real", "../outside", "real", filepath.Join(root, "../outside"), "link"}[i%5]
			if err := errors.Join(os.Symlink(target, next), os.Rename(next, filepath.Join(root, "dir"))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	inside := 0
	for i := range accesses {
		if accessOnce(t, jail, i) {
			inside++
		}
	}
	close(stop)
	swapper.Wait()
	if inside == 0 {
		t.Error("the race was never won by the inside")
	}
}

// accessOnce uses /dir in one of several ways, and reports whether that worked.
func accessOnce(t *testing.T, jail storage.FS, i int) bool {
	t.Helper()
	switch i % 8 {
	case 0:
		u, err := jail.Create("/dir/new", storage.CreateOptions{})
		return err == nil && u.Commit() == nil
	case 1:
		u, err := jail.OpenWrite("/dir/other", 0, storage.CreateOptions{})
		return err == nil && u.Commit() == nil
	case 2:
		return jail.Chmod("/dir/file", 0o666) == nil
	case 3:
		return jail.Chtimes("/dir/file", time.Unix(1, 0)) == nil
	case 4:
		return errors.Join(jail.Mkdir("/dir/made", 0), jail.Rmdir("/dir/made")) == nil
	case 5:
		info, err := jail.Stat("/dir/file")
		if err == nil && info.Size != int64(len("inside")) {
			t.Fatalf("access %d saw %+v", i, info)
		}
		return err == nil
	}
	f, err := jail.Open("/dir/file")
	if err != nil {
		return false
	}
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || string(data) != "inside" {
		t.Fatalf("access %d read %q, %v", i, data, err)
	}
	return true
}

// TestSpecialFiles: none of them is served, and none makes a caller wait.
func TestSpecialFiles(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		at := func(name string) string { return filepath.Join(host, name) }
		must(t, syscall.Mkfifo(at("fifo"), 0o666))
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		must(t, err)
		defer syscall.Close(fd)
		must(t, os.Symlink("fifo", at("link")))
		names := []string{"link", "fifo"} // the link first: each is removed in the end
		if err := bindSocket(fd, host, "socket"); err != nil {
			t.Logf("without a socket: %v", err)
		} else {
			names = append(names, "socket")
		}
		if err := mknod(at("null"), 1, 3); err != nil {
			t.Logf("without a device: mknod: %v", err)
		} else {
			names = append(names, "null")
		}
		for _, name := range names {
			p := storage.Root.Join(name)
			for _, op := range []string{"open", "create", "write", "append", "chmod", "mtime"} {
				withDeadline(t, op+" "+name, func() {
					storagetest.WantError(t, op+" "+name, follow(jail, p)[op](), storage.ErrNotRegular)
				})
			}
			info, err := jail.Stat(p)
			if err != nil || info.Mode.IsRegular() || info.Mode.Type() == 0 {
				t.Errorf("stat %q: %v, %v", p, info.Mode, err)
			}
			must(t, jail.Remove(p))
		}
	})
}

// bindSocket binds a socket below dir; its path may be too long for an address.
func bindSocket(fd int, dir, name string) error {
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer os.RemoveAll(short)
	path := filepath.Join(short, name)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(dir, name))
}

// withDeadline fails the whole test when do hangs.
func withDeadline(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(deadline):
		t.Fatalf("%s: no answer in %v", what, deadline)
	}
}

// TestShrinksWhileOpen: a file that is cut short ends early and does no harm.
func TestShrinksWhileOpen(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		name := hostWrite(t, strings.Repeat("x", 100_000), host, "file")
		f, err := jail.Open("/file")
		must(t, err)
		defer f.Close()
		if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		must(t, os.Truncate(name, 1500))
		rest, err := io.ReadAll(f)
		if err != nil || len(rest) != 500 {
			t.Errorf("%d more bytes, %v", len(rest), err)
		}
		if info, err := f.Stat(); err != nil || info.Size != 100_000 {
			t.Errorf("size when it was opened: %d, %v", info.Size, err)
		}
	})
}

// TestReplaceKeepsOwner needs root, which alone may give files away.
func TestReplaceKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: files cannot be given away")
	}
	host := t.TempDir()
	name := hostWrite(t, "old", host, "file")
	must(t, os.Chown(name, 1234, 5678))
	must(t, os.Chmod(name, 0o640))
	jail := open(t, host, osfs.Options{})
	storagetest.WriteFile(t, jail, "/file", "new")
	info, err := jail.Stat("/file")
	must(t, err)
	if osfs.HasOpenat2() && (info.UID != 1234 || info.GID != 5678) || info.Mode != 0o640 {
		t.Errorf("owner %d:%d, mode %v", info.UID, info.GID, info.Mode)
	}
}

// TestNoPermission runs as nobody in a tree of root's.
func TestNoPermission(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		if os.Geteuid() == 0 {
			t.Skip("root may do everything")
		}
		hostWrite(t, "x", host, "file")
		must(t, os.Chmod(filepath.Join(host, "file"), 0))
		for _, op := range []string{"open", "create", "write", "append"} {
			storagetest.WantError(t, op, follow(jail, "/file")[op](), fs.ErrPermission)
		}
	})
}

// TestNoDescriptorLeak counts them around everything that can go right or wrong.
func TestNoDescriptorLeak(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		must(t, syscall.Mkfifo(filepath.Join(host, "fifo"), 0o666))
		must(t, os.Symlink("/etc", filepath.Join(host, "out")))
		must(t, os.Symlink("file", filepath.Join(host, "link")))
		must(t, os.Symlink("loop", filepath.Join(host, "loop")))
		hostWrite(t, "x", host, "file")
		hostWrite(t, "x", host, "dir", "file")
		before := descriptors(t)
		for _, p := range []storage.Path{"/", "/file", "/dir", "/fifo", "/out", "/out/passwd", "/link", "/loop", "/none", "/none/x", "/file/x", "/dir/file", "/dir/new"} {
			for _, do := range follow(jail, p) {
				do() // whether it works is tested elsewhere
			}
			jail.Lstat(p)
			jail.Available(p)
			jail.Mkdir(p, 0)
			jail.Rmdir(p)
			jail.Rename(p, p+"/x")
			jail.Rename("/none", p)
			for _, o := range []storage.CreateOptions{{}, {Excl: true}, {Fsync: true}, {Size: 1 << 62}} {
				if u, err := jail.Create(p, o); err == nil {
					u.Commit()
				}
				if u, err := jail.OpenWrite(p, 1, o); err == nil {
					u.Commit()
				}
			}
			if d, err := jail.ReadDir(p, storage.WantStat|storage.WantFollow|storage.WantLink); err == nil {
				d.Next(make([]storage.Info, 100))
				d.Close()
			}
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
}

// TestCloseWhileUsed closes the jail under calls that run; none of them may hit
// a descriptor that is no longer the root's.
func TestCloseWhileUsed(t *testing.T) {
	eachVariant(t, func(t *testing.T, host string, jail storage.FS) {
		hostWrite(t, "x", host, "file")
		var users sync.WaitGroup
		started := make(chan struct{}, 4)
		for range cap(started) {
			users.Go(func() {
				for i := 0; ; i++ {
					if i == 10 {
						started <- struct{}{}
					}
					_, err := jail.Stat("/file")
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("stat: %v", err)
						return
					}
				}
			})
		}
		for range cap(started) {
			<-started
		}
		must(t, jail.Close())
		users.Wait()
	})
}

func TestNewErrors(t *testing.T) {
	name := hostWrite(t, "x", t.TempDir(), "file")
	for _, v := range variants {
		_, err := osfs.New(name, v.opt)
		storagetest.WantError(t, v.name+" on a file", err, storage.ErrNotDir)
		_, err = osfs.New(name+"none", v.opt)
		storagetest.WantError(t, v.name+" on nothing", err, fs.ErrNotExist)
	}
}

func TestSweep(t *testing.T) {
	host, outside := t.TempDir(), t.TempDir()
	temp := storage.HiddenPrefix + "0123456789abcdef"
	old := time.Now().Add(-2 * time.Hour)
	aged := func(elem ...string) string {
		name := hostWrite(t, "left", elem...)
		must(t, os.Chtimes(name, old, old))
		return name
	}
	gone := []string{aged(host, temp), aged(host, "a", "b", temp), aged(host, "a", storage.HiddenPrefix+"ffffffffffffffff")}
	stay := []string{
		hostWrite(t, "runs", host, "c", temp), aged(host, "a", "file"), aged(host, "a", temp+"0"), aged(host, "a", temp[:len(temp)-1]),
		aged(host, "a", storage.HiddenPrefix+"0123456789ABCDEF"), aged(outside, temp),
	}
	must(t, os.Mkdir(filepath.Join(host, storage.HiddenPrefix+"aaaaaaaaaaaaaaaa"), 0o755))
	must(t, os.Symlink(outside, filepath.Join(host, "link")))
	must(t, os.Symlink(filepath.Join(outside, temp), filepath.Join(host, storage.HiddenPrefix+"bbbbbbbbbbbbbbbb")))
	before := time.Now().Add(-time.Hour)

	cut, err := osfs.Sweep(t.Context(), host, before, 2)
	if err != nil || cut.Seen != 2 || cut.Done {
		t.Errorf("limited: %+v, %v", cut, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := osfs.Sweep(ctx, host, before, 1000); !errors.Is(err, context.Canceled) || s.Seen != 0 {
		t.Errorf("cancelled: %+v, %v", s, err)
	}
	s, err := osfs.Sweep(t.Context(), host, before, 1000)
	if err != nil || s.Removed+cut.Removed != len(gone) || !s.Done {
		t.Errorf("got %+v and %+v, %v", s, cut, err)
	}
	for _, name := range gone {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range stay {
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
}
