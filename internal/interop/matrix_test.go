//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oddNames are names that have broken clients and servers. Each is uploaded,
// listed, downloaded and deleted by every client that can.
var oddNames = []struct{ what, name string }{
	{"spaces", "two  words.txt"},
	{"quotes", `a "b" 'c'.txt`},
	{"percent", "100%25 %s%n.txt"},
	{"a leading dash", "-la"},
	{"a leading space", " lead"},
	{"a trailing space", "trail "},
	{"unicode", "Zoë – 日本語 🚀.txt"},
	{"combining letters", "e\u0301.txt"},
	{"pattern letters", "a[b]{c}*?.txt"},
	{"a backslash", `back\slash`},
	{"URL letters", "a#b;c&d=e+f:g@h"},
	{"leading dots", "..x"},
	{"200 letters", strings.Repeat("n", 200)},
}

const (
	fileSize = 300_000
	partSize = 100_001
	oddSize  = 17
)

// TestMatrix runs the same body with each client in each setup.
func TestMatrix(t *testing.T) {
	for i := range programs {
		for _, s := range setups {
			t.Run(programs[i].name+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				runCell(t, &programs[i], scratch.installed[i], s)
			})
		}
	}
}

// cell is one client in one setup at work in a folder of its own.
type cell struct {
	*testing.T
	program string
	setup   setup
	client  client
	remote  string // folder on the server
	local   string // folder here
}

func runCell(t *testing.T, p *program, missing error, s setup) {
	if missing != nil {
		matrix.set(p.name, s, "FAIL: not installed")
		t.Fatal(missing)
	}
	if why := matrix.lacks(p.name, s, "", ""); why != "" {
		matrix.set(p.name, s, "not possible: "+why)
		return
	}
	matrix.set(p.name, s, "FAIL")
	c := cell{T: t, program: p.name, setup: s, remote: scratch.srv.dir(t), local: t.TempDir()}
	mark := scratch.srv.log.mark()
	var err error
	if c.client, err = p.open(scratch.srv, s); err != nil {
		t.Fatalf("login: %v", err)
	}
	c.all()
	if err := c.client.close(); err != nil {
		t.Errorf("quit: %v", err)
	}
	c.checkLog(mark)
	if !t.Failed() {
		matrix.set(p.name, s, "ok")
	}
}

// all is the body: what every client does.
func (c *cell) all() {
	c.files()
	c.resume()
	c.zeroByte()
	c.names()
	c.folder()
}

// can says whether the client can do op with a file called name (a key of
// oddNames, or ""). What it cannot do the test does itself on the server's disk,
// where a later step needs it.
func (c *cell) can(op, name string) bool {
	return matrix.lacks(c.program, c.setup, op, "") == "" && (name == "" || matrix.lacks(c.program, c.setup, op, name) == "")
}

// must fails the cell for good: later steps stand on this one.
func (c *cell) must(op string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", op, err)
	}
}

// here is the path of a file of this machine.
func (c *cell) here(name string) string { return filepath.Join(c.local, name) }

// there is the path on the server's disk of a file in the cell's folder.
func (c *cell) there(name string) string { return scratch.srv.path(c.remote + "/" + name) }

// upload has the client store a file, or puts it on the server's disk.
func (c *cell) upload(op, what, local, name string) {
	c.Helper()
	if !c.can(op, what) {
		c.must(op, os.Link(local, c.there(name)))
		return
	}
	c.must(op, c.client.put(local, c.remote+"/"+name))
	c.must(op, same(c.there(name), local))
}

// download has the client fetch a file and compares it.
func (c *cell) download(what, name, want string) {
	c.Helper()
	if !c.can(opGet, what) {
		return
	}
	got := c.here("download")
	c.must(opGet, c.client.get(c.remote+"/"+name, got))
	c.must(opGet, same(got, want))
	c.must(opGet, os.Remove(got))
}

func (c *cell) files() {
	c.Helper()
	src := c.here("source")
	makeFile(c.T, src, fileSize)
	c.upload(opPut, "", src, "file.bin")
	c.wantNames("file.bin")
	c.download("", "file.bin", src)
	if c.can(opRename, "") {
		c.must(opRename, c.client.rename(c.remote+"/file.bin", c.remote+"/renamed.bin"))
		c.must(opRename, gone(c.there("file.bin")))
		c.must(opRename, same(c.there("renamed.bin"), src))
		c.must(opRename, os.Rename(c.there("renamed.bin"), c.there("file.bin")))
	}
	if c.can(opRemove, "") {
		c.must(opRemove, c.client.remove(c.remote+"/file.bin"))
		c.must(opRemove, gone(c.there("file.bin")))
	} else {
		c.must(opRemove, os.Remove(c.there("file.bin")))
	}
}

