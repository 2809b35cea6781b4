package session

import (
	"errors"
	"strings"
	"testing"

	"fastftps/codec"
)

// TestLongLines: a line over the limit is skipped, and costs the connection
// before the login; one without end always does.
func TestLongLines(t *testing.T) {
	long := "CWD " + strings.Repeat("x", codec.MaxLine)
	flood := strings.Repeat("x", codec.MaxFlood+1)
	tests := []struct {
		name, line string
		login      bool
		want       string
		closed     bool
	}{
		{"long before login", long, false, "421 Line too long\n\n", true},
		{"long after login", long, true, "500 Line too long\n", false},
		{"flood before login", flood, false, "421 Line far too long\n\n", true},
		{"flood after login", flood, true, "421 Line far too long\n\n", true},
		{"longest", "NOOP " + strings.Repeat("x", codec.MaxLine-5), true, "200 OK\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(t, setup(t, ""))
			m.events = nil
			if tt.login {
				m.login(t)
			}
			if got := m.send(t, tt.line); got != tt.want || m.closed != tt.closed {
				t.Errorf("got %q, closed %v; want %q, closed %v", got, m.closed, tt.want, tt.closed)
			}
			if !tt.closed {
				if got := m.send(t, "NOOP"); got != "200 OK\n" {
					t.Errorf("next command: got %q", got)
				}
			}
		})
	}
}

// TestQueue: what goes in comes out, errors included.
func TestQueue(t *testing.T) {
	in := []codec.Command{
		{Verb: codec.V("NOOP")},
		{Verb: codec.V("CWD"), Arg: []byte(" a ")},
		{Err: codec.ErrNUL},
		{Err: codec.ErrVerb, Arg: []byte("1x")},
		{Err: codec.ErrLineTooLong},
		{Verb: codec.V("ABOR")},
	}
	var q queue
	for _, c := range in {
		q.push(c)
	}
	if q.len() != len(in) || !q.has(codec.V("ABOR")) || q.has(codec.V("QUIT")) {
		t.Errorf("got %d commands, ABOR %v, QUIT %v", q.len(), q.has(codec.V("ABOR")), q.has(codec.V("QUIT")))
	}
	for i, want := range in {
		verb, arg, err, ok := q.pop()
		if !ok || verb != want.Verb || string(arg) != string(want.Arg) || !errors.Is(err, want.Err) {
			t.Errorf("command %d: got %v %q %v %v, want %v", i, verb, arg, err, ok, want)
		}
	}
	if _, _, _, ok := q.pop(); ok || q.buf != nil {
		t.Errorf("empty queue: got a command or kept %d bytes", len(q.buf))
	}
}

