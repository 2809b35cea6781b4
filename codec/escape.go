package codec

import (
	"strconv"
	"unicode/utf8"
)

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

// breaksLine reports whether c must not stand in a line of a reply: with it a
// name could end the line and forge the next, or be cut short by its reader.
func breaksLine(c byte) bool { return c == '\r' || c == '\n' || c == 0 }

func appendPercent(dst []byte, c byte) []byte {
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// AppendSafe appends a name as it may stand in a reply: byte by byte as it is
// (RFC 2640 section 3.1), but with IAC doubled (RFC 3659 section 2.2) and CR, LF
// and NUL as %0D, %0A and %00. Such names cannot be made over FTP, so the
// percent form need not lead back to the file.
func AppendSafe[T Text](dst []byte, name T) []byte {
	for i := range len(name) {
		dst = appendSafeByte(dst, name[i])
	}
	return dst
}

// AppendQuoted appends a path between double quotes, as 257 replies carry it:
// quotes within are doubled (RFC 959 appendix II), the rest is as in AppendSafe.
func AppendQuoted[T Text](dst []byte, path T) []byte {
	dst = append(dst, '"')
	for i := range len(path) {
		if path[i] == '"' {
			dst = append(dst, '"')
		}
		dst = appendSafeByte(dst, path[i])
	}
	return append(dst, '"')
}

func appendSafeByte(dst []byte, c byte) []byte {
	switch {
	case c == iac:
		return append(dst, iac, iac)
	case breaksLine(c):
		return appendPercent(dst, c)
	}
	return append(dst, c)
}

// AppendLog appends text as it may stand in a log: printable characters as they
// are, a backslash doubled, and everything else (controls, DEL, bidirectional
// and other invisible characters, bytes that are no UTF-8) as the escapes \xNN,
// \uNNNN and \UNNNNNNNN of Go strings. The form is unambiguous.
func AppendLog[T Text](dst []byte, text T) []byte {
	var window [utf8.UTFMax]byte // a generic text cannot be handed to utf8 without a copy
	for i := 0; i < len(text); {
		n := copy(window[:], text[i:])
		r, size := utf8.DecodeRune(window[:n])
		dst = appendLogRune(dst, r, size, text[i])
		i += size
	}
	return dst
}

// appendLogRune appends one character of a log text; first is its first byte.
func appendLogRune(dst []byte, r rune, size int, first byte) []byte {
	switch {
	case r == '\\':
		return append(dst, `\\`...)
	case r < utf8.RuneSelf && strconv.IsPrint(r):
		return append(dst, first)
	case r < utf8.RuneSelf || r == utf8.RuneError && size == 1:
		return appendHex(append(dst, `\x`...), uint32(first), 2)
	case strconv.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r < 1<<16:
		return appendHex(append(dst, `\u`...), uint32(r), 4)
	}
	return appendHex(append(dst, `\U`...), uint32(r), 8)
}

func appendHex(dst []byte, v uint32, digits int) []byte {
	for digits--; digits >= 0; digits-- {
		dst = append(dst, lowerHex[v>>(4*digits)&15])
	}
	return dst
}
