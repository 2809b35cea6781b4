package dataplane

import (
	"io"
	"time"

	"fastftps/internal/bufpool"
)

// promptly is how long a slow directory may keep lines back that are ready.
const promptly = 100 * time.Millisecond

// listingFeed yields a listing: a block at a time, less when the directory is
// slow, so that the first lines leave before the last are known.
type listingFeed struct {
	t    *transfer
	buf  *bufpool.Buffer // the piece at hand
	rest []byte          // its bytes not yet given
	done bool
}

func newListingFeed(t *transfer) *listingFeed {
	return &listingFeed{t: t, buf: bufpool.Listings.Get()}
}

func (f *listingFeed) release() { bufpool.Listings.Put(f.buf) }

func (f *listingFeed) feed(_ *window, dst []byte) (int, error) {
	n, began := 0, time.Now()
	for n < len(dst) && !f.done && (n == 0 || time.Since(began) < promptly) {
		if len(f.rest) == 0 {
			if err := f.next(); err != nil {
				return n, err
			}
		}
		m := copy(dst[n:], f.rest)
		f.rest = f.rest[m:]
		n += m
	}
	f.t.fed += int64(n)
	if f.done {
		return n, io.EOF
	}
	return n, nil
}

// next gets the next piece.
func (f *listingFeed) next() error {
	b, err := f.t.job.Listing.Append(f.buf.B[:0])
	f.buf.B, f.rest = b, b
	if err == io.EOF {
		f.done, err = true, nil
	}
	return err
}
