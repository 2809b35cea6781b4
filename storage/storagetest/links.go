package storagetest

import (
	"errors"
	"io"
	"io/fs"
	"testing"

	"fastftps/storage"
)

func linksOrSkip(t *testing.T, b Backend, links map[storage.Path]string) {
	t.Helper()
	if b.Symlink == nil {
		t.Skip("this back end has no symbolic links")
	}
	for p, target := range links {
		if err := b.Symlink(target, p); err != nil {
			t.Fatal(err)
		}
	}
}

func testLinks(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	mkdir(t, b.FS, "/dir/sub")
	WriteFile(t, b.FS, "/dir/file", "inside")
	linksOrSkip(t, b, map[storage.Path]string{
		"/file": "dir/file", "/also": "dir/", "/dir/up": "../dir/sub/../file", "/twice": "file", "/none": "dir/none", "/loop": "loop", "/ring": "dir/ring", "/dir/ring": "../ring",
	})
	for _, p := range []storage.Path{"/file", "/also/file", "/dir/up", "/also/up", "/twice"} {
		wantFile(t, b.FS, p, "inside")
		if info, err := b.FS.Stat(p); err != nil || info.Size != 6 || info.Name != p.Base() || info.Target != "" {
			t.Errorf("stat %q: %+v, %v", p, info, err)
		}
	}
	if info, err := b.FS.Lstat("/file"); err != nil || info.Mode.Type() != fs.ModeSymlink || info.Target != "dir/file" {
		t.Errorf("lstat: %+v, %v", info, err)
	}
	for _, p := range []storage.Path{"/none", "/loop", "/ring", "/loop/x"} {
		_, err := b.FS.Open(p)
		WantError(t, "open "+string(p), err, fs.ErrNotExist)
		_, err = b.FS.Stat(p)
		WantError(t, "stat "+string(p), err, fs.ErrNotExist)
	}
	wantLinksListed(t, b)

	WantError(t, "rmdir of a link", b.FS.Rmdir("/also"), storage.ErrNotDir)
	if err := errors.Join(b.FS.Rename("/file", "/renamed"), b.FS.Remove("/also"), b.FS.Remove("/loop")); err != nil {
		t.Error(err)
	}
	if info, err := b.FS.Lstat("/renamed"); err != nil || info.Target != "dir/file" {
		t.Errorf("rename acted on the target: %+v, %v", info, err)
	}
	wantFile(t, b.FS, "/dir/file", "inside")
	if err := b.FS.Chmod("/renamed", 0o600); err != nil {
		t.Error(err)
	}
	if info, err := b.FS.Stat("/dir/file"); err != nil || info.Mode != 0o600 {
		t.Errorf("chmod through a link: %v, %v", info.Mode, err)
	}
}

// wantLinksListed checks what a listing tells of the links of testLinks.
func wantLinksListed(t *testing.T, b Backend) {
	t.Helper()
	const all = storage.WantStat | storage.WantLink
	for _, info := range List(t, b.FS, "/dir", all, 10) {
		if info.Name == "up" && (info.Mode.Type() != fs.ModeSymlink || info.Target != "../dir/sub/../file") {
			t.Errorf("listed as %+v", info)
		}
	}
	for _, info := range List(t, b.FS, "/dir", all|storage.WantFollow, 10) {
		switch info.Name {
		case "up":
			if !info.Mode.IsRegular() || info.Size != 6 || info.Target != "../dir/sub/../file" {
				t.Errorf("followed to %+v", info)
			}
		case "ring":
			if info.Mode.Type() != fs.ModeSymlink {
				t.Errorf("a link to nowhere is listed as %+v", info)
			}
		}
	}
	for _, info := range List(t, b.FS, storage.Root, storage.WantNone, 10) {
		if isLink := info.Name != "dir"; info.Target != "" || isLink != (info.Mode.Type() == fs.ModeSymlink) {
			t.Errorf("listed bare as %+v", info)
		}
	}
}

