package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/storage"
)

// TestSweepAfterKill: the server that starts after one that was killed serves
// the old file, shows nothing of what was being uploaded, and takes away what a
// file system without O_TMPFILE would have kept of it.
func TestSweepAfterKill(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "old content")
	cmd, addr := startShare(t, dir)
	d, err := shareLogin(t, addr).Begin("STOR file", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Write(bytes.Repeat([]byte("x"), 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	long := filepath.Join(dir, storage.HiddenPrefix+"0123456789abcdef")
	fresh := filepath.Join(dir, "sub", storage.HiddenPrefix+"fedcba9876543210")
	write(t, long, "left")
	write(t, fresh, "left")
	if err := os.Chtimes(long, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, addr = startShare(t, dir)
	c := shareLogin(t, addr)
	if names, err := c.NLST("-a"); err != nil || !slices.Equal(slices.Sorted(slices.Values(names)), []string{"file", "sub"}) {
		t.Errorf("NLST: %q, %v", names, err)
	}
	var got bytes.Buffer
	if _, err := c.Retr("file", 0, &got); err != nil || got.String() != "old content" {
		t.Errorf("RETR: %.20q, %v", &got, err)
	}
	for _, name := range []string{long, fresh} {
		awaitGone(t, name)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startShare runs "fastftps serve" in a process of its own, in clear and with
// a stall limit of a second, and returns its address. It ends with the test.
func startShare(t *testing.T, dir string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = exec.Command("fastftps", "serve", "-w", "-l", "plain://127.0.0.1:0", "--password-file", "-", "--set", "limits.stall_timeout=1s", dir)
	cmd.Stdin = strings.NewReader("secret\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, addr, ok := strings.Cut(lines.Text(), "no TLS: ftp://"); ok {
			return cmd, addr
		}
	}
	t.Fatal("no address in the banner")
	return nil, ""
}

func shareLogin(t *testing.T, addr string) *ftpclient.Client {
	t.Helper()
	c, err := ftpclient.Dial(context.Background(), addr, ftpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login("demo", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := c.Type("I"); err != nil {
		t.Fatal(err)
	}
	return c
}

// awaitGone waits for a file to be removed.
func awaitGone(t *testing.T, name string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if _, err := os.Lstat(name); os.IsNotExist(err) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still there", name)
		}
	}
}

func TestOutermost(t *testing.T) {
	for _, tt := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"/srv/b", "/srv/a", "/srv/b/"}, []string{"/srv/a", "/srv/b"}},
		{[]string{"/a/c", "/a-b", "/a"}, []string{"/a", "/a-b"}},
		{[]string{"/x/y/z", "/"}, []string{"/"}},
	} {
		if got := outermost(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}
