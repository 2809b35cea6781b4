// Package osfs is a storage.FS on a directory of the host: a jail that no path
// leaves, however its links are turned while it is used.
//
// On Linux (5.6 and later) the kernel keeps the jail: every path is resolved by
// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS from a descriptor
// of the root, and every change is made by an *at call on the last element of
// the path, in the parent directory that openat2 returned, without following a
// link. There are no string comparisons and no check-then-use. Elsewhere, and
// on older kernels, the same is done with os.Root, at about four times the cost
// an open.
//
// What it does not stop: mounts below the root belong to the jail, and a hard
// link to an outside file cannot be told from a file.
//
// Symbolic links are followed while they stay below the root. A link that
// leads out of it, any absolute link included, is storage.ErrEscape.
//
// An upload through a link replaces the file that the link points to, as a
// plain open would write it.
package osfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"fastftps/storage"
)

// Options adjust a jail. The zero value is ready to use.
type Options struct {
	FilePerm fs.FileMode // permission bits of new files, less the umask; 0 means 0644
	DirPerm  fs.FileMode // of new directories; 0 means 0755

	// Portable takes os.Root even where openat2 works.
	Portable bool
	// NamedTemp writes uploads under a hidden name even where the file system
	// has O_TMPFILE. Always so with os.Root.
	NamedTemp bool
}

// New opens the jail below dir. It fails if dir is not a directory. Close
// does not wait for calls that are under way; files, uploads and directories
// opened before stay usable.
func New(dir string, o Options) (storage.FS, error) {
	if o.FilePerm &= fs.ModePerm; o.FilePerm == 0 {
		o.FilePerm = 0o644
	}
	if o.DirPerm &= fs.ModePerm; o.DirPerm == 0 {
		o.DirPerm = 0o755
	}
	if !o.Portable && HasOpenat2() {
		return newKernelJail(dir, o)
	}
	return newRootJail(dir, o)
}

// maxLinks is how many links in a row an upload's name may lead through; the
// kernel's own limit.
const maxLinks = 40

// fail names the virtual path, never the host's, in an error.
func fail(op string, p storage.Path, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		err = le.Err
	}
	return &fs.PathError{Op: op, Path: string(p), Err: storage.MapError(err)}
}

// rel is p as the kernel wants it, relative to the root's descriptor.
func rel(p storage.Path) string {
	if p == storage.Root {
		return "."
	}
	return string(p[1:])
}

// checkRegular tells a caller who wanted a file's bytes what stands there instead.
func checkRegular(mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return storage.ErrIsDir
	case !mode.IsRegular():
		return storage.ErrNotRegular
	}
	return nil
}

// splitLast cuts the last element off a relative path that may still hold ".",
// ".." or trailing slashes, as the target of a link does. ok is false when
// the last element cannot name a file.
func splitLast(path string) (dir, last string, ok bool) {
	i := len(path) - 1
	for i >= 0 && path[i] != '/' {
		i--
	}
	last = path[i+1:]
	if i >= 0 {
		dir = path[:i]
	}
	if dir == "" {
		dir = "."
	}
	return dir, last, last != "" && last != "." && last != ".."
}

// errRoot is what an attempt to remove, rename or replace the root gets.
var errRoot = fmt.Errorf("the root itself: %w", fs.ErrPermission)

// renameError gives the errors that mean something else in a rename.
func renameError(err error) error {
	switch {
	case errors.Is(err, syscall.EXDEV):
		return storage.ErrUnsupported
	case errors.Is(err, syscall.EINVAL): // a directory into itself
		return storage.ErrName
	case errors.Is(err, syscall.EEXIST): // some file systems' ENOTEMPTY
		return storage.ErrNotEmpty
	}
	return err
}
