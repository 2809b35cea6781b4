package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTimerSlack: every thread of a server has it, and the server is the process that
// was started.
func TestTimerSlack(t *testing.T) {
	p := newSite(t).start()
	pid := p.cmd.Process.Pid
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || strings.TrimSpace(string(name)) != filepath.Base(p.cmd.Path)[:min(15, len(filepath.Base(p.cmd.Path)))] {
		t.Errorf("the process is called %q, %v, want that of %s", name, err, p.cmd.Path)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads of the server: got %q, %v", tasks, err)
	}
	for _, task := range tasks {
		slack, err := os.ReadFile(filepath.Join("/proc", filepath.Base(task), "timerslack_ns"))
		if errors.Is(err, fs.ErrPermission) {
			t.Skip("to look at another process takes CAP_SYS_NICE")
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(slack)); got != fmt.Sprint(timerSlack.Nanoseconds()) {
			t.Errorf("%s: slack %s ns, want %v", task, got, timerSlack)
		}
	}
}
