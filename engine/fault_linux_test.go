package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// path is a way that file bytes go through the server.
type path struct {
	name   string
	mode   session.Mode
	level  string
	kind   string // TYPE
	zipped bool
}

var paths = []path{
	{"PROT P", session.Implicit, "P", "I", false},
	{"PROT C", session.Implicit, "C", "I", false},
	{"clear", session.Plain, "", "I", false},
	{"PROT P TYPE A", session.Explicit, "P", "A", false},
	{"PROT C TYPE A", session.Explicit, "C", "A", false},
	{"PROT P MODE Z", session.Implicit, "P", "I", true},
	{"clear MODE Z", session.Plain, "", "I", true},
}

// login opens a session whose transfers go that way.
func (p path) login(t *testing.T, addr string) *ftpclient.Client {
	t.Helper()
	sec := map[session.Mode]ftpclient.Security{session.Implicit: ftpclient.Implicit, session.Explicit: ftpclient.Explicit}[p.mode]
	c := dialChild(t, addr, sec)
	err := c.Type(p.kind)
	if p.level != "" {
		err = errors.Join(err, c.Protect(p.level))
	}
	if p.zipped {
		err = errors.Join(err, c.Mode("Z"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// random is n bytes that cannot be compressed.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

// wantReply checks that an error is the reply with that code.
func wantReply(t *testing.T, what string, err error, code int) {
	t.Helper()
	var re *ftpclient.ReplyError
	if !errors.As(err, &re) || re.Code != code {
		t.Errorf("%s: got %v, want %d", what, err, code)
	}
}

// mountTmpfs mounts a small file system, or skips the test.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := mount(t, dir, options); err != nil {
		t.Skipf("no tmpfs of limited size: mount: %v", err)
	}
}

// inMemory makes dir a folder in memory if it may.
func inMemory(t *testing.T, dir string) {
	t.Helper()
	if err := mount(t, dir, ""); err != nil {
		t.Logf("on the disk: mount: %v", err)
	}
}

func mount(t *testing.T, dir, options string) error {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return nil
}

// TestDiskFull: an upload that does not fit is answered 452, leaves nothing,
// and the session goes on; so it is when there is room for no further name.
func TestDiskFull(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		mountTmpfs(t, s.root, "size=2m,nr_inodes=16")
		hostTree(t, s.root, map[string]string{"old.txt": "old content"})
		large := random(8 << 20)
		for _, p := range paths {
			t.Run(p.name, func(t *testing.T) {
				c := p.login(t, s.addr(p.mode))
				for _, line := range []string{"STOR new.txt", "STOR old.txt", "APPE new.txt", "STOU"} {
					_, err := c.Upload(line, 0, bytes.NewReader(large))
					wantReply(t, line, err, 452)
					s.only(t, "old.txt")
				}
				if _, err := c.Do("ALLO 8388608", 2); err != nil {
					t.Error(err)
				}
				_, err := c.Stor("new.txt", 0, bytes.NewReader(large))
				wantReply(t, "STOR after ALLO", err, 452)
				if _, err := c.Stor("small.txt", 0, strings.NewReader("fits")); err != nil {
					t.Error(err)
				}
				if _, err := c.Do("DELE small.txt", 250); err != nil {
					t.Error(err)
				}
				s.only(t, "old.txt")
			})
		}
		s.fillNames(t)
		if text, err := os.ReadFile(filepath.Join(s.root, "old.txt")); err != nil || string(text) != "old content" {
			t.Errorf("the old file holds %q, %v", text, err)
		}
	})
}

// only checks what stands in the root.
func (s *server) only(t *testing.T, want ...string) {
	t.Helper()
	if left := names(t, s.root); strings.Join(left, " ") != strings.Join(want, " ") {
		t.Errorf("in the root: %q, want %q", left, want)
	}
}

// fillNames makes folders until the file system has no room for one more.
func (s *server) fillNames(t *testing.T) {
	t.Helper()
	c := s.login(session.Implicit, nil)
	made := 0
	for {
		r, err := c.Cmd(fmt.Sprintf("MKD dir%d", made))
		if err != nil {
			t.Fatal(err)
		}
		if r.Code == 257 && made < 100 {
			made++
			continue
		}
		if r.Code != 452 || made == 0 {
			t.Errorf("MKD after %d others: %v", made, r)
		}
		break
	}
	_, err := c.Stor("none", 0, strings.NewReader("x"))
	wantReply(t, "STOR without a free inode", err, 452)
	if _, err := c.Do("RMD dir0", 250); err != nil {
		t.Error(err)
	}
	if _, err := c.Stor("one", 0, strings.NewReader("x")); err != nil {
		t.Error(err)
	}
}

// TestFileSizeLimit: an upload beyond RLIMIT_FSIZE is answered 452 (EFBIG), and
// SIGXFSZ does not end the server.
func TestFileSizeLimit(t *testing.T) {
	for _, reactor := range reactors {
		t.Run(reactor, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			hostTree(t, root, map[string]string{"old.txt": "old content"})
			srv := startChild(t, childOptions{Root: root, Reactor: reactor})
			addrs := srv.ask("").Addrs
			if err := unix.Prlimit(srv.pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}, nil); err != nil {
				t.Skipf("no limit on another process: %v", err)
			}
			large := random(8 << 20)
			for _, p := range paths {
				c := p.login(t, addrs[p.mode])
				for _, line := range []string{"STOR new.txt", "STOR old.txt"} {
					_, err := c.Upload(line, 0, bytes.NewReader(large))
					wantReply(t, p.name+": "+line, err, 452)
				}
				if _, err := c.Stor("small.txt", 0, strings.NewReader("fits")); err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
			}
			text, err := os.ReadFile(filepath.Join(root, "old.txt"))
			if left := names(t, root); err != nil || string(text) != "old content" || strings.Join(left, " ") != "old.txt small.txt" {
				t.Errorf("the old file holds %.20q, %v; in the root: %q", text, err, left)
			}
		})
	}
}