// wantNames lists the cell's folder.
func (c *cell) wantNames(want ...string) {
	c.Helper()
	got, err := c.client.list(c.remote)
	c.must(opList, err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.Fatalf("list: got %q, want %q", got, want)
	}
}

// resume goes on with transfers that stopped a third of the way. The log tells
// that only the rest has moved.
func (c *cell) resume() {
	c.Helper()
	src := c.here("resume.bin")
	makeFile(c.T, src, fileSize)
	if c.can(opResumePut, "") {
		copyPart(c.T, src, c.there("resume.bin"), partSize)
		mark := scratch.srv.log.mark()
		c.must(opResumePut, c.client.resumePut(src, c.remote+"/resume.bin"))
		c.must(opResumePut, same(c.there("resume.bin"), src))
		c.movedRest(opResumePut, mark)
		c.must(opResumePut, os.Remove(c.there("resume.bin")))
	}
	if c.can(opResumeGet, "") {
		c.must(opResumeGet, os.Link(src, c.there("resume.bin")))
		part := c.here("part.bin")
		copyPart(c.T, src, part, partSize)
		mark := scratch.srv.log.mark()
		c.must(opResumeGet, c.client.resumeGet(c.remote+"/resume.bin", part))
		c.must(opResumeGet, same(part, src))
		c.movedRest(opResumeGet, mark)
		c.must(opResumeGet, os.Remove(c.there("resume.bin")))
	}
}

// movedRest waits for the log line of the transfer of the rest.
func (c *cell) movedRest(op string, mark int) {
	c.Helper()
	line := scratch.srv.log.wait(c.T, mark, op, func(l logLine) bool {
		return l.str("msg") == "transfer" && l.str("path") == c.remote+"/resume.bin"
	})
	if got := line.num("bytes"); got != fileSize-partSize {
		c.Errorf("%s: moved %d bytes, want %d", op, got, fileSize-partSize)
	}
}

func (c *cell) zeroByte() {
	c.Helper()
	src := c.here("zero")
	makeFile(c.T, src, 0)
	c.upload(opZeroByte, "", src, "zero")
	c.download("", "zero", src)
	c.must(opRemove, os.Remove(c.there("zero")))
}

// names does each odd name: all are there at once for the list.
func (c *cell) names() {
	c.Helper()
	var all []string
	for i, odd := range oddNames {
		src := c.here(fmt.Sprint("odd", i))
		makeFile(c.T, src, oddSize)
		c.upload(opPut, odd.what, src, odd.name)
		if c.can(opList, odd.what) {
			all = append(all, odd.name)
		} else {
			c.must(opList, os.Rename(c.there(odd.name), c.here("away")))
		}
		c.download(odd.what, odd.name, src)
	}
	c.wantNames(all...)
	for _, odd := range oddNames {
		if !c.can(opRemove, odd.what) {
			c.must(opRemove, os.Remove(c.there(odd.name)))
			continue
		}
		c.must(opRemove, c.client.remove(c.remote+"/"+odd.name))
		c.must(opRemove, gone(c.there(odd.name)))
	}
}

// folder makes, lists and removes an empty folder.
func (c *cell) folder() {
	c.Helper()
	const name = "Ordner mit Umlaut ü"
	if c.can(opMkdir, "") {
		c.must(opMkdir, c.client.mkdir(c.remote+"/"+name))
	} else {
		c.must(opMkdir, os.Mkdir(c.there(name), 0o755))
	}
	info, err := os.Stat(c.there(name))
	c.must(opMkdir, err)
	if !info.IsDir() {
		c.Fatalf("mkdir made a %v", info.Mode())
	}
	got, err := c.client.list(c.remote + "/" + name)
	c.must(opList, err)
	if len(got) != 0 {
		c.Fatalf("list of an empty folder: got %q", got)
	}
	if c.can(opRmdir, "") {
		c.must(opRmdir, c.client.rmdir(c.remote+"/"+name))
		c.must(opRmdir, gone(c.there(name)))
	}
}

// checkLog reads from the server's log that every transfer of this cell went
// over the TLS version and the protection level of its setup. Without this a client
// that falls back to something else would pass.
func (c *cell) checkLog(mark int) {
	c.Helper()
	wantTLS := ""
	if c.setup.prot == "P" {
		wantTLS = "TLS " + c.setup.tls
	}
	seen := scratch.srv.log.since(mark, func(l logLine) bool {
		return l.str("msg") == "transfer" && strings.HasPrefix(l.str("path"), c.remote)
	})
	if len(seen) < len(oddNames) {
		c.Errorf("the log holds %d transfers, want at least one for each odd name", len(seen))
	}
	for _, l := range seen {
		if l.str("prot") != c.setup.prot || l.str("tls_version") != wantTLS || l.str("result") != "ok" {
			c.Errorf("want PROT %s, %q, ok: %s", c.setup.prot, wantTLS, l.raw)
		}
	}
}
