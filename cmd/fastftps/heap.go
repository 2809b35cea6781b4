package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapFloor is what the heap may grow to, in bytes, before garbage is collected at all.
// Go's own rule, twice of what is alive, makes a server with few sessions collect every
// 4 MiB, which cost an eighth of the CPU of a login; above 12 MiB nothing was gained.
const heapFloor = 12 << 20

// paceCollector holds heapFloor: after each collection it sets the percentage for the
// next one. A heap of which half the floor or more is alive grows by Go's own rule.
// GOGC in the environment leaves all to Go.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	p := &pacer{percent: 100, sample: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
	p.collected(new(cycle))
}

// A cycle dies unreachable in the next collection, and says so by its finalizer.
type cycle struct{ _ *byte }

type pacer struct {
	sample  []metrics.Sample
	percent int // set last
}

// collected is called after each collection, by the runtime's goroutine for finalizers.
func (p *pacer) collected(c *cycle) {
	metrics.Read(p.sample)
	live, roots := p.sample[0].Value.Uint64(), p.sample[1].Value.Uint64()+p.sample[2].Value.Uint64()
	if n := percentFor(live, roots); n < p.percent*9/10 || n > p.percent*11/10 {
		p.percent = n
		debug.SetGCPercent(n)
	}
	runtime.SetFinalizer(c, p.collected)
}

// percentFor is the GOGC by which a heap with live bytes alive and roots bytes of stacks
// and globals is collected at heapFloor, or when it has doubled. Go's goal is
// live + (live+roots)*GOGC/100, and 4 MiB*GOGC/100 at least.
func percentFor(live, roots uint64) int {
	if live >= heapFloor/2 {
		return 100
	}
	return int(max(100, min((heapFloor-live)*100/max(1, live+roots), heapFloor*100/(4<<20))))
}
