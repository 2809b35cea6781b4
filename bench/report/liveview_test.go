package report

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// snapshots are a run of some seconds against two targets in turns.
func snapshots(n int) []Snapshot {
	var out []Snapshot
	for i := range n {
		a, f := i/5%2 == 0, float64(i)
		s := Snapshot{
			Scenario: "mixed", Loop: "open 500/s poisson", Stage: fmt.Sprintf("slice %s %d/24", string("AB"[i/5%2]), i/5+1), Elapsed: f + 1, Total: 120, LagP99: 0.4e-3, CPU: 0.31,
			Targets: []LiveTarget{
				{Name: "A", URL: "ftps://127.0.0.1:2990", Active: a, Full: 0.4, Resumed: 349, Sessions: 64, HasCost: true, CPU: 0.38, PSS: 61 << 20, P50: 1.1e-3 + 1e-5*f, P99: 6.8e-3 * (1 + math.Sin(f/3)/2)},
				{Name: "B", URL: "ftpes://127.0.0.1:2121", Active: !a, Full: 349, Sessions: 64, P50: math.NaN(), P99: math.NaN()},
			},
			Rows: []LiveRow{
				{Target: "A", Op: "retr", Ops: 351 + 20*math.Sin(f), MB: 412, P50: 1.1e-3, P99: 6.8e-3, P999: 14e-3, FirstB: true},
				{Target: "A", Op: "list", Ops: 50, P50: 0.7e-3, P99: 3e-3, P999: 9e-3},
				{Target: "B", Op: "retr", Ops: 349, MB: 409, P50: 2.9e-3, P99: 31e-3, P999: 77e-3, FirstB: true, Errors: 2, Dropped: 11},
				{Target: "B", Op: "list", P50: math.NaN(), P99: math.NaN(), P999: math.NaN()},
			},
		}
		out = append(out, s)
	}
	return out
}

// still is a clock that does not move.
func still() time.Time { return time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC) }

// frames cuts what was written to a terminal into pictures.
func frames(t *testing.T, out string) []string {
	t.Helper()
	parts := strings.Split(out, "\x1b[?2026h\x1b[H")
	for i := 1; i < len(parts); i++ {
		body, _, ok := strings.Cut(parts[i], "\x1b[J\x1b[?2026l")
		if !ok {
			t.Fatalf("frame %d is not closed: %q", i, parts[i])
		}
		parts[i] = body
	}
	return parts[1:]
}

func TestLiveTerminal(t *testing.T) {
	var b bytes.Buffer
	l := newLive(Screen{W: &b, TTY: true, MaxLag: 5e-3, Size: func() (int, int) { return 120, 40 }}, still)
	for _, s := range snapshots(23) {
		l.Update(s)
	}
	l.Close()
	l.Close() // a second time does nothing
	l.Update(Snapshot{})
	out := b.String()
	if !strings.HasPrefix(out, "\x1b[?1049h\x1b[?25l") || !strings.HasSuffix(out, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the screen is not taken and given back: %q ... %q", out[:20], out[len(out)-20:])
	}
	all := frames(t, out)
	golden(t, "live.ansi", []byte(strings.ReplaceAll(all[len(all)-1], "\x1b", "^[")))
}

// TestLiveLag: a generator that is late says so.
func TestLiveLag(t *testing.T) {
	var b bytes.Buffer
	l := newLive(Screen{W: &b, TTY: true, MaxLag: 5e-3, Size: func() (int, int) { return 120, 40 }}, still)
	s := snapshots(1)[0]
	s.LagP99 = 6e-3
	l.Update(s)
	l.Close()
	if !strings.Contains(b.String(), "lag p99 6.00ms  TOO SLOW") {
		t.Errorf("got %q, want a warning", b.String())
	}
}

