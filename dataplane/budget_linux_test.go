package dataplane

import (
	"runtime"
	"testing"

	"fastftps/tlsconn"
)

// Stalled readers stay within the byte budget, and one that reads gets through
// once there is room.
func TestBudgetHolds(t *testing.T) { eachEngine(t, testBudgetHolds) }

func testBudgetHolds(t *testing.T) {
	const readers, budget = 120, 4 << 20
	p, id := newPlane(t, Config{Budget: budget}), identity(t)
	body := make([]byte, 16<<20)
	before := heap()
	var peers []*peer
	var ends []*end
	for range readers {
		s := newPeer(t, p, underTLS(id), func(o *Options) { o.Reuse = tlsconn.ReuseOff })
		j := Job{File: newMemFile(body), Length: int64(len(body)), Private: true}
		e := s.open(j, s.passive())
		s.start(j)
		if err := e.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		peers, ends = append(peers, s), append(ends, e)
	}
	until(t, "the budget is used up", func() bool { return p.budget.left() < 32<<10 && p.stats.BudgetWaits.Load() > 0 })
	// Both ends of the connections are in this process: 20 KiB a pair, measured.
	if got, want := heap()-before, int64(budget+readers*80<<10); got > want {
		t.Errorf("got %d bytes of heap for %d stalled readers, want at most %d", got, readers, want)
	}
	if left := p.budget.left(); left < 0 {
		t.Errorf("the budget is overdrawn by %d bytes", -left)
	}
	last := len(peers) - 1
	for _, s := range peers[:last] {
		s.Abort()
		s.want(CauseAborted)
	}
	peers[last].expect(ends[last], body)
	peers[last].want(CauseOK)
	if left := p.budget.left(); left != budget {
		t.Errorf("got %d bytes of budget at the end, want %d", left, budget)
	}
}

// What a listing holds beside the blocks is taken from the budget before it is
// read, and comes back when it is closed.
func TestBudgetListing(t *testing.T) {
	const budget, memory = 1 << 20, 400 << 10
	p := newPlane(t, Config{Budget: budget})
	listing := func() (*peer, *end, *lines) {
		s := newPeer(t, p)
		l := &lines{pieces: []string{"line\r\n"}, memory: memory, wait: make(chan struct{})}
		e := s.open(Job{}, s.passive())
		s.start(Job{Listing: l})
		return s, e, l
	}
	var peers [2]*peer
	var ends [2]*end
	var lists [2]*lines
	for i := range peers {
		peers[i], ends[i], lists[i] = listing()
		until(t, "it is being read", func() bool { return lists[i].reads.Load() == 1 })
	}
	if used := p.budget.used(); used < 2*memory {
		t.Errorf("got %d bytes in use, want at least %d", used, 2*memory)
	}
	s, e, l := listing()
	until(t, "it waits", func() bool { return p.stats.BudgetWaits.Load() == 1 })
	if n := l.reads.Load(); n != 0 {
		t.Errorf("read %d times without memory", n)
	}
	close(l.wait)
	for i := range peers {
		close(lists[i].wait)
		peers[i].expect(ends[i], []byte("line\r\n"))
		peers[i].want(CauseOK)
	}
	s.expect(e, []byte("line\r\n"))
	s.want(CauseOK)
	if used := p.budget.used(); used != 0 {
		t.Errorf("got %d bytes in use at the end", used)
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (b *budget) left() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}

// heldUpload holds its writer until it is let go.
type heldUpload struct {
	memUpload
	writing, free chan struct{}
}

// Write implements io.Writer.
func (u *heldUpload) Write(p []byte) (int, error) {
	u.writing <- struct{}{}
	<-u.free
	return u.memUpload.Write(p)
}

// TestUploadPays: an upload pays for its block, and under TLS for the records of it, too.
func TestUploadPays(t *testing.T) {
	for _, private := range []bool{false, true} {
		p, id := newPlane(t, Config{}), identity(t)
		s := newPeer(t, p, underTLS(id))
		s.login(id)
		u := &heldUpload{writing: make(chan struct{}), free: make(chan struct{})}
		e := s.open(Job{Private: private}, s.passive())
		s.start(Job{Upload: u, Private: private})
		if _, err := e.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		<-u.writing
		want := int64(classes[0].Size())
		if private {
			want *= 2
		}
		if got := p.BufferBytes(); got != want {
			t.Errorf("private %v: %d bytes are in use, want %d", private, got, want)
		}
		close(u.free)
		e.finish()
		s.want(CauseOK)
	}
}
