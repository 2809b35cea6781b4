package auth

// lru is a table of at most max entries that forgets the one unused for the
// longest time. Its nodes stand in one slice and are linked by index, so a full
// table costs the garbage collector next to nothing. Not for concurrent use.
type lru[K comparable, V any] struct {
	max   int
	index map[K]int32
	nodes []lruNode[K, V] // nodes[0] is the ring's anchor: next is the newest, prev the oldest
	free  []int32
}

type lruNode[K comparable, V any] struct {
	key        K
	value      V
	prev, next int32
}

func newLRU[K comparable, V any](entries int) *lru[K, V] {
	return &lru[K, V]{max: max(1, entries), index: make(map[K]int32), nodes: make([]lruNode[K, V], 1)}
}

// get returns the entry of k and makes it the newest; nil when there is none.
// The pointer is good until the next put.
func (l *lru[K, V]) get(k K) *V {
	i, ok := l.index[k]
	if !ok {
		return nil
	}
	l.unlink(i)
	l.linkFirst(i)
	return &l.nodes[i].value
}

// put returns the entry of k, a zero one if it was missing, as the newest.
func (l *lru[K, V]) put(k K) *V {
	if v := l.get(k); v != nil {
		return v
	}
	if len(l.index) >= l.max {
		l.remove(l.nodes[l.nodes[0].prev].key)
	}
	i := l.alloc()
	l.nodes[i].key = k
	l.index[k] = i
	l.linkFirst(i)
	return &l.nodes[i].value
}

// remove forgets k.
func (l *lru[K, V]) remove(k K) {
	i, ok := l.index[k]
	if !ok {
		return
	}
	l.unlink(i)
	l.nodes[i] = lruNode[K, V]{}
	l.free = append(l.free, i)
	delete(l.index, k)
}

func (l *lru[K, V]) len() int { return len(l.index) }

func (l *lru[K, V]) alloc() int32 {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		return i
	}
	l.nodes = append(l.nodes, lruNode[K, V]{})
	return int32(len(l.nodes) - 1)
}

func (l *lru[K, V]) linkFirst(i int32) {
	first := l.nodes[0].next
	l.nodes[i].prev, l.nodes[i].next = 0, first
	l.nodes[first].prev, l.nodes[0].next = i, i
}

func (l *lru[K, V]) unlink(i int32) {
	n := l.nodes[i]
	l.nodes[n.prev].next, l.nodes[n.next].prev = n.next, n.prev
}
