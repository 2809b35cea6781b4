package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"fastftps/config"
	"fastftps/metrics"
)

// logger is the server's log. The keys of its lines are time, level, msg,
// event, sid, user, ip, cmd, path, bytes, dur_ms, rate, tls_version, cipher,
// engine, resumed, prot, reply, err. Values from clients are attributes, never part of
// msg: both formats escape control characters in them, so that no client can
// forge a line.
type logger struct {
	*slog.Logger
	queue *logQueue
	out   *logFile // nil for a stream
	level slog.LevelVar
}

// newLogger makes the log. A line that cannot be written, for the disk is full
// or nobody reads the pipe, is lost and counted; the server goes on.
func newLogger(c config.Log, stderr, stdout io.Writer, lost *metrics.Counter) (*logger, error) {
	l := &logger{}
	w := map[string]io.Writer{"stderr": stderr, "stdout": stdout}[c.Output]
	if w == nil {
		l.out = &logFile{path: c.Output}
		if err := l.out.reopen(); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		w = l.out
	}
	if err := l.setLevel(c.Level); err != nil {
		return nil, err
	}
	l.queue = newLogQueue(w, lost)
	options := &slog.HandlerOptions{Level: &l.level}
	if c.Format == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(escaper{l.queue}, options))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(l.queue, options))
	}
	return l, nil
}

// escaper writes JSON on, with escapes for what a terminal might obey: DEL, C1 controls,
// bidirectional and other invisible characters. Controls below those are escaped already,
// and all that is left stands within strings.
type escaper struct{ w io.Writer }

// Write writes a line.
func (e escaper) Write(line []byte) (int, error) {
	if !bytes.ContainsFunc(line, hidden) {
		return e.w.Write(line)
	}
	out := make([]byte, 0, len(line)+64)
	for _, r := range string(line) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r < 1<<16:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
	}
	if _, err := e.w.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}

func hidden(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }

// setLevel sets the least level that is written.
func (l *logger) setLevel(text string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("log level: %w", err)
	}
	l.level.Set(level)
	return nil
}

// reopen goes on in a new file; what was logged before is in the old one.
func (l *logger) reopen() error {
	l.queue.flush()
	if l.out == nil {
		return nil
	}
	return l.out.reopen()
}

// close writes the last lines.
func (l *logger) close() error {
	l.queue.close()
	if l.out == nil {
		return nil
	}
	return l.out.close()
}

// logFile is a file that logrotate may move away: reopen goes on in a new one.
type logFile struct {
	path string

	mu sync.Mutex // guards f
	f  *os.File
}

// Write appends a line.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Write(p)
}

func (l *logFile) reopen() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_ = l.f.Close() // its lines are written: nothing is buffered here
	}
	l.f = f
	return nil
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
