package engine

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOutOfDescriptors: clients for whom there is no descriptor are turned away,
// and the next ones served when there are some again, and that more than once.
func TestOutOfDescriptors(t *testing.T) {
	s := startChild(t, childOptions{Root: t.TempDir(), Reactor: "netpoll"})
	addr := s.ask("").Addrs[2]
	if _, ok := hearsGreeting(t, addr); !ok {
		t.Fatal("no greeting")
	}
	before := s.ask("").Goroutines
	s.limitDescriptors(16)
	for range 2 {
		var held []net.Conn
		for full := false; !full; {
			c, ok := hearsGreeting(t, addr)
			held, full = append(held, c), !ok
			if len(held) > 64 {
				t.Fatalf("%d clients were served", len(held))
			}
		}
		for _, c := range held {
			c.Close()
		}
		await(t, "a client is served", func() bool {
			c, ok := hearsGreeting(t, addr)
			c.Close()
			return ok
		})
	}
	if n := s.ask("").Goroutines; n > before+32 {
		t.Errorf("%d goroutines, %d at first", n, before)
	}
}

// limitDescriptors leaves the server about n more descriptors than it has.
func (c *child) limitDescriptors(n uint64) {
	c.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	var r unix.Rlimit
	if err := unix.Prlimit(c.pid, unix.RLIMIT_NOFILE, nil, &r); err != nil {
		c.t.Fatal(err)
	}
	r.Cur = uint64(len(open)) + n
	if err := unix.Prlimit(c.pid, unix.RLIMIT_NOFILE, &r, nil); err != nil {
		c.t.Fatal(err)
	}
}

// hearsGreeting dials and reports whether a greeting came.
func hearsGreeting(t *testing.T, addr string) (net.Conn, bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return c, err == nil
}
