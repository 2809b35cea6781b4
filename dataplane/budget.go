package dataplane

import (
	"sync"

	"fastftps/internal/bufpool"
)

// minBudget is the smallest budget in which any one transfer can run.
const minBudget = 256 << 10

// budget is a number of bytes that transfers share: a weighted semaphore,
// first come first served. Buffers taken from it are the transfers' whole
// user memory.
type budget struct {
	mu      sync.Mutex // guards the fields below
	free    int64
	waiters []*claim
	total   int64
}

type claim struct {
	n       int64
	granted chan struct{}
}

func newBudget(n int64) *budget { return &budget{free: n, total: n} }

// used is how many bytes are taken.
func (b *budget) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total - b.free
}

// resize changes the total. While more is taken than that, nobody gets any.
func (b *budget) resize(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n - b.total
	b.total = n
	b.grantLocked()
}

// try takes n bytes if they are there and nobody waits for some.
func (b *budget) try(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tryLocked(n)
}

func (b *budget) tryLocked(n int64) bool {
	if len(b.waiters) > 0 || b.free < n {
		return false
	}
	b.free -= n
	return true
}

// acquire takes n bytes, waiting for them until quit is closed.
func (b *budget) acquire(n int64, quit <-chan struct{}) bool {
	b.mu.Lock()
	if b.tryLocked(n) {
		b.mu.Unlock()
		return true
	}
	c := &claim{n: n, granted: make(chan struct{})}
	b.waiters = append(b.waiters, c)
	b.mu.Unlock()
	select {
	case <-c.granted:
		return true
	case <-quit:
		b.forget(c)
		return false
	}
}

// forget withdraws a claim, or gives back what it was granted meanwhile.
func (b *budget) forget(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiters {
		if w == c {
			b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
			b.grantLocked() // a big claim at the front held up small ones
			return
		}
	}
	b.free += c.n
	b.grantLocked()
}

// release gives n bytes back.
func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.grantLocked()
}

func (b *budget) grantLocked() {
	for len(b.waiters) > 0 && b.free >= b.waiters[0].n {
		c := b.waiters[0]
		b.waiters[0] = nil
		b.waiters = b.waiters[1:]
		b.free -= c.n
		close(c.granted)
	}
}

// window is the buffer memory of one transfer: blocks of one size class, as
// many as its path needs at once, and their share of the budget. The class
// follows the peer: 16 KiB at first and after a wait, larger while nothing
// waits.
type window struct {
	blocks []*bufpool.Buffer
	class  int   // in classes
	extra  int64 // bytes that lower layers hold for each byte of a block
	fixed  int64 // bytes that lower layers hold besides
	cost   int64 // taken from the budget
}

var classes = [...]*bufpool.Fixed{bufpool.Plain16, bufpool.Plain64, bufpool.Plain256}

// price returns what the window costs with n blocks of a class.
func (w *window) price(class, n int) int64 {
	size := int64(classes[class].Size())
	return size*(int64(n)+w.extra) + w.fixed
}

// sealedToo makes the budget know the sealed records of a block, if there are any.
func (t *transfer) sealedToo() {
	if t.job.Private {
		t.window.extra++
	}
}

// first returns the first block, whole; nil when the window is empty.
func (w *window) first() []byte { return w.block(0) }

func (w *window) block(i int) []byte { return w.blocks[i].B[:classes[w.class].Size()] }

// drop puts the blocks back; their share of the budget stays taken.
func (w *window) drop() {
	for i, b := range w.blocks {
		classes[w.class].Put(b)
		w.blocks[i] = nil
	}
	w.blocks = w.blocks[:0]
}

// obtain makes the window n blocks of a class, or of the smallest when the
// budget does not allow for it; then it waits until that is to be had. False:
// the transfer was stopped meanwhile.
func (t *transfer) obtain(class, n int) bool {
	w, b := &t.window, t.plane.budget
	switch want := w.price(class, n); {
	case len(w.blocks) == n && class == w.class:
		return true
	case len(w.blocks) == n && class < w.class:
		b.release(w.cost - want)
		w.cost = want
	case len(w.blocks) == n && !b.try(want-w.cost):
		return true // stay as small as it is
	case len(w.blocks) == n || b.try(want):
		w.cost = want
	default:
		class = 0
		if !t.await(w.price(0, n)) {
			return false
		}
	}
	w.drop()
	w.class = class
	for range n {
		w.blocks = append(w.blocks, classes[class].Get())
	}
	return true
}

// await takes n bytes of the budget, however long that lasts.
func (t *transfer) await(n int64) bool {
	t.plane.stats.BudgetWaits.Add(1)
	t.ours.Store(true)
	defer t.ours.Store(false)
	if !t.plane.budget.acquire(n, t.quit) {
		return false
	}
	t.window.cost = n
	return true
}

// releaseWindow gives all blocks and their budget back.
func (t *transfer) releaseWindow() {
	w := &t.window
	w.drop()
	if w.cost > 0 {
		t.plane.budget.release(w.cost)
		w.cost = 0
	}
}