// TestReadOnlyFolder: on a file system that is read-only every change is
// refused with the code of its verb, and reading goes on.
func TestReadOnlyFolder(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		mountTmpfs(t, s.root, "size=1m")
		hostTree(t, s.root, map[string]string{"file": "content", "dir/": ""})
		if err := unix.Mount("", s.root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Skipf("no read-only tmpfs: remount: %v", err)
		}
		was := snapshot(t, s.root)
		for _, p := range paths {
			c := p.login(t, s.addr(p.mode))
			for _, change := range []struct {
				line string
				code int
			}{
				{"STOR new", 553},
				{"STOR file", 553},
				{"STOU", 553},
				{"APPE new", 553},
				{"APPE file", 553},
				{"MKD new", 550},
				{"RMD dir", 550},
				{"DELE file", 550},
				{"MFMT 20200102030405 file", 550},
				{"MFF UNIX.mode=0600; file", 550},
				{"SITE CHMOD 600 file", 550},
				{"SITE UTIME 202001020304 file", 550},
				{"RNFR file", 350},
				{"RNTO new", 553},
			} {
				if r, _, err := dialogue(c, change.line); err != nil || r.Code != change.code {
					t.Errorf("%s: %s: got %v, %v; want %d", p.name, change.line, r, err, change.code)
				}
			}
			var got bytes.Buffer
			if _, err := c.Retr("file", 0, &got); err != nil || got.String() != "content" {
				t.Errorf("%s: RETR: %q, %v", p.name, &got, err)
			}
		}
		for name, is := range snapshot(t, s.root) {
			if was[name] != is {
				t.Errorf("%s is %q, was %q", name, is, was[name])
			}
		}
	})
}

// moreThanBuffers is more than the sockets of a download hold.
const moreThanBuffers = 16 << 20

// beginDownload begins to read a large file and stops with most of it unsent.
func beginDownload(t *testing.T, c *ftpclient.Client, name string) (d *ftpclient.Conn, first []byte) {
	t.Helper()
	d, err := c.Begin("RETR "+name, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.TCP().SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	first = make([]byte, 100_000)
	if _, err := io.ReadFull(d, first); err != nil {
		t.Fatal(err)
	}
	return d, first
}

// TestShortenedDownload: a file that is cut short while it is sent is answered
// 451, and the end of its bytes does not look like the end of a file.
func TestShortenedDownload(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		name, content := filepath.Join(s.root, "file"), random(moreThanBuffers)
		for _, p := range paths {
			t.Run(p.name, func(t *testing.T) {
				if err := os.WriteFile(name, content, 0o644); err != nil {
					t.Fatal(err)
				}
				c := p.login(t, s.addr(p.mode))
				d, _ := beginDownload(t, c, "file")
				if err := os.Truncate(name, 50_000); err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, d); err == nil {
					t.Errorf("%d bytes more, then an orderly end", n)
				}
				_, err := c.Complete()
				wantReply(t, "RETR", err, 451)
				var got bytes.Buffer
				if err := c.Type("I"); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Retr("file", 0, &got); err != nil || got.Len() != 50_000 {
					t.Errorf("once more: %d bytes, %v", got.Len(), err)
				}
			})
		}
	})
}

// TestReplacedDownload: a file that is removed, replaced or renamed while it is
// sent is sent whole, as it was.
func TestReplacedDownload(t *testing.T) {
	changes := map[string][]string{
		"DELE": {"DELE file"}, "STOR": {"STOR file"}, "RNTO": {"STOR other", "RNFR other", "RNTO file"}, "away": {"RNFR file", "RNTO gone"},
	}
	content := random(moreThanBuffers)
	want := sha256.Sum256(content)
	eachReactor(t, nil, func(t *testing.T, s *server) {
		other := s.login(session.Implicit, nil)
		for i, p := range paths[:3] { // the ways that file descriptors differ in
			for change, lines := range changes {
				if i == 2 && change != "DELE" {
					continue
				}
				t.Run(p.name+"/"+change, func(t *testing.T) {
					if err := os.WriteFile(filepath.Join(s.root, "file"), content, 0o644); err != nil {
						t.Fatal(err)
					}
					c := p.login(t, s.addr(p.mode))
					d, first := beginDownload(t, c, "file")
					for _, line := range lines {
						if r, _, err := dialogue(other, line); err != nil || r.Code >= 400 {
							t.Fatalf("%s: %v, %v", line, r, err)
						}
					}
					sum := sha256.New()
					sum.Write(first)
					if _, err := io.Copy(sum, d); err != nil {
						t.Error(err)
					}
					if _, err := c.Complete(); err != nil {
						t.Error(err)
					}
					if [32]byte(sum.Sum(nil)) != want {
						t.Error("these are not the bytes that the file had")
					}
				})
			}
		}
	})
}
