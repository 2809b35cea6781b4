package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastftps/metrics"
)

// TestDescriptorsLog: whoever is turned away for want of descriptors is counted
// each time and logged now and then: the rate is the clients' to choose.
func TestDescriptorsLog(t *testing.T) {
	var out bytes.Buffer
	e := &Engine{log: slog.New(slog.NewTextHandler(&out, nil)), metrics: metrics.NewServer("", "", "")}
	e.clock.start = time.Now()
	lines := func() int { return strings.Count(out.String(), "\n") }
	for range 100 {
		e.noDescriptor(syscall.EMFILE)
	}
	if n := lines(); n != 1 {
		t.Errorf("%d lines at a time, want 1", n)
	}
	e.clock.set(e.clock.start.Add(noDescriptorEvery))
	for range 100 {
		e.noDescriptor(syscall.ENFILE)
	}
	if n := lines(); n != 2 {
		t.Errorf("%d lines after a while, want 2", n)
	}
	if n := e.metrics.Rejected[metrics.RejectDescriptors].Load(); n != 200 {
		t.Errorf("%d were counted, want 200", n)
	}
	e.noDescriptor(syscall.EPERM)
	if n := lines(); n != 3 {
		t.Error("another error is not logged")
	}
}
