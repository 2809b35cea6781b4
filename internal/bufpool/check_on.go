//go:build bufcheck

package bufpool

import (
	"fmt"
	"sync"
)

// Checking tells whether this build checks buffers (-tags bufcheck).
const Checking = true

const poison = 0xdb

var registry struct {
	sync.Mutex
	pools []*checker
}

// Outstanding returns, for each pool that has buffers out, how many.
func Outstanding() map[string]int {
	registry.Lock()
	defer registry.Unlock()
	out := make(map[string]int)
	for _, c := range registry.pools {
		if n := c.count(); n > 0 {
			out[c.name] = n
		}
	}
	return out
}

// checker follows the buffers of one pool.
type checker struct {
	name string
	mu   sync.Mutex
	out  map[*Buffer]bool
}

func (c *checker) register(name string) {
	c.name, c.out = name, make(map[*Buffer]bool)
	registry.Lock()
	defer registry.Unlock()
	registry.pools = append(registry.pools, c)
}

func (c *checker) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out)
}

// fresh prepares a new block so that got finds it as if it had been returned.
func (c *checker) fresh(b *Buffer) *Buffer {
	fill(b.B)
	return b
}

// got lends a block and checks that nobody wrote to it while it was in the pool.
func (c *checker) got(b *Buffer) {
	for i, v := range b.B[:cap(b.B)] {
		if v != poison {
			panic(fmt.Sprintf("bufpool: %s: byte %d was written after Put", c.name, i))
		}
	}
	c.lent(b)
}

func (c *checker) lent(b *Buffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out[b] = true
}

func (c *checker) put(b *Buffer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.out[b] {
		panic(fmt.Sprintf("bufpool: %s: Put of a buffer that is not out", c.name))
	}
	delete(c.out, b)
	fill(b.B)
}

func fill(p []byte) {
	p = p[:cap(p)]
	for i := range p {
		p[i] = poison
	}
}
