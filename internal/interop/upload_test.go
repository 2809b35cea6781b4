//go:build interop

package interop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUploadThenClose stores files with clients that close as soon as they have
// written: they read neither session tickets nor the server's close_notify, so
// that anything the server sends them in vain resets the connection and destroys
// what is still under way. All 20 of each kind must arrive whole.
func TestUploadThenClose(t *testing.T) {
	sizes := []int64{0, 1, 16_384, 100_000, 2_000_000}
	for _, s := range []setup{{explicit, "1.2", "P"}, {explicit, "1.3", "P"}, {implicit, "1.2", "P"}, {implicit, "1.3", "P"}} {
		for _, name := range []string{"jlaffaye", "jlaffaye resuming", "s_client", "ftplib"} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				c := hastyClient(t, name, s)
				dir, local := scratch.srv.dir(t), t.TempDir()
				arrived := 0
				for i := range 20 {
					file := fmt.Sprint("file", i)
					src := filepath.Join(local, file)
					makeFile(t, src, sizes[i%len(sizes)])
					err := c.put(src, dir+"/"+file)
					if err == nil {
						err = same(scratch.srv.path(dir+"/"+file), src)
					}
					if err == nil {
						arrived++
					} else {
						t.Errorf("file %d: %v", i, err)
					}
				}
				if arrived != 20 {
					t.Errorf("%d of 20 arrived", arrived)
				}
			})
		}
	}
}

// hastyClient opens one of the clients that close without reading. With a
// session cache, jlaffaye/ftp offers tickets, and the server's end takes
// another path.
func hastyClient(t *testing.T, name string, s setup) client {
	t.Helper()
	if name != "jlaffaye resuming" {
		return need(t, name, s)
	}
	conn, err := dialJlaffaye(scratch.srv, s, tls.NewLRUClientSessionCache(8))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Quit(); err != nil {
			t.Error(err)
		}
	})
	return jlaffaye{conn}
}

// TestKilledUpload kills curl with SIGKILL half-way through an upload. Its TLS
// ends without close_notify, so nothing is published, a file of the same name
// stays as it was, and nothing is left behind.
func TestKilledUpload(t *testing.T) {
	for _, s := range []setup{{explicit, "1.2", "P"}, {explicit, "1.3", "P"}, {implicit, "1.2", "P"}, {implicit, "1.3", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := curlIn(t, s)
			dir := scratch.srv.dir(t)
			old := scratch.srv.path(dir + "/old")
			makeFile(t, old, 1000)
			before, err := sum(old)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"new", "old"} {
				killUpload(t, c, dir+"/"+name)
			}
			entries, err := os.ReadDir(scratch.srv.path(dir))
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) != 1 || entries[0].Name() != "old" {
				t.Errorf("folder holds %v, want the old file only", entries)
			}
			if after, err := sum(old); err != nil || after != before {
				t.Errorf("old file: got %s, %v, want %s", after, err, before)
			}
			if err := scratch.srv.healthy(); err != nil {
				t.Error(err)
			}
		})
	}
}

// killUpload feeds curl from a pipe, so that it has sent what it was given (but
// for the pipe's buffer) and waits for more when it is killed. It returns when
// the server has logged the transfer's end.
func killUpload(t *testing.T, c *curl, remote string) {
	t.Helper()
	mark := scratch.srv.log.mark()
	cmd := exec.Command("curl", append(c.base(), "-T", "-", c.url(remote))...)
	cmd.Env = neutralEnv(scratch.home)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	block := []byte(strings.Repeat("half of a file\n", 1<<16))
	for range 4 {
		if _, err := in.Write(block); err != nil {
			t.Errorf("curl did not take its input: %v", err)
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("killed curl: %v", err)
	}
	_ = in.Close()
	line := scratch.srv.log.wait(t, mark, "the killed upload", func(l logLine) bool {
		return l.str("msg") == "transfer" && l.str("path") == remote
	})
	if line.str("result") == "ok" {
		t.Errorf("killed upload was taken for a whole one: %s", line.raw)
	}
}

// TestBigFile moves 100 MB each way with each client that can.
func TestBigFile(t *testing.T) {
	const size = 100_000_000
	local := t.TempDir()
	src := filepath.Join(local, "big.bin")
	makeFile(t, src, size)
	for i := range programs {
		p := &programs[i]
		s := setup{implicit, "1.3", "P"}
		if matrix.lacks(p.name, s, "", "") != "" {
			s = setup{plain, "", "C"}
		}
		t.Run(p.name+"/"+s.String(), func(t *testing.T) {
			c := need(t, p.name, s)
			remote := scratch.srv.dir(t) + "/big.bin"
			there := scratch.srv.path(remote)
			if matrix.lacks(p.name, s, opPut, "") == "" {
				if err := c.put(src, remote); err != nil {
					t.Fatal(err)
				}
				if err := same(there, src); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Link(src, there); err != nil {
				t.Fatal(err)
			}
			back := filepath.Join(local, "back.bin")
			if err := c.get(remote, back); err != nil {
				t.Fatal(err)
			}
			if err := same(back, src); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(back), os.Remove(there)); err != nil {
				t.Fatal(err)
			}
		})
	}
}
