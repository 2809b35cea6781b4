package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// frameTime is how often a terminal is redrawn.
const frameTime = 500 * time.Millisecond

// Screen is where a live view draws.
type Screen struct {
	W io.Writer
	// TTY: W is a terminal and can be redrawn in place. Without, every
	// snapshot becomes a line.
	TTY bool
	// Size returns the columns and rows of the terminal; it is asked before
	// every frame, so that a resize shows at once.
	Size func() (cols, rows int)
	// MaxLag is the lag of the generator, in seconds, above which its figures
	// are in doubt.
	MaxLag float64
	// ASCII: no block characters, for a terminal without UTF-8.
	ASCII bool
}

// Live shows a running benchmark. On a terminal it takes the alternate screen,
// so what stood there before comes back when it is closed. It is safe for use
// by several goroutines.
type Live struct {
	s    Screen
	now  func() time.Time
	stop chan struct{}
	done chan struct{}
	once sync.Once // Close

	mu     sync.Mutex // guards the fields below
	last   Snapshot
	at     time.Time // of last
	any    bool
	closed bool
	past   map[string]*history
}

// history is the recent seconds of a target.
type history struct{ rate, p99 []float64 }

// historyLength is how many seconds are kept: more than any terminal shows.
const historyLength = 400

// NewLive starts a live view. Close ends it.
func NewLive(s Screen) *Live { return newLive(s, time.Now) }

func newLive(s Screen, now func() time.Time) *Live {
	l := &Live{s: s, now: now, stop: make(chan struct{}), done: make(chan struct{}), past: map[string]*history{}}
	if !s.TTY {
		close(l.done)
		return l
	}
	// Alternate screen, no cursor, no wrapping of long lines.
	_, _ = io.WriteString(s.W, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J")
	go l.redraw()
	return l
}

// redraw keeps the clock going between snapshots, until Close.
func (l *Live) redraw() {
	defer close(l.done)
	t := time.NewTicker(frameTime)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
			l.mu.Lock()
			l.drawLocked()
			l.mu.Unlock()
		}
	}
}

// Update shows a snapshot.
func (l *Live) Update(s Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.last, l.at, l.any = s, l.now(), true
	l.rememberLocked(s)
	if l.s.TTY {
		l.drawLocked()
		return
	}
	_, _ = io.WriteString(l.s.W, printable(logLine(s))+"\n")
}

// Close gives the terminal back; when it returns, that is done, whoever began
// it. Later updates are dropped.
func (l *Live) Close() {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.stop)
		<-l.done
		if l.s.TTY {
			_, _ = io.WriteString(l.s.W, "\x1b[?7h\x1b[?25h\x1b[?1049l")
		}
	})
}

// rememberLocked adds a second to the history of each target.
func (l *Live) rememberLocked(s Snapshot) {
	for i, t := range s.Targets {
		h := l.past[t.Name]
		if h == nil {
			h = new(history)
			l.past[t.Name] = h
		}
		var rate float64
		for _, row := range s.Rows {
			if row.Target == t.Name {
				rate += row.Ops
			}
		}
		if len(s.Targets) > 1 && !s.Targets[i].Active {
			rate = math.NaN()
		}
		h.rate, h.p99 = push(h.rate, rate), push(h.p99, t.P99)
	}
}

func push(vs []float64, v float64) []float64 {
	if len(vs) >= historyLength {
		vs = append(vs[:0], vs[1:]...)
	}
	return append(vs, v)
}

// drawLocked writes a frame in one go: home, each line with the rest of it
// cleared, then everything below. Nothing is blanked before it is drawn over,
// and terminals that know how hold the picture until it is whole (mode 2026).
func (l *Live) drawLocked() {
	if !l.any || l.closed {
		return
	}
	cols, rows := l.s.Size()
	if cols < 1 || rows < 1 {
		cols, rows = 80, 24
	}
	s := l.last
	s.Elapsed += l.now().Sub(l.at).Seconds()
	if s.Total > 0 {
		s.Elapsed = min(s.Elapsed, s.Total)
	}
	lines := l.frame(s, cols)
	if len(lines) > rows {
		lines = lines[:rows]
	}
	var b strings.Builder
	b.WriteString("\x1b[?2026h\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line.paint(cols))
	}
	b.WriteString("\x1b[J\x1b[?2026l")
	_, _ = io.WriteString(l.s.W, b.String())
}

