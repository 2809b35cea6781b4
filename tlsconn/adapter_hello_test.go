package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"fastftps/internal/bufpool"
)

// firstFlight returns what a client sends before it has heard anything.
func firstFlight(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	conn := &deafConn{}
	if err := tls.Client(conn, cfg).Handshake(); err != io.EOF {
		t.Fatalf("got %v, want EOF", err)
	}
	return conn.sent.Bytes()
}

// deafConn swallows what is sent and has nothing to read.
type deafConn struct {
	net.Conn
	sent bytes.Buffer
}

func (c *deafConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (c *deafConn) Write(p []byte) (int, error) { return c.sent.Write(p) }

// refragment cuts the message in the records of flight into records of n bytes.
func refragment(flight []byte, n int) []byte {
	var msg, out []byte
	for len(flight) > 0 {
		k := recordLen(flight)
		msg, flight = append(msg, flight[headerLen:k]...), flight[k:]
	}
	for len(msg) > 0 {
		k := min(n, len(msg))
		out = append(append(out, recordHeader(typeHandshake, k)...), msg[:k]...)
		msg = msg[k:]
	}
	return out
}

// A peer that stops in its ClientHello holds no more memory than it has sent,
// however large the buffers are that others have left in the pool.
func TestHalfHelloIsSmall(t *testing.T) {
	hello := firstFlight(t, &tls.Config{InsecureSkipVerify: true})
	lent := make([]*bufpool.Buffer, 100)
	for i := range lent {
		lent[i] = bufpool.Inputs.Get()
		lent[i].B = append(lent[i].B, make([]byte, MaxBuffered)...)
	}
	for _, b := range lent {
		bufpool.Inputs.Put(b)
	}
	for _, pieces := range []int{1, 2, 10} {
		a := NewAdapter(newIdentity(t), NewBinding(), EngineFast)
		half := hello[:len(hello)/2]
		for p := range slices.Chunk(half, (len(half)+pieces-1)/pieces) {
			if err := a.Push(p); err != nil {
				t.Fatal(err)
			}
		}
		if a.in != nil || cap(a.hello) > 2*len(half) {
			t.Errorf("in %d pieces: holds %d bytes for %d, a buffer: %v", pieces, cap(a.hello), len(half), a.in != nil)
		}
		if err := a.Push(hello[len(half):]); err != nil || !a.Ready() || a.hello != nil {
			t.Errorf("in %d pieces: %v, ready %v", pieces, err, a.Ready())
		}
		a.Close()
	}
}

// What cannot become a ClientHello is told from it at the first byte that shows
// it, and nothing is answered.
func TestNotTLS(t *testing.T) {
	for _, tt := range []struct {
		name  string
		input string
		at    int // bytes needed to tell
	}{
		{"command", "USER x\r\n", 1},
		{"HTTP", "GET / HTTP/1.1\r\n", 1},
		{"SSLv2 hello", "\x80\x2e\x01\x00\x02\x00\x15", 1},
		{"alert", "\x15\x03\x01\x00\x02\x02\x28", 1},
		{"application data", "\x17\x03\x03\x00\x02ab", 1},
		{"version 2", "\x16\x02\x00\x00\x10\x01", 2},
		{"empty record", "\x16\x03\x01\x00\x00\x01", 5},
		{"oversized record", "\x16\x03\x01\xff\xff\x01", 5},
		{"ServerHello", "\x16\x03\x01\x00\x40\x02\x00", 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAdapter(nil, nil, engine)
			defer a.Close()
			for i := range len(tt.input) {
				err := a.Push([]byte{tt.input[i]})
				if want := i+1 >= tt.at; errors.Is(err, ErrNotTLS) != want {
					t.Fatalf("byte %d: got %v, want an error from byte %d", i+1, err, tt.at)
				}
			}
			if a.tc != nil || len(a.Pending()) > 0 {
				t.Errorf("got a tls.Conn %v and %d bytes of answer", a.tc, len(a.Pending()))
			}
		})
	}
}

// Until the last byte of the ClientHello nothing of crypto/tls exists, however
// it is cut into records and pieces.
func TestLazy(t *testing.T) {
	id := newIdentity(t)
	flight := firstFlight(t, clientConfig(tls.VersionTLS13))
	for _, tt := range []struct {
		name   string
		flight []byte
	}{
		{"one record", flight},
		{"records of 100 bytes", refragment(flight, 100)},
		{"records of one byte", refragment(flight, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAdapter(id, NewBinding(), engine)
			defer a.Close()
			for i, c := range tt.flight {
				if a.Ready() || a.tc != nil || a.hs != nil {
					t.Fatalf("ready after %d of %d bytes", i, len(tt.flight))
				}
				if done, err := a.Step(); done || err != nil {
					t.Fatalf("Step without a hello: got %v, %v", done, err)
				}
				if err := a.Push([]byte{c}); err != nil {
					t.Fatal(err)
				}
			}
			if !a.Ready() {
				t.Fatal("not ready with the whole hello")
			}
			if done, err := a.Step(); done || err != nil || len(a.Pending()) == 0 {
				t.Errorf("got %v, %v and %d bytes of answer", done, err, len(a.Pending()))
			}
		})
	}
}

