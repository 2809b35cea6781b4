package codec

// maxVerb is how many characters fit a Verb.
const maxVerb = 8

// Verb is the name of a command, such as RETR, packed into an integer: up to
// eight upper-case letters or digits, big-endian, so that looking one up
// neither allocates nor compares strings. The zero Verb is no verb.
type Verb uint64

// V packs s, in either case, and returns 0 when s is not a well-formed verb: a
// letter followed by up to seven letters or digits. (RFC 959 knows letters
// only; XSHA256 and its like need the digits.)
func V(s string) Verb {
	v, n := packVerb(s)
	if n != len(s) {
		return 0
	}
	return v
}

// String returns the verb in upper case, "" for the zero Verb.
func (v Verb) String() string {
	var b [maxVerb]byte
	i := len(b)
	for ; v != 0; v >>= 8 {
		i--
		b[i] = byte(v)
	}
	return string(b[i:])
}

// CutVerb splits a line, or the argument of a command with subcommands such as
// SITE and OPTS, into a verb and its argument: the bytes after exactly one SP,
// verbatim (RFC 2640 section 3.1). arg aliases line. The verb is 0, and arg is
// the whole line, when the line does not begin with a well-formed verb that SP
// or the line's end follows.
func CutVerb(line []byte) (v Verb, arg []byte) {
	v, n := packVerb(line)
	switch {
	case n == 0:
		return 0, line
	case n == len(line):
		return v, nil
	case line[n] == ' ':
		return v, line[n+1:]
	}
	return 0, line
}

// packVerb packs the verb at the start of s and returns its length, 0 when
// there is none. What follows is the caller's to judge.
func packVerb[T Text](s T) (v Verb, n int) {
	for n < len(s) && n <= maxVerb {
		c := s[n]
		switch {
		case 'A' <= c && c <= 'Z':
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case n > 0 && '0' <= c && c <= '9':
		default:
			return v, n
		}
		v = v<<8 | Verb(c)
		n++
	}
	if n > maxVerb {
		return 0, 0
	}
	return v, n
}
