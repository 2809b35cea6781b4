package storage_test

import (
	"errors"
	"strings"
	"testing"

	"fastftps/storage"
)

func TestClean(t *testing.T) {
	long := strings.Repeat("n", storage.MaxName)
	deep := strings.Repeat("/"+long, storage.MaxPath/(storage.MaxName+1)) // 3840 bytes
	for _, row := range []struct {
		name string
		cwd  storage.Path
		arg  string
		want storage.Path // "" for ErrName
	}{
		{"nothing is here", "/a/b", "", "/a/b"},
		{"root", "/a", "/", "/"},
		{"relative", "/a", "b", "/a/b"},
		{"relative to the root", "/", "b", "/b"},
		{"absolute", "/a", "/b", "/b"},
		{"trailing slash", "/", "a/", "/a"},
		{"slashes", "/", "//a///b//", "/a/b"},
		{"dot", "/a", "./././b/.", "/a/b"},
		{"up", "/a/b", "..", "/a"},
		{"up and down", "/a/b", "../c/../d", "/a/d"},
		{"above the root", "/a", "../../../etc/passwd", "/etc/passwd"},
		{"only dots", "/", "../..", "/"},
		{"dots to the root", "/a/b", "/x/..", "/"},
		{"three dots are a name", "/", ".../x", "/.../x"},
		{"dots in names", "/", "..a/b../.c", "/..a/b../.c"},
		{"backslash is a byte", "/a", `..\b`, `/a/..\b`},
		{"percent is a byte", "/a", "%2e%2e/b", "/a/%2e%2e/b"},
		{"spaces", "/", " a / b ", "/ a / b "},
		{"not UTF-8", "/", "\xff\xfe", "/\xff\xfe"},
		{"fullwidth dots", "/a", "\uff0e\uff0e/b", "/a/\uff0e\uff0e/b"},
		{"escape", "/", "\x1b[0m", "/\x1b[0m"},
		{"minus", "/", "-rf", "/-rf"},
		{"tilde", "/a", "~", "/a/~"},
		{"NUL", "/", "a\x00b", ""},
		{"NUL after dots", "/", "..\x00/x", ""},
		{"CR", "/", "a\rb", ""},
		{"LF", "/", "a\nb", ""},
		{"NUL in an element that vanishes", "/", "a\x00/..", ""},
		{"longest name", "/", long, storage.Path("/" + long)},
		{"too long a name", "/", long + "n", ""},
		{"too long a name that vanishes", "/", long + "n/..", ""},
		{"longest path", storage.Path(deep), long[:254], storage.Path(deep + "/" + long[:254])},
		{"too long a path", storage.Path(deep), long, ""},
		{"too long on the way only", storage.Path(deep), long + "/..", storage.Path(deep)},
		{"hidden", "/", storage.HiddenPrefix + "x", ""},
		{"hidden directory", "/", storage.HiddenPrefix + "/x", ""},
		{"almost hidden", "/", ".fastftps", "/.fastftps"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := storage.Clean(row.cwd, row.arg)
			if got != row.want || errors.Is(err, storage.ErrName) != (row.want == "") {
				t.Errorf("got %.100q, %v, want %.100q", got, err, row.want)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for _, row := range []struct{ path, dir, base, child storage.Path }{
		{"/", "/", "/", "/x"},
		{"/a", "/", "a", "/a/x"},
		{"/a/b", "/a", "b", "/a/b/x"},
		{"/a/b c", "/a", "b c", "/a/b c/x"},
	} {
		if got := row.path.Dir(); got != row.dir {
			t.Errorf("dir of %q: %q", row.path, got)
		}
		if got := row.path.Base(); got != string(row.base) {
			t.Errorf("base of %q: %q", row.path, got)
		}
		if got := row.path.Join("x"); got != row.child {
			t.Errorf("child of %q: %q", row.path, got)
		}
	}
}

// FuzzClean checks what the rest of the server builds on.
func FuzzClean(f *testing.F) {
	f.Add("/", "../../etc/passwd")
	f.Add("/a/b", "./c//../d/")
	f.Add("x", "..\x00/y")
	f.Add("/"+storage.HiddenPrefix, "...")
	f.Fuzz(func(t *testing.T, dir, arg string) {
		cwd, err := storage.Clean(storage.Root, dir)
		if err != nil {
			return
		}
		p, err := storage.Clean(cwd, arg)
		if err != nil {
			if !errors.Is(err, storage.ErrName) || p != "" {
				t.Fatalf("%q, %v", p, err)
			}
			return
		}
		checkClean(t, p)
		for _, again := range []storage.Path{storage.Root, cwd, p} {
			if q, err := storage.Clean(again, string(p)); q != p || err != nil {
				t.Errorf("%q is not stable: %q, %v", p, q, err)
			}
		}
		if p != storage.Root && p.Dir().Join(p.Base()) != p {
			t.Errorf("%q is not %q and %q", p, p.Dir(), p.Base())
		}
		if up, err := storage.Clean(p, ".."); up != p.Dir() || err != nil {
			t.Errorf(".. of %q: %q, %v", p, up, err)
		}
		checkClean(t, p.Dir())
	})
}

func checkClean(t *testing.T, p storage.Path) {
	t.Helper()
	if p == storage.Root {
		return
	}
	if p == "" || p[0] != '/' || len(p) > storage.MaxPath || strings.ContainsAny(string(p), "\x00\r\n") {
		t.Fatalf("%q", p)
	}
	for elem := range strings.SplitSeq(string(p[1:]), "/") {
		if elem == "" || elem == "." || elem == ".." || len(elem) > storage.MaxName || storage.IsHidden(elem) {
			t.Fatalf("%q holds %q", p, elem)
		}
	}
}
