package memfs

import (
	"cmp"
	"io"
	"io/fs"
	"math"
	"sync/atomic"

	"fastftps/storage"
)

// space counts bytes against a limit.
type space struct {
	limit int64 // 0 means none
	used  atomic.Int64
}

func (s *space) take(n int64) error {
	if used := s.used.Add(n); s.limit > 0 && used > s.limit {
		s.used.Add(-n)
		return storage.ErrNoSpace
	}
	return nil
}

func (s *space) give(n int64) { s.used.Add(-n) }

func (s *space) left() int64 {
	if s.limit == 0 {
		return math.MaxInt64 - s.used.Load()
	}
	return max(0, s.limit-s.used.Load())
}

const chunkSize = 64 << 10

// content is the bytes of a file, in chunks so that it grows without copies.
// All chunks but the last are full.
type content struct {
	chunks [][]byte
	size   int64
}

func (c *content) readAt(p []byte, off int64) (n int) {
	for n < len(p) && off < c.size {
		k := copy(p[n:], c.chunks[off/chunkSize][off%chunkSize:])
		n += k
		off += int64(k)
	}
	return n
}

// writeAt writes at off, which is not beyond the end.
func (c *content) writeAt(p []byte, off int64) {
	for len(p) > 0 {
		i, at := int(off/chunkSize), int(off%chunkSize)
		if i == len(c.chunks) {
			c.chunks = append(c.chunks, nil)
		}
		k := min(len(p), chunkSize-at)
		over := copy(c.chunks[i][at:], p[:k])
		c.chunks[i] = append(c.chunks[i], p[over:k]...)
		p = p[k:]
		off += int64(k)
	}
	c.size = max(c.size, off)
}

// Open implements storage.FS.
func (m *FS) Open(p storage.Path) (f storage.File, err error) {
	err = m.read("open", p, func() error {
		at, err := m.existingLocked(p, true)
		if err == nil && at.node.mode.IsDir() {
			err = storage.ErrIsDir
		}
		if err == nil {
			f = &file{fs: m, node: at.node, name: p.Base()}
		}
		return err
	})
	return f, err
}

// file is an open file.
type file struct {
	fs   *FS // nil once closed
	node *node
	name string
	off  int64
}

func (f *file) Read(p []byte) (int, error) {
	if f.fs == nil {
		return 0, fs.ErrClosed
	}
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	n := f.node.data.readAt(p, f.off)
	if f.off += int64(n); n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) Seek(off int64, whence int) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	switch whence {
	case io.SeekCurrent:
		off += f.off
	case io.SeekEnd:
		off += info.Size
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.off = off
	return off, nil
}

func (f *file) Stat() (storage.Info, error) {
	if f.fs == nil {
		return storage.Info{}, fs.ErrClosed
	}
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	return f.node.info(f.name), nil
}

func (f *file) Close() error {
	if f.fs == nil {
		return fs.ErrClosed
	}
	f.fs, f.node = nil, nil
	return nil
}

// Create implements storage.FS.
func (m *FS) Create(p storage.Path, o storage.CreateOptions) (up storage.Upload, err error) {
	err = m.write("create", p, func() error {
		at, err := m.placeLocked(p, o.Excl)
		if err != nil {
			return err
		}
		if o.Size > m.space.left() {
			return storage.ErrNoSpace
		}
		n := m.newNodeLocked(m.filePerm(o))
		if at.node != nil {
			n.mode = at.node.mode
		}
		n.gone = true // until it is committed
		up = &upload{fs: m, at: at, node: n, path: p, excl: o.Excl}
		return nil
	})
	return up, err
}

// placeLocked finds where a file p is to be written.
func (m *FS) placeLocked(p storage.Path, excl bool) (spot, error) {
	at, err := m.findLocked(p, !excl)
	switch {
	case err != nil:
		return spot{}, err
	case at.node != nil && at.node.mode.IsDir():
		if excl {
			return spot{}, fs.ErrExist
		}
		return spot{}, storage.ErrIsDir
	case at.node != nil && excl:
		return spot{}, fs.ErrExist
	}
	return at, nil
}

func (m *FS) filePerm(o storage.CreateOptions) fs.FileMode {
	return cmp.Or(o.Perm&fs.ModePerm, m.opt.FilePerm)
}

// OpenWrite implements storage.FS.
func (m *FS) OpenWrite(p storage.Path, off int64, o storage.CreateOptions) (up storage.Upload, err error) {
	err = m.write("write", p, func() error {
		at, err := m.placeLocked(p, o.Excl)
		if err != nil {
			return err
		}
		if at.node == nil {
			if off > 0 {
				return fs.ErrNotExist
			}
			n := m.newNodeLocked(m.filePerm(o))
			m.linkLocked(at, n)
			at.node = n
		}
		if off < 0 {
			off = at.node.data.size
		}
		if off > at.node.data.size {
			return storage.ErrOffset
		}
		up = &upload{fs: m, at: at, node: at.node, path: p, start: off, off: off, inPlace: true}
		return nil
	})
	return up, err
}

// upload is a file being written: a new node that Commit puts in place, or,
// with inPlace, one that stands there already.
type upload struct {
	fs      *FS // nil once it is over
	at      spot
	node    *node
	path    storage.Path
	start   int64
	off     int64
	excl    bool
	inPlace bool
}

func (u *upload) Offset() int64 { return u.start }

func (u *upload) Write(p []byte) (int, error) {
	if u.fs == nil {
		return 0, fs.ErrClosed
	}
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	n := u.node
	grow := max(0, u.off+int64(len(p))-n.data.size)
	if removed := u.inPlace && n.gone; !removed {
		if err := u.fs.space.take(grow); err != nil {
			return 0, &fs.PathError{Op: "write", Path: string(u.path), Err: err}
		}
	}
	n.data.writeAt(p, u.off)
	n.mtime = u.fs.opt.Now().UTC()
	u.off += int64(len(p))
	return len(p), nil
}

func (u *upload) Commit() error {
	m := u.fs
	if m == nil {
		return fs.ErrClosed
	}
	u.fs = nil
	if u.inPlace {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := u.publishLocked(m); err != nil {
		m.space.give(u.node.data.size)
		return &fs.PathError{Op: "commit", Path: string(u.path), Err: err}
	}
	return nil
}

// publishLocked puts the file where Create found its place.
func (u *upload) publishLocked(m *FS) error {
	u.at.node = u.at.dir.entries[u.at.name]
	switch {
	case u.at.dir.gone:
		return fs.ErrNotExist
	case u.at.node != nil && u.excl:
		return fs.ErrExist
	case u.at.node != nil && u.at.node.mode.IsDir():
		return storage.ErrIsDir
	}
	u.node.gone = false
	m.linkLocked(u.at, u.node)
	return nil
}

func (u *upload) Discard() error {
	m := u.fs
	if m == nil {
		return fs.ErrClosed
	}
	u.fs = nil
	if !u.inPlace {
		m.space.give(u.node.data.size)
	}
	return nil
}

var _ storage.FS = (*FS)(nil)
