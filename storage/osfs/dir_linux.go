package osfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"fastftps/storage"
)

// ReadDir implements storage.FS. The directory is read by getdents64 in pieces
// of dirBuf; an entry is examined in the open directory and only when want says
// so. Names lie in the piece, so that none is copied.
func (j *kernelJail) ReadDir(p storage.Path, want storage.Want) (storage.Dir, error) {
	fd, err := j.open(rel(p), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fail("readdir", p, err)
	}
	return &dir{jail: j, path: p, want: want, fd: fd}, nil
}

type dirBuf [32 << 10]byte

const _ = uint(storage.DirMemory - len(dirBuf{}))

// statPiece is how much of it is used when each entry is examined: what the kernel
// touched to list an entry is then still in the processor's cache.
const statPiece = 8 << 10

var dirBufs = sync.Pool{New: func() any { return new(dirBuf) }}

// dir is an open directory.
type dir struct {
	jail *kernelJail
	path storage.Path
	want storage.Want
	fd   int // -1 once closed

	buf   *dirBuf      // raw entries of the kernel; nil before the first Next
	pos   int          // next entry in buf
	end   int          // behind the last one
	statx unix.Statx_t // kept here, or each entry would allocate one
}

// Where the fields of a struct linux_dirent64 are; its name ends with a NUL.
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// Next implements storage.Dir.
func (d *dir) Next(dst []storage.Info) (int, error) {
	if d.fd < 0 {
		return 0, fs.ErrClosed
	}
	n := 0
	for n < len(dst) {
		if d.pos == d.end {
			if n > 0 {
				break // hand out what is there before the disk is asked again
			}
			if err := d.fill(); err != nil {
				return 0, err
			}
		}
		if d.entry(&dst[n]) {
			n++
		}
	}
	return n, nil
}

// fill reads the next piece of the directory.
func (d *dir) fill() error {
	if d.buf == nil {
		d.buf = dirBufs.Get().(*dirBuf)
	}
	piece := d.buf[:]
	if d.want&storage.WantStat != 0 {
		piece = piece[:statPiece]
	}
	for {
		n, err := unix.Getdents(d.fd, piece)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOENT, err == nil && n == 0: // ENOENT: the directory was removed
			return io.EOF
		case err != nil:
			return fail("readdir", d.path, err)
		}
		d.pos, d.end = 0, n
		return nil
	}
}

// entry decodes the entry at pos and steps behind it. It reports whether the
// entry is to be shown.
func (d *dir) entry(info *storage.Info) bool {
	at := d.pos
	d.pos += int(binary.NativeEndian.Uint16(d.buf[at+direntReclen:]))
	raw := d.buf[at+direntName : d.pos]
	name := unsafe.String(&raw[0], bytes.IndexByte(raw, 0))
	if name == "." || name == ".." || storage.IsHidden(name) {
		return false
	}
	if kind := d.buf[at+direntType]; d.want&storage.WantStat == 0 && kind != unix.DT_UNKNOWN {
		*info = storage.Info{Name: name, Mode: typeOf(uint32(kind) << 12)} // DT_* is S_IF* shifted
	} else {
		if err := statx(d.fd, &raw[0], statFlags, &d.statx); err != nil {
			return false
		}
		setInfo(info, &d.statx, name)
	}
	if info.Mode&fs.ModeSymlink != 0 {
		return d.link(info)
	}
	return true
}

// link fills in what is wanted of a symbolic link.
func (d *dir) link(info *storage.Info) bool {
	target := ""
	if d.want&storage.WantLink != 0 {
		var err error
		if target, err = readlinkAt(d.fd, info.Name); err != nil {
			return false
		}
	}
	if d.want&storage.WantFollow != 0 {
		if to, err := d.jail.Stat(d.path.Join(info.Name)); err == nil {
			*info = to
		}
	}
	info.Target = target
	return true
}

// Close implements storage.Dir.
func (d *dir) Close() error {
	if d.fd < 0 {
		return fs.ErrClosed
	}
	err := unix.Close(d.fd)
	if d.buf != nil {
		dirBufs.Put(d.buf)
	}
	d.fd, d.buf = -1, nil
	return err
}
