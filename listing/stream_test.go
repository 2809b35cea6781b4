package listing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fastftps/codec"
	"fastftps/listing"
	"fastftps/storage"
	"fastftps/storage/memfs"
)

// goldenTree holds one of each kind of entry that a listing shows differently.
func goldenTree(t *testing.T) storage.FS {
	t.Helper()
	clock := time.Date(2026, 11, 22, 20, 34, 0, 0, time.UTC)
	m, err := memfs.FromTxtar(memfs.Options{Now: func() time.Time { return clock }}, []byte(`
-- a.txt --
hello
-- .hidden --
-- dir/b.txt --
-- dir/c.dat --
-- dir/.profile --
-- dir/sub/ --
-- dir/up -> ../a.txt --
-- dir/out -> /etc/passwd --
-- empty/ --
-- link -> a.txt --
-- linkdir -> dir --
-- literal[1].txt --
-- name with  spaces --
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile("/old", nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Chtimes("/old", time.Date(2001, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return m
}

// drain reads a listing to its end.
func drain(s *listing.Stream) ([]byte, error) { return io.ReadAll(s) }

func TestOpenErrors(t *testing.T) {
	f := goldenTree(t)
	for _, row := range []struct {
		format listing.Format
		arg    string
		want   error
	}{
		{listing.Long, "none", fs.ErrNotExist},
		{listing.Names, "none", fs.ErrNotExist},
		{listing.Facts, "none", fs.ErrNotExist},
		{listing.Facts, "*", fs.ErrNotExist},
		{listing.Facts, "a.txt", storage.ErrNotDir},
		{listing.Long, "none/*", fs.ErrNotExist},
		{listing.Long, "a.txt/*", storage.ErrNotDir},
		{listing.Long, "*/a.txt", fs.ErrNotExist},
		{listing.Long, "a\x00b", storage.ErrName},
		{listing.Long, "dir/out/x", storage.ErrEscape},
	} {
		_, err := listing.Open(f, storage.Root, row.arg, listing.Options{Format: row.format})
		if !errors.Is(err, row.want) {
			t.Errorf("format %d %q: got %v, want %v", row.format, row.arg, err, row.want)
		}
	}
}

// TestNLSTNamesOpen takes every name of every listing back to the server.
func TestNLSTNamesOpen(t *testing.T) {
	f := goldenTree(t)
	for _, arg := range []string{"", ".", "/", "dir", "dir/", "/dir", "dir/*", "./dir/../dir", "a.txt", "/a.txt", "*.txt", "l*", "linkdir"} {
		s, err := listing.Open(f, storage.Root, arg, listing.Options{Format: listing.Names})
		if err != nil {
			t.Fatal(err)
		}
		out, err := drain(s)
		if err = errors.Join(err, s.Close()); err != nil || len(out) == 0 {
			t.Fatalf("%q: %d bytes, %v", arg, len(out), err)
		}
		for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\r\n"), "\r\n") {
			p, err := storage.Clean(storage.Root, name)
			if err == nil {
				_, err = f.Lstat(p)
			}
			if err != nil {
				t.Errorf("%q printed %q: %v", arg, name, err)
			}
		}
	}
}

// TestStreamPieces lists more than one batch holds, with the pattern matching
// little: each piece has bytes, and the dir's error passes through.
func TestStreamPieces(t *testing.T) {
	m := memfs.New(memfs.Options{})
	var want bytes.Buffer
	for i := range 1000 {
		name := fmt.Sprintf("%04d", i)
		if err := m.WriteFile(storage.Root.Join(name), nil); err != nil {
			t.Fatal(err)
		}
		if i%400 == 7 {
			want.WriteString(name + "\r\n")
		}
	}
	s, err := listing.Open(m, storage.Root, "0[048]07", listing.Options{Format: listing.Names})
	if err != nil {
		t.Fatal(err)
	}
	got, err := drain(s)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %q, %v, want %q", got, err, want.Bytes())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := s.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestMatch(t *testing.T) {
	for _, row := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*", "x", true},
		{"**", "x", true},
		{"?", "", false},
		{"?", "é", true},
		{"?", "\xff", true},
		{"*.txt", "a.txt", true},
		{"*.txt", "a.txt.gz", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXc", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]x]", "]", true},
		{"[a-]", "-", true},
		{"[abc", "[abc", true},
		{"[", "[", true},
		{"[]", "[]", true},
		{"a[", "ab", false},
		{`\*`, `\x`, true},
		{"", "", true},
		{"", "x", false},
		{"x*", "x", true},
		{"*x", "xxy", false},
		{"*é", "aé", true},
	} {
		if got := listing.Match(row.pattern, row.name); got != row.want {
			t.Errorf("%q on %q: got %v", row.pattern, row.name, got)
		}
	}
	long := strings.Repeat("a", 255)
	if listing.Match("*"+strings.Repeat("a*", 120)+"b", long) {
		t.Error("matched")
	}
}

// FuzzMatch compares with path.Match, which knows the same patterns but for
// the escapes, [!...] and broken sets.
func FuzzMatch(f *testing.F) {
	f.Add("*.t?t", "a.txt")
	f.Add("[^a-z]*[0-9]", "X9")
	f.Add("a**b?", "aéb\xff")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := listing.Match(pattern, name)
		if pattern == name && !strings.ContainsAny(pattern, "*?[") && !got {
			t.Errorf("%q does not match itself", pattern)
		}
		if strings.ContainsAny(pattern, `\!/`) || strings.Contains(name, "/") || !utf8.ValidString(pattern) {
			return
		}
		want, err := path.Match(pattern, name)
		if err == nil && got != want {
			t.Errorf("%q on %q: got %v, path.Match %v", pattern, name, got, want)
		}
	})
}

// FuzzLines makes an entry of any name: it comes out as exactly one line, in each
// format, that ends with the name but for the bytes that end lines.
func FuzzLines(f *testing.F) {
	f.Add("name", "target", "prefix/", int64(5), int64(0), uint32(0o644), uint16(255))
	f.Add("a\r\n150 x\x00", "b\n", "c\n/", int64(-1), int64(1<<40), uint32(1<<31|0o755), uint16(7))
	f.Fuzz(func(t *testing.T, name, target, prefix string, size, mtime int64, mode uint32, bits uint16) {
		info := storage.Info{Name: name, Target: target, Size: size, Mode: fs.FileMode(mode), ModTime: time.Unix(mtime, 0), Ino: 1}
		dst := []byte("before")
		safe := strings.NewReplacer("\r", "?", "\n", "?", "\x00", "?")
		for format, line := range map[string][]byte{
			"LIST": listing.AppendLIST(dst, &info, now),
			"NLST": listing.AppendNLST(dst, prefix, name),
			"MLSD": listing.AppendMLSx(dst, &info, codec.Facts(bits), listing.Rights(bits)),
		} {
			line, ok := bytes.CutPrefix(line, dst)
			line, end := bytes.CutSuffix(line, []byte("\r\n"))
			if !ok || !end || bytes.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("%s: %q", format, line)
			}
			want := safe.Replace(name)
			if format == "LIST" && target != "" && info.Mode&fs.ModeSymlink == 0 {
				want += " -> " + safe.Replace(target)
			}
			if !bytes.HasSuffix(line, []byte(want)) {
				t.Errorf("%s: %q does not end with %q", format, line, want)
			}
			if names := len(prefix) + len(name) + len(target); len(line)+2 > listing.MaxLine+names {
				t.Errorf("%s: %d bytes are more than a line can have, names of %d", format, len(line), names)
			}
			if format == "MLSD" {
				checkFacts(t, string(line[:len(line)-len(want)]))
			}
		}
	})
}

// checkFacts checks the grammar of RFC 3659 section 7.2.
func checkFacts(t *testing.T, facts string) {
	t.Helper()
	facts, ok := strings.CutSuffix(facts, " ")
	if !ok || strings.Contains(facts, " ") || facts != "" && !strings.HasSuffix(facts, ";") {
		t.Fatalf("facts %q", facts)
	}
	for fact := range strings.SplitSeq(strings.TrimSuffix(facts, ";"), ";") {
		if key, _, ok := strings.Cut(fact, "="); facts != "" && (!ok || len(key) < 3) {
			t.Errorf("fact %q", fact)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add("-la dir")
	f.Add("-- -x")
	f.Fuzz(func(t *testing.T, arg string) {
		_, path := listing.ParseOptions(arg)
		if !strings.HasSuffix(arg, path) {
			t.Errorf("%q: path %q is not its end", arg, path)
		}
		if !strings.HasPrefix(arg, "-") && path != arg {
			t.Errorf("%q without options became %q", arg, path)
		}
	})
}

// endless is a directory of n entries that costs nothing, so that what is
// counted is the listing's own.
type endless struct {
	left int
	wait chan struct{} // if not nil: the second Next waits until it is closed
	next int           // calls of Next
}

func (d *endless) Next(dst []storage.Info) (int, error) {
	if d.next++; d.wait != nil && d.next == 2 {
		<-d.wait
	}
	n := min(len(dst), d.left)
	if d.left -= n; n == 0 {
		return 0, io.EOF
	}
	for i := range n {
		dst[i] = file("some file name.txt", int64(i), now)
	}
	return n, nil
}

func (d *endless) Close() error { return nil }

// endlessFS serves one such directory as its root.
type endlessFS struct {
	storage.FS
	dir *endless
}

func entries(n int) endlessFS { return endlessFS{dir: &endless{left: n}} }

func (f endlessFS) Stat(storage.Path) (storage.Info, error) {
	return storage.Info{Name: "/", Mode: fs.ModeDir | 0o755}, nil
}

func (f endlessFS) ReadDir(storage.Path, storage.Want) (storage.Dir, error) { return f.dir, nil }

var formats = map[string]listing.Format{"LIST": listing.Long, "NLST": listing.Names, "MLSD": listing.Facts}

// TestAllocs: a listing of 100,000 entries allocates no more than one of a few.
func TestAllocs(t *testing.T) {
	buf := make([]byte, 64<<10)
	for name, format := range formats {
		perRun := testing.AllocsPerRun(3, func() {
			list(t, entries(100_000), format, buf)
		})
		if perRun > 50 {
			t.Errorf("%s: %.0f allocations", name, perRun)
		}
	}
}

// TestMemory: many entries, a million of NLST, need no more memory at any time
// than Memory says.
func TestMemory(t *testing.T) {
	for name, format := range formats {
		count := 200_000
		if format == listing.Names {
			count = 1_000_000
		}
		p := make([]byte, 256<<10)
		before := heap()
		s, err := listing.Open(entries(count), storage.Root, "", listing.Options{Format: format, Now: now, Facts: codec.AllFacts})
		if err != nil {
			t.Fatal(err)
		}
		read, most := 0, int64(0)
		for reads := 0; err == nil; reads++ {
			var n int
			n, err = io.ReadFull(s, p)
			read += n
			if reads%16 == 0 {
				most = max(most, heap()-before)
			}
		}
		if err != io.EOF && err != io.ErrUnexpectedEOF || bytes.Count(p, []byte("\n")) == 0 || read < 20*count {
			t.Fatalf("%s: %d bytes, %v", name, read, err)
		}
		if most > s.Memory() {
			t.Errorf("%s: %d bytes of heap, and it says %d", name, most, s.Memory())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFirstPiece: what the first batch holds can be had while the directory is
// still busy with the second.
func TestFirstPiece(t *testing.T) {
	for name, format := range formats {
		f := entries(129)
		f.dir.wait = make(chan struct{})
		s, err := listing.Open(f, storage.Root, "", listing.Options{Format: format, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 64<<10)
		lines := 0
		for n := 0; lines < 128; {
			if n, err = s.Read(p); err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(p[:n], []byte("\n"))
		}
		if f.dir.next != 1 {
			t.Errorf("%s: %d batches for %d lines", name, f.dir.next, lines)
		}
		close(f.dir.wait)
		rest, err := drain(s)
		if lines += bytes.Count(rest, []byte("\n")); err != nil || lines < 129 {
			t.Errorf("%s: %d lines, %v", name, lines, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReadSizes reads through buffers of every size around that of a line: the
// bytes are the same, and every piece is full but for the last and for that of
// the directory's own line, which is known before the others.
func TestReadSizes(t *testing.T) {
	for name, format := range formats {
		want, err := drain(open(t, entries(100), format))
		if err != nil {
			t.Fatal(err)
		}
		for size := 1; size < 700; size++ {
			s := open(t, entries(100), format)
			var got []byte
			for p := make([]byte, size); err == nil; {
				var n int
				n, err = s.Read(p)
				if got = append(got, p[:n]...); n > 0 && n < size && len(got) < len(want) && bytes.Count(got, []byte("\n")) != 1 {
					t.Fatalf("%s: %d bytes in the middle of a batch, of a buffer of %d", name, n, size)
				}
			}
			if err != io.EOF || !bytes.Equal(got, want) {
				t.Fatalf("%s: buffer of %d: %q, %v", name, size, got, err)
			}
			err = nil
		}
	}
}

func open(t testing.TB, f storage.FS, format listing.Format) *listing.Stream {
	t.Helper()
	s, err := listing.Open(f, storage.Root, "", listing.Options{Format: format, Now: now, Facts: codec.AllFacts, Rights: all})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list reads a whole listing through p, as a transfer does.
func list(t testing.TB, f storage.FS, format listing.Format, p []byte) {
	t.Helper()
	s := open(t, f, format)
	var err error
	for err == nil {
		_, err = s.Read(p)
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkLines(b *testing.B) {
	for name, format := range formats {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			list(b, entries(b.N), format, make([]byte, 64<<10))
		})
	}
}