// testLinksOut checks that no call follows a link that leaves the root.
func testLinksOut(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/file", "mine")
	linksOrSkip(t, b, map[storage.Path]string{
		"/etc": "/etc", "/passwd": "/etc/passwd", "/up": "..", "/dir/up": "../..", "/dir/far": "../../../../../../etc/passwd", "/dots": "dir/../../etc", "/root": "/", "/hop": "passwd",
	})
	for _, p := range []storage.Path{"/etc", "/passwd", "/up", "/dir/up", "/dir/far", "/dots", "/root", "/hop", "/etc/passwd", "/up/x", "/root/etc", "/dir/up/etc/passwd"} {
		for _, call := range callsOn(b.FS, p) {
			if err := call.do(); !errors.Is(err, storage.ErrEscape) {
				t.Errorf("%s %q: got %v, want %v", call.name, p, err, storage.ErrEscape)
			}
		}
	}
	for _, p := range []storage.Path{"/etc/new", "/up/new", "/dir/up/new", "/root/new"} {
		WantError(t, "mkdir", b.FS.Mkdir(p, 0), storage.ErrEscape)
		WantError(t, "remove", b.FS.Remove(p), storage.ErrEscape)
		WantError(t, "rmdir", b.FS.Rmdir(p), storage.ErrEscape)
		WantError(t, "rename to", b.FS.Rename("/file", p), storage.ErrEscape)
		WantError(t, "rename from", b.FS.Rename(p, "/new"), storage.ErrEscape)
	}
	for _, info := range List(t, b.FS, storage.Root, storage.WantStat|storage.WantLink|storage.WantFollow, 3) {
		if isLink := info.Name != "dir" && info.Name != "file"; isLink != (info.Mode.Type() == fs.ModeSymlink) {
			t.Errorf("listed as %+v", info)
		}
	}
	wantFile(t, b.FS, "/file", "mine")
}

type call struct {
	name string
	do   func() error
}

// callsOn are the calls that follow p's last element.
func callsOn(f storage.FS, p storage.Path) []call {
	closed := func(c io.Closer, err error) error {
		if err == nil {
			c.Close()
		}
		return err
	}
	dropped := func(u storage.Upload, err error) error {
		if err == nil {
			u.Discard()
		}
		return err
	}
	return []call{
		{"stat", func() error { _, err := f.Stat(p); return err }},
		{"open", func() error { r, err := f.Open(p); return closed(r, err) }},
		{"readdir", func() error { d, err := f.ReadDir(p, storage.WantStat); return closed(d, err) }},
		{"create", func() error { u, err := f.Create(p, storage.CreateOptions{}); return dropped(u, err) }},
		{"write", func() error { u, err := f.OpenWrite(p, 0, storage.CreateOptions{}); return dropped(u, err) }},
		{"append", func() error { u, err := f.OpenWrite(p, -1, storage.CreateOptions{Fsync: true}); return dropped(u, err) }},
		{"chmod", func() error { return f.Chmod(p, 0o777) }},
		{"available", func() error { _, err := f.Available(p); return err }},
	}
}

// testUploadThroughLink checks that an upload writes what the link points to.
func testUploadThroughLink(t *testing.T, b Backend) {
	mkdir(t, b.FS, "/dir")
	WriteFile(t, b.FS, "/dir/file", "old")
	linksOrSkip(t, b, map[storage.Path]string{"/link": "dir/file", "/new": "dir/new", "/loop": "loop", "/isdir": "dir", "/slash": "dir/"})
	WriteFile(t, b.FS, "/link", "replaced")
	WriteFile(t, b.FS, "/new", "made")
	wantFile(t, b.FS, "/dir/file", "replaced")
	wantFile(t, b.FS, "/dir/new", "made")
	if info, err := b.FS.Lstat("/link"); err != nil || info.Target != "dir/file" {
		t.Errorf("the link became %+v, %v", info, err)
	}
	_, err := b.FS.Create("/link", storage.CreateOptions{Excl: true})
	WantError(t, "exclusive", err, fs.ErrExist)
	_, err = b.FS.Create("/loop", storage.CreateOptions{})
	WantError(t, "loop", err, fs.ErrNotExist)
	for _, p := range []storage.Path{"/isdir", "/slash"} {
		_, err = b.FS.Create(p, storage.CreateOptions{})
		WantError(t, "directory "+string(p), err, storage.ErrIsDir)
	}
}

// testUploadThroughLinkUp checks that a link with ".." starts from where the path
// really leads, not from how it is written.
func testUploadThroughLinkUp(t *testing.T, b Backend) {
	for _, p := range []storage.Path{"/real", "/real/deep", "/real/side"} {
		mkdir(t, b.FS, p)
	}
	linksOrSkip(t, b, map[storage.Path]string{"/d1": "real/deep", "/real/deep/f": "../g", "/real/deep/h": "../side/h"})
	WriteFile(t, b.FS, "/d1/f", "made")
	wantFile(t, b.FS, "/real/g", "made")
	for _, data := range []string{"made", "kept"} {
		WriteFile(t, b.FS, "/d1/h", data)
		wantFile(t, b.FS, "/real/side/h", data)
	}
	u, err := b.FS.OpenWrite("/d1/h", -1, storage.CreateOptions{Fsync: true})
	finish(t, u, err, " and more")
	wantFile(t, b.FS, "/real/side/h", "kept and more")
	for _, p := range []storage.Path{"/g", "/h", "/side"} {
		_, err := b.FS.Lstat(p)
		WantError(t, "lstat "+string(p), err, fs.ErrNotExist)
	}
}
