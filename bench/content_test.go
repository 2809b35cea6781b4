package bench

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzChecker: a checker takes what the reader made, cut anywhere, and nothing
// else.
func FuzzChecker(f *testing.F) {
	f.Add(uint32(10), uint8(3), uint32(5))
	f.Add(uint32(3<<20), uint8(200), uint32(2<<20))
	f.Add(uint32(0), uint8(0), uint32(0))
	c := newContent(1)
	f.Fuzz(func(t *testing.T, size uint32, seed uint8, flip uint32) {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		b := newBody(int64(size%(4<<20)), rng)
		data, err := io.ReadAll(&reader{content: c, body: b})
		if err != nil || int64(len(data)) != b.size {
			t.Fatalf("read %d bytes, %v, want %d", len(data), err, b.size)
		}
		check := func(data []byte) error {
			k := checker{content: c, body: b, compare: true}
			for len(data) > 0 {
				n := min(len(data), 1+rng.IntN(100<<10))
				_, _ = k.Write(data[:n])
				data = data[n:]
			}
			return k.end()
		}
		if err := check(data); err != nil {
			t.Fatalf("our own content: %v", err)
		}
		if len(data) == 0 {
			return
		}
		at := int(flip) % len(data)
		data[at] ^= 1
		if check(data) == nil {
			t.Fatalf("a flipped bit at %d was not seen", at)
		}
		data[at] ^= 1
		if check(data[:len(data)-1]) == nil || check(append(data, 0)) == nil {
			t.Fatal("a wrong length was not seen")
		}
	})
}

// TestContentMoves: content that was moved, or comes from another file, differs.
func TestContentMoves(t *testing.T) {
	c := newContent(7)
	b := body{size: 4 << 20, start: 123}
	data, err := io.ReadAll(&reader{content: c, body: b})
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []int{1, 4096, 64 << 10, 1 << 20, 2 << 20} {
		if bytes.Equal(data[:1000], data[by:by+1000]) {
			t.Errorf("content repeats after %d bytes", by)
		}
	}
	k := checker{content: c, body: body{size: b.size, start: 124}, compare: true}
	_, _ = k.Write(data)
	if err := k.end(); err == nil || !strings.Contains(err.Error(), "wrong content at byte ") {
		t.Errorf("got %v for another file's content", err)
	}
	if other := newContent(8); bytes.Equal(other.block[:100], c.block[:100]) {
		t.Error("seeds do not matter")
	}
}

func TestLineCounter(t *testing.T) {
	for in, want := range map[string]bool{"a\r\n|b\r\n": true, "a\r|\n": true, "a\n": false, "a\r\nb": false, "|\n": false, "a\r|\n|x": false} {
		var l lineCounter
		for part := range strings.SplitSeq(in, "|") {
			_, _ = l.Write([]byte(part))
		}
		if l.crlf != want {
			t.Errorf("%q: got %v", in, l.crlf)
		}
	}
}

func BenchmarkChecker(b *testing.B) {
	c := newContent(1)
	body := body{size: 1 << 40}
	k := checker{content: c, body: body, compare: true}
	block := bytes.Clone(c.window(body, 0, 64<<10))
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		k.off = 0
		_, _ = k.Write(block)
	}
}
