package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
)

// secret is what no client may ever read: the content of files outside.
const secret = "outside secret"

// jail is a server with things beside its root that are none of its business.
type jail struct {
	*server
	outside string
	was     map[string]string // snapshot of outside
	links   map[string]string // symbolic links in the root
}

// jailVariants have a reactor and a kind of jail each: neither matters to the
// other.
var jailVariants = []struct {
	reactor string
	jail    string
	opt     osfs.Options
}{
	{"netpoll", "openat2", osfs.Options{}},
	{"net", "os.Root", osfs.Options{Portable: true}},
}

// eachJail runs f on each reactor, with the kernel's jail and with os.Root's.
func eachJail(t *testing.T, f func(t *testing.T, j *jail)) {
	t.Helper()
	for _, v := range jailVariants {
		t.Run(v.reactor+"/"+v.jail, func(t *testing.T) {
			s := start(t, func(c *Config) {
				c.Reactor = v.reactor
				c.Session.OpenFS = func(_ context.Context, u *auth.User) (storage.FS, error) { return osfs.New(u.Home, v.opt) }
			})
			j := &jail{server: s, outside: filepath.Join(filepath.Dir(s.root), "outside")}
			hostTree(t, j.outside, map[string]string{"secret.txt": secret, "dir/inner.txt": secret, "empty/": ""})
			j.was = snapshot(t, j.outside)
			j.reset()
			f(t, j)
			j.untouched("at the end")
		})
	}
}

// reset makes the root what it was at the start, with j.links in it.
func (j *jail) reset() {
	j.t.Helper()
	for _, name := range names(j.t, j.root) {
		if err := os.RemoveAll(filepath.Join(j.root, name)); err != nil {
			j.t.Fatal(err)
		}
	}
	hostTree(j.t, j.root, map[string]string{"inside.txt": "inside", "sub/inside.txt": "inside"})
	for name, target := range j.links {
		if err := os.Symlink(target, filepath.Join(j.root, name)); err != nil {
			j.t.Fatal(err)
		}
	}
}

