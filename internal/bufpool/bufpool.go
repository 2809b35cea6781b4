// Package bufpool lends byte buffers: one pool a purpose and size, so that a
// buffer never wanders from a transfer to a reply.
//
// Blocks have one fixed size and live in a sync.Pool: bytebufferpool would
// learn a power of two from them and from then on make a buffer of 512 KiB
// where 256 KiB and a few record headers are asked for. Buffers whose size is
// not known beforehand (replies, input lines) are what
// bytebufferpool is for: it learns the usual size and drops the outliers.
//
// Built with -tags bufcheck every returned buffer is poisoned, a second Put
// and a write after Put panic, and Outstanding tells who still holds what.
package bufpool

import (
	"sync"

	"github.com/valyala/bytebufferpool"
)

// Buffer is a buffer on loan. B may be re-sliced, and appended to when it is
// from a Growing pool; nobody may touch it after Put.
type Buffer = bytebufferpool.ByteBuffer

// Overhead is what TLS adds at most to 16 KiB of plaintext in one record:
// header 5, explicit nonce 8, tag 16, content type 1, rounded up.
const Overhead = 32

const recordSize = 16 << 10

// sealed returns the bytes that n bytes of plaintext take in TLS records, with
// one record to spare for an alert.
func sealed(n int) int { return n + (n/recordSize+1)*Overhead + Overhead }

// Blocks for plaintext, and blocks that hold the same plaintext sealed.
var (
	Plain16   = NewFixed("plain16", 16<<10)
	Plain64   = NewFixed("plain64", 64<<10)
	Plain256  = NewFixed("plain256", 256<<10)
	Sealed16  = NewFixed("sealed16", sealed(16<<10))
	Sealed64  = NewFixed("sealed64", sealed(64<<10))
	Sealed256 = NewFixed("sealed256", sealed(256<<10))
)

// Buffers whose size follows what is put in.
var (
	Replies = NewGrowing("replies") // bytes on their way to a control connection
	Inputs  = NewGrowing("inputs")  // bytes of a control connection that are not yet decoded
)

// Plain returns the smallest plaintext class that holds n bytes; the largest
// one when n is beyond all.
func Plain(n int) *Fixed {
	switch {
	case n <= Plain16.size:
		return Plain16
	case n <= Plain64.size:
		return Plain64
	}
	return Plain256
}

// Sealed returns the smallest class that holds n bytes of plaintext once they
// are sealed; the largest one when n is beyond all.
func Sealed(n int) *Fixed {
	switch {
	case n <= Plain16.size:
		return Sealed16
	case n <= Plain64.size:
		return Sealed64
	}
	return Sealed256
}

// Fixed lends blocks of one size.
type Fixed struct {
	size  int
	pool  sync.Pool
	check checker
}

// NewFixed makes a pool of blocks of size bytes. The name appears in Outstanding.
func NewFixed(name string, size int) *Fixed {
	f := &Fixed{size: size}
	f.check.register(name)
	f.pool.New = func() any { return f.check.fresh(&Buffer{B: make([]byte, size)}) }
	return f
}

// Size returns the length of the blocks in bytes.
func (f *Fixed) Size() int { return f.size }

// Get returns a block of Size bytes with arbitrary content.
func (f *Fixed) Get() *Buffer {
	b := f.pool.Get().(*Buffer)
	f.check.got(b)
	b.B = b.B[:f.size]
	return b
}

// Put takes a block back; nil is allowed. A block that lost its array, because
// somebody appended beyond Size or sliced its front off, is dropped.
func (f *Fixed) Put(b *Buffer) {
	if b == nil {
		return
	}
	fits := cap(b.B) == f.size
	f.check.put(b)
	if fits {
		f.pool.Put(b)
	}
}

// Growing lends buffers that grow by append.
type Growing struct {
	pool  bytebufferpool.Pool
	check checker
}

// NewGrowing makes a pool of growing buffers. The name appears in Outstanding.
func NewGrowing(name string) *Growing {
	g := new(Growing)
	g.check.register(name)
	return g
}

// Get returns an empty buffer.
func (g *Growing) Get() *Buffer {
	b := g.pool.Get()
	g.check.lent(b)
	return b
}

// Put takes a buffer back; nil is allowed. The pool counts it by its whole
// capacity, whatever length it comes back with.
func (g *Growing) Put(b *Buffer) {
	if b == nil {
		return
	}
	g.check.put(b)
	b.B = b.B[:cap(b.B)]
	g.pool.Put(b)
}
