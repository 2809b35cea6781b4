package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// dataPair runs the handshake of one data connection. The client's error is not
// looked at when the server failed.
func dataPair(t testing.TB, id *Identity, o DataOptions, cfg *tls.Config) (*DataConn, *tls.Conn, error) {
	t.Helper()
	srv, cli := tcpPair(t)
	d := NewDataConn(id, srv, o)
	t.Cleanup(d.Release)
	tc := tls.Client(cli, cfg)
	done := make(chan error, 1)
	go func() { done <- tc.Handshake() }()
	err := d.Handshake()
	if err != nil {
		srv.Close()
	}
	cerr := <-done
	if err == nil && cerr != nil {
		t.Fatal(cerr)
	}
	return d, tc, err
}

func TestDataResumes(t *testing.T) {
	for _, v := range layers {
		for _, dir := range []Direction{Receive, Send} {
			t.Run(v.name, func(t *testing.T) {
				id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
				secured(t, id, b, cfg)
				for i := range 3 {
					d, _, err := dataPair(t, id, DataOptions{Binding: b, Engine: v.engine, Reuse: ReuseRequired, Direction: dir}, cfg)
					if err != nil {
						t.Fatalf("connection %d: %v", i, err)
					}
					info := d.Info()
					if !info.Resumed || !info.Bound || info.Session != b.ID() || info.Version != v.v {
						t.Errorf("connection %d: got %+v, want it resumed and bound", i, info)
					}
				}
			})
		}
	}
}

// transfer sends p from the server and returns what the client got.
func transfer(t *testing.T, d *DataConn, tc *tls.Conn, p []byte, chunk int) []byte {
	t.Helper()
	fail := make(chan error, 1)
	go func() {
		rest := p
		for len(rest) > chunk {
			if _, err := d.Write(rest[:chunk]); err != nil {
				fail <- err
				return
			}
			rest = rest[chunk:]
		}
		err := d.CloseWrite(rest)
		fail <- errors.Join(err, d.link.conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(tc)
	if err := errors.Join(err, <-fail); err != nil {
		t.Fatal(err)
	}
	return got
}

// holdLater holds back all writes but the first, to be sent in one piece.
type holdLater struct {
	net.Conn
	begun bool
	held  []byte
}

// Write implements io.Writer.
func (c *holdLater) Write(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// TestDownloadHoldsNothing: what a client sends together with its Finished costs a download
// no buffer, for nobody will read it.
func TestDownloadHoldsNothing(t *testing.T) {
	for _, v := range layers {
		if v.v != tls.VersionTLS13 {
			continue // there the client's Finished is not the last one
		}
		t.Run(v.name, func(t *testing.T) {
			srv, cli := tcpPair(t)
			d := NewDataConn(newIdentity(t), srv, DataOptions{Binding: NewBinding(), Engine: v.engine, Direction: Send})
			t.Cleanup(d.Release)
			h := &holdLater{Conn: cli}
			sent := make(chan error, 1)
			go func() {
				tc := tls.Client(h, clientConfig(v.v))
				err := tc.Handshake()
				if err == nil {
					_, err = tc.Write(make([]byte, 20_000))
				}
				if err == nil {
					_, err = cli.Write(h.held)
				}
				sent <- err
			}()
			if err := errors.Join(d.Handshake(), <-sent); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if l := d.link; l.buf != nil || len(l.in) > 0 {
				t.Errorf("holds a buffer, with %d bytes in it", len(l.in))
			}
		})
	}
}

// failing is a connection whose reads fail in turn.
type failing struct {
	net.Conn
	errs []error
}

// Read implements io.Reader.
func (c *failing) Read([]byte) (int, error) {
	err := c.errs[0]
	c.errs = c.errs[1:]
	return 0, err
}

// TestDeadPeer: a peer that the kernel has given up ends the connection for good; a deadline
// that has passed does not.
func TestDeadPeer(t *testing.T) {
	dead := os.NewSyscallError("read", syscall.ETIMEDOUT)
	for _, v := range layers {
		t.Run(v.name, func(t *testing.T) {
			d, _, err := dataPair(t, newIdentity(t), DataOptions{Binding: NewBinding(), Engine: v.engine}, clientConfig(v.v))
			if err != nil {
				t.Fatal(err)
			}
			d.link.conn, d.link.raw = &failing{Conn: d.link.conn, errs: []error{os.ErrDeadlineExceeded, dead, io.EOF, io.EOF}}, nil
			for i, want := range []error{os.ErrDeadlineExceeded, syscall.ETIMEDOUT, syscall.ETIMEDOUT} {
				if _, err := d.Read(make([]byte, 10)); !errors.Is(err, want) {
					t.Errorf("read %d: got %v, want %v", i+1, err, want)
				}
			}
		})
	}
}

func TestDownload(t *testing.T) {
	want := make([]byte, 3<<20+17)
	rand.Read(want)
	for _, v := range layers {
		for _, chunk := range []int{1, 1000, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20} {
			n := min(len(want), chunk*1000)
			t.Run(v.name, func(t *testing.T) {
				d, tc, err := dataPair(t, newIdentity(t), DataOptions{Binding: NewBinding(), Engine: v.engine}, clientConfig(v.v))
				if err != nil {
					t.Fatal(err)
				}
				if got := transfer(t, d, tc, want[:n], chunk); !bytes.Equal(got, want[:n]) {
					t.Errorf("chunks of %d: got %d bytes that differ, want %d", chunk, len(got), n)
				}
			})
		}
	}
}

func TestUpload(t *testing.T) {
	want := make([]byte, 3<<20+17)
	rand.Read(want)
	for _, v := range layers {
		for _, size := range []int{100, 16 << 10, 256 << 10} {
			t.Run(v.name, func(t *testing.T) {
				d, tc, err := dataPair(t, newIdentity(t), DataOptions{Binding: NewBinding(), Engine: v.engine}, clientConfig(v.v))
				if err != nil {
					t.Fatal(err)
				}
				d.ReadSize(size)
				go func() {
					tc.Write(want)
					tc.CloseWrite()
				}()
				var got []byte
				buf := make([]byte, size)
				for err == nil {
					var n int
					if err = d.Await(); err != nil {
						break
					}
					n, err = d.Read(buf)
					got = append(got, buf[:n]...)
				}
				if err != io.EOF || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes and %v, want %d and EOF", len(got), err, len(want))
				}
			})
		}
	}
}
