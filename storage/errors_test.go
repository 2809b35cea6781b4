//go:build unix

package storage_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"fastftps/storage"
	"fastftps/storage/storagetest"
)

func TestMapError(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		syscall.ENOSPC: storage.ErrNoSpace, syscall.EFBIG: storage.ErrNoSpace, syscall.EDQUOT: storage.ErrQuota, syscall.EROFS: storage.ErrReadOnly,
		syscall.ETXTBSY: storage.ErrBusy, syscall.EBUSY: storage.ErrBusy, syscall.EAGAIN: storage.ErrBusy, syscall.ENOTEMPTY: storage.ErrNotEmpty,
		syscall.EISDIR: storage.ErrIsDir, syscall.ENOTDIR: storage.ErrNotDir, syscall.ENAMETOOLONG: storage.ErrName, syscall.EILSEQ: storage.ErrName,
		syscall.EXDEV: storage.ErrEscape, syscall.ENXIO: storage.ErrNotRegular, syscall.ENODEV: storage.ErrNotRegular, syscall.ELOOP: fs.ErrNotExist,
		syscall.ENOSYS: storage.ErrUnsupported, syscall.EOPNOTSUPP: storage.ErrUnsupported,
		syscall.ENOENT: fs.ErrNotExist, syscall.EEXIST: fs.ErrExist, syscall.EACCES: fs.ErrPermission, syscall.EPERM: fs.ErrPermission,
	} {
		host := &os.PathError{Op: "write", Path: "x", Err: errno}
		err := storage.MapError(host)
		storagetest.WantError(t, errno.Error(), err, want)
		if err.Error() != host.Error() {
			t.Errorf("text %q, want %q", err, host)
		}
		storagetest.WantError(t, errno.Error()+" mapped twice", storage.MapError(fmt.Errorf("again: %w", err)), want)
	}
	for _, err := range []error{nil, io.EOF, syscall.EIO, storage.ErrOffset} {
		if got := storage.MapError(err); !errors.Is(got, err) || got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}
