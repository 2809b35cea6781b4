package tlsconn

import (
	"io"
	"testing"
)

// In steady state we allocate nothing, neither for a block of a transfer nor for
// a command and its reply. crypto/tls allocates once for each record it reads.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools lose buffers under the race detector")
	}
	const perRecord = 1 // an atLeastReader
	reply := []byte("200 OK\r\n")
	for _, v := range layers {
		opened := 0.0
		if v.engine == EngineStd {
			opened = perRecord
		}
		t.Run(v.name+" send", func(t *testing.T) {
			d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
			go io.Copy(io.Discard, f.conn)
			block := make([]byte, 256<<10)
			limitAllocs(t, 0, func() {
				if _, err := d.Write(block); err != nil {
					t.Fatal(err)
				}
			})
		})
		t.Run(v.name+" receive", func(t *testing.T) {
			d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
			const rounds = 500
			sealed := make([][]byte, rounds)
			for i := range sealed {
				sealed[i] = f.seal(typeApplicationData, make([]byte, 1000))
			}
			block, i := make([]byte, 1000), 0
			limitAllocs(t, opened, func() {
				if _, err := f.conn.Write(sealed[i]); err != nil {
					t.Fatal(err)
				}
				i++
				if _, err := io.ReadFull(d, block); err != nil {
					t.Fatal(err)
				}
			})
		})
		t.Run(v.name+" command", func(t *testing.T) {
			defer func(e Engine) { engine = e }(engine)
			engine = v.engine
			c, f := forged(t, v.v)
			const rounds = 500
			sealed := make([][]byte, rounds)
			for i := range sealed {
				sealed[i] = f.seal(typeApplicationData, []byte("NOOP\r\n"))
			}
			block, i := make([]byte, 1000), 0
			limitAllocs(t, opened, func() {
				if err := c.Push(sealed[i]); err != nil {
					t.Fatal(err)
				}
				i++
				if n, err := c.Read(block); n != 6 || err != nil {
					t.Fatal(n, err)
				}
				if _, err := c.Write(reply); err != nil {
					t.Fatal(err)
				}
				c.Sent(len(c.Pending()))
			})
		})
	}
}

// limitAllocs runs f many times and fails when it allocates more often than want.
func limitAllocs(t *testing.T, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(200, f); got > want {
		t.Errorf("got %v allocations, want %v", got, want)
	}
}
