// Package memfs is a storage.FS in memory: for tests, and for throw-away
// shares. Its content dies with the process.
//
// It behaves as storage/osfs does, and passes the same suite. Directories list
// in the order of their names, inode numbers count up from the root's 1 in the
// order in which things are made, and the clock can be set, so that a listing
// is the same bytes at every run. Permission bits are stored and not enforced.
package memfs

import (
	"cmp"
	"io/fs"
	"slices"
	"sync"
	"time"

	"fastftps/storage"
)

// Options adjust a file system. The zero value is ready to use.
type Options struct {
	// Limit is how many bytes files may hold together, uploads that are not
	// committed included; 0 means no limit. Beyond it writes give
	// storage.ErrNoSpace. A file that was removed while it is open no longer counts.
	Limit int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	FilePerm fs.FileMode // permission bits of new files; 0 means 0644
	DirPerm  fs.FileMode // of new directories; 0 means 0755
}

// FS is a tree in memory. It implements storage.FS.
type FS struct {
	opt Options

	mu      sync.RWMutex
	root    *node // nil once closed
	lastIno uint64
	space   space
}

// New makes an empty tree.
func New(o Options) *FS {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FilePerm &= fs.ModePerm; o.FilePerm == 0 {
		o.FilePerm = 0o644
	}
	if o.DirPerm &= fs.ModePerm; o.DirPerm == 0 {
		o.DirPerm = 0o755
	}
	m := &FS{opt: o, space: space{limit: o.Limit}}
	m.root = m.newNodeLocked(fs.ModeDir | o.DirPerm)
	m.root.parent = m.root
	return m
}

// maxLinks is how many links one path may lead through, as on Linux.
const maxLinks = 40

// node is a file, a directory or a link. FS.mu guards all of it.
type node struct {
	ino     uint64
	mode    fs.FileMode
	mtime   time.Time
	gone    bool             // unlinked
	parent  *node            // of a directory
	entries map[string]*node // of a directory
	target  string           // of a link
	data    content          // of a file
}

func (m *FS) newNodeLocked(mode fs.FileMode) *node {
	m.lastIno++
	n := &node{ino: m.lastIno, mode: mode, mtime: m.opt.Now().UTC()}
	if mode.IsDir() {
		n.entries = make(map[string]*node)
	}
	return n
}

func (n *node) isLink() bool { return n.mode&fs.ModeSymlink != 0 }

func (n *node) info(name string) storage.Info {
	info := storage.Info{
		Name: name, Size: n.data.size, ModTime: n.mtime, Mode: n.mode, Nlink: 1, Dev: 1, Ino: n.ino, Target: n.target,
	}
	if n.mode.IsDir() {
		info.Nlink = 2
	}
	if n.isLink() {
		info.Size = int64(len(n.target))
	}
	return info
}

// spot is where a path ended: a name in a directory and what stands there.
type spot struct {
	dir  *node
	name string
	node *node // nil when nothing stands there
}

// findLocked walks p from the root. Links on the way are followed, the last one
// if follow says so. A missing last element is no error.
func (m *FS) findLocked(p storage.Path, follow bool) (spot, error) {
	cur, rest, links := m.root, string(p), 0
	for {
		var elem string
		if elem, rest = cutElem(rest); elem == "" {
			return spot{dir: cur.parent, node: cur}, nil
		}
		next, err := step(m.root, cur, elem)
		if err != nil {
			return spot{}, err
		}
		last := rest == ""
		switch {
		case next == nil && !last:
			return spot{}, fs.ErrNotExist
		case next != nil && next.isLink() && (!last || follow):
			if links++; links > maxLinks {
				return spot{}, fs.ErrNotExist
			}
			if next.target[0] == '/' {
				return spot{}, storage.ErrEscape
			}
			rest = next.target + "/" + rest
		case last && elem != "." && elem != "..":
			return spot{dir: cur, name: elem, node: next}, nil
		default:
			cur = next
		}
	}
}

// cutElem splits path into its first element and the rest, "" for neither.
func cutElem(path string) (elem, rest string) {
	i := 0
	for i < len(path) && path[i] == '/' {
		i++
	}
	j := i
	for j < len(path) && path[j] != '/' {
		j++
	}
	elem, rest = path[i:j], path[j:]
	for rest != "" && rest[0] == '/' {
		rest = rest[1:]
	}
	return elem, rest
}

// step takes one element of a path; nil means that nothing stands there.
func step(root, dir *node, elem string) (*node, error) {
	switch {
	case !dir.mode.IsDir():
		return nil, storage.ErrNotDir
	case elem == ".":
		return dir, nil
	case elem == ".." && dir == root:
		return nil, storage.ErrEscape
	case elem == "..":
		return dir.parent, nil
	case len(elem) > storage.MaxName:
		return nil, storage.ErrName
	}
	return dir.entries[elem], nil
}

// read calls do with the lock held for reading; write for writing. Both name
// the operation and the path in its error.
func (m *FS) read(op string, p storage.Path, do func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.run(op, p, do)
}

func (m *FS) write(op string, p storage.Path, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run(op, p, do)
}

func (m *FS) run(op string, p storage.Path, do func() error) error {
	err := fs.ErrClosed
	if m.root != nil {
		err = do()
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: string(p), Err: err}
	}
	return nil
}

// existingLocked finds what p names.
func (m *FS) existingLocked(p storage.Path, follow bool) (spot, error) {
	at, err := m.findLocked(p, follow)
	if err == nil && at.node == nil {
		err = fs.ErrNotExist
	}
	return at, err
}

// Stat implements storage.FS.
func (m *FS) Stat(p storage.Path) (storage.Info, error) { return m.stat("stat", p, true) }

// Lstat implements storage.FS.
func (m *FS) Lstat(p storage.Path) (storage.Info, error) { return m.stat("lstat", p, false) }

