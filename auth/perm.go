package auth

import (
	"fmt"
	"strings"
)

// permWords are the words for single permissions, in the order of the bits.
var permWords = [...]string{"list", "read", "write", "modify", "delete", "rename", "mkdir", "attr"}

// ParsePerms returns the permissions that the words name: "r" (ReadOnly), "rw"
// (ReadWrite) or the single ones "list", "read", "write", "modify", "delete",
// "rename", "mkdir", "attr".
func ParsePerms(words ...string) (Perm, error) {
	var p Perm
	for _, w := range words {
		bits, ok := permOf(w)
		if !ok {
			return 0, fmt.Errorf("unknown permission %q: want r, rw or some of %s", w, strings.Join(permWords[:], ", "))
		}
		p |= bits
	}
	return p, nil
}

func permOf(word string) (Perm, bool) {
	switch word {
	case "r":
		return ReadOnly, true
	case "rw":
		return ReadWrite, true
	}
	for i, w := range permWords {
		if w == word {
			return 1 << i, true
		}
	}
	return 0, false
}

// Words returns the words that ParsePerms makes p of, the fewest possible.
func (p Perm) Words() []string {
	switch p {
	case ReadOnly:
		return []string{"r"}
	case ReadWrite:
		return []string{"rw"}
	}
	words := []string{}
	for i, w := range permWords {
		if p&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return words
}

// String returns the words of p, joined by commas.
func (p Perm) String() string { return strings.Join(p.Words(), ",") }
