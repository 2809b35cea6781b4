package engine

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastftps/metrics"
	"fastftps/session"
)

// TestAcceptLog: an error of accept is logged now and then only: the rate is the
// clients' to choose, or the kernel's. It hides no other one. For want of descriptors
// each is counted.
func TestAcceptLog(t *testing.T) {
	var out bytes.Buffer
	e := &Engine{log: slog.New(slog.NewTextHandler(&out, nil)), metrics: metrics.NewServer("", "", "")}
	e.clock.start = time.Now()
	want := 0
	for _, pass := range []time.Duration{0, notAcceptedEvery} {
		e.clock.set(e.clock.start.Add(pass))
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EPERM} {
			for range 100 {
				e.notAccepted(os.NewSyscallError("accept4", err))
			}
			want++
			if n := strings.Count(out.String(), "\n"); n != want || !strings.Contains(out.String(), err.Error()) {
				t.Fatalf("%d lines after %v, want %d:\n%s", n, err, want, &out)
			}
		}
	}
	if n := e.metrics.Rejected[metrics.RejectDescriptors].Load(); n != 400 {
		t.Errorf("%d were counted, want 400", n)
	}
}

// TestAcceptGoesOn: an accept that fails ends nothing; the next one may succeed.
func TestAcceptGoesOn(t *testing.T) {
	log := make(logLines, 100)
	s := start(t, func(c *Config) { c.Reactor, c.Log = "net", slog.New(slog.NewTextHandler(log, nil)) })
	ln := s.listeners[session.Plain].ln
	if err := ln.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	for line := range log {
		if strings.Contains(line, "msg=accept") {
			break
		}
	}
	if err := ln.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.dial(session.Plain, nil)
}

// logLines are what is logged, as far as there is room.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}
