package engine

import (
	"bufio"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cloudwego/netpoll"

	"fastftps/session"
)

// TestNextServer: a server that ends while the event loop has yet to handle the end of its
// listeners does not take the next one with it, which gets the numbers of their descriptors.
func TestNextServer(t *testing.T) {
	loops, err := openLoops()
	if err != nil {
		t.Fatal(err)
	}
	first, second := holdLoop(t, loops[0]), holdLoop(t, loops[0])
	old := start(t, func(c *Config) { c.Reactor = "netpoll" })
	old.dial(session.Plain, nil).Close() // it is polled
	for old.Sessions() > 0 {
		runtime.Gosched()
	}

	// The loop comes out of the first with two things to do: to be held once more, and
	// to see that the listeners are shut.
	first.begin()
	second.wake()
	for _, ln := range old.listeners {
		if err := old.reactor.quiet(ln); err != nil {
			t.Fatal(err)
		}
	}
	close(first.release)
	<-second.held

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		old.Shutdown(t.Context())
	}()
	for !waitsIn("(*pollListener).detach") {
		select {
		case <-stopped:
			t.Error("the end did not wait for the event loop")
		default:
			runtime.Gosched()
			continue
		}
		break
	}
	close(second.release)
	<-stopped

	c, err := net.Dial("tcp", start(t, func(c *Config) { c.Reactor = "netpoll" }).addr(session.Plain))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Errorf("the next server: greeting %q, %v", line, err)
	}
}

// heldLoop holds an event loop: from wake on it is in held, until release is closed.
type heldLoop struct {
	pipe          *os.File
	held, release chan struct{}
}

func holdLoop(t *testing.T, l *loop) *heldLoop {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := &heldLoop{pipe: w, held: make(chan struct{}), release: make(chan struct{})}
	op := l.poll.Alloc()
	op.FD = int(r.Fd())
	op.OnRead = func(netpoll.Poll) error {
		r.Read(make([]byte, 1))
		close(h.held)
		<-h.release
		return nil
	}
	gone := make(chan struct{})
	op.OnHup = func(netpoll.Poll) error {
		close(gone)
		return nil
	}
	if err := op.Control(netpoll.PollReadable); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		<-gone
		op.Free()
		r.Close()
	})
	return h
}

func (h *heldLoop) wake() { h.pipe.Write([]byte{0}) }

func (h *heldLoop) begin() {
	h.wake()
	<-h.held
}

// waitsIn reports whether a goroutine waits for a channel in that function.
func waitsIn(name string) bool {
	buf := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if state, frames, _ := strings.Cut(g, "\n"); strings.Contains(state, "[chan receive") {
			if top, _, _ := strings.Cut(frames, "\n"); strings.Contains(top, name) {
				return true
			}
		}
	}
	return false
}
