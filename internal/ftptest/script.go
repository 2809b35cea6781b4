package ftptest

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/tools/txtar"
)

// conversation is the name of the file that holds the lines to play.
const conversation = "transcript"

// Script is a parsed transcript.
type Script struct {
	Setup Setup
	text  *txtar.Archive
	steps []step
}

// step is one line of the conversation.
type step struct {
	kind byte   // 'C', '+', '~', 'S', 'T', 'E', 'W', 'D', '#'
	text string // what follows the mark, as written
	line string // all of it
}

// Parse reads a transcript.
func Parse(data []byte) (*Script, error) {
	a := txtar.Parse(data)
	last := len(a.Files) - 1
	if last < 0 || a.Files[last].Name != conversation {
		return nil, fmt.Errorf("last file is not %q", conversation)
	}
	s := &Script{text: a}
	setup, err := parseSetup(string(a.Comment))
	if err != nil {
		return nil, err
	}
	s.Setup = setup
	s.Setup.tree = txtar.Format(&txtar.Archive{Files: a.Files[:last]})
	for i, line := range strings.Split(strings.TrimSuffix(string(a.Files[last].Data), "\n"), "\n") {
		st, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the transcript: %w", i+1, err)
		}
		s.steps = append(s.steps, st)
	}
	return s, nil
}

// parseStep reads one line.
func parseStep(line string) (step, error) {
	if line == "" || line[0] == '#' {
		return step{kind: '#', line: line}, nil
	}
	mark, text, _ := strings.Cut(line, " ")
	st := step{text: text, line: line}
	switch mark {
	case "C:", "S:", "T:", "E:", "W:", "D:":
		st.kind = mark[0]
	case "C+", "C~":
		st.kind = mark[1]
	default:
		return step{}, fmt.Errorf("%q begins with no mark", line)
	}
	return st, nil
}

// Text is the conversation as the file holds it.
func (s *Script) Text() string {
	return string(s.text.Files[len(s.text.Files)-1].Data)
}

// With returns the transcript's file with another conversation in it.
func (s *Script) With(text string) []byte {
	a := *s.text
	a.Files = append([]txtar.File(nil), a.Files...)
	a.Files[len(a.Files)-1].Data = []byte(text)
	return txtar.Format(&a)
}

// InMemoryOnly reports whether the transcript needs a server whose clock,
// limits and faults the player controls.
func (s *Script) InMemoryOnly() bool {
	if u := &s.Setup; u.MemoryOnly || u.IPv6 || u.NoPorts || u.NoSlots {
		return true
	}
	for _, st := range s.steps {
		if st.kind == 'W' || st.kind == 'D' && (st.text == "none" || strings.HasPrefix(st.text, "fail ")) {
			return true
		}
	}
	return false
}

// Sent returns all that the client sends on the control connection: a seed for
// fuzzing.
func (s *Script) Sent() []byte {
	var b bytes.Buffer
	for _, st := range s.steps {
		switch st.kind {
		case 'C', '+':
			b.WriteString(unescape(st.text) + "\r\n")
		case '~':
			b.WriteString(unescape(st.text))
		}
	}
	return b.Bytes()
}
