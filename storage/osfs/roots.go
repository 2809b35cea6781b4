package osfs

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"fastftps/storage"
)

// Roots opens jails, and one descriptor for all that are open on a directory at
// a time: sessions of one home do not cost one each. Safe for use by many
// goroutines.
type Roots struct {
	opt Options

	mu   sync.Mutex // guards open and root.refs
	open map[string]*root
}

// root is a jail that several hold.
type root struct {
	storage.FS
	dir  string
	info fs.FileInfo // of the directory when it was opened
	refs int
}

// NewRoots returns an empty set; its jails are made with o.
func NewRoots(o Options) *Roots { return &Roots{opt: o, open: make(map[string]*root)} }

// Open opens the jail below dir, as New does. Where dir has become another
// directory since it was opened, those who have it keep theirs. No lock is held
// over a disk that may hang: Close takes the same one, on an event loop.
func (r *Roots) Open(dir string) (storage.FS, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", dir, storage.MapError(err))
	}
	if s := r.join(dir, info); s != nil {
		return s, nil
	}
	jail, err := New(dir, r.opt)
	if err != nil {
		return nil, err
	}
	return r.add(&root{FS: jail, dir: dir, info: info}), nil
}

// join returns a share of what is open, nil if that is not dir as it is now.
func (r *Roots) join(dir string, info fs.FileInfo) storage.FS {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.open[dir]
	if s == nil || !os.SameFile(s.info, info) {
		return nil
	}
	return r.shareLocked(s)
}

// add makes a root the one to be joined; two that were opened at a time are both
// good.
func (r *Roots) add(s *root) storage.FS {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[s.dir] = s
	return r.shareLocked(s)
}

func (r *Roots) shareLocked(s *root) storage.FS {
	s.refs++
	return &share{FS: s.FS, roots: r, root: s}
}

// share is one holder's view of a root.
type share struct {
	storage.FS
	roots  *Roots
	root   *root
	closed bool // under Roots.mu
}

// Close implements storage.FS. The last one closes the descriptor; until then a
// holder that goes on is not found out.
func (s *share) Close() error {
	r, root := s.roots, s.root
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.closed {
		return fs.ErrClosed
	}
	s.closed = true
	if root.refs--; root.refs > 0 {
		return nil
	}
	if r.open[root.dir] == root {
		delete(r.open, root.dir)
	}
	return root.FS.Close()
}
