//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRclone copies a tree with several transfers at once, checks it by hash and
// lets rclone decide that nothing is left to be copied, which it can only if
// MFMT took and MLSD tells the times.
func TestRclone(t *testing.T) {
	src := makeTree(t, 120)
	odd := filepath.Join(src, " odd names. ")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, o := range oddNames {
		makeFile(t, filepath.Join(odd, o.name), oddSize)
	}
	for _, s := range []setup{{explicit, "1.3", "P"}, {implicit, "1.2", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			r := need(t, "rclone", s).(*rclone)
			r.encoding = rcloneDefault
			remote := r.remote(scratch.srv.dir(t))
			many := []string{"--transfers=4", "--checkers=4"}
			r.must(t, append(many, "copy", src, remote)...)
			r.must(t, append(many, "check", "--download", src, remote)...)
			if out := r.must(t, append(many, "copy", "-v", "--stats=0", src, remote)...); strings.Contains(out, "Copied") {
				t.Errorf("copied again:\n%s", out)
			}
			back := t.TempDir()
			r.must(t, append(many, "sync", remote, back)...)
			sameTree(t, back, src, true)
			r.must(t, "purge", remote)
			if err := gone(scratch.srv.path(strings.TrimPrefix(remote, "srv:"))); err != nil {
				t.Error(err)
			}
		})
	}
}

// must runs rclone and returns all it printed.
func (r *rclone) must(t *testing.T, args ...string) string {
	t.Helper()
	p := r.proc(args...)
	p.merge = true
	out, err := p.run()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
