package ftptest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape makes a line of the wire a line of a transcript.
func escape(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r), r == ' ' && i == len(line)-1:
			for _, c := range []byte(line[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(line[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unescape is the reverse of escape. A backslash before anything else stands
// for itself.
func unescape(text string) string {
	var b []byte
	for i := 0; i < len(text); i++ {
		c, n := unescapeByte(text[i:])
		b = append(b, c)
		i += n - 1
	}
	return string(b)
}

func unescapeByte(s string) (c byte, n int) {
	if s[0] != '\\' || len(s) < 2 {
		return s[0], 1
	}
	switch s[1] {
	case 'r':
		return '\r', 2
	case 'n':
		return '\n', 2
	case '\\':
		return '\\', 2
	case 'x':
		if len(s) >= 4 {
			if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(v), 4
			}
		}
	}
	return s[0], 1
}

// hidePort puts a * for the port in 227 and 229, which differs from run to run.
func hidePort(line string) string {
	switch {
	case strings.HasPrefix(line, "227 "):
		open, end := strings.IndexByte(line, '('), strings.IndexByte(line, ')')
		if open < 0 || end < open {
			return line
		}
		fields := strings.Split(line[open+1:end], ",")
		if len(fields) != 6 {
			return line
		}
		return line[:open+1] + strings.Join(fields[:4], ",") + ",*" + line[end:]
	case strings.HasPrefix(line, "229 "):
		open := strings.Index(line, "(|||")
		end := strings.LastIndex(line, "|)")
		if open < 0 || end < open+4 {
			return line
		}
		return line[:open+4] + "*" + line[end:]
	}
	return line
}

// quoteData writes data as D: < lines, a line of text each.
func quoteData(data []byte) string {
	var b strings.Builder
	rest := data
	for {
		i := bytes.IndexByte(rest, '\n') + 1
		if i == 0 {
			i = len(rest)
		}
		b.WriteString("D: < " + strconv.Quote(string(rest[:i])) + "\n")
		if rest = rest[i:]; len(rest) == 0 {
			return b.String()
		}
	}
}

// Diff shows where got leaves want, with the lines around it; "" when they are
// the same.
func Diff(got, want string) string {
	if got == want {
		return ""
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	from := max(0, i-3)
	return fmt.Sprintf("got from line %d:\n%s\nwant:\n%s", from+1, excerpt(g, from), excerpt(w, from))
}

// excerpt is a few of the lines.
func excerpt(lines []string, from int) string {
	return "\t" + strings.Join(lines[from:min(len(lines), from+10)], "\n\t")
}
