package main

import (
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live, roots uint64 // KiB
		want        int
	}{
		{0, 0, 300},      // before the first collection
		{2048, 512, 300}, // the goal would be more, but Go's least heap is the floor then
		{3072, 1024, 225},
		{4096, 4096, 100},
		{5 << 10, 1 << 10, 116},
		{6 << 10, 0, 100},
		{12 << 10, 1024, 100},
		{1 << 30, 1 << 20, 100},
		{math.MaxUint64 >> 10, 0, 100},
	} {
		if got := percentFor(c.live<<10, c.roots<<10); got != c.want {
			t.Errorf("%d KiB alive, %d KiB of roots: %d, want %d", c.live, c.roots, got, c.want)
		}
	}
}

// TestPaceCollector has the percentage follow the live heap up and down, in a process of
// its own: the setting is one of the whole process.
func TestPaceCollector(t *testing.T) {
	if os.Getenv("FASTFTPS_TEST_PACE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestPaceCollector$", "-test.count=1")
		cmd.Env = append(os.Environ(), "FASTFTPS_TEST_PACE=1", "GOGC=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	percent := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return int(s[0].Value.Uint64())
	}
	// The finalizer runs some time after a collection has ended.
	collectUntil := func(ok func(int) bool) {
		for !ok(percent()) {
			runtime.GC()
			runtime.Gosched()
		}
	}
	paceCollector()
	if n := percent(); n <= 100 {
		t.Errorf("%d at the start", n)
	}
	held := make([]byte, heapFloor)
	collectUntil(func(n int) bool { return n == 100 })
	runtime.KeepAlive(held)
	held = nil
	collectUntil(func(n int) bool { return n > 100 })

	t.Setenv("GOGC", "50")
	debug.SetGCPercent(50)
	paceCollector()
	if n := percent(); n != 50 {
		t.Errorf("%d, although GOGC asks for 50", n)
	}
}
