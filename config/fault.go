package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Origin says where a value comes from.
type Origin struct {
	From string // file name, "environment NAME", "--set key"; "" for a default
	Line int    // of a file, from 1; 0 elsewhere
	Col  int    // in bytes, from 1

	text  string // the whole line
	width int    // bytes of what is meant, from Col
}

// String returns "file:line:column", the flag's or variable's name, or
// "default".
func (o Origin) String() string {
	switch {
	case o.From == "":
		return "default"
	case o.Line == 0:
		return o.From
	}
	return fmt.Sprintf("%s:%d:%d", o.From, o.Line, o.Col)
}

// Fault is one thing that is wrong in the configuration.
type Fault struct {
	Origin
	Key  string // "" for a syntax error
	Msg  string
	Hint string // a key that may have been meant
}

// Error returns the fault in one line.
func (f Fault) Error() string {
	s := f.Msg
	if f.Key != "" {
		s = f.Key + ": " + s
	}
	if f.Hint != "" {
		s += fmt.Sprintf(" (did you mean %s?)", f.Hint)
	}
	if f.From == "" {
		return s
	}
	return f.Origin.String() + ": " + s
}

// Detail returns the fault with the line of the file and a caret below the
// place:
//
//	fastftps.toml:7:7: tls.min: "1.1" is none of 1.2, 1.3
//	  7 | min = "1.1"
//	    |       ^^^^^
func (f Fault) Detail() string {
	if f.Line == 0 {
		return f.Error()
	}
	number := fmt.Sprintf("%3d", f.Line)
	before := f.text[:min(max(f.Col-1, 0), len(f.text))]
	mark := f.text[len(before):min(len(before)+f.width, len(f.text))]
	carets := strings.Repeat("^", max(1, utf8.RuneCountInString(mark)))
	return fmt.Sprintf("%s\n%s | %s\n%s | %s%s", f.Error(), number, printable(f.text), strings.Repeat(" ", len(number)), blank(before), carets)
}

// printable takes out what could change the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// blank returns white space as wide as s: tabs stay tabs.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}

// Faults is everything that is wrong, in the order of the file's lines.
type Faults []Fault

// Error returns the details of all faults, a blank line between them.
func (fs Faults) Error() string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Detail()
	}
	return strings.Join(parts, "\n\n")
}

// Fault returns a fault of a key's value, for checks that this package cannot
// make itself. It points to where the value was set.
func (c *Config) Fault(key, format string, args ...any) Fault {
	return Fault{Origin: c.origins[key], Key: key, Msg: fmt.Sprintf(format, args...)}
}

// find returns the row of a key.
func (c *Config) find(name string) (key, bool) {
	for _, k := range c.keys() {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// nearest returns the key that was probably meant, or "". A key of another
// section with the same last word is nearer than a misspelt one.
func (c *Config) nearest(name string) string {
	best, least := "", 1+len(name)/3
	for _, k := range c.keys() {
		d := distance(name, k.name)
		if lastWord(k.name) == lastWord(name) {
			d = 0
		}
		if d < least {
			best, least = k.name, d
		}
	}
	return best
}

func lastWord(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance returns how many letters must be put in, taken out or changed to
// make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
