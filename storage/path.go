package storage

import (
	"strings"
)

// MaxName and MaxPath bound an element and a whole path, in bytes. (Linux
// NAME_MAX and PATH_MAX less the terminating NUL.)
const (
	MaxName = 255
	MaxPath = 4095
)

// Path is a virtual path: absolute, slash-separated bytes, without ".", ".."
// or empty elements, without NUL, not longer than MaxPath, no element longer
// than MaxName. "/" is the root. Only Clean and Join make one, and the same value goes to policy
// and to the file system, so there is no second opinion on what a path means.
type Path string

// Root is the top of every tree.
const Root Path = "/"

// Clean resolves arg, as a client sent it, against the working directory cwd.
// "." and ".." are resolved lexically and never lead above the root; repeated
// and trailing slashes vanish. ErrName: NUL, CR or LF anywhere (they could not
// be named again in a command, and would forge reply lines), an element over
// MaxName bytes, a path over MaxPath, or an element that starts with
// HiddenPrefix. Every other byte is taken as it is (RFC 3659 section 7,
// RFC 2640 section 3.1). Clean is idempotent.
func Clean(cwd Path, arg string) (Path, error) {
	if strings.ContainsAny(arg, "\x00\r\n") {
		return "", ErrName
	}
	var b []byte
	if !strings.HasPrefix(arg, "/") && cwd != Root {
		b = append(b, cwd...)
	}
	for rest := arg; rest != ""; {
		var elem string
		elem, rest, _ = strings.Cut(rest, "/")
		switch {
		case elem == "" || elem == ".":
		case elem == "..":
			b = b[:max(0, strings.LastIndexByte(string(b), '/'))]
		case len(elem) > MaxName || IsHidden(elem):
			return "", ErrName
		default:
			b = append(append(b, '/'), elem...)
		}
	}
	if len(b) == 0 {
		return Root, nil
	}
	if len(b) > MaxPath {
		return "", ErrName
	}
	return Path(b), nil
}

// IsHidden reports whether name, one path element, belongs to the server.
func IsHidden(name string) bool { return strings.HasPrefix(name, HiddenPrefix) }

// Join appends one clean element, such as an entry's name, to p.
func (p Path) Join(name string) Path {
	if p == Root {
		return Root + Path(name)
	}
	return p + "/" + Path(name)
}

// Base is the last element, "/" for the root.
func (p Path) Base() string {
	if p == Root {
		return "/"
	}
	return string(p[strings.LastIndexByte(string(p), '/')+1:])
}

// Dir is the directory that holds p; the root holds itself.
func (p Path) Dir() Path {
	if i := strings.LastIndexByte(string(p), '/'); i > 0 {
		return p[:i]
	}
	return Root
}