// TestLiveResize: whatever the size is, no line is longer and no frame higher.
func TestLiveResize(t *testing.T) {
	for _, size := range [][2]int{{200, 50}, {80, 24}, {40, 10}, {1, 1}, {0, 0}} {
		var b bytes.Buffer
		l := newLive(Screen{W: &b, TTY: true, ASCII: true, Size: func() (int, int) { return size[0], size[1] }}, still)
		l.Update(snapshots(1)[0])
		l.Close()
		cols, rows := size[0], size[1]
		if cols == 0 {
			cols, rows = 80, 24
		}
		for _, frame := range frames(t, b.String()) {
			lines := strings.Split(frame, "\r\n")
			if len(lines) > rows {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for _, line := range lines {
				for _, code := range []string{"\x1b[K", "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"} {
					line = strings.ReplaceAll(line, code, "")
				}
				if n := utf8.RuneCountInString(line); n > cols || strings.Contains(line, "\x1b") {
					t.Errorf("%v: line of %d: %q", size, n, line)
				}
			}
		}
	}
}

func TestLiveLines(t *testing.T) {
	var b bytes.Buffer
	l := newLive(Screen{W: &b}, still)
	for _, s := range snapshots(7) {
		l.Update(s)
	}
	l.Update(Snapshot{Stage: "setup\x1b[2J", Elapsed: 65})
	l.Close()
	golden(t, "live.txt", b.Bytes())
}

// countWriter counts writes: a frame is one, or it flickers.
type countWriter struct {
	mu sync.Mutex
	n  int
}

func (c *countWriter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return len(p), nil
}

func TestLiveOneWriteAFrame(t *testing.T) {
	var c countWriter
	l := &Live{s: Screen{W: &c, TTY: true, Size: func() (int, int) { return 80, 24 }}, now: still, past: map[string]*history{}}
	for _, s := range snapshots(10) {
		l.Update(s)
	}
	if c.n != 10 {
		t.Errorf("got %d writes, want 10", c.n)
	}
}

// TestLiveTmux draws on a real terminal emulator and reads it back.
func TestLiveTmux(t *testing.T) {
	if os.Getenv("FASTFTPS_LIVE_HELPER") != "" {
		liveHelper(t)
		return
	}
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("tmux is not installed")
	}
	socket := t.TempDir() + "/s"
	run := func(args ...string) string {
		out, err := exec.Command(tmux, append([]string{"-f", "/dev/null", "-S", socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("new-session", "-d", "-x", "110", "-y", "24", "-e", "FASTFTPS_LIVE_HELPER=1", os.Args[0]+" -test.run '^TestLiveTmux$' ; cat")
	defer run("kill-server")
	shows := func(want string) string {
		for deadline := time.Now().Add(20 * time.Second); ; {
			screen := run("capture-pane", "-p")
			if strings.Contains(screen, want) {
				return screen
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %q on the screen:\n%s", want, screen)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	shows("slice A 1/24, 00:01/02:00")
	run("resize-window", "-x", "70", "-y", "12")
	run("send-keys", "Enter")
	screen := shows("slice B 2/24, 00:06/02:00")
	if n := strings.Count(screen, "slice "); n != 1 {
		t.Errorf("%d heads on the screen, want 1:\n%s", n, screen)
	}
	run("send-keys", "Enter")
	if screen = shows("PASS"); strings.Contains(screen, "slice ") {
		t.Errorf("the view was left on the screen:\n%s", screen)
	}
	if got := run("display-message", "-p", "#{cursor_flag}"); strings.TrimSpace(got) != "1" {
		t.Errorf("got cursor flag %q, want 1", got)
	}
}

// liveHelper is the other side of TestLiveTmux: a step for each line of input.
func liveHelper(t *testing.T) {
	size := func() (int, int) {
		cmd := exec.Command("stty", "size")
		cmd.Stdin = os.Stdin
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var rows, cols int
		if _, err := fmt.Sscan(string(out), &rows, &cols); err != nil {
			t.Fatal(err)
		}
		return cols, rows
	}
	l := newLive(Screen{W: os.Stdout, TTY: true, Size: size}, still)
	wait := func() { _, _ = os.Stdin.Read(make([]byte, 64)) }
	all := snapshots(6)
	l.Update(all[0])
	wait()
	l.Update(all[5])
	wait()
	l.Close()
}
