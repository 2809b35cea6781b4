//go:build interop

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// logLine is one line of the server's JSON log.
type logLine struct {
	raw  string
	keys map[string]any
}

// str is the value of key as text, "" if there is none.
func (l logLine) str(key string) string {
	v, ok := l.keys[key]
	if !ok {
		return ""
	}
	return fmt.Sprint(v)
}

// num is the value of key as a number, -1 if there is none.
func (l logLine) num(key string) int64 {
	v, ok := l.keys[key].(float64)
	if !ok {
		return -1
	}
	return int64(v)
}

// serverLog collects what the server writes to its standard error.
type serverLog struct {
	mu    sync.Mutex
	lines []logLine
	more  chan struct{} // closed and replaced with each line
	ended chan struct{} // closed when the server has closed its end
}

// newServerLog reads r to its end in a goroutine of its own and copies it to
// the file path.
func newServerLog(r io.Reader, path string) (*serverLog, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	l := &serverLog{more: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		defer f.Close()
		l.collect(io.TeeReader(r, f))
	}()
	return l, nil
}

func (l *serverLog) collect(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := logLine{raw: s.Text()}
		_ = json.Unmarshal(s.Bytes(), &line.keys) // no JSON: keys stays nil, and faults tells
		l.mu.Lock()
		l.lines = append(l.lines, line)
		close(l.more)
		l.more = make(chan struct{})
		l.mu.Unlock()
	}
}

// mark is the number of lines so far, for since and wait.
func (l *serverLog) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// since returns the lines from mark on for which keep holds.
func (l *serverLog) since(mark int, keep func(logLine) bool) []logLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []logLine
	for _, line := range l.lines[mark:] {
		if keep(line) {
			out = append(out, line)
		}
	}
	return out
}

// wait returns the first line from mark on for which match holds, and fails
// the test if none comes in time.
func (l *serverLog) wait(t *testing.T, mark int, what string, match func(logLine) bool) logLine {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		more := l.more
		i := slices.IndexFunc(l.lines[mark:], match)
		if i >= 0 {
			defer l.mu.Unlock()
			return l.lines[mark+i]
		}
		l.mu.Unlock()
		select {
		case <-more:
		case <-l.ended:
			t.Fatalf("the server ended without a log line of %s", what)
		case <-timeout:
			t.Fatalf("no log line of %s", what)
		}
	}
}
