package tlsconn

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// outcome pushes data in pieces, as long as cuts say, and then the end. It
// returns what became of the connection.
func outcome(t *testing.T, id *Identity, data, cuts []byte) string {
	t.Helper()
	a := NewAdapter(id, NewBinding(), engine)
	defer a.Close()
	var err error
	for i := 0; len(data) > 0 && err == nil; i++ {
		n := len(data)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		if err = a.Push(data[:n]); err == nil {
			_, err = a.Step()
		}
		data = data[n:]
		if held := len(a.Rest()) + len(a.Pending()); held > 2*MaxHandshake {
			t.Fatalf("holds %d bytes", held)
		}
	}
	if err == nil {
		a.PushEOF()
		_, err = a.Step()
	}
	if err == nil {
		t.Fatal("the handshake of a client that never heard of us ended well")
	}
	return err.Error()
}

// Arbitrary bytes never panic and never grow memory; where they are cut changes
// nothing.
func FuzzAdapter(f *testing.F) {
	id := newIdentity(f)
	for _, v := range versions {
		hello := firstFlight(f, clientConfig(v.v))
		f.Add(hello, []byte{})
		f.Add(hello, []byte{0})
		f.Add(refragment(hello, 7), []byte{3, 200})
		f.Add(append(hello, 20, 3, 3, 0, 1, 1), []byte{100})
		f.Add(append(hello, hello...), []byte{255})
		f.Add(append(hello, 23, 3, 3, 0x41, 1), []byte{1})
	}
	f.Add([]byte("USER x\r\n"), []byte{1})
	f.Add([]byte{0x80, 46, 1, 3, 1}, []byte{0})
	f.Add([]byte{22, 3, 1, 0, 4, 1, 255, 255, 255, 22, 3, 1, 0, 1, 1}, []byte{2})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		// Beyond MaxHandshake it matters how much comes at once.
		data = data[:min(len(data), MaxHandshake)]
		whole := outcome(t, id, data, nil)
		if got := outcome(t, id, data, cuts); got != whole {
			t.Errorf("in one piece: %s; cut by %v: %s", whole, cuts, got)
		}
	})
}

// pipe is one end of a connection in memory that takes every write at once.
type pipe struct {
	net.Conn // for the methods that nobody calls
	in, out  *queue
}

type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	b      []byte
	closed bool
}

func newPipe() (a, b *pipe) {
	x, y := new(queue), new(queue)
	x.more.L, y.more.L = &x.mu, &y.mu
	return &pipe{in: x, out: y}, &pipe{in: y, out: x}
}

func (p *pipe) Write(b []byte) (int, error) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	p.out.b = append(p.out.b, b...)
	p.out.more.Signal()
	return len(b), nil
}

func (p *pipe) Read(b []byte) (int, error) {
	q := p.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.b) == 0 && !q.closed {
		q.more.Wait()
	}
	n := copy(b, q.b)
	if q.b = q.b[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close lets both ends read to the end of what was written.
func (p *pipe) Close() error {
	for _, q := range []*queue{p.in, p.out} {
		q.mu.Lock()
		q.closed = true
		q.more.Signal()
		q.mu.Unlock()
	}
	return nil
}

// serve moves an Adapter over a pipe until n bytes of plaintext are there.
func serve(a *Adapter, p *pipe, cuts []byte, n int) ([]byte, error) {
	var got []byte
	open := false
	turn := func() (err error) {
		if !open {
			open, err = a.Step()
		}
		buf := make([]byte, n)
		for open && err == nil {
			var m int
			m, err = a.Read(buf[:n-len(got)])
			if got = append(got, buf[:m]...); len(got) == n || err == ErrWouldBlock {
				return nil
			}
		}
		return err
	}
	block := make([]byte, 4096)
	for i := 0; len(got) < n; {
		m, err := p.Read(block)
		for rest := block[:m]; err == nil && len(rest) > 0; i++ {
			k := len(rest)
			if len(cuts) > 0 {
				k = min(k, 1+int(cuts[i%len(cuts)]))
			}
			if err = a.Push(rest[:k]); err == nil {
				err = turn()
			}
			rest = rest[k:]
		}
		p.Write(a.Take(nil))
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// A real client's handshake and commands come through whatever way they are cut.
func FuzzCuts(f *testing.F) {
	id := newIdentity(f)
	f.Add(true, []byte{}, 10)
	f.Add(false, []byte{0}, 100)
	f.Add(true, []byte{0, 255, 4}, 3000)
	f.Add(false, []byte{4, 0}, 40000)
	f.Fuzz(func(t *testing.T, new bool, cuts []byte, size int) {
		v := uint16(tls.VersionTLS12)
		if new {
			v = tls.VersionTLS13
		}
		want := strings.Repeat("NOOP\r\n", 1+max(0, size)%(32<<10)/6)
		for _, e := range engines {
			srv, cli := newPipe()
			a := NewAdapter(id, NewBinding(), e.e)
			done := make(chan error, 1)
			go func() {
				_, err := io.WriteString(tls.Client(cli, clientConfig(v)), want)
				done <- err
			}()
			got, err := serve(a, srv, cuts, len(want))
			a.Close()
			srv.Close()
			if cerr := <-done; err != nil || cerr != nil || string(got) != want {
				t.Errorf("%s: got %d bytes, %v, %v, want %d", e.name, len(got), err, cerr, len(want))
			}
		}
	})
}

// The records of a stream are found at the same places however it is cut.
func FuzzSpan(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 2, 1, 2, 23, 3, 3, 0, 0, 23, 3}, []byte{0, 3})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var want []int
		for at := 0; at < len(data); {
			n := recordLen(data[at:])
			if n == 0 || at+n > len(data) {
				break
			}
			at += n
			want = append(want, at)
		}
		var s span
		at := 0
		for i := 0; at < len(data); i++ {
			n := len(data) - at
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			for piece := data[at : at+n]; len(piece) > 0; {
				m := s.next(piece)
				at += m
				piece = piece[m:]
				if border := len(want) > 0 && at == want[0]; border != (s.seen == 0) {
					t.Fatalf("at %d: got a border %v, want %v", at, s.seen == 0, border)
				} else if border {
					want = want[1:]
				}
			}
		}
	})
}
