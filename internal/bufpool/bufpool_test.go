package bufpool

import "testing"

func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		name string
		pick func(int) *Fixed
		n    int
		want *Fixed
	}{
		{"plain empty", Plain, 0, Plain16},
		{"plain 16K", Plain, 16 << 10, Plain16},
		{"plain 16K+1", Plain, 16<<10 + 1, Plain64},
		{"plain 64K+1", Plain, 64<<10 + 1, Plain256},
		{"plain beyond", Plain, 1 << 20, Plain256},
		{"sealed 1", Sealed, 1, Sealed16},
		{"sealed 64K", Sealed, 64 << 10, Sealed64},
		{"sealed 256K", Sealed, 256 << 10, Sealed256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.pick(tt.n); got != tt.want {
				t.Errorf("got class of %d bytes, want %d", got.Size(), tt.want.Size())
			}
		})
	}
}

// Sixteen records of 16 KiB and a close_notify fit the block that Sealed picks.
func TestSealedHolds(t *testing.T) {
	const header, nonce, tag = 5, 8, 16
	for _, n := range []int{1, 16 << 10, 64 << 10, 256 << 10} {
		records := (n + recordSize - 1) / recordSize
		need := n + (records+1)*(header+nonce+tag) + 2
		if got := Sealed(n).Size(); got < need {
			t.Errorf("Sealed(%d) holds %d bytes, %d are needed", n, got, need)
		}
	}
}

func TestFixedComesBackWhole(t *testing.T) {
	f := NewFixed("test", 64)
	for range 100 {
		b := f.Get()
		if len(b.B) != 64 {
			t.Fatalf("got %d bytes, want 64", len(b.B))
		}
		b.B = b.B[:3]
		f.Put(b)
	}
}

// A block that was grown or cut would come back with another size: it is dropped.
func TestFixedDropsStrangers(t *testing.T) {
	f := NewFixed("test", 64)
	for range 100 {
		b := f.Get()
		b.B = append(b.B, 'x')
		f.Put(b)
		b = f.Get()
		b.B = b.B[8:]
		f.Put(b)
		if b = f.Get(); cap(b.B) != 64 {
			t.Fatalf("got a block of %d bytes, want 64", cap(b.B))
		}
		f.Put(b)
	}
}

func TestGrowingIsEmpty(t *testing.T) {
	g := NewGrowing("test")
	for range 100 {
		b := g.Get()
		if len(b.B) != 0 {
			t.Fatalf("got %q, want an empty buffer", b.B)
		}
		b.B = append(b.B, "220 ready\r\n"...)
		g.Put(b)
	}
}

func TestPutNil(t *testing.T) {
	NewFixed("test", 1).Put(nil)
	NewGrowing("test").Put(nil)
}

func BenchmarkFixed(b *testing.B) {
	f := NewFixed("bench", 256<<10)
	b.ReportAllocs()
	for b.Loop() {
		f.Put(f.Get())
	}
}

func BenchmarkGrowing(b *testing.B) {
	g := NewGrowing("bench")
	b.ReportAllocs()
	for b.Loop() {
		p := g.Get()
		p.B = append(p.B, "200 OK\r\n"...)
		g.Put(p)
	}
}