func (m *FS) stat(op string, p storage.Path, follow bool) (info storage.Info, err error) {
	err = m.read(op, p, func() error {
		at, err := m.existingLocked(p, follow)
		if err == nil {
			info = at.node.info(p.Base())
		}
		return err
	})
	return info, err
}

// Mkdir implements storage.FS.
func (m *FS) Mkdir(p storage.Path, perm fs.FileMode) error {
	return m.write("mkdir", p, func() error {
		at, err := m.findLocked(p, false)
		if err == nil && at.node != nil {
			err = fs.ErrExist
		}
		if err != nil {
			return err
		}
		dir := m.newNodeLocked(fs.ModeDir | cmp.Or(perm&fs.ModePerm, m.opt.DirPerm))
		dir.parent = at.dir
		m.linkLocked(at, dir)
		return nil
	})
}

// linkLocked puts n at a spot, in place of whatever stood there.
func (m *FS) linkLocked(at spot, n *node) {
	if at.node != nil {
		m.unlinkLocked(at)
	}
	at.dir.entries[at.name] = n
	at.dir.mtime = m.opt.Now().UTC()
}

func (m *FS) unlinkLocked(at spot) {
	delete(at.dir.entries, at.name)
	at.dir.mtime = m.opt.Now().UTC()
	at.node.gone = true
	m.space.give(at.node.data.size)
}

// errRoot is what an attempt to remove or rename the root gets.
var errRoot = fs.ErrPermission

// Rmdir implements storage.FS.
func (m *FS) Rmdir(p storage.Path) error {
	return m.write("rmdir", p, func() error {
		at, err := m.existingLocked(p, false)
		switch {
		case err != nil:
			return err
		case at.node == m.root:
			return errRoot
		case !at.node.mode.IsDir():
			return storage.ErrNotDir
		case len(at.node.entries) > 0:
			return storage.ErrNotEmpty
		}
		m.unlinkLocked(at)
		return nil
	})
}

// Remove implements storage.FS.
func (m *FS) Remove(p storage.Path) error {
	return m.write("remove", p, func() error {
		at, err := m.existingLocked(p, false)
		if err == nil && at.node.mode.IsDir() {
			err = storage.ErrIsDir
		}
		if err != nil {
			return err
		}
		m.unlinkLocked(at)
		return nil
	})
}

// Rename implements storage.FS.
func (m *FS) Rename(from, to storage.Path) error { return m.rename(from, to, false) }

// RenameNew implements storage.FS.
func (m *FS) RenameNew(from, to storage.Path) error { return m.rename(from, to, true) }

func (m *FS) rename(from, to storage.Path, excl bool) error {
	return m.write("rename", from, func() error {
		if from == storage.Root || to == storage.Root {
			return errRoot
		}
		src, err := m.existingLocked(from, false)
		if err != nil {
			return err
		}
		dst, err := m.findLocked(to, false)
		if err != nil {
			return err
		}
		if excl && dst.node != nil {
			return fs.ErrExist
		}
		if src.node == dst.node {
			return nil
		}
		if err := checkRename(src, dst); err != nil {
			return err
		}
		m.linkLocked(dst, src.node)
		delete(src.dir.entries, src.name)
		if src.node.mode.IsDir() {
			src.node.parent = dst.dir
		}
		return nil
	})
}

// checkRename applies the rules of rename(2).
func checkRename(src, dst spot) error {
	if src.node.mode.IsDir() {
		for dir := dst.dir; ; dir = dir.parent {
			if dir == src.node {
				return storage.ErrName // into itself
			}
			if dir == dir.parent {
				break
			}
		}
	}
	switch {
	case dst.node == nil:
		return nil
	case dst.node.mode.IsDir() && !src.node.mode.IsDir():
		return storage.ErrIsDir
	case src.node.mode.IsDir() && !dst.node.mode.IsDir():
		return storage.ErrNotDir
	case len(dst.node.entries) > 0:
		return storage.ErrNotEmpty
	}
	return nil
}

// Chmod implements storage.FS.
func (m *FS) Chmod(p storage.Path, mode fs.FileMode) error {
	return m.change("chmod", p, func(n *node) {
		n.mode = n.mode.Type() | mode&fs.ModePerm
	})
}

// Chtimes implements storage.FS.
func (m *FS) Chtimes(p storage.Path, mtime time.Time) error {
	return m.change("chtimes", p, func(n *node) { n.mtime = mtime.UTC() })
}

func (m *FS) change(op string, p storage.Path, do func(*node)) error {
	return m.write(op, p, func() error {
		at, err := m.existingLocked(p, true)
		if err == nil {
			do(at.node)
		}
		return err
	})
}

// Available implements storage.FS.
func (m *FS) Available(p storage.Path) (n int64, err error) {
	err = m.read("statfs", p, func() error {
		_, err := m.existingLocked(p, true)
		n = m.space.left()
		return err
	})
	return n, err
}

// Close implements storage.FS.
func (m *FS) Close() error {
	return m.write("close", storage.Root, func() error {
		m.root = nil
		return nil
	})
}

// ReadDir implements storage.FS. What is listed are the names at the time of
// this call, as the files behind them are when Next comes to them.
func (m *FS) ReadDir(p storage.Path, want storage.Want) (storage.Dir, error) {
	d := &dir{fs: m, path: p, want: want}
	err := m.read("readdir", p, func() error {
		at, err := m.existingLocked(p, true)
		if err == nil && !at.node.mode.IsDir() {
			err = storage.ErrNotDir
		}
		if err != nil {
			return err
		}
		d.node = at.node
		for name := range at.node.entries {
			if !storage.IsHidden(name) {
				d.names = append(d.names, name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(d.names)
	return d, nil
}
