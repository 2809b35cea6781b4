package engine

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
)

// TestKilledServer: SIGKILL in the middle of uploads leaves old files and
// acknowledged ones whole. What is left under a hidden name where there is no
// O_TMPFILE no client ever sees, and the sweep takes it away.
func TestKilledServer(t *testing.T) {
	for _, reactor := range reactors {
		for _, named := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/named=%v", reactor, named), func(t *testing.T) {
				killServer(t, childOptions{Root: filepath.Join(t.TempDir(), "root"), Reactor: reactor, NamedTemp: named})
			})
		}
	}
}

func killServer(t *testing.T, o childOptions) {
	if err := os.Mkdir(o.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{}
	for i := range 6 {
		name := fmt.Sprintf("old%d", i)
		want[name] = fmt.Appendf(nil, "old content %d", i)
		if err := os.WriteFile(filepath.Join(o.Root, name), want[name], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	srv := startChild(t, o)
	addrs := srv.ask("").Addrs
	for i := range 8 { // the last two are new names
		beginUpload(t, dialChild(t, addrs[childModes[i%2].mode], childModes[i%2].sec), fmt.Sprintf("STOR old%d", i))
	}
	for i := range 5 {
		c := dialChild(t, addrs[childModes[i%2].mode], childModes[i%2].sec)
		name := fmt.Sprintf("acked%d", i)
		if i == 0 {
			name = "old0" // overwritten meanwhile, whole
		}
		want[name] = bytes.Repeat([]byte(name), 50_000)
		if _, err := c.Stor(name, 0, bytes.NewReader(want[name])); err != nil {
			t.Fatal(err)
		}
	}
	onlyNames(t, dialChild(t, addrs[session.Implicit], ftpclient.Implicit), want)
	srv.kill()

	srv = startChild(t, o)
	c := dialChild(t, srv.ask("").Addrs[session.Implicit], ftpclient.Implicit)
	onlyNames(t, c, want)
	for name, content := range want {
		var got bytes.Buffer
		if _, err := c.Retr(name, 0, &got); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%s: %d bytes, %v; want its %d", name, got.Len(), err, len(content))
		}
	}
	left := 0
	for _, name := range names(t, o.Root) {
		if storage.IsHidden(name) {
			left++
			if _, err := c.Do("SIZE "+name, 550); err != nil {
				t.Errorf("a hidden name: %v", err)
			}
		}
	}
	if left != 0 && !o.NamedTemp || left != 8 && o.NamedTemp {
		t.Errorf("%d hidden files", left)
	}
	swept, err := osfs.Sweep(t.Context(), o.Root, time.Now().Add(time.Minute), 1000)
	if err != nil || swept.Removed != left || !slices.Equal(names(t, o.Root), slices.Sorted(maps.Keys(want))) {
		t.Errorf("swept %+v, %v; left %q", swept, err, names(t, o.Root))
	}
}

// childModes are the two ways that the uploads of killServer are protected.
var childModes = []struct {
	mode session.Mode
	sec  ftpclient.Security
}{{session.Implicit, ftpclient.Implicit}, {session.Plain, ftpclient.Clear}}

// beginUpload begins an upload and returns when the server has counted bytes of
// it: a splice counts 4 MiB at a time.
func beginUpload(t *testing.T, c *ftpclient.Client, line string) *ftpclient.Conn {
	t.Helper()
	d, err := c.Begin(line, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	size := 5 << 20
	if c.Private {
		size = 300_000
	}
	if _, err := d.Write(bytes.Repeat([]byte("x"), size)); err != nil {
		t.Fatal(err)
	}
	await(t, "the server has "+line, func() bool { return progress(t, c) > 0 })
	return d
}

// progress asks with STAT how far the session's transfer is.
func progress(t *testing.T, c *ftpclient.Client) int64 {
	t.Helper()
	r, err := c.Do("STAT", 211)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(r.String(), "under way, ")
	text, _, _ = strings.Cut(text, " bytes")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("no progress in %q", r)
	}
	return n
}

// onlyNames checks that every listing of the root shows the keys of want and
// nothing else.
func onlyNames(t *testing.T, c *ftpclient.Client, want map[string][]byte) {
	t.Helper()
	all := slices.Sorted(maps.Keys(want))
	entries, err := c.MLSD("")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, e := range entries {
		if e.Facts["type"] != "cdir" {
			got["MLSD"] = append(got["MLSD"], e.Name)
		}
	}
	for _, verb := range []string{"LIST -a", "NLST -a", "NLST", "NLST .*", "NLST *"} {
		var b bytes.Buffer
		if _, err := c.Download(verb, 0, &b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			f := strings.Fields(line)
			got[verb] = append(got[verb], f[len(f)-1])
		}
	}
	if len(got["NLST .*"]) > 0 {
		t.Errorf("NLST .*: %q", got["NLST .*"])
	}
	delete(got, "NLST .*")
	for verb, names := range got {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "." || n == ".." })
		if slices.Sort(names); !slices.Equal(names, all) {
			t.Errorf("%s: got %q, want %q", verb, names, all)
		}
	}
}
