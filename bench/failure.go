package bench

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"fastftps/bench/report"
	"fastftps/internal/ftpclient"
)

// wrongError is a fault of the server: it said yes and was wrong.
type wrongError struct{ error }

func (e wrongError) Unwrap() error { return e.error }

// failure is an operation that did not end well.
type failure struct {
	key  failureKey
	text string
}

// failureKey groups failures.
type failureKey struct {
	op    op
	wrong bool
	code  int
	os    string
	text  string // only where neither code nor os says what it was
}

func newFailure(k opSampleKind, err error) failure {
	f := failure{key: failureKey{op: k.op, wrong: k.outcome == wrong}, text: err.Error()}
	var reply *ftpclient.ReplyError
	if errors.As(err, &reply) {
		f.key.code = reply.Code
	}
	f.key.os = osName(err)
	switch {
	case errors.Is(err, ftpclient.ErrTruncated):
		f.key.text = ftpclient.ErrTruncated.Error()
	case f.key.code == 0 && f.key.os == "":
		f.key.text = root(err).Error()
	}
	return f
}

// root returns the innermost error: what wraps it may hold numbers that differ
// every time.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// osName names what the system said: ECONNREFUSED, TIMEOUT, EOF, ….
func osName(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errnoName(errno)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "TIMEOUT"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "EOF"
	}
	return ""
}

// hints are remedies.
var hints = map[string]string{
	"EADDRNOTAVAIL": "no local port is left towards this address (TIME_WAIT): spread over more source addresses, as --src 127.0.0.0/8",
	"EMFILE":        "the generator has no descriptor left: raise ulimit -n, or lower -c, --hold or --max-inflight",
	"ENFILE":        "the machine has no descriptor left: raise fs.file-max",
	"ECONNREFUSED":  "nobody listens there, or the backlog is full",
	"TIMEOUT":       "the server did not answer within --timeout",
}

// hint returns the remedy, "" when there is none.
func (k failureKey) hint() string {
	beginning := k.op == opLogin || k.op == opHandshake || k.op == opStall
	if beginning && (k.code == 421 || k.os == "EOF" || k.os == "ECONNRESET") {
		return "the server turned the connection away; if it has a limit for one address, use more of them, as --src 127.0.0.0/8"
	}
	return hints[k.os]
}

// Failures of the machine that the generator runs on, not of the server.
var ours = []string{"EADDRNOTAVAIL", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"}

func isOurs(err error) bool { return slices.Contains(ours, osName(err)) }

// maxFailureGroups bounds the table: a server that makes up texts must not fill
// our memory.
const maxFailureGroups = 200

// failures counts by group.
type failures map[failureKey]*report.Error

func (fs failures) add(f failure) {
	e := fs[f.key]
	if e == nil {
		if len(fs) >= maxFailureGroups {
			f.key = failureKey{op: f.key.op, text: "others"}
			f.text = "more kinds of errors than fit here"
		}
		if e = fs[f.key]; e == nil {
			e = &report.Error{Op: opNames[f.key.op], Code: f.key.code, OS: f.key.os, Text: f.text, Hint: f.key.hint()}
			fs[f.key] = e
		}
	}
	e.N++
}

// list returns the groups, the largest first.
func (fs failures) list() []report.Error {
	var list []report.Error
	for _, e := range fs {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b report.Error) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Text, b.Text))
	})
	return list
}
