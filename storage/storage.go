// Package storage is what the server asks of a file system: virtual paths in,
// files and directory entries out. It does no FTP and knows no user.
//
// Back ends: storage/osfs (a jail on the host's file system), storage/memfs
// (memory, for tests and throw-away shares). Both pass storage/storagetest.
//
// Every call but FS.Close may block on a disk. None of them may be made on an
// event loop.
package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// The errors of a back end. A back end returns errors for which errors.Is
// finds one of these, or fs.ErrNotExist, fs.ErrExist, fs.ErrPermission. Any
// other error is an I/O failure of ours, not the client's mistake. No error
// text of a back end is ever sent to a client: it may hold host paths.
var (
	ErrName        = errors.New("name not allowed")          // NUL, CR, LF, reserved for the server, or too long
	ErrIsDir       = errors.New("is a directory")            //
	ErrNotDir      = errors.New("not a directory")           //
	ErrNotEmpty    = errors.New("directory not empty")       //
	ErrNotRegular  = errors.New("not a regular file")        // FIFO, device, socket
	ErrNoSpace     = errors.New("no space left")             // ENOSPC, EFBIG
	ErrQuota       = errors.New("quota exceeded")            // EDQUOT
	ErrBusy        = errors.New("file busy")                 // ETXTBSY, EBUSY
	ErrReadOnly    = errors.New("read-only file system")     // EROFS
	ErrEscape      = errors.New("path leaves the root")      // a symbolic link that points out of the jail
	ErrUnsupported = errors.New("operation not implemented") //
)

// Info describes one file or directory. Times are UTC; Mode carries the type
// bits of fs.FileMode and the permission bits. Name is the last element,
// exactly as stored, and may hold any byte but '/' and NUL: whoever sends it
// to a client escapes it.
type Info struct {
	Name    string
	Size    int64
	ModTime time.Time
	Mode    fs.FileMode
	UID     uint32
	GID     uint32
	Nlink   uint64
	Dev     uint64
	Ino     uint64
	Target  string // of a symbolic link, as stored; "" otherwise
}

// IsDir reports whether the entry is a directory.
func (i *Info) IsDir() bool { return i.Mode.IsDir() }

// Want says which fields of Info a listing needs. A back end fills Name and
// the type bits of Mode always, the rest when asked; WantNone lets it list a
// directory without a stat an entry.
type Want uint8

// The fields a caller may ask for.
const (
	WantNone Want = 0
	WantStat Want = 1 << iota // Size, ModTime, permission bits, owner, Nlink, Dev, Ino
	WantLink                  // Target of symbolic links
	// WantFollow describes what a symbolic link points to instead of the
	// link, as long as that stays inside the root: Mode and all of WantStat are
	// the target's, Name is still the link's, and with WantLink Target tells
	// that it is one. A link that leads nowhere or out of the root keeps
	// fs.ModeSymlink in Mode.
	WantFollow
)

// FS is one jail: a tree of files below a root that no path leaves. It is safe
// for concurrent use. Two sessions of one user may share one FS.
//
// Symbolic links are followed as long as they stay inside the root; a link
// that leaves it gives ErrEscape. Remove, Rename and Lstat act on the link.
type FS interface {
	// Stat describes what p names, following a final link.
	Stat(p Path) (Info, error)
	// Lstat describes p itself.
	Lstat(p Path) (Info, error)
	// Open opens a regular file to read. Anything else is ErrIsDir or
	// ErrNotRegular; a FIFO or a device never blocks the caller.
	Open(p Path) (File, error)
	// Create starts an upload that becomes visible under p when it is
	// committed, in one step, replacing what stood there. Until then, and for
	// ever if it is discarded, the old file stays as it was. o.Excl makes
	// Create and Commit fail with fs.ErrExist when p exists.
	Create(p Path, o CreateOptions) (Upload, error)
	// OpenWrite opens a file to be written in place from byte off, for REST
	// and APPE. off < 0 means the end of the file. A missing file is created
	// when off is 0 or less. An offset beyond the end gives ErrOffset. The
	// file is not truncated: bytes behind what is written stay.
	OpenWrite(p Path, off int64, o CreateOptions) (Upload, error)
	// ReadDir opens the directory p to be read in batches.
	ReadDir(p Path, want Want) (Dir, error)
	// Mkdir makes one directory with these permission bits, 0 for the back
	// end's default; Rmdir removes an empty one.
	Mkdir(p Path, perm fs.FileMode) error
	Rmdir(p Path) error
	// Remove removes a file or a link, never a directory (ErrIsDir).
	Remove(p Path) error
	// Rename moves a file or directory and replaces an existing file.
	Rename(from, to Path) error
	// RenameNew is Rename for a name that is free: fs.ErrExist when anything
	// stands there, from itself included.
	RenameNew(from, to Path) error
	// Chmod sets the nine permission bits; others in mode are ignored.
	Chmod(p Path, mode fs.FileMode) error
	// Chtimes sets the modification time.
	Chtimes(p Path, mtime time.Time) error
	// Available tells how many bytes may still be stored below p.
	Available(p Path) (int64, error)
	// Close lets go of the root. Open files stay usable. It waits for no disk,
	// nor for calls that do: an event loop may call it.
	Close() error
}

// ErrOffset is returned by OpenWrite when the offset lies behind the file's end.
var ErrOffset = errors.New("offset beyond the end of the file")

// CreateOptions adjust an upload.
type CreateOptions struct {
	Excl  bool        // fail when the name exists
	Perm  fs.FileMode // permission bits of a new file; 0 means the back end's default
	Fsync bool        // Commit returns only when file, name and directory are on stable storage
	Size  int64       // expected size in bytes (ALLO), 0 when unknown; a hint
}

// File is a regular file open for reading. One goroutine uses it at a time.
type File interface {
	io.Reader
	io.Seeker
	io.Closer
	// Stat describes the file as it is, or as it was when it was opened.
	Stat() (Info, error)
}

// OSFile is implemented by a File or an Upload that is a file of the host. The
// data plane uses the descriptor for sendfile and splice. The caller does not
// close it; it is valid until the File or Upload is closed, committed or
// discarded.
type OSFile interface {
	OSFile() *os.File
}

// Upload is a file being written. One goroutine uses it at a time, and calls
// exactly one of Commit and Discard, once; both release the descriptor.
type Upload interface {
	io.Writer
	// Offset is where the first Write goes: 0, or the restart point.
	Offset() int64
	// Commit makes what was written visible under its name. After an error
	// nothing is visible that was not before. Errors of sync, close and
	// rename are all reported.
	Commit() error
	// Discard drops what was written. An in-place upload keeps it, for it
	// cannot be taken back.
	Discard() error
}

// Dir is an open directory. Entries come in the order of the back end, without
// "." and "..", and without the names that IsHidden reserves for the server.
type Dir interface {
	// Next fills dst and returns how many entries it wrote; io.EOF with 0 at
	// the end. An entry that vanished or cannot be examined is left out. The
	// strings in dst are good until the next call of Next or Close: they may
	// lie in a buffer of the Dir.
	Next(dst []Info) (int, error)
	// Close releases the descriptor.
	Close() error
}

// DirMemory bounds the bytes that a Dir holds between its first Next and its
// Close, but for what the back end keeps in memory anyway. Before that it holds
// next to none, so that many may be open.
const DirMemory = 64 << 10

// HiddenPrefix starts the names under which uploads are written before they
// are committed. A client can neither see, read nor make such names: Clean
// refuses them.
const HiddenPrefix = ".fastftps-"
