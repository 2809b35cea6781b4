package auth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLRU compares the table with a plain list, newest last.
func TestLRU(t *testing.T) {
	const size = 5
	l, model := newLRU[string, int](size), []string{}
	touch := func(k string) {
		model = slices.DeleteFunc(model, func(x string) bool { return x == k })
		model = append(model, k)
		model = model[max(0, len(model)-size):]
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for step := range 10_000 {
		k := fmt.Sprint(rng.IntN(9))
		known := slices.Contains(model, k)
		switch rng.IntN(3) {
		case 0:
			v := l.get(k)
			if (v != nil) != known || known && fmt.Sprint(*v) != k {
				t.Fatalf("step %d: get %s: got %v, known: %t", step, k, v, known)
			}
			if known {
				touch(k)
			}
		case 1:
			v := l.put(k)
			if !known && *v != 0 {
				t.Fatalf("step %d: a new entry holds %d", step, *v)
			}
			fmt.Sscan(k, v)
			touch(k)
		default:
			l.remove(k)
			model = slices.DeleteFunc(model, func(x string) bool { return x == k })
		}
		if l.len() != len(model) {
			t.Fatalf("step %d: got %d entries, want %d", step, l.len(), len(model))
		}
	}
	if len(l.nodes) > size+1 {
		t.Errorf("got %d nodes for %d entries: freed ones are not used again", len(l.nodes), size)
	}
}
