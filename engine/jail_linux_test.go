package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// TestSwappedFolder: sessions that go through a folder which somebody swaps
// with a link out of the root, as fast as the kernel can, never reach what is
// outside. Each command ends by a reply that its verb may have.
func TestSwappedFolder(t *testing.T) {
	eachJail(t, func(t *testing.T, j *jail) {
		hostTree(t, j.root, map[string]string{"swap/secret.txt": "inside", "swap/dir/inner.txt": "inside"})
		if err := os.Symlink(j.outside, filepath.Join(j.root, "link")); err != nil {
			t.Fatal(err)
		}
		stop := j.swap("swap", "link")
		var clients sync.WaitGroup
		var reached, refused atomic.Int64
		for range 4 {
			c := j.login(session.Implicit, nil)
			clients.Go(func() {
				for range 10 {
					for _, line := range swapLines {
						r, body, err := dialogue(c, line)
						switch {
						case err != nil:
							t.Errorf("%q: %v", line, err)
							return
						case strings.Contains(body+r.String(), secret), line == "RETR swap/secret.txt" && r.Code == 226 && ours.Replace(body) != "":
							t.Errorf("%q shows %q %q", line, body, r)
						case r.Code/100 == 2, r.Code/100 == 3:
							reached.Add(1)
						case r.Code/100 == 5, r.Code == 450:
							refused.Add(1)
						default:
							t.Errorf("%q: %v", line, r)
						}
					}
				}
			})
		}
		clients.Wait()
		t.Logf("%d swaps, %d commands reached the folder, %d were refused", stop(), reached.Load(), refused.Load())
	})
}

// ours are the bytes that files inside are made of.
var ours = strings.NewReplacer("inside", "", "rubbish", "")

// swapLines go through the folder and change what they can.
var swapLines = []string{
	"RETR swap/secret.txt", "STOR swap/secret.txt", "APPE swap/secret.txt", "STOR swap/new.txt", "LIST swap", "NLST swap", "MLSD swap/dir", "STAT swap",
	"MLST swap/secret.txt", "SIZE swap/secret.txt", "MFMT 20010203040506 swap/secret.txt", "SITE CHMOD 600 swap/secret.txt", "MFF UNIX.mode=0640; swap/dir",
	"HASH swap/secret.txt", "MKD swap/made", "RMD swap/made", "RMD swap/empty", "RNFR swap/new.txt", "RNTO swap/newer.txt", "DELE swap/newer.txt", "DELE swap/new.txt",
	"CWD swap", "STOU x", "LIST", "NLST *.txt", "RETR secret.txt", "STOR here.txt", "DELE here.txt", "CWD /",
}

// swap exchanges two names in the root until the function that it returns is
// called; that tells how often.
func (j *jail) swap(a, b string) (stop func() int) {
	dir, err := unix.Open(j.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		j.t.Fatal(err)
	}
	quit, swaps := make(chan struct{}), make(chan int, 1)
	go func() {
		defer unix.Close(dir)
		for n := 0; ; n++ {
			select {
			case <-quit:
				swaps <- n
				return
			default:
			}
			if err := unix.Renameat2(dir, a, dir, b, unix.RENAME_EXCHANGE); err != nil {
				j.t.Errorf("swap: %v", err)
				swaps <- n
				return
			}
		}
	}()
	return func() int {
		close(quit)
		return <-swaps
	}
}

