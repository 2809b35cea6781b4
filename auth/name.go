package auth

import "unicode/utf8"

// Bounds of what a client may send. Longer passwords are never right: they are
// checked as if the user did not exist.
const (
	MaxName     = 128
	MaxPassword = 512
)

// ValidName reports whether a user could have this name at all: 1 to MaxName
// bytes of UTF-8 without control characters and with no slash, so that it may
// stand in a log line and in a home directory's path. "." and ".." are refused
// for the same reason.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxName || name == "." || name == ".." || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if r < ' ' || r == '/' || r == '\\' || r >= 0x7f && r <= 0x9f || isBidi(r) {
			return false
		}
	}
	return true
}

// isBidi reports whether r changes the direction of the text after it, or ends
// the line, and so could make a log line read as another one.
func isBidi(r rune) bool {
	return r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
