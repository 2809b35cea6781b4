//go:build !unix

package tlsconn

// rawReads tells that reads need their buffer beforehand.
const rawReads = false

func (l *link) tryRead(uintptr) bool { return true }

func (l *link) tryMore(uintptr) bool { return true }

func readable(uintptr) bool { return true }