// TestPendingBytes: commands behind a transfer are bounded in bytes as well.
func TestPendingBytes(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	m.send(t, "PASV")
	m.send(t, "RETR a.txt")
	got := ""
	for range 3 {
		got = m.send(t, "CWD "+strings.Repeat("x", 8000))
	}
	if want := "421 Too many commands during a transfer\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFloodDuringTransfer: a line without end does not wait for the transfer.
func TestFloodDuringTransfer(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	m.send(t, "PASV")
	m.send(t, "RETR a.txt")
	if got, want := m.send(t, strings.Repeat("x", codec.MaxFlood+1)), "421 Line far too long\n\n"; got != want || !m.closed {
		t.Errorf("got %q, closed %v; want %q", got, m.closed, want)
	}
}

// TestFlush: replies that pile up hold back the commands behind them.
func TestFlush(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	lines := []byte(strings.Repeat("FEAT\r\n", 200))
	n, act := m.s.Feed(lines)
	if act != Flush || n == len(lines) {
		t.Fatalf("got action %d after %d of %d bytes, want Flush before the end", act, n, len(lines))
	}
	if got := len(m.s.Out()); got > 2*maxOut {
		t.Errorf("got %d bytes of replies, want at most %d", got, 2*maxOut)
	}
	m.s.Sent()
	if k, act := m.s.Feed(lines[n:]); k == 0 || act != Flush {
		t.Errorf("once sent: got %d bytes taken, action %d", k, act)
	}
}

// TestFlushBehindTransfer: so do the replies to queued commands; nothing that
// arrives later overtakes them.
func TestFlushBehindTransfer(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	m.send(t, "PASV")
	m.send(t, "RETR a.txt")
	for range 60 {
		m.send(t, "FEAT")
	}
	m.send(t, "SYST")
	if _, err := m.DataRead(); err != nil {
		t.Fatal(err)
	}
	got := m.send(t, "NOOP")
	if n := strings.Count(got, "211 End\n"); n != 60 {
		t.Errorf("got %d replies to FEAT, want 60", n)
	}
	if !strings.HasSuffix(got, "215 UNIX Type: L8\n200 OK\n") {
		t.Errorf("got the last replies %q", got[max(0, len(got)-60):])
	}
}

// TestFlushDuringTransfer: STAT is answered while a transfer runs, but no faster
// than its replies are sent. What was not taken for that lies behind the commands
// that are queued: none of those may cross a border of TLS.
func TestFlushDuringTransfer(t *testing.T) {
	m := newMemory(t, setup(t, "ccc: yes\n"))
	m.send(t, "AUTH TLS")
	if err := m.Handshake(""); err != nil {
		t.Fatal(err)
	}
	m.login(t)
	m.send(t, "PASV")
	m.send(t, "RETR a.txt")
	lines := []byte("CCC\r\n" + strings.Repeat("STAT\r\n", 2000))
	n, act := m.s.Feed(lines)
	if act != Flush || n == len(lines) {
		t.Fatalf("got action %d after %d of %d bytes, want Flush before the end", act, n, len(lines))
	}
	if got := len(m.s.Out()); got > 2*maxOut {
		t.Errorf("got %d bytes of replies, want at most %d", got, 2*maxOut)
	}
	m.s.Sent()
	if act := m.s.Resume(); act != Continue {
		t.Errorf("once sent: got action %d, want Continue", act)
	}
	act = m.s.TransferDone(Result{Cause: CauseOK})
	if got := string(m.s.Out()); act != Close || !strings.Contains(got, "\r\n503 Nothing may follow") {
		t.Errorf("CCC: got action %d, %q, want Close and 503", act, got)
	}
}

// TestStop: 421 and the end, unless nothing was said yet.
func TestStop(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	if act := m.s.Stop("Idle too long"); act != Close || string(m.s.Out()) != "421 Idle too long\r\n" {
		t.Errorf("got action %d, %q", act, m.s.Out())
	}
	if n, act := m.s.Feed([]byte("NOOP\r\n")); act != Close || n != 0 {
		t.Errorf("after the end: got %d bytes taken, action %d", n, act)
	}
	m = newMemory(t, setup(t, "mode: implicit\n"))
	if act := m.s.Stop("Idle too long"); act != Close || len(m.s.Out()) != 0 {
		t.Errorf("before the greeting: got action %d, %q", act, m.s.Out())
	}
}

// TestGone: the loss of the control connection ends the transfer, and what its
// job had open is let go of (RFC 959 section 4.1.1).
func TestGone(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	m.send(t, "PASV")
	m.send(t, "RETR a.txt")
	if !m.s.Transferring() {
		t.Fatal("no transfer")
	}
	m.gone()
	if m.data.job != nil || m.s.Transferring() {
		t.Errorf("got job %v, transferring %v", m.data.job, m.s.Transferring())
	}
}

// TestNoAllocation: what clients send to keep a session alive, and before each
// transfer, costs no memory.
func TestNoAllocation(t *testing.T) {
	m := newMemory(t, setup(t, ""))
	m.login(t)
	for _, line := range []string{"NOOP\r\n", "PWD\r\n", "TYPE I\r\n", "PASV\r\n", "EPSV\r\n", "noop\r\npwd\r\n"} {
		p := []byte(line)
		turn := func() {
			m.s.Feed(p)
			m.s.Sent()
		}
		turn()
		if n := testing.AllocsPerRun(100, turn); n > 0 {
			t.Errorf("%q: got %v allocations, want none", line, n)
		}
	}
}

// TestAllocations: what the commands of a running session allocate at most, on a
// storage in memory. A number that grows is a decision, not an accident.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and so does an emptied sync.Pool")
	}
	m := newMemory(t, setup(t, ""))
	m.login(t)
	for _, tt := range []struct {
		line string
		most float64
	}{
		{"SYST", 0},
		{"CDUP", 0},
		{"XYZZ", 0},
		{"TYPE A", 0},
		{"TYPE I", 0},
		{"MODE S", 1},
		{"OPTS UTF8 ON", 1},
		{"STAT", 2},
		{"ALLO 100", 2},
		{"CLNT x", 2},
		{"RNFR a.txt", 2},
		{"REST 100", 3},
		{"SIZE nothing", 3},
		{"CWD dir", 4},
		{"CDUP", 0},
		{"PORT 192,0,2,1,156,64", 4},
		{"EPRT |1|192.0.2.1|40000|", 5},
		{"SIZE a.txt", 5},
		{"MDTM a.txt", 5},
		{"MFMT 20200101000000 a.txt", 5},
		{"MLST a.txt", 8},
		{"STAT a.txt", 13},
		{"FEAT", 24},
		{"HELP", 133},
	} {
		p := []byte(tt.line + "\r\n")
		turn := func() {
			_, act := m.s.Feed(p)
			for act == Work || act == Flush {
				if act == Work {
					m.s.Work()
				}
				m.s.Sent()
				act = m.s.Resume()
			}
			m.s.Sent()
		}
		turn()
		if n := testing.AllocsPerRun(100, turn); n > tt.most {
			t.Errorf("%q: got %v allocations, want at most %v", tt.line, n, tt.most)
		}
	}
}

func BenchmarkFeed(b *testing.B) {
	for _, line := range []string{"NOOP", "PASV", "FEAT", "REST 100"} {
		b.Run(line, func(b *testing.B) {
			m := newMemory(b, setup(b, ""))
			m.login(b)
			p := []byte(line + "\r\n")
			b.ReportAllocs()
			for b.Loop() {
				m.s.Feed(p)
				m.s.Sent()
			}
		})
	}
}