// styled is a line of the live view and how it looks as a whole.
type styled struct {
	text string
	look string // SGR parameters, or none
}

// paint cuts a line to the width, adds its look and clears the rest of the
// line. A line that is full has no rest: the cursor stands on its last
// character, and clearing would take that.
func (s styled) paint(cols int) string {
	text := clip(printable(s.text), cols)
	rest := ""
	if utf8.RuneCountInString(text) < cols {
		rest = "\x1b[K"
	}
	if s.look == "" {
		return text + rest
	}
	return "\x1b[" + s.look + "m" + text + "\x1b[0m" + rest
}

// The looks of lines.
const (
	lookBold = "1"
	lookDim  = "2"
	lookBad  = "31"
)

// frame makes the lines of a snapshot.
func (l *Live) frame(s Snapshot, cols int) []styled {
	lines := headLines(s, cols)
	lines = append(lines, styled{})
	lines = append(lines, rowLines(s)...)
	lines = append(lines, styled{})
	lines = append(lines, l.graphs(s, cols)...)
	client := fmt.Sprintf("client  %s cores", digits(s.CPU))
	if s.LagP99 > 0 { // a closed loop has no schedule
		client += ", lag p99 " + seconds(s.LagP99)
	}
	if s.LagP99 > l.s.MaxLag {
		return append(lines, styled{client + "  TOO SLOW: the generator is the bottleneck", lookBad})
	}
	return append(lines, styled{client + "  ok", ""})
}

// headLines say what runs and how far it is.
func headLines(s Snapshot, cols int) []styled {
	right := joined(s.Stage, progress(s))
	left := strings.TrimSpace(s.Scenario + "  " + s.Loop)
	lines := []styled{{spread(left, right, cols), lookBold}}
	for _, t := range s.Targets {
		text, look := "  "+strings.TrimSpace(t.Name+"  "+t.URL), ""
		if t.Name == t.URL || strings.Contains(t.URL, t.Name) {
			text = "  " + t.URL
		}
		if len(s.Targets) > 1 && !t.Active {
			look = lookDim
		} else if len(s.Targets) > 1 {
			text = "> " + text[2:]
		}
		lines = append(lines, styled{text, look})
	}
	return lines
}

// spread puts one text at the left and one at the right end of a line.
func spread(left, right string, cols int) string {
	gap := cols - utf8.RuneCountInString(left) - utf8.RuneCountInString(right)
	return left + strings.Repeat(" ", max(gap, 2)) + right
}

// progress is the time that has passed, and the planned one.
func progress(s Snapshot) string {
	clock := func(v float64) string { return fmt.Sprintf("%02d:%02d", int(v)/60, int(v)%60) }
	if s.Total > 0 {
		return clock(s.Elapsed) + "/" + clock(s.Total)
	}
	return clock(s.Elapsed)
}

// rowLines are the table: an operation a line, what is known of the target as a
// whole at its first one.
func rowLines(s Snapshot) []styled {
	tab := newTable([]int{0, 3}, "operation", "ops/s", "MB/s", "time", "p50", "p99", "p99.9", "errors", "dropped", "full/s", "resumed/s", "sessions", "cores", "memory")
	looks := []string{lookDim}
	seen := map[string]bool{}
	for _, r := range s.Rows {
		name, mb, kind, look := r.Op, none, "response", ""
		if len(s.Targets) > 1 {
			name = r.Target + " " + r.Op
		}
		if r.MB > 0 {
			mb = digits(r.MB)
		}
		if r.FirstB {
			kind = "1st byte"
		}
		if r.Errors > 0 {
			look = lookBad
		}
		cells := []string{name, digits(r.Ops), mb, kind, seconds(r.P50), seconds(r.P99), seconds(r.P999), zero(r.Errors), zero(r.Dropped), "", "", "", "", ""}
		if t := s.target(r.Target); t != nil && !seen[r.Target] {
			seen[r.Target] = true
			copy(cells[9:], t.cells())
		}
		tab.row(cells...)
		looks = append(looks, look)
	}
	var b strings.Builder
	tab.write(&b, " ")
	var lines []styled
	i := 0
	for text := range strings.Lines(b.String()) {
		lines = append(lines, styled{strings.TrimSuffix(text, "\n"), looks[i]})
		i++
	}
	return lines
}