// special makes what is neither file nor folder in dir and returns its names.
func special(t *testing.T, dir string) (all []string) {
	t.Helper()
	for name, dev := range map[string]struct {
		mode uint32
		dev  uint64
	}{
		"fifo": {unix.S_IFIFO, 0}, "socket": {unix.S_IFSOCK, 0}, "null": {unix.S_IFCHR, unix.Mkdev(1, 3)}, "zero": {unix.S_IFCHR, unix.Mkdev(1, 5)},
		"console": {unix.S_IFCHR, unix.Mkdev(5, 1)}, "block": {unix.S_IFBLK, unix.Mkdev(7, 200)},
	} {
		if err := unix.Mknod(filepath.Join(dir, name), dev.mode|0o666, int(dev.dev)); err != nil {
			if dev.mode == unix.S_IFCHR || dev.mode == unix.S_IFBLK {
				t.Logf("no device nodes here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := os.Symlink("fifo", filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	return append(all, "linked")
}

// TestSpecialFiles: nothing reads, writes or changes a FIFO, a socket or a
// device; they can be listed, renamed and removed.
func TestSpecialFiles(t *testing.T) {
	allowed := map[string][]int{
		"LIST %s": {226}, "LIST -a %s": {226}, "NLST %s": {226}, "MLSD %s": {501}, "MLST %s": {250}, "STAT %s": {213},
		"DELE %s": {250}, "RNFR %s": {350}, "RNTO %s": {250}, "STOU %s": {226}, // under another name
		"AVBL %s": {213, 550}, // os.Root opens what it asks
	}
	eachJail(t, func(t *testing.T, j *jail) {
		c := j.login(session.Implicit, nil)
		for _, v := range pathVerbs {
			for _, name := range special(t, j.root) {
				hostTree(t, j.root, map[string]string{"inside.txt": "inside"}) // RNTO takes it away
				j.prepare(c, v)
				line := fmt.Sprintf(v.line, name)
				r, body := j.say(c, line)
				want := allowed[v.line]
				if want == nil {
					want = v.refusal
				}
				if !slices.Contains(want, r.Code) {
					t.Errorf("%q: got %v %q, want %v", line, r, body, want)
				}
				j.alive(c, line)
			}
			j.reset()
		}
	})
}

// TestCrowdAtFIFO: 80 sessions that do all they can with a FIFO do not keep the
// four workers from another session.
func TestCrowdAtFIFO(t *testing.T) {
	eachReactor(t, func(c *Config) { c.FSWorkers = 4 }, func(t *testing.T, s *server) {
		if err := unix.Mkfifo(filepath.Join(s.root, "fifo"), 0o666); err != nil {
			t.Fatal(err)
		}
		hostTree(t, s.root, map[string]string{"file": "content"})
		crowd := make([]*ftpclient.Client, 80)
		for i := range crowd {
			crowd[i] = s.login(session.Plain, nil)
			if _, err := crowd[i].Passive(); err != nil {
				t.Fatal(err)
			}
			if err := crowd[i].Send("RETR fifo\r\nSTOR fifo\r\nAPPE fifo\r\nREST 1\r\nSTOR fifo\r\nSIZE fifo\r\nMDTM fifo\r\nHASH fifo\r\nMLST fifo\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		c := s.login(session.Implicit, nil)
		var got bytes.Buffer
		if _, err := c.Retr("file", 0, &got); err != nil || got.String() != "content" {
			t.Errorf("got %q, %v", &got, err)
		}
		for _, c := range crowd {
			for _, code := range []int{550, 553, 553, 350, 553, 550, 550, 550, 250} {
				if r, err := c.ReadReply(); err != nil || r.Code != code {
					t.Fatalf("got %v, %v; want %d", r, err, code)
				}
			}
		}
	})
}

// hardNames are names that a user of the host can make.
var hardNames = []string{
	"a\nb", "\n", "\r\n230 Logged in.", "x\r\n226 Transfer complete\r\n", "\r", "cr\r", "esc\x1b[2J", "\x7f", "\xff", "\xff\xf4\xff\xf2", "\xc3\x28",
	"type=dir;size=0; faked", " ", "  lead", "trail ", "a -> etc", "\"", "\"\"\r\n257 \"", "-rw-r--r--   1 ftp      ftp             0 Jan  1 00:00 faked",
	"212 End", "250 End", strings.Repeat("\n", 255), strings.Repeat("n", 255), "\t", "\a\b\v\f", "\u2028", "\u0085",
}

var (
	listLine = regexp.MustCompile(`^[-dlpscb][-rwx]{9} +\d+ ftp      ftp     +\d+ [A-Z][a-z]{2} [ \d]\d (\d\d:\d\d| \d{4}) [^\r\n\x00]+$`)
	mlsxLine = regexp.MustCompile(`^type=(dir|file|cdir|OS\.unix=slink);(size=\d+;)?modify=\d{14};perm=[a-z]*;unique=[0-9a-f]+g[0-9a-f]+;UNIX\.mode=0[0-7]{3};UNIX\.uid=\d+;UNIX\.gid=\d+; [^\r\n\x00]+$`)
	nlstLine = regexp.MustCompile(`^[^\r\n\x00]+$`)
)

// TestHardNamesOnDisk: no name that stands in a folder makes a line of its own,
// on the data connection or on the control connection.
func TestHardNamesOnDisk(t *testing.T) {
	eachJail(t, func(t *testing.T, j *jail) {
		for _, kind := range []string{"file", "dir", "link"} {
			dir := filepath.Join(j.root, "hard", kind)
			hostTree(t, dir, map[string]string{"./": ""})
			for _, name := range hardNames {
				if err := hostMake(kind, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := j.login(session.Implicit, nil)
		for _, kind := range []string{"file", "dir", "link"} {
			if _, err := c.Do("CWD /hard/"+kind, 250); err != nil {
				t.Fatal(err)
			}
			j.lines(c, "LIST", len(hardNames), listLine)
			j.lines(c, "LIST -a", len(hardNames)+2, listLine)
			j.lines(c, "LIST *", len(hardNames), listLine)
			j.lines(c, "NLST", len(hardNames), nlstLine)
			j.lines(c, "NLST /hard/"+kind, len(hardNames), nlstLine)
			j.lines(c, "MLSD", len(hardNames)+1, mlsxLine)
			j.statLines(c, len(hardNames))
			for _, name := range hardNames {
				if !strings.ContainsAny(name, "\r\n") {
					j.describe(c, name)
				}
			}
		}
	})
}

// hostMake makes a file, a folder or a link whose target is as hard as its name.
func hostMake(kind, path string) error {
	switch kind {
	case "dir":
		return os.Mkdir(path, 0o755)
	case "link":
		return os.Symlink("../file/"+filepath.Base(path), path)
	}
	return os.WriteFile(path, nil, 0o644)
}

// lines checks that a listing is n lines of the form.
func (j *jail) lines(c *ftpclient.Client, verb string, n int, form *regexp.Regexp) {
	j.t.Helper()
	var b bytes.Buffer
	if _, err := c.Download(verb, 0, &b); err != nil {
		j.t.Fatalf("%s: %v", verb, err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\r\n"), "\r\n")
	if len(lines) != n {
		j.t.Errorf("%s: %d lines, want %d: %q", verb, len(lines), n, lines)
	}
	for _, line := range lines {
		if !form.MatchString(line) {
			j.t.Errorf("%s: %q", verb, line)
		}
	}
	j.alive(c, verb)
}

// statLines does so with the listing in a reply.
func (j *jail) statLines(c *ftpclient.Client, n int) {
	j.t.Helper()
	r, err := c.Do("STAT .", 212)
	if err != nil {
		j.t.Fatal(err)
	}
	if len(r.Lines) != n+2 {
		j.t.Errorf("STAT: %d lines, want %d: %q", len(r.Lines), n+2, r.Lines)
	}
	for _, line := range r.Lines[1 : len(r.Lines)-1] {
		if text, ok := strings.CutPrefix(line, " "); !ok || !listLine.MatchString(text) {
			j.t.Errorf("STAT: %q", line)
		}
	}
	j.alive(c, "STAT")
}

// describe checks the replies that repeat a name.
func (j *jail) describe(c *ftpclient.Client, name string) {
	j.t.Helper()
	r, err := c.Do("MLST "+name, 250)
	if err != nil || len(r.Lines) != 3 {
		j.t.Errorf("MLST %q: %q, %v", name, r.Lines, err)
	} else if text, ok := strings.CutPrefix(r.Lines[1], " "); !ok || !mlsxLine.MatchString(text) {
		j.t.Errorf("MLST %q: %q", name, r.Lines[1])
	}
	for _, line := range []string{"HASH ", "XCRC ", "SIZE ", "MFMT 20200102030405 ", "MFF Modify=20200102030405; ", "MKD ", "CWD "} {
		if r, err := c.Cmd(line + name); err != nil || len(r.Lines) != 1 {
			j.t.Errorf("%s%q: %q, %v", line, name, r.Lines, err)
		}
	}
	pwd, err := c.Pwd()
	if err != nil || !strings.HasPrefix(pwd, "/hard/") {
		j.t.Errorf("PWD in %q: %q, %v", name, pwd, err)
	}
	if strings.HasSuffix(pwd, "/"+name) {
		if _, err := c.Do("CDUP", 250); err != nil {
			j.t.Error(err)
		}
	}
	j.alive(c, name)
}
