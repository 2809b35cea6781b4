package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
)

// blockSize is prime: a file repeats the block, and a piece of it that a server
// moved by any whole number of pages, records or buffers is seen.
const blockSize = 1<<20 + 7

// content makes the bytes of all files of a run out of one block, so that neither
// sending nor checking costs work a byte beyond a copy.
type content struct {
	block []byte // twice, so that any window up to blockSize is one piece
}

func newContent(seed uint64) *content {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	block := make([]byte, 2*blockSize)
	_, _ = rand.NewChaCha8(key).Read(block[:blockSize]) // never fails
	copy(block[blockSize:], block[:blockSize])
	return &content{block}
}

// body is what one file holds.
type body struct {
	size  int64
	start int // in the block; tells files apart
}

// newBody draws the content of a file.
func newBody(size int64, rng *rand.Rand) body { return body{size, rng.IntN(blockSize)} }

// window returns the bytes of b from off on, n at most. They are shared and must
// not be changed.
func (c *content) window(b body, off int64, n int) []byte {
	at := int((int64(b.start) + off) % blockSize)
	n = min(n, blockSize)
	return c.block[at : at+int(min(int64(n), b.size-off))]
}

// checker compares what arrives with what a file should hold. As an io.Writer it
// takes the bytes in order.
type checker struct {
	content *content
	body    body
	off     int64
	compare bool  // else only the length counts
	err     error // the first difference
}

// Write implements io.Writer. It never fails: what is wrong is in err, so that
// the transfer goes on to its end.
func (c *checker) Write(p []byte) (int, error) {
	n := len(p)
	for c.compare && c.err == nil && len(p) > 0 {
		want := c.content.window(c.body, c.off, len(p))
		if len(want) == 0 {
			break // too long; end says so
		}
		got := p[:len(want)]
		if !bytes.Equal(got, want) {
			c.err = fmt.Errorf("wrong content at byte %d", c.off+int64(firstDifference(got, want)))
		}
		c.off += int64(len(want))
		p = p[len(want):]
	}
	c.off += int64(len(p))
	return n, nil
}

// end says what was wrong, once everything has arrived.
func (c *checker) end() error {
	if c.off != c.body.size {
		return fmt.Errorf("wrong length: got %d bytes, want %d", c.off, c.body.size)
	}
	return c.err
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// reader reads a body; transfers that can take windows as they are do not need
// it.
type reader struct {
	content *content
	body    body
	off     int64
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n := copy(p, r.content.window(r.body, r.off, len(p)))
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	r.off += int64(n)
	return n, nil
}
