package listing

import (
	"strings"
	"unicode/utf8"
)

// hasGlob reports whether an element of a path holds a character of a pattern.
func hasGlob(elem string) bool { return strings.ContainsAny(elem, "*?[") }

// Match reports whether name, one element, matches pattern as a whole:
//
//   - any bytes, or none
//     ?        one character
//     [a-z_]   one character of a set; [^a-z] and [!a-z] one that is not in it
//
// Everything else, a backslash and a '[' without its ']' included, stands for
// itself. Characters are UTF-8; a byte that is none counts as one. It takes at
// most len(pattern) x len(name) steps, for only the last star is ever tried again.
func Match(pattern, name string) bool {
	p, n := 0, 0
	star, retry := -1, 0 // the last star in pattern, and where in name to try again after it
	for n < len(name) || p < len(pattern) {
		if p < len(pattern) && pattern[p] == '*' {
			star, retry = p, n
			p++
			continue
		}
		if pn, nn, ok := matchOne(pattern[p:], name[n:]); ok {
			p += pn
			n += nn
			continue
		}
		if star < 0 || retry >= len(name) {
			return false
		}
		retry++
		p, n = star+1, retry
	}
	return true
}

// matchOne matches the first item of pattern, which is no star, with the
// start of name, and returns how many bytes of each it took.
func matchOne(pattern, name string) (p, n int, ok bool) {
	if pattern == "" || name == "" {
		return 0, 0, false
	}
	switch pattern[0] {
	case '?':
		_, size := utf8.DecodeRuneInString(name)
		return 1, size, true
	case '[':
		if set := setLen(pattern); set > 0 {
			r, size := utf8.DecodeRuneInString(name)
			return set, size, inSet(pattern[1:set-1], r)
		}
	}
	return 1, 1, pattern[0] == name[0]
}

// setLen is the length of the set in brackets that pattern starts with, 0 when
// it has no end. A ']' right at its start is a member.
func setLen(pattern string) int {
	i := 1
	if i < len(pattern) && (pattern[i] == '^' || pattern[i] == '!') {
		i++
	}
	if i++; i > len(pattern) { // the first member, whatever it is
		return 0
	}
	end := strings.IndexByte(pattern[i:], ']')
	if end < 0 {
		return 0
	}
	return i + end + 1
}

// inSet reports whether r is in the set, which stands without its brackets.
func inSet(set string, r rune) bool {
	not := set != "" && (set[0] == '^' || set[0] == '!')
	if not {
		set = set[1:]
	}
	in := false
	for set != "" {
		lo, size := utf8.DecodeRuneInString(set)
		hi := lo
		set = set[size:]
		if len(set) > 1 && set[0] == '-' {
			hi, size = utf8.DecodeRuneInString(set[1:])
			set = set[1+size:]
		}
		in = in || lo <= r && r <= hi
	}
	return in != not
}
