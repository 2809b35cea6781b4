//go:build unix

package storage

import (
	"errors"
	"io/fs"
	"syscall"
)

// kindOf finds the error of this package that says what err's error number
// says; nil when there is none.
func kindOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case syscall.ENOSPC, syscall.EFBIG:
		return ErrNoSpace
	case syscall.EDQUOT:
		return ErrQuota
	case syscall.EROFS:
		return ErrReadOnly
	case syscall.ETXTBSY, syscall.EBUSY, syscall.EAGAIN:
		return ErrBusy
	case syscall.ENOTEMPTY:
		return ErrNotEmpty
	case syscall.EISDIR:
		return ErrIsDir
	case syscall.ENOTDIR:
		return ErrNotDir
	case syscall.ENAMETOOLONG, syscall.EILSEQ:
		return ErrName
	case syscall.EXDEV:
		return ErrEscape
	case syscall.ENXIO, syscall.ENODEV:
		return ErrNotRegular
	case syscall.ELOOP: // a ring of links, or a magic link, names nothing here
		return fs.ErrNotExist
	case syscall.EOPNOTSUPP, syscall.ENOSYS:
		return ErrUnsupported
	}
	return nil
}
