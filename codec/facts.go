package codec

import "bytes"

// Facts is a set of the facts that MLST and MLSD can state of a file (RFC 3659
// section 7.5).
type Facts uint16

// The facts there are, in the order in which they are listed.
const (
	FactType     Facts = 1 << iota // type=file, dir, cdir, pdir
	FactSize                       // size=bytes, of files only
	FactModify                     // modify=time, see AppendTime
	FactPerm                       // perm=what this user may do, of acdeflmprw
	FactUnique                     // unique=device and inode
	FactUnixMode                   // UNIX.mode=0644
	FactUnixUID                    // UNIX.uid=number
	FactUnixGID                    // UNIX.gid=number

	// AllFacts are on until OPTS MLST says otherwise: clients that find one
	// switched off spend a round trip on switching it on.
	AllFacts = 1<<iota - 1
)

var factNames = [...]string{"type", "size", "modify", "perm", "unique", "UNIX.mode", "UNIX.uid", "UNIX.gid"}

// Has reports whether all facts of g are in f.
func (f Facts) Has(g Facts) bool { return f&g == g }

// AppendFactList appends the parameter of MLST in the FEAT reply: every fact
// there is, those that are on with a star (RFC 3659 section 7.8).
//
//	type*;size*;modify*;perm;…
func AppendFactList(dst []byte, on Facts) []byte {
	for i, name := range factNames {
		dst = append(dst, name...)
		if on.Has(1 << i) {
			dst = append(dst, '*')
		}
		dst = append(dst, ';')
	}
	return dst
}

// AppendFactNames appends the facts that are on, as the reply to OPTS MLST
// names them (RFC 3659 section 7.9):
//
//	type;size;modify;…
func AppendFactNames(dst []byte, on Facts) []byte {
	for i, name := range factNames {
		if on.Has(1 << i) {
			dst = append(append(dst, name...), ';')
		}
	}
	return dst
}

// ParseFactList reads the list of OPTS MLST: the names of the facts that are to
// be on from now, in either case, each with a semicolon, which the last one may
// lack. Names that are not known do not count (RFC 3659 section 7.9); an empty
// list turns all off. A list with a space or an empty name in it is ErrSyntax,
// and nothing is to change.
func ParseFactList(list []byte) (Facts, error) {
	var on Facts
	if bytes.IndexByte(list, ' ') >= 0 {
		return 0, ErrSyntax
	}
	for len(list) > 0 {
		name, rest, _ := bytes.Cut(list, []byte{';'})
		if len(name) == 0 {
			return 0, ErrSyntax
		}
		on |= factNamed(name)
		list = rest
	}
	return on, nil
}

// factNamed returns the fact of that name, none when there is none.
func factNamed(name []byte) Facts {
	for i, known := range factNames {
		if bytes.EqualFold(name, []byte(known)) {
			return 1 << i
		}
	}
	return 0
}
