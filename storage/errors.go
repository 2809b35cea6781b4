package storage

// MapError returns err such that errors.Is finds this package's error for an
// error number of the host in it: ENOSPC becomes ErrNoSpace, EISDIR ErrIsDir
// and so on. An error without such a number, or one that needs no other name
// (ENOENT, EACCES), comes back as it is, and so does nil.
//
// Whoever writes through OSFile sees plain host errors and sends them through
// here.
func MapError(err error) error {
	if err == nil {
		return nil
	}
	kind := kindOf(err)
	if kind == nil {
		return err
	}
	return &hostError{kind: kind, host: err}
}

// hostError shows the host's words and is one of this package's errors to
// errors.Is. The host's error itself is not in the chain, for a syscall.Errno
// claims to be more than one thing: ENOTEMPTY is fs.ErrExist as well.
type hostError struct {
	kind error
	host error
}

func (e *hostError) Error() string { return e.host.Error() }
func (e *hostError) Unwrap() error { return e.kind }
