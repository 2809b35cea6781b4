package dataplane

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTurns: so many at a time, and everybody some time.
func TestTurns(t *testing.T) {
	const most, all = 2, 16
	of := make(turns, most)
	var inside, done atomic.Int32
	var wg sync.WaitGroup
	for range all {
		wg.Go(func() {
			mine := turn{of: of}
			mine.Give() // of what was not taken changes nothing
			for range 100 {
				mine.Take()
				mine.Take() // nor does to take it again
				if n := inside.Add(1); n > most {
					t.Errorf("%d at a time, want %d", n, most)
				}
				inside.Add(-1)
				mine.Give()
			}
			done.Add(1)
		})
	}
	wg.Wait()
	if done.Load() != all || len(of) != 0 {
		t.Errorf("%d were done, %d turns are left taken", done.Load(), len(of))
	}
}

// TestStalledHoldNoTurn: peers that keep their transfers waiting, in the middle of a
// record too, keep no other transfer waiting, though there is one turn for all.
func TestStalledHoldNoTurn(t *testing.T) { eachEngine(t, testStalledHoldNoTurn) }

func testStalledHoldNoTurn(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	p.turns = make(turns, 1)
	login := func() *peer {
		s := newPeer(t, p, underTLS(id))
		s.login(id)
		return s
	}
	large := noise(1, 32<<20)
	for _, deflate := range []int{0, 6} {
		// One reads nothing, one stops within a record, one between two.
		s := login()
		j := Job{Private: true, Deflate: deflate, File: newMemFile(large), Length: int64(len(large))}
		e := s.open(j, s.passive())
		s.start(j)
		if err := e.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		for _, tail := range [][]byte{nil, {23, 3, 3, 1, 0, 1, 2, 3}} {
			s := login()
			j := Job{Private: true, Deflate: deflate, Upload: new(memUpload)}
			e := s.open(j, s.passive())
			s.start(j)
			if _, err := e.Write(encode(j, text(100<<10))[:100]); err != nil {
				t.Fatal(err)
			}
			if _, err := e.sock.Write(tail); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 { // beside them
		s := login()
		j := Job{Private: true, File: newMemFile(large), Length: 1 << 20}
		e := s.open(j, s.passive())
		s.start(j)
		if n, err := io.Copy(io.Discard, e); n != 1<<20 || err != nil {
			t.Fatalf("got %d bytes, %v", n, err)
		}
		e.finish()
		s.want(CauseOK)

		j = Job{Private: true, Upload: new(memUpload)}
		e = s.open(j, s.passive())
		s.start(j)
		if _, err := e.Write(large[:1<<20]); err != nil {
			t.Fatal(err)
		}
		e.finish()
		s.want(CauseOK)
	}
	until(t, "no turn is left taken", func() bool { return len(p.turns) == 0 })
}
