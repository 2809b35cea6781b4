package dataplane

import "time"

const (
	// promptly is how long a slow directory may keep lines back that are ready.
	promptly = 100 * time.Millisecond
	// firstPiece is how many bytes the first block of a listing waits for. They
	// leave before the directory is asked for more, for it may take long. What is
	// less is often all there is, and goes out in one write with the end.
	firstPiece = 4 << 10
	// turn is how long a listing may run at a stretch.
	turn = 5 * time.Millisecond
)

// listingFeed yields a listing: a block at a time, so that records are full; less
// at first, and when the directory is slow, so that the first lines leave before
// the last are known.
type listingFeed struct {
	t    *transfer
	turn time.Time // when the processor was last yielded
}

func (f *listingFeed) feed(_ *window, dst []byte) (n int, err error) {
	enough := len(dst)
	if f.t.fed == 0 {
		enough = min(enough, firstPiece)
	}
	began := time.Now()
	for now := began; n < enough && err == nil && (n == 0 || now.Sub(began) < promptly); now = time.Now() {
		f.yield(now)
		var m int
		m, err = f.t.job.Listing.Read(dst[n:])
		n += m
	}
	f.t.fed += int64(n)
	return n, err
}

// yield lets other goroutines run now and then. Calls of the kernel by the ten
// thousand look to the runtime like one that hangs: after 10 ms it takes the
// processor away and from then on looks every 20 us, which takes an eighth of the
// CPU of a LIST.
func (f *listingFeed) yield(now time.Time) {
	if now.Sub(f.turn) > turn {
		f.turn = now
		f.t.plane.gate.step()
	}
}
