//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// treeFiles is how many files the mirrored tree holds.
const treeFiles = 500

// makeTree makes a tree of n small files in several folders, some of them
// empty, with names of all kinds and times of their own.
func makeTree(t *testing.T, n int) string {
	t.Helper()
	root := t.TempDir()
	start := time.Date(2019, 2, 3, 4, 5, 6, 0, time.UTC)
	for i := range n {
		dir := filepath.Join(root, fmt.Sprintf("dir %d", i%7), fmt.Sprintf("ünter-%d", i%3))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("file %03d é.dat", i))
		size := int64(i*i%9000 + i)
		if i%25 == 0 {
			size = 0
		}
		makeFile(t, path, size)
		at := start.Add(time.Duration(i) * 37 * time.Hour)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// lftpIn is an lftp with more settings.
func lftpIn(t *testing.T, s setup, settings ...string) *lftp {
	t.Helper()
	l := need(t, "lftp", s).(*lftp)
	l.extra = settings
	return l
}

// TestLftpMirror sends a tree with five connections at once and fetches it
// again. Files and their times of modification are the same on all three sides.
func TestLftpMirror(t *testing.T) {
	src := makeTree(t, treeFiles)
	for _, s := range []setup{{explicit, "1.3", "P"}, {implicit, "1.3", "P"}, {implicit, "1.2", "C"}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := lftpIn(t, s)
			remote := scratch.srv.dir(t)
			if _, err := l.run("mirror -R --parallel=5 " + lftpQuote(src) + " " + lftpQuote(remote)); err != nil {
				t.Fatal(err)
			}
			sameTree(t, scratch.srv.path(remote), src, true)
			back := t.TempDir()
			if _, err := l.run("mirror --parallel=5 " + lftpQuote(remote) + " " + lftpQuote(back)); err != nil {
				t.Fatal(err)
			}
			sameTree(t, back, src, true)
		})
	}
}

// TestLftpModeZ has lftp compress what it sends and gets (MODE Z), listings too.
func TestLftpModeZ(t *testing.T) {
	for _, s := range []setup{{plain, "", "C"}, {explicit, "1.3", "P"}, {implicit, "1.2", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := lftpIn(t, s, "ftp:use-mode-z yes", `ftp:compressed-re ""`)
			remote, local := scratch.srv.dir(t), t.TempDir()
			noise, text := filepath.Join(local, "noise"), filepath.Join(local, "text")
			makeFile(t, noise, 1_000_000)
			writeText(t, text, 1_000_000)
			for _, src := range []string{noise, text} {
				name := remote + "/" + filepath.Base(src)
				out, err := l.debug("put "+lftpQuote(src)+" -o "+lftpQuote(name),
					"get "+lftpQuote(name)+" -o "+lftpQuote(src+".back"), "cls -1 "+lftpQuote(remote))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(out, "---> MODE Z\n<--- 200 ") {
					t.Errorf("MODE Z was not used:\n%s", out)
				}
				for _, got := range []string{scratch.srv.path(name), src + ".back"} {
					if err := same(got, src); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// writeText writes lines that compress well.
func writeText(t *testing.T, path string, size int) {
	t.Helper()
	var text []byte
	for i := 0; len(text) < size; i++ {
		text = fmt.Appendf(text, "line %d of a text that compresses well\n", i)
	}
	if err := os.WriteFile(path, text[:size], 0o600); err != nil {
		t.Fatal(err)
	}
}
