//go:build !linux

package dataplane

import "os"

// sendfile is done by Linux only; elsewhere the bytes pass through user memory.
func (t *transfer) sendfile(*os.File) (cause Cause, err error, ok bool) { return CauseOK, nil, false }