func (s *Snapshot) target(name string) *LiveTarget {
	for i := range s.Targets {
		if s.Targets[i].Name == name {
			return &s.Targets[i]
		}
	}
	return nil
}

// cells are the columns of a target.
func (t *LiveTarget) cells() []string {
	cells := []string{digits(t.Full), digits(t.Resumed), count(t.Sessions), none, none}
	if t.HasCost {
		cells[3], cells[4] = digits(t.CPU), mib(t.PSS)
	}
	return cells
}

// graphs draw the last minutes of each target, a character a second.
func (l *Live) graphs(s Snapshot, cols int) []styled {
	var lines []styled
	for _, t := range s.Targets {
		h := l.past[t.Name]
		if h == nil {
			continue
		}
		name := ""
		if len(s.Targets) > 1 {
			name = t.Name + " "
		}
		const labels, values = 8, 20
		width := min(max(cols-labels-values-2, 8), historyLength)
		rate, p99 := lastOf(h.rate, width), lastOf(h.p99, width)
		lines = append(lines,
			styled{fmt.Sprintf("%-*s%-*s  peak %s/s", labels, name+"rate", width, spark(rate, 0, peakOf(rate), false, l.s.ASCII), digits(peakOf(rate))), ""},
			styled{fmt.Sprintf("%-*s%-*s  peak %s", labels, name+"p99", width, spark(p99, floorOf(p99), peakOf(p99), true, l.s.ASCII), seconds(peakOf(p99))), ""})
	}
	return lines
}

func lastOf(vs []float64, n int) []float64 { return vs[max(len(vs)-n, 0):] }

func peakOf(vs []float64) float64 {
	hi := 0.0
	for _, v := range vs {
		if v > hi {
			hi = v
		}
	}
	return hi
}

// floorOf is the least value above 0.
func floorOf(vs []float64) float64 {
	lo := math.Inf(1)
	for _, v := range vs {
		if v > 0 && v < lo {
			lo = v
		}
	}
	return lo
}

// The characters of a graph, from nothing to full.
var (
	blocks = []rune(" ▁▂▃▄▅▆▇█")
	marks  = []rune(" .:-=+*#@")
)

// spark draws values between lo and hi, a character each; gaps stay blank.
func spark(vs []float64, lo, hi float64, log, ascii bool) string {
	set := blocks
	if ascii {
		set = marks
	}
	s := scale{lo: lo, hi: hi, from: 1, to: float64(len(set) - 1), log: log}
	var b strings.Builder
	for _, v := range vs {
		switch {
		case math.IsNaN(v) || !(hi > 0):
			b.WriteRune(' ')
		case hi == lo:
			b.WriteRune(set[len(set)/2])
		default:
			b.WriteRune(set[int(math.Round(s.at(v)))])
		}
	}
	return b.String()
}

// logLine is a snapshot in one line.
func logLine(s Snapshot) string {
	parts := []string{progress(s)}
	if s.Stage != "" {
		parts = append(parts, s.Stage)
	}
	for _, r := range s.Rows {
		t := s.target(r.Target)
		if len(s.Targets) > 1 && t != nil && !t.Active {
			continue
		}
		if r.Ops == 0 && math.IsNaN(r.P50) && r.Errors == 0 && r.Dropped == 0 {
			continue
		}
		text := fmt.Sprintf("%s %s/s", strings.TrimSpace(r.Op), digits(r.Ops))
		if len(s.Targets) > 1 {
			text = r.Target + " " + text
		}
		if r.MB > 0 {
			text += fmt.Sprintf(" %s MB/s", digits(r.MB))
		}
		text += fmt.Sprintf(" p50 %s p99 %s", seconds(r.P50), seconds(r.P99))
		if r.Errors > 0 {
			text += fmt.Sprintf(" errors %s", count(r.Errors))
		}
		if r.Dropped > 0 {
			text += fmt.Sprintf(" dropped %s", count(r.Dropped))
		}
		parts = append(parts, text)
	}
	if s.LagP99 > 0 {
		parts = append(parts, "lag p99 "+seconds(s.LagP99))
	}
	return strings.Join(parts, " | ")
}
