//go:build unix

package tlsconn

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the user id that a file belongs to.
func ownerOf(st fs.FileInfo) (int, bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(sys.Uid), true
}
