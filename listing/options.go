package listing

import "strings"

// Words are the ls options that clients put before the path of LIST and NLST.
// No RFC has them; many clients send them.
type Words struct {
	All  bool // -a, -A: names that start with a dot, too; -a in LIST shows . and .. as well
	Dots bool // -a
	Long bool // -l
	Self bool // -d: the directory itself, not what is in it
}

// ParseOptions cuts the option words off the argument of LIST or NLST. Words
// that start with '-' are options until one that does not, or "--"; letters
// that are not known (-R, which would list a whole tree, and the orders -t -S
// -r among them) mean nothing. One space ends a word; all others belong to the
// path. A file named "-x" is reached as "./-x".
func ParseOptions(arg string) (w Words, path string) {
	for strings.HasPrefix(arg, "-") && arg != "-" && !strings.HasPrefix(arg, "- ") {
		word, rest, _ := strings.Cut(arg, " ")
		arg = rest
		if word == "--" {
			break
		}
		for _, c := range word[1:] {
			w.add(c)
		}
	}
	return w, arg
}

func (w *Words) add(c rune) {
	switch c {
	case 'a':
		w.All, w.Dots = true, true
	case 'A':
		w.All = true
	case 'l':
		w.Long = true
	case 'd':
		w.Self = true
	}
}