// Each step may run in another goroutine, and a parked handshake ends with
// Close: the leak check of TestMain is the witness.
func TestStepAnywhere(t *testing.T) { bothEngines(t, testStepAnywhere) }

func testStepAnywhere(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			a := NewAdapter(newIdentity(t), NewBinding(), engine)
			if err := a.Push(refragment(firstFlight(t, clientConfig(v.v)), 50)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				fail := make(chan error)
				go func() { _, err := a.Step(); fail <- err }()
				if err := <-fail; err != nil {
					t.Fatal(err)
				}
			}
			closed := make(chan struct{})
			go func() { defer close(closed); a.Close() }()
			<-closed
		})
	}
}

func TestCloseParked(t *testing.T) { bothEngines(t, testCloseParked) }

func testCloseParked(t *testing.T) {
	a := NewAdapter(newIdentity(t), NewBinding(), engine)
	if err := a.Push(firstFlight(t, clientConfig(tls.VersionTLS13))); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Step(); err != nil {
		t.Fatal(err)
	}
	a.Close()
	a.Close()
	if _, err := a.Step(); err == nil {
		t.Error("Step after Close: got no error")
	}
	if err := a.Push([]byte("x")); err == nil {
		t.Error("Push after Close: got no error")
	}
	if _, err := a.Read(make([]byte, 1)); err == nil || err == ErrWouldBlock {
		t.Errorf("Read after Close: got %v", err)
	}
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("Write after Close: got no error")
	}
}

// A handshake that never ends is cut before it costs memory.
func TestHandshakeBounds(t *testing.T) { bothEngines(t, testHandshakeBounds) }

func testHandshakeBounds(t *testing.T) {
	message := func(typ byte, n int) []byte { return []byte{typ, byte(n >> 16), byte(n >> 8), byte(n)} }
	record := func(typ byte, p []byte) []byte { return append(recordHeader(typ, len(p)), p...) }
	hello := firstFlight(t, clientConfig(tls.VersionTLS13))
	filler := bytes.Repeat([]byte{1}, 1000)
	for _, tt := range []struct {
		name  string
		first []byte
		flood []byte
		want  string
	}{
		{"hello of 16 MiB", record(typeHandshake, message(clientHello, 1<<24-1)), record(typeHandshake, filler), "exceeds maximum"},
		{"hello of 64 KiB", record(typeHandshake, message(clientHello, 1<<16)), record(typeHandshake, filler), "too many unread bytes"},
		{"hello that never ends", record(typeHandshake, message(clientHello, MaxHandshake-100)), record(typeHandshake, []byte{1}), "too many unread bytes"},
		{"change cipher spec", hello, record(typeChangeCipherSpec, []byte{1}), "too many ignored records"},
		{"warnings", hello, record(typeAlert, []byte{1, 90}), "bad record MAC"},
		{"half a record", hello, bytes.Repeat([]byte{typeApplicationData, 3, 3, 0x40, 0}, 100), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAdapter(newIdentity(t), NewBinding(), engine)
			defer a.Close()
			err := a.Push(tt.first)
			for range 100_000 {
				if err != nil {
					break
				}
				if a.Ready() {
					_, err = a.Step()
				}
				if err == nil {
					err = a.Push(tt.flood)
				}
				if a.in != nil && cap(a.in.B) > 4*MaxHandshake || cap(a.hello) > 2*MaxHandshake {
					t.Fatalf("the input grew beyond its bound, the hello to %d bytes", cap(a.hello))
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// What is pushed and not read is bounded after the handshake too.
func TestUnreadBound(t *testing.T) { bothEngines(t, testUnreadBound) }

func testUnreadBound(t *testing.T) {
	c, f := forged(t, tls.VersionTLS13)
	rec := f.seal(typeApplicationData, make([]byte, 16<<10))
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = c.Push(rec)
	}
	if !errors.Is(err, ErrFlood) || n > MaxBuffered/(16<<10)+1 {
		t.Errorf("got %v after %d records", err, n)
	}
}

func TestEndOfHello(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		want error
	}{{"nothing sent", 0, ErrNoHello}, {"half a hello", 100, ErrTruncated}} {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAdapter(newIdentity(t), NewBinding(), engine)
			defer a.Close()
			if err := a.Push(firstFlight(t, clientConfig(tls.VersionTLS13))[:tt.n]); err != nil {
				t.Fatal(err)
			}
			a.PushEOF()
			if !a.Ready() {
				t.Error("not ready at the end of the input")
			}
			if _, err := a.Step(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A panic inside the handshake comes out of Step, where the engine recovers it.
func TestHandshakePanic(t *testing.T) { bothEngines(t, testHandshakePanic) }

func testHandshakePanic(t *testing.T) {
	a := NewAdapter(nil, NewBinding(), engine)
	defer a.Close()
	if err := a.Push(firstFlight(t, clientConfig(tls.VersionTLS13))); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("got no panic for a missing identity")
		}
	}()
	_, _ = a.Step()
}