// hostTree makes files, and folders where the name ends in a slash.
func hostTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot is all that can be told of a tree: names, modes, times, contents.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(b)
		}
		all[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano(), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// untouched checks that outside is what it was.
func (j *jail) untouched(when string) {
	j.t.Helper()
	if is := snapshot(j.t, j.outside); !maps.Equal(is, j.was) {
		j.t.Fatalf("%s: outside is %q, was %q", when, is, j.was)
	}
}

// pathVerb is a command that takes a path: %s in line.
type pathVerb struct {
	line    string
	refusal []int // what a path that leads nowhere or out is answered
	before  string
	onLink  bool // acts on a final link itself, not on what it points to
}

var pathVerbs = []pathVerb{
	{line: "CWD %s", refusal: []int{550}},
	{line: "RETR %s", refusal: []int{550}},
	{line: "STOR %s", refusal: []int{553}},
	{line: "APPE %s", refusal: []int{553}},
	{line: "STOU %s", refusal: []int{553}, onLink: true}, // adds to the name
	{line: "LIST %s", refusal: []int{550}},
	{line: "LIST -a %s", refusal: []int{550}},
	{line: "NLST %s", refusal: []int{550}},
	{line: "MLSD %s", refusal: []int{550}},
	{line: "MLST %s", refusal: []int{550}},
	{line: "STAT %s", refusal: []int{450, 550}},
	{line: "SIZE %s", refusal: []int{550}},
	{line: "MDTM %s", refusal: []int{550}},
	{line: "MDTM 20010203040506 %s", refusal: []int{550}},
	{line: "MFMT 20010203040506 %s", refusal: []int{550}},
	{line: "MFF UNIX.mode=0777; %s", refusal: []int{550}},
	{line: "DELE %s", refusal: []int{550}, onLink: true},
	{line: "RMD %s", refusal: []int{550}, onLink: true},
	{line: "MKD %s", refusal: []int{550}, onLink: true},
	{line: "RNFR %s", refusal: []int{550}, onLink: true},
	{line: "RNTO %s", refusal: []int{553}, before: "RNFR inside.txt", onLink: true},
	{line: "HASH %s", refusal: []int{550}},
	{line: "XCRC %s", refusal: []int{550}},
	{line: "XCRC \"%s\" 0 5", refusal: []int{550}},
	{line: "SITE CHMOD 777 %s", refusal: []int{550}},
	{line: "SITE UTIME 200102030405 %s", refusal: []int{550}},
	{line: "AVBL %s", refusal: []int{550}},
}

// needsData are the commands that ask for a data connection.
var needsData = []string{"RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"}

// say runs one command to its completion reply, with a data connection if it
// wants one: what it sends is returned, what it takes is a little rubbish.
func (j *jail) say(c *ftpclient.Client, line string) (ftpclient.Reply, string) {
	j.t.Helper()
	r, body, err := dialogue(c, line)
	if err != nil {
		j.t.Fatalf("%q: %v", line, err)
	}
	if strings.Contains(body+r.String(), secret) {
		j.t.Fatalf("%q shows the secret: %q %q", line, r, body)
	}
	return r, body
}

// dialogue is say for goroutines that may not end the test.
func dialogue(c *ftpclient.Client, line string) (r ftpclient.Reply, body string, err error) {
	verb, _, _ := strings.Cut(line, " ")
	if !slices.Contains(needsData, verb) {
		r, err = c.Cmd(line)
		return r, "", err
	}
	addr, err := c.Passive()
	if err != nil {
		return r, "", err
	}
	if r, err = c.Cmd(line); err != nil || r.Code >= 200 {
		return r, "", err
	}
	d, err := c.DialData(addr)
	if err != nil {
		return r, "", err
	}
	defer d.Close()
	if verb == "STOR" || verb == "APPE" || verb == "STOU" {
		_, err = d.Write([]byte("rubbish"))
		err = errors.Join(err, d.CloseWrite())
	} else {
		var b []byte
		b, err = io.ReadAll(d)
		body = string(b)
	}
	if err != nil && !errors.Is(err, ftpclient.ErrTruncated) { // that is how a failure looks; the reply tells
		body += err.Error()
	}
	r, err = c.ReadReply()
	return r, body, err
}

// alive checks that the session still answers, and that no reply is left over.
func (j *jail) alive(c *ftpclient.Client, after string) {
	j.t.Helper()
	if _, err := c.Do("NOOP", 200); err != nil {
		j.t.Fatalf("after %q: %v", after, err)
	}
}

// TestDotDot: ".." in every disguise with every command: what leads nowhere is
// refused, what is an ordinary name here stays inside.
func TestDotDot(t *testing.T) {
	const tail = "outside/secret.txt" // there is no "outside" inside
	refused := []string{
		"../" + tail, "/../" + tail, "../../../../" + tail, "sub/../../" + tail, "./.././" + tail, "..//outside//secret.txt", "/sub/./../../" + tail,
		"~/../" + tail, "....//" + tail, ".../" + tail, "%2e%2e/" + tail, "..%2f/" + tail, "..\\/../" + tail, "..;/" + tail, ".. /" + tail, " ../" + tail,
		"..\xc0\xaf/" + tail, "\xc0\xae\xc0\xae/" + tail, "\uff0e\uff0e/" + tail, "..\t/" + tail, "/proc/self/root/etc/passwd", "/proc/self/cwd/../../etc/passwd",
		"inside.txt/../../" + tail, "missing/../../" + tail, strings.Repeat("../", 600) + tail, "..\x1b/" + tail, "*/../../" + tail, "[.][.]/" + tail,
		"../outside/*", "\"../" + tail + "\"", strings.Repeat("a", 256) + "/x", strings.Repeat("long/", 1000) + "x",
	}
	// Ordinary names, or the root itself, for all that they look like.
	ordinary := []string{"..", "/..", "../..", "sub/../..", ".", "/", "//", "..\\outside\\secret.txt", "%2e%2e%2foutside", "..\xc0\xafoutside", "...", ".. ", "~", "~root", "-a/../../" + tail, "C:\\", "\uff0e\uff0e"}
	eachJail(t, func(t *testing.T, j *jail) {
		refused := append(refused, filepath.Join(j.outside, "secret.txt"), filepath.Join(j.outside, "dir"))
		c := j.login(session.Implicit, nil)
		for _, v := range pathVerbs {
			for _, path := range refused {
				j.refused(c, v, path)
			}
			j.untouched(v.line)
			for _, path := range ordinary {
				j.prepare(c, v)
				r, _ := j.say(c, fmt.Sprintf(v.line, path))
				if r.Code < 200 || r.Code/100 == 4 && r.Code != 450 {
					t.Errorf("%q: %v", fmt.Sprintf(v.line, path), r)
				}
				if _, err := c.Do("CWD /", 250); err != nil {
					t.Fatal(err)
				}
				j.reset()
			}
			j.untouched(v.line)
		}
	})
}

// prepare sends what has to come before the command.
func (j *jail) prepare(c *ftpclient.Client, v pathVerb) {
	j.t.Helper()
	if v.before == "" {
		return
	}
	if _, err := c.Do(v.before, 350); err != nil {
		j.t.Fatal(err)
	}
}

// refused checks that a command refuses a path.
func (j *jail) refused(c *ftpclient.Client, v pathVerb, path string) {
	j.t.Helper()
	j.prepare(c, v)
	line := fmt.Sprintf(v.line, path)
	r, _ := j.say(c, line)
	j.alive(c, line)
	switch {
	case slices.Contains(v.refusal, r.Code):
	case r.Code == 500 && len(line) > 4096: // the line is too long
	default:
		j.t.Errorf("%.100q: got %v, want %v", line, r, v.refusal)
	}
}

// TestLinksOut: a link that leads out of the root leads nowhere, in the middle
// of a path and at its end; to remove or rename the link itself is allowed.
func TestLinksOut(t *testing.T) {
	eachJail(t, func(t *testing.T, j *jail) {
		j.links = map[string]string{
			"rel": "../outside", "abs": j.outside, "up": "..", "top": "/", "chain": "rel", "sub/deep": "../../outside",
			"file": "../outside/secret.txt", "absfile": filepath.Join(j.outside, "secret.txt"), "dangling": "../outside/new.txt",
			"absdangling": filepath.Join(j.outside, "new.txt"), "chained": "sub/../rel/secret.txt", "loop": "loop",
			"proc": "/proc/self/root", "fd": "/proc/self/fd", "back": "../" + filepath.Base(j.root) + "/inside.txt",
		}
		through := []string{
			"rel/secret.txt", "rel/dir", "rel/empty", "rel/new.txt", "rel/dir/inner.txt", "abs/secret.txt", "abs/empty", "up/outside/secret.txt",
			"top" + j.outside + "/secret.txt", "chain/secret.txt", "sub/deep/secret.txt", "sub/deep/new.txt", "rel/../outside/secret.txt", "rel/./secret.txt", "loop/x",
			"proc/etc/passwd", "proc" + j.outside + "/new.txt", "fd/0", "rel/secret.*", "up/" + filepath.Base(j.root) + "/inside.txt",
		}
		j.reset()
		c := j.login(session.Implicit, nil)
		for _, v := range pathVerbs {
			for _, path := range through {
				j.refused(c, v, path)
			}
			j.untouched(v.line + " through links")
			for name := range j.links {
				switch {
				case v.onLink:
					j.prepare(c, v)
					j.say(c, fmt.Sprintf(v.line, name))
					j.alive(c, name)
					j.reset()
				case name != "loop" || v.line != "MLST %s": // MLST describes a link that leads nowhere
					j.refused(c, v, name)
				}
			}
			j.untouched(v.line + " on links")
		}
	})
}

// TestHardNamesInCommands: what cannot be a name is refused by every command,
// and what can be is stored and comes back as it is.
func TestHardNamesInCommands(t *testing.T) {
	bad := map[string]string{
		"CR": "a\rb", "CR at the end": "a\r", "256 bytes": strings.Repeat("a", 256), "256 bytes of UTF-8": strings.Repeat("é", 128),
		"reserved": storage.HiddenPrefix + "0123456789abcdef", "below a reserved one": storage.HiddenPrefix + "x/y", "5000 bytes": strings.Repeat("a/", 2500),
	}
	good := []string{
		"esc\x1b[2Jape", "bell\a", "tab\tbed", "del\x7f", strings.Repeat("a", 255), strings.Repeat("é", 127), "\xff\xfe\xfa", "a\xff", "\x80\xc3", "e\u0301", "\u00e9",
		" lead", "trail ", "two  spaces", "qu\"ote\"", "semi;type=dir; x", "a -> b", "-l", "CON", "aux.txt", "a*", "[x]?", "\u202egpj.exe", "'", "%0d%0a", "a:b|c<d>",
	}
	eachReactor(t, nil, func(t *testing.T, s *server) {
		j := &jail{server: s, outside: t.TempDir()}
		hostTree(t, s.root, map[string]string{"inside.txt": "inside"})
		c := j.login(session.Implicit, nil)
		for _, v := range pathVerbs {
			for _, path := range bad {
				j.refused(c, v, path)
			}
			// LF ends the command; what follows is one of its own. NUL is in none.
			if err := c.Send(fmt.Sprintf(v.line, "nul\x00name") + "\r\n"); err != nil {
				t.Fatal(err)
			}
			if r, err := c.ReadReply(); err != nil || r.Code != 501 {
				t.Errorf("%s with NUL: %v, %v; want 501", v.line, r, err)
			}
			j.alive(c, v.line+" with NUL")
		}
		for _, name := range good {
			j.roundTrip(c, name)
		}
	})
}

// roundTrip stores, lists, describes, fetches, renames and removes a name.
func (j *jail) roundTrip(c *ftpclient.Client, name string) {
	j.t.Helper()
	var got bytes.Buffer
	_, err := c.Stor(name, 0, strings.NewReader(name))
	if err == nil {
		_, err = c.Retr(name, 0, &got)
	}
	if err != nil || got.String() != name {
		j.t.Errorf("%q: got %q, %v", name, &got, err)
	}
	if _, err := os.Lstat(filepath.Join(j.root, name)); err != nil {
		j.t.Error(err)
	}
	if entries, err := c.MLSD(""); err != nil || !slices.ContainsFunc(entries, func(e ftpclient.Entry) bool { return e.Name == name }) {
		j.t.Errorf("%q: MLSD %q, %v", name, entries, err)
	}
	for _, line := range []string{"MLST " + name, "SIZE " + name, "HASH " + name, "STAT ./" + name, "RNFR " + name, "RNTO moved", "DELE moved", "MKD " + name} {
		if r, _ := j.say(c, line); r.Code/100 != 2 && r.Code/100 != 3 {
			j.t.Errorf("%q: %v", line, r)
		}
	}
	if _, err := c.Do("CWD "+name, 250); err != nil {
		j.t.Error(err)
	}
	if pwd, err := c.Pwd(); err != nil || pwd != "/"+name {
		j.t.Errorf("PWD: got %q, %v; want %q", pwd, err, "/"+name)
	}
	if r, err := c.Cmd("CDUP"); err != nil || r.Code != 250 {
		j.t.Errorf("CDUP: %v, %v", r, err)
	}
	if _, err := c.Do("RMD "+name, 250); err != nil {
		j.t.Error(err)
	}
}
