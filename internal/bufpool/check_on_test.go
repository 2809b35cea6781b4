//go:build bufcheck

package bufpool

import (
	"strings"
	"testing"
)

func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r, _ := recover().(string); !strings.Contains(r, want) {
			t.Errorf("got panic %q, want one with %q", r, want)
		}
	}()
	f()
}

func TestOutstanding(t *testing.T) {
	f, g := NewFixed("counted", 8), NewGrowing("grown")
	b, c := f.Get(), g.Get()
	if got := Outstanding(); got["counted"] != 1 || got["grown"] != 1 {
		t.Errorf("got %v, want one counted and one grown", got)
	}
	f.Put(b)
	g.Put(c)
	if got := Outstanding(); got["counted"] != 0 || got["grown"] != 0 {
		t.Errorf("got %v after Put", got)
	}
}

func TestPutTwice(t *testing.T) {
	f, g := NewFixed("fixed", 8), NewGrowing("grown")
	b, c := f.Get(), g.Get()
	f.Put(b)
	g.Put(c)
	panics(t, "not out", func() { f.Put(b) })
	panics(t, "not out", func() { g.Put(c) })
}

func TestWriteAfterPut(t *testing.T) {
	var c checker
	c.register("late")
	b := c.fresh(&Buffer{B: make([]byte, 8)})
	c.got(b)
	c.put(b)
	b.B[3] = 0
	panics(t, "byte 3", func() { c.got(b) })
}

func TestPoisoned(t *testing.T) {
	f := NewFixed("poisoned", 8)
	b := f.Get()
	p := b.B
	copy(p, "secret!!")
	f.Put(b)
	if strings.Contains(string(p), "secret") {
		t.Errorf("a returned block still reads %q", p)
	}
}
