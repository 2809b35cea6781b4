package ftpclient

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
)

const (
	maxReplyLine = 64 << 10 // bytes of one line
	maxReply     = 8 << 20  // bytes of one reply; STAT can list a directory in one
)

// Reply is one reply, marks (1yz) included.
type Reply struct {
	Code  int
	Lines []string // as they came, code included, without their line ends
}

// Text returns the text after the code of the last line.
func (r Reply) Text() string {
	if len(r.Lines) == 0 {
		return ""
	}
	return r.Lines[len(r.Lines)-1][len("NNN "):]
}

// String returns the lines as they came.
func (r Reply) String() string { return strings.Join(r.Lines, "\n") }

// Expect returns a *ReplyError unless the reply has the code want, or begins
// with it: 2 stands for all of 200 to 299, 25 for 250 to 259.
func (r Reply) Expect(want int) error {
	for code := r.Code; code > 0; code /= 10 {
		if code == want {
			return nil
		}
	}
	return &ReplyError{r.Code, r.Text()}
}

// ReplyError is a reply other than the one that was hoped for. The control
// connection is still in order.
type ReplyError struct {
	Code int
	Text string // of the last line, without the code
}

// Error returns the reply as a line.
func (e *ReplyError) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Text) }

// readReply reads one reply (RFC 959 section 4.2).
func readReply(r *bufio.Reader) (Reply, error) {
	line, err := readLine(r)
	if err != nil {
		return Reply{}, err
	}
	code, sep := replyCode(line)
	if code == 0 {
		return Reply{}, fmt.Errorf("no reply code in %q", line)
	}
	reply := Reply{code, []string{line}}
	for size := len(line); sep == '-' && !endsReply(line, code); size += len(line) {
		if size > maxReply {
			return Reply{}, fmt.Errorf("reply of more than %d bytes", maxReply)
		}
		if line, err = readLine(r); err != nil {
			return Reply{}, fmt.Errorf("inside a reply: %w", err)
		}
		reply.Lines = append(reply.Lines, line)
	}
	return reply, nil
}

// endsReply reports whether line is the last one of a reply of several lines.
func endsReply(line string, code int) bool {
	c, sep := replyCode(line)
	return c == code && sep == ' '
}

// replyCode returns the code at the start of line and the byte after it, or 0.
func replyCode(line string) (code int, sep byte) {
	if len(line) < len("NNN ") || line[3] != ' ' && line[3] != '-' {
		return 0, 0
	}
	for i := range 3 {
		c := line[i]
		if c < '0' || c > '9' {
			return 0, 0
		}
		code = code*10 + int(c-'0')
	}
	return code, line[3]
}

// readLine reads one line and drops its line end. A lone LF, and a CR within,
// are errors: what we test is a server.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if len(line) > maxReplyLine {
			return "", fmt.Errorf("reply line of more than %d bytes", maxReplyLine)
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok || strings.ContainsAny(text, "\r\x00") {
		return "", fmt.Errorf("bad line end in reply %q", line)
	}
	return text, nil
}
