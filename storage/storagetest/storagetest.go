// Package storagetest is the one suite that every storage.FS passes, and a
// wrapper that makes any of them fail on demand.
package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fastftps/storage"
)

// Backend is a file system under test, empty, and what the suite cannot do
// through its interface.
type Backend struct {
	FS storage.FS
	// Symlink makes a link at p that holds target. nil leaves out the tests of links.
	Symlink func(target string, p storage.Path) error
}

// Run runs the whole suite. open makes an empty file system for each test and
// cleans up after it.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"Names", testNames},
		{"LongNames", testLongNames},
		{"CreateCommit", testCreateCommit},
		{"CreateDiscard", testCreateDiscard},
		{"Overwrite", testOverwrite},
		{"Exclusive", testExclusive},
		{"ConcurrentCreate", testConcurrentCreate},
		{"CommitTargets", testCommitTargets},
		{"OpenWrite", testOpenWrite},
		{"ReadFile", testReadFile},
		{"RemovedWhileOpen", testRemovedWhileOpen},
		{"Stat", testStat},
		{"Mkdir", testMkdir},
		{"Rename", testRename},
		{"RenameNew", testRenameNew},
		{"Change", testChange},
		{"Errors", testErrors},
		{"RootIsSafe", testRootIsSafe},
		{"ReadDir", testReadDir},
		{"ReadDirWant", testReadDirWant},
		{"ReadDirHidden", testReadDirHidden},
		{"Links", testLinks},
		{"LinksOut", testLinksOut},
		{"UploadThroughLink", testUploadThroughLink},
		{"UploadThroughLinkUp", testUploadThroughLinkUp},
		{"Closed", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// The helpers below fail the test at once, so that a test reads as its steps.

// WriteFile makes or replaces a file.
func WriteFile(t testing.TB, f storage.FS, p storage.Path, data string) {
	t.Helper()
	u, err := f.Create(p, storage.CreateOptions{})
	finish(t, u, err, data)
}

// finish writes data to an upload that was just opened, and commits it.
func finish(t testing.TB, u storage.Upload, err error, data string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.WriteString(u, data); err != nil || n != len(data) {
		t.Fatalf("write: %d of %d bytes, %v", n, len(data), errors.Join(err, u.Discard()))
	}
	if err := u.Commit(); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// ReadFile returns what a file holds.
func ReadFile(t testing.TB, f storage.FS, p storage.Path) string {
	t.Helper()
	r, err := f.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, r)
}

func readAll(t testing.TB, r storage.File) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// List returns what a directory holds, in the order of the names, read in
// batches of batch entries.
func List(t testing.TB, f storage.FS, p storage.Path, want storage.Want, batch int) []storage.Info {
	t.Helper()
	d, err := f.ReadDir(p, want)
	if err != nil {
		t.Fatal(err)
	}
	var all []storage.Info
	buf := make([]storage.Info, batch)
	for {
		n, err := d.Next(buf)
		for _, info := range buf[:n] {
			info.Name, info.Target = strings.Clone(info.Name), strings.Clone(info.Target)
			all = append(all, info)
		}
		if err == io.EOF && n == 0 {
			break
		}
		if err != nil || n == 0 {
			t.Fatalf("next: %d entries, %v", n, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b storage.Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func names(all []storage.Info) []string {
	var list []string
	for _, info := range all {
		list = append(list, info.Name)
	}
	return list
}

func mkdir(t testing.TB, f storage.FS, p storage.Path) {
	t.Helper()
	if err := f.Mkdir(p, 0); err != nil {
		t.Fatal(err)
	}
}

// identities are all errors a back end may say; no error is two of them.
var identities = []error{
	storage.ErrName, storage.ErrIsDir, storage.ErrNotDir, storage.ErrNotEmpty, storage.ErrNotRegular, storage.ErrNoSpace,
	storage.ErrQuota, storage.ErrBusy, storage.ErrReadOnly, storage.ErrEscape, storage.ErrUnsupported, storage.ErrOffset,
	fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrClosed,
}

// WantError fails unless err is want and none of the other errors of a back end.
func WantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
		return
	}
	for _, other := range identities {
		if other != want && errors.Is(err, other) {
			t.Errorf("%s: %v is %v and %v", what, err, want, other)
		}
	}
}

func wantFile(t testing.TB, f storage.FS, p storage.Path, want string) {
	t.Helper()
	if got := ReadFile(t, f, p); got != want {
		t.Errorf("%q holds %.80q (%d bytes), want %.80q (%d bytes)", p, got, len(got), want, len(want))
	}
}

func wantNone(t testing.TB, f storage.FS, p storage.Path) {
	t.Helper()
	_, err := f.Lstat(p)
	WantError(t, fmt.Sprintf("lstat %q", p), err, fs.ErrNotExist)
}

// oddNames are names that some server somewhere got wrong.
var oddNames = []string{
	"plain", "with space", " leading", "trailing ", "...", "..x", "-rf", "--", "~", "*", "?[a]", `back\slash`, `quote"quote`, "it's",
	"\x1b[31mred", "tab\there", "bell\a", "del\x7f", "ünïcödé", "日本語", "e\u0301", "\u202egpj.exe", "invalid\xff\xfeutf8", "\xff", "a;b", "a=b; c",
	"-> arrow", "a -> b", "230 Logged in", "CON", "x.", ".dot", ".fastftp", "%0a", strings.Repeat("n", storage.MaxName),
}

func testNames(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	for _, name := range oddNames {
		for _, dir := range []storage.Path{storage.Root, "/dir"} {
			p, err := storage.Clean(dir, name)
			if err != nil {
				t.Fatalf("clean %q: %v", name, err)
			}
			WriteFile(t, b.FS, p, "in "+name)
			wantFile(t, b.FS, p, "in "+name)
			if info, err := b.FS.Stat(p); err != nil || info.Name != name {
				t.Errorf("stat %q: name %q, %v", p, info.Name, err)
			}
		}
	}
	want := slices.Sorted(slices.Values(oddNames))
	if got := names(List(t, b.FS, "/dir", storage.WantNone, 7)); !slices.Equal(got, want) {
		t.Errorf("listed %q\nwant   %q", got, want)
	}
	for _, name := range oddNames {
		if err := b.FS.Remove(storage.Path("/dir").Join(name)); err != nil {
			t.Error(err)
		}
	}
	if err := b.FS.Rmdir("/dir"); err != nil {
		t.Error(err)
	}
}

// testLongNames uses a path that Clean would refuse, as a rename can make one.
func testLongNames(t *testing.T, b Backend) {
	long := storage.Root.Join(strings.Repeat("n", storage.MaxName+1))
	_, err := b.FS.Create(long, storage.CreateOptions{})
	WantError(t, "create", err, storage.ErrName)
	WantError(t, "mkdir", b.FS.Mkdir(long, 0), storage.ErrName)
	_, err = b.FS.Stat(long)
	WantError(t, "stat", err, storage.ErrName)
}

func testCreateCommit(t *testing.T, b Backend) {
	for _, o := range []storage.CreateOptions{{}, {Perm: 0o600}, {Fsync: true}, {Size: 100 << 10}, {Excl: true}, {Excl: true, Fsync: true, Size: 1}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			data := strings.Repeat("0123456789", 7000)
			u, err := b.FS.Create("/file", o)
			if err != nil {
				t.Fatal(err)
			}
			if u.Offset() != 0 {
				t.Errorf("offset %d", u.Offset())
			}
			wantNone(t, b.FS, "/file")
			if all := List(t, b.FS, storage.Root, storage.WantStat, 10); len(all) != 0 {
				t.Errorf("before commit the directory shows %q", names(all))
			}
			finish(t, u, nil, data)
			wantFile(t, b.FS, "/file", data)
			info, err := b.FS.Stat("/file")
			if err != nil {
				t.Fatal(err)
			}
			if info.Size != int64(len(data)) {
				t.Errorf("size %d, want %d", info.Size, len(data))
			}
			if want := o.Perm; want != 0 && info.Mode != want {
				t.Errorf("mode %v, want %v", info.Mode, want)
			}
			if got := names(List(t, b.FS, storage.Root, 0, 10)); !slices.Equal(got, []string{"file"}) {
				t.Errorf("after commit the directory shows %q", got)
			}
			if err := b.FS.Remove("/file"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func testCreateDiscard(t *testing.T, b Backend) {
	WriteFile(t, b.FS, "/old", "old")
	for _, p := range []storage.Path{"/old", "/new"} {
		u, err := b.FS.Create(p, storage.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(u, "half a fi"); err != nil {
			t.Fatal(err)
		}
		if err := u.Discard(); err != nil {
			t.Errorf("discard: %v", err)
		}
	}
	wantFile(t, b.FS, "/old", "old")
	wantNone(t, b.FS, "/new")
}

// testOverwrite checks that the old file is whole until Commit, that a reader
// keeps it beyond, and that its permissions pass on.
func testOverwrite(t *testing.T, b Backend) {
	WriteFile(t, b.FS, "/file", "old")
	if err := b.FS.Chmod("/file", 0o640); err != nil {
		t.Fatal(err)
	}
	u, err := b.FS.Create("/file", storage.CreateOptions{Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, "brand new"); err != nil {
		t.Fatal(err)
	}
	wantFile(t, b.FS, "/file", "old")
	reader, err := b.FS.Open("/file")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, b.FS, "/file", "brand new")
	if got := readAll(t, reader); got != "old" {
		t.Errorf("reader that opened the old file got %q", got)
	}
	if info, err := b.FS.Stat("/file"); err != nil || info.Mode != 0o640 {
		t.Errorf("mode %v, %v, want that of the old file", info.Mode, err)
	}
}

func testExclusive(t *testing.T, b Backend) {
	excl := storage.CreateOptions{Excl: true}
	WriteFile(t, b.FS, "/taken", "first")
	mkdir(t, b.FS, "/dir")
	for _, p := range []storage.Path{"/taken", "/dir"} {
		_, err := b.FS.Create(p, excl)
		WantError(t, "create "+string(p), err, fs.ErrExist)
		_, err = b.FS.OpenWrite(p, 0, excl)
		WantError(t, "open "+string(p), err, fs.ErrExist)
	}
	u, err := b.FS.Create("/late", excl)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, "second"); err != nil {
		t.Fatal(err)
	}
	WriteFile(t, b.FS, "/late", "first")
	WantError(t, "commit", u.Commit(), fs.ErrExist)
	wantFile(t, b.FS, "/late", "first")
	if got := names(List(t, b.FS, storage.Root, 0, 10)); !slices.Equal(got, []string{"dir", "late", "taken"}) {
		t.Errorf("left behind: %q", got)
	}
	u, err = b.FS.OpenWrite("/fresh", 0, excl)
	finish(t, u, err, "x")
}

// testConcurrentCreate lets many uploads of one name end at once: each reader
// sees one of them whole, and one wins.
func testConcurrentCreate(t *testing.T, b Backend) {
	const writers, size = 8, 200 << 10
	whole := func(data string) bool {
		return len(data) == size && strings.Count(data, data[:1]) == size
	}
	WriteFile(t, b.FS, "/file", strings.Repeat("z", size))
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			u, err := b.FS.Create("/file", storage.CreateOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			block := bytes.Repeat([]byte{byte('a' + i)}, size/10)
			for range 10 {
				if _, err := u.Write(block); err != nil {
					t.Error(err)
				}
			}
			if err := u.Commit(); err != nil {
				t.Error(err)
			}
			if got := ReadFile(t, b.FS, "/file"); !whole(got) {
				t.Errorf("a mixture of %d bytes", len(got))
			}
		})
	}
	wg.Wait()
	if got := names(List(t, b.FS, storage.Root, 0, 10)); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %q", got)
	}
}

// testCommitTargets commits where the place changed during the upload.
func testCommitTargets(t *testing.T, b Backend) {
	begin := func(p storage.Path) storage.Upload {
		t.Helper()
		u, err := b.FS.Create(p, storage.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(u, "data"); err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := begin("/turned")
	mkdir(t, b.FS, "/turned")
	WantError(t, "commit onto a directory", u.Commit(), storage.ErrIsDir)

	u = begin("/vanishes")
	WriteFile(t, b.FS, "/vanishes", "x")
	if err := b.FS.Remove("/vanishes"); err != nil {
		t.Fatal(err)
	}
	if err := u.Commit(); err != nil {
		t.Errorf("commit of a name that came and went: %v", err)
	}
	wantFile(t, b.FS, "/vanishes", "data")

	mkdir(t, b.FS, "/moved")
	u = begin("/moved/file")
	if err := b.FS.Rename("/moved", "/there"); err != nil {
		t.Fatal(err)
	}
	if err := u.Commit(); err != nil {
		t.Errorf("commit in a directory that was renamed: %v", err)
	}
	wantFile(t, b.FS, "/there/file", "data")
	if got := names(List(t, b.FS, "/there", 0, 10)); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %q", got)
	}
}

func testOpenWrite(t *testing.T, b Backend) {
	for _, row := range []struct {
		name    string
		old     string
		off     int64
		data    string
		want    string
		wantOff int64
	}{
		{"append", "0123456789", -1, "abc", "0123456789abc", 10},
		{"middle keeps the tail", "0123456789", 3, "abc", "012abc6789", 3},
		{"across the end", "0123456789", 8, "abc", "01234567abc", 8},
		{"at the end", "0123456789", 10, "abc", "0123456789abc", 10},
		{"from the start", "0123456789", 0, "abc", "abc3456789", 0},
		{"nothing", "0123456789", -1, "", "0123456789", 10},
		{"append to an empty file", "", -1, "abc", "abc", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, o := range []storage.CreateOptions{{}, {Fsync: true}} {
				WriteFile(t, b.FS, "/file", row.old)
				u, err := b.FS.OpenWrite("/file", row.off, o)
				if err == nil && u.Offset() != row.wantOff {
					t.Errorf("offset %d, want %d", u.Offset(), row.wantOff)
				}
				finish(t, u, err, row.data)
				wantFile(t, b.FS, "/file", row.want)
			}
		})
	}
	u, err := b.FS.OpenWrite("/new", -1, storage.CreateOptions{Perm: 0o600, Fsync: true})
	finish(t, u, err, "made")
	wantFile(t, b.FS, "/new", "made")
	if info, err := b.FS.Stat("/new"); err != nil || info.Mode != 0o600 {
		t.Errorf("mode %v, %v", info.Mode, err)
	}
	u, err = b.FS.OpenWrite("/new", -1, storage.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, " more"); err != nil {
		t.Fatal(err)
	}
	if err := u.Discard(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, b.FS, "/new", "made more")

	_, err = b.FS.OpenWrite("/new", 100, storage.CreateOptions{})
	WantError(t, "offset beyond the end", err, storage.ErrOffset)
	_, err = b.FS.OpenWrite("/none", 1, storage.CreateOptions{})
	WantError(t, "offset in nothing", err, fs.ErrNotExist)
	wantNone(t, b.FS, "/none")
}

func testReadFile(t *testing.T, b Backend) {
	data := strings.Repeat("abcdefghij", 30000)
	WriteFile(t, b.FS, "/file", data)
	f, err := b.FS.Open("/file")
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 7, 65535, 65536, 131072, int64(len(data)) - 1, int64(len(data)), int64(len(data)) + 10} {
		if got, err := f.Seek(off, io.SeekStart); err != nil || got != off {
			t.Fatalf("seek %d: %d, %v", off, got, err)
		}
		rest, err := io.ReadAll(f)
		if want := data[min(off, int64(len(data))):]; err != nil || string(rest) != want {
			t.Errorf("from %d: %d bytes, %v, want %d", off, len(rest), err, len(want))
		}
	}
	if at, err := f.Seek(-4, io.SeekEnd); err != nil || at != int64(len(data))-4 {
		t.Errorf("seek from the end: %d, %v", at, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("seek before the start succeeded")
	}
	if info, err := f.Stat(); err != nil || info.Size != int64(len(data)) || info.Name != "file" {
		t.Errorf("stat of the open file: %+v, %v", info, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func testRemovedWhileOpen(t *testing.T, b Backend) {
	WriteFile(t, b.FS, "/file", "still here")
	f, err := b.FS.Open("/file")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.FS.OpenWrite("/file", -1, storage.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.FS.Remove("/file"); err != nil {
		t.Fatal(err)
	}
	finish(t, u, nil, ", and more")
	if got := readAll(t, f); got != "still here, and more" {
		t.Errorf("got %q", got)
	}
	wantNone(t, b.FS, "/file")
}

func testStat(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/dir/file", "12345")
	file, err := b.FS.Stat("/dir/file")
	if err != nil {
		t.Fatal(err)
	}
	if file.Name != "file" || file.Size != 5 || !file.Mode.IsRegular() || file.Nlink != 1 || file.Ino == 0 {
		t.Errorf("file: %+v", file)
	}
	if age := time.Since(file.ModTime); age < -time.Minute || age > time.Hour || file.ModTime.Location() != time.UTC {
		t.Errorf("file changed at %v", file.ModTime)
	}
	dir, err := b.FS.Stat("/dir")
	if err != nil || !dir.IsDir() || dir.Name != "dir" || dir.Ino == file.Ino || dir.Dev != file.Dev {
		t.Errorf("directory: %+v, %v", dir, err)
	}
	root, err := b.FS.Stat(storage.Root)
	if err != nil || !root.IsDir() || root.Name != "/" {
		t.Errorf("root: %+v, %v", root, err)
	}
	if n, err := b.FS.Available("/dir"); !errors.Is(err, storage.ErrUnsupported) && (err != nil || n <= 0) {
		t.Errorf("available: %d, %v", n, err)
	}
}

func testMkdir(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/a")
	mkdir(t, b.FS, "/a/b")
	WriteFile(t, b.FS, "/a/file", "x")
	WantError(t, "mkdir existing", b.FS.Mkdir("/a", 0), fs.ErrExist)
	WantError(t, "mkdir over file", b.FS.Mkdir("/a/file", 0), fs.ErrExist)
	WantError(t, "mkdir root", b.FS.Mkdir(storage.Root, 0), fs.ErrExist)
	WantError(t, "mkdir in nothing", b.FS.Mkdir("/none/x", 0), fs.ErrNotExist)
	WantError(t, "mkdir in file", b.FS.Mkdir("/a/file/x", 0), storage.ErrNotDir)
	WantError(t, "rmdir not empty", b.FS.Rmdir("/a"), storage.ErrNotEmpty)
	WantError(t, "rmdir file", b.FS.Rmdir("/a/file"), storage.ErrNotDir)
	WantError(t, "rmdir nothing", b.FS.Rmdir("/none"), fs.ErrNotExist)
	WantError(t, "remove directory", b.FS.Remove("/a/b"), storage.ErrIsDir)
	if err := b.FS.Rmdir("/a/b"); err != nil {
		t.Error(err)
	}
	wantNone(t, b.FS, "/a/b")
	if err := b.FS.Mkdir("/mine", 0o700|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if info, err := b.FS.Stat("/mine"); err != nil || info.Mode != fs.ModeDir|0o700 {
		t.Errorf("got mode %v, %v, want drwx------", info.Mode, err)
	}
}

func testRename(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/d1")
	mkdir(t, b.FS, "/d2")
	mkdir(t, b.FS, "/full")
	WriteFile(t, b.FS, "/full/x", "x")
	WriteFile(t, b.FS, "/f1", "one")
	WriteFile(t, b.FS, "/f2", "two")

	WantError(t, "nothing", b.FS.Rename("/none", "/x"), fs.ErrNotExist)
	WantError(t, "into nothing", b.FS.Rename("/f1", "/none/x"), fs.ErrNotExist)
	WantError(t, "file onto directory", b.FS.Rename("/f1", "/d1"), storage.ErrIsDir)
	WantError(t, "directory onto file", b.FS.Rename("/d1", "/f1"), storage.ErrNotDir)
	WantError(t, "directory onto full one", b.FS.Rename("/d1", "/full"), storage.ErrNotEmpty)
	WantError(t, "directory into itself", b.FS.Rename("/d1", "/d1/sub"), storage.ErrName)
	wantFile(t, b.FS, "/f1", "one")

	for _, step := range []struct{ from, to storage.Path }{
		{"/f1", "/f1"}, {"/f1", "/f2"}, {"/f2", "/d1/moved"}, {"/d1", "/d2/sub"}, {"/d2", "/d3"},
	} {
		if err := b.FS.Rename(step.from, step.to); err != nil {
			t.Fatal(err)
		}
	}
	wantFile(t, b.FS, "/d3/sub/moved", "one")
	if got := names(List(t, b.FS, storage.Root, 0, 10)); !slices.Equal(got, []string{"d3", "full"}) {
		t.Errorf("left: %q", got)
	}
}

func testRenameNew(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	mkdir(t, b.FS, "/empty")
	WriteFile(t, b.FS, "/one", "1")
	WriteFile(t, b.FS, "/two", "2")
	for _, step := range []struct {
		from, to storage.Path
		want     error
	}{
		{"/one", "/two", fs.ErrExist},
		{"/one", "/one", fs.ErrExist},
		{"/one", "/dir", fs.ErrExist},
		{"/dir", "/empty", fs.ErrExist},
		{"/none", "/new", fs.ErrNotExist},
		{"/one", "/none/new", fs.ErrNotExist},
		{"/dir", "/dir/sub", storage.ErrName},
		{storage.Root, "/new", fs.ErrPermission},
		{"/one", storage.Root, fs.ErrPermission},
		{"/one", "/dir/new", nil},
		{"/dir", "/moved", nil},
	} {
		if err := b.FS.RenameNew(step.from, step.to); !errors.Is(err, step.want) {
			t.Errorf("%s to %s: got %v, want %v", step.from, step.to, err, step.want)
		}
	}
	wantFile(t, b.FS, "/two", "2")
	wantFile(t, b.FS, "/moved/new", "1")
}

func testChange(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/file", "x")
	then := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, p := range []storage.Path{"/dir", "/file"} {
		if err := b.FS.Chmod(p, 0o700|fs.ModeSetuid|fs.ModeSticky); err != nil {
			t.Error(err)
		}
		if err := b.FS.Chtimes(p, then); err != nil {
			t.Error(err)
		}
		info, err := b.FS.Stat(p)
		if err != nil || info.Mode.Perm() != 0o700 || !info.ModTime.Equal(then) {
			t.Errorf("%q: %v, %v, %v", p, info.Mode, info.ModTime, err)
		}
		if special := info.Mode & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky); special != 0 {
			t.Errorf("%q: chmod let %v through", p, special)
		}
	}
	WantError(t, "chmod nothing", b.FS.Chmod("/none", 0o600), fs.ErrNotExist)
	WantError(t, "chtimes nothing", b.FS.Chtimes("/none", then), fs.ErrNotExist)
}

// testErrors asks every call for what stands in the way.
func testErrors(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/file", "x")
	for _, row := range []struct {
		path storage.Path
		open error // Open
		make error // Create, OpenWrite
		list error // ReadDir
		stat error
	}{
		{"/dir", storage.ErrIsDir, storage.ErrIsDir, nil, nil},
		{"/", storage.ErrIsDir, storage.ErrIsDir, nil, nil},
		{"/file", nil, nil, storage.ErrNotDir, nil},
		{"/none", fs.ErrNotExist, nil, fs.ErrNotExist, fs.ErrNotExist},
		{"/none/x", fs.ErrNotExist, fs.ErrNotExist, fs.ErrNotExist, fs.ErrNotExist},
		{"/file/x", storage.ErrNotDir, storage.ErrNotDir, storage.ErrNotDir, storage.ErrNotDir},
	} {
		check := func(what string, err, want error) {
			t.Helper()
			if want != nil {
				WantError(t, what+" "+string(row.path), err, want)
			} else if err != nil {
				t.Errorf("%s %s: %v", what, row.path, err)
			}
		}
		f, err := b.FS.Open(row.path)
		if check("open", err, row.open); err == nil {
			f.Close()
		}
		u, err := b.FS.Create(row.path, storage.CreateOptions{})
		if check("create", err, row.make); err == nil {
			u.Discard()
		}
		d, err := b.FS.ReadDir(row.path, storage.WantNone)
		if check("readdir", err, row.list); err == nil {
			d.Close()
		}
		_, err = b.FS.Stat(row.path)
		check("stat", err, row.stat)
		_, err = b.FS.Lstat(row.path)
		check("lstat", err, row.stat)
		if _, err = b.FS.Available(row.path); !errors.Is(err, storage.ErrUnsupported) {
			check("available", err, row.stat)
		}
		if row.make != nil {
			_, err = b.FS.OpenWrite(row.path, 0, storage.CreateOptions{})
			check("openwrite", err, row.make)
		}
	}
	WantError(t, "remove nothing", b.FS.Remove("/none"), fs.ErrNotExist)
	WantError(t, "remove in file", b.FS.Remove("/file/x"), storage.ErrNotDir)
}

func testRootIsSafe(t *testing.T, b Backend) {
	WriteFile(t, b.FS, "/file", "x")
	WantError(t, "remove", b.FS.Remove(storage.Root), storage.ErrIsDir)
	WantError(t, "rmdir", b.FS.Rmdir(storage.Root), fs.ErrPermission)
	WantError(t, "rename from", b.FS.Rename(storage.Root, "/x"), fs.ErrPermission)
	WantError(t, "rename to", b.FS.Rename("/file", storage.Root), fs.ErrPermission)
	wantFile(t, b.FS, "/file", "x")
}

func testReadDir(t *testing.T, b Backend) {
	if all := List(t, b.FS, storage.Root, storage.WantStat, 3); len(all) != 0 {
		t.Errorf("an empty directory holds %q", names(all))
	}
	const entries = 1500
	var want []string
	for i := range entries {
		name := fmt.Sprintf("entry %04d %s", i, strings.Repeat("x", i%100))
		want = append(want, name)
		WriteFile(t, b.FS, storage.Root.Join(name), name)
	}
	for _, batch := range []int{1, 7, 1000, 5000} {
		if got := names(List(t, b.FS, storage.Root, storage.WantNone, batch)); !slices.Equal(got, want) {
			t.Errorf("batch %d: %d entries, want %d", batch, len(got), len(want))
		}
	}
	d, err := b.FS.ReadDir(storage.Root, storage.WantStat)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]storage.Info, 10)
	if n, err := d.Next(buf); n != 10 || err != nil {
		t.Errorf("first batch: %d, %v", n, err)
	}
	if n, err := d.Next(nil); n != 0 || err != nil {
		t.Errorf("empty batch: %d, %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close in the middle: %v", err)
	}
}

// testReadDirWant checks that all that was asked for is there, and the same as
// Stat says.
func testReadDirWant(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/file", "12345")
	for _, info := range List(t, b.FS, storage.Root, storage.WantNone, 10) {
		if want := fs.FileMode(0); info.Name == "dir" && info.Mode.Type() != fs.ModeDir || info.Name == "file" && info.Mode.Type() != want {
			t.Errorf("type of %q: %v", info.Name, info.Mode)
		}
	}
	for _, info := range List(t, b.FS, storage.Root, storage.WantStat|storage.WantLink|storage.WantFollow, 10) {
		want, err := b.FS.Stat(storage.Root.Join(info.Name))
		if err != nil || info != want {
			t.Errorf("%q: listed %+v\nstat %+v, %v", info.Name, info, want, err)
		}
	}
}

func testReadDirHidden(t *testing.T, b Backend) {
	WriteFile(t, b.FS, storage.Path("/"+storage.HiddenPrefix+"0123456789abcdef"), "left over")
	WriteFile(t, b.FS, "/"+".fastftp", "not ours")
	if got := names(List(t, b.FS, storage.Root, storage.WantStat, 1)); !slices.Equal(got, []string{".fastftp"}) {
		t.Errorf("listed %q", got)
	}
}

func testClosed(t *testing.T, b Backend) {
	WriteFile(t, b.FS, "/file", "x")
	f, err := b.FS.Open("/file")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.FS.Create("/new", storage.CreateOptions{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	w, err := b.FS.OpenWrite("/made", 0, storage.CreateOptions{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.FS.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, f); got != "x" {
		t.Errorf("open file: %q", got)
	}
	finish(t, u, nil, "data")
	finish(t, w, nil, "data")
	_, err = b.FS.Stat("/file")
	WantError(t, "stat", err, fs.ErrClosed)
	_, err = b.FS.Open("/file")
	WantError(t, "open", err, fs.ErrClosed)
	WantError(t, "mkdir", b.FS.Mkdir("/x", 0), fs.ErrClosed)
}
