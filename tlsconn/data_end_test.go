package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fastftps/internal/bufpool"
)

// forgedData returns a data connection after its handshake with a forger in the
// client's place.
func forgedData(t testing.TB, v uint16, o DataOptions) (*DataConn, *forger) {
	t.Helper()
	d, f, err := forgedSuite(t, v, tls.TLS_AES_128_GCM_SHA256, o)
	if err != nil {
		t.Fatal(err)
	}
	return d, f
}

// forgedSuite is forgedData with a suite, on TLS 1.2 that of the same cipher.
func forgedSuite(t testing.TB, v, suite uint16, o DataOptions) (*DataConn, *forger, error) {
	t.Helper()
	srv, cli := tcpPair(t)
	cfg, log := forgeable(v)
	useSuite(t, cfg, suite)
	d := NewDataConn(newIdentity(t), srv, o)
	t.Cleanup(d.Release)
	tap := &tapConn{Conn: cli}
	tc := tls.Client(tap, cfg)
	done := make(chan error, 1)
	go func() { done <- tc.Handshake() }()
	if err := errors.Join(d.Handshake(), <-done); err != nil {
		return nil, nil, err
	}
	f := newForgerOf(t, cli, v, suite, log, tap.serverRandom())
	f.tc = tc
	return d, f, nil
}

// Every way an upload can end.
func TestEndOfUpload(t *testing.T) {
	data := []byte("file bytes")
	closeNotify, userCanceled := []byte{1, 0}, []byte{1, 90}
	for _, v := range layers {
		for _, tt := range []struct {
			name string
			end  func(f *forger)
			want error
		}{
			{"close_notify", func(f *forger) { f.send(f.seal(typeAlert, closeNotify)) }, io.EOF},
			{"close_notify and FIN", func(f *forger) { f.send(f.seal(typeAlert, closeNotify)); f.conn.Close() }, io.EOF},
			{"user_canceled, close_notify", func(f *forger) {
				f.send(f.seal(typeAlert, userCanceled), f.seal(typeAlert, closeNotify))
			}, io.EOF},
			{"FIN", func(f *forger) { f.conn.Close() }, ErrTruncated},
			{"user_canceled, FIN", func(f *forger) { f.send(f.seal(typeAlert, userCanceled)); f.conn.Close() }, ErrTruncated},
			{"FIN inside a record", func(f *forger) { f.send(f.seal(typeApplicationData, data)[:20]); f.conn.Close() }, io.ErrUnexpectedEOF},
			{"FIN inside a header", func(f *forger) { f.send([]byte{typeApplicationData, 3}); f.conn.Close() }, io.ErrUnexpectedEOF},
			{"reset", func(f *forger) { f.conn.(*net.TCPConn).SetLinger(0); f.conn.Close() }, syscall.ECONNRESET},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
				f.send(f.seal(typeApplicationData, data))
				buf := make([]byte, 100)
				n, err := io.ReadAtLeast(d, buf, len(data))
				if !bytes.Equal(buf[:n], data) || err != nil {
					t.Fatalf("got %q, %v", buf[:n], err)
				}
				tt.end(f)
				for range 2 { // it stays so
					if n, err := d.Read(buf); n != 0 || !errors.Is(err, tt.want) {
						t.Errorf("got %d bytes, %v, want %v", n, err, tt.want)
					}
				}
			})
		}
	}
}

// One Read takes the records that are there, whatever stands between them.
func TestReadGathers(t *testing.T) {
	for _, v := range layers {
		t.Run(v.name, func(t *testing.T) {
			d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
			data := bytes.Repeat([]byte("0123456789"), 100)
			var all, want []byte
			for range 20 {
				all = append(all, f.seal(typeApplicationData, data)...)
				all = append(all, f.seal(typeApplicationData, nil)...)
				want = append(want, data...)
			}
			f.send(append(all, f.seal(typeAlert, []byte{1, 0})...))
			if err := d.Await(); err != nil {
				t.Fatal(err)
			}
			var got []byte
			buf, reads := make([]byte, 64<<10), 0
			for err := error(nil); err == nil; reads++ {
				var n int
				n, err = d.Read(buf)
				got = append(got, buf[:n]...)
			}
			if !bytes.Equal(got, want) || reads > 10 {
				t.Errorf("got %d bytes in %d reads, want %d in a few", len(got), reads, len(want))
			}
		})
	}
}

// While the peer is silent no buffer is held, nor more than a small one for a
// part of a record.
func TestStalledUploadHoldsNothing(t *testing.T) {
	for _, v := range layers {
		t.Run(v.name, func(t *testing.T) {
			d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
			d.ReadSize(256 << 10)
			rec := f.seal(typeApplicationData, make([]byte, 10_000))
			f.send(rec, rec[:0], f.seal(typeApplicationData, make([]byte, 10_000))[:5000])
			buf := make([]byte, 64<<10)
			if _, err := io.ReadAtLeast(d, buf, 10_000); err != nil {
				t.Fatal(err)
			}
			stalled(t, d, d.Await)
			if d.link.buf != nil && d.link.buf.B != nil && len(d.link.buf.B) > bufpool.Sealed16.Size() {
				t.Errorf("awaiting holds %d bytes", len(d.link.buf.B))
			}
			stalled(t, d, func() error { _, err := d.Read(buf); return err })
			// crypto/tls keeps the part itself.
			if b := d.link.buf; b != nil && (d.fast == nil || len(b.B) > bufpool.Sealed16.Size()) {
				t.Errorf("reading holds %d bytes", len(b.B))
			}
		})
	}
}

// A deadline that was moved has done no harm, not even within a record.
func TestReadAfterDeadline(t *testing.T) {
	for _, v := range layers {
		t.Run(v.name, func(t *testing.T) {
			d, f := forgedData(t, v.v, DataOptions{Engine: v.engine})
			rec := f.seal(typeApplicationData, []byte("late"))
			f.send(rec[:7])
			buf := make([]byte, 10)
			stalled(t, d, func() error { _, err := d.Read(buf); return err })
			f.send(rec[7:])
			if n, err := d.Read(buf); string(buf[:n]) != "late" || err != nil {
				t.Errorf("got %q, %v", buf[:n], err)
			}
		})
	}
}

// stalled runs f, which must end with a deadline in the past.
func stalled(t *testing.T, d *DataConn, f func() error) {
	t.Helper()
	conn := d.link.conn
	done := make(chan error)
	go func() { done <- f() }()
	// What has arrived already is worked off first, so that f is waiting or
	// about to wait.
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		err := <-done
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("got %v, want the deadline", err)
		}
		go func() { done <- f() }()
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// A deadline in the past, set by somebody else, ends every call, and
// close_notify does not undo it.
func TestCancel(t *testing.T) {
	past := time.Unix(1, 0)
	for _, tt := range []struct {
		name string
		call func(d *DataConn) error
	}{
		{"read", func(d *DataConn) error { _, err := d.Read(make([]byte, 10)); return err }},
		{"await", func(d *DataConn) error { return d.Await() }},
		{"write", func(d *DataConn) error {
			for {
				if _, err := d.Write(make([]byte, 256<<10)); err != nil {
					return err
				}
			}
		}},
		{"close", func(d *DataConn) error {
			return errors.Join(d.link.conn.SetDeadline(past), d.CloseWrite([]byte("last")))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := forgedData(t, tls.VersionTLS13, DataOptions{})
			done := make(chan error)
			go func() { done <- tt.call(d) }()
			d.link.conn.SetDeadline(past)
			if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// meter counts the writes to a connection and hides its descriptor.
type meter struct {
	net.Conn
	writes atomic.Int32
}

func (m *meter) Write(p []byte) (int, error) {
	m.writes.Add(1)
	return m.Conn.Write(p)
}

// Sixteen records make one write, and close_notify none of its own.
func TestOneWriteAChunk(t *testing.T) {
	for _, v := range layers {
		for _, tt := range []struct{ size, writes int }{{0, 1}, {1, 1}, {100_000, 1}, {256 << 10, 1}, {256<<10 + 1, 2}, {1 << 20, 4}} {
			t.Run(v.name, func(t *testing.T) {
				srv, cli := tcpPair(t)
				m := &meter{Conn: srv}
				d := NewDataConn(newIdentity(t), m, DataOptions{Engine: v.engine})
				t.Cleanup(d.Release)
				got := make(chan int64, 1)
				go func() {
					n, _ := io.Copy(io.Discard, tls.Client(cli, clientConfig(v.v)))
					got <- n
				}()
				if err := d.Handshake(); err != nil {
					t.Fatal(err)
				}
				m.writes.Store(0)
				if err := d.CloseWrite(make([]byte, tt.size)); err != nil {
					t.Fatal(err)
				}
				if n := int(m.writes.Load()); n != tt.writes {
					t.Errorf("%d bytes: got %d writes, want %d", tt.size, n, tt.writes)
				}
				if n := <-got; n != int64(tt.size) {
					t.Errorf("client got %d bytes, want %d", n, tt.size)
				}
				if _, err := d.Write([]byte("x")); err == nil {
					t.Error("write after close_notify: got no error")
				}
			})
		}
	}
}

// The dataplane may have looked at the first bytes.
func TestPrefix(t *testing.T) {
	for _, v := range layers {
		for _, n := range []int{1, 4, 5, 6, 100} {
			t.Run(v.name, func(t *testing.T) {
				srv, cli := tcpPair(t)
				tc := tls.Client(cli, clientConfig(v.v))
				done := make(chan error, 1)
				go func() { _, err := tc.Write([]byte("hello")); done <- err }()
				prefix := make([]byte, n)
				if _, err := io.ReadFull(srv, prefix); err != nil {
					t.Fatal(err)
				}
				d := NewDataConn(newIdentity(t), srv, DataOptions{Prefix: prefix, Engine: v.engine})
				t.Cleanup(d.Release)
				if err := d.Handshake(); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 5)
				if _, err := io.ReadFull(d, buf); string(buf) != "hello" || err != nil {
					t.Errorf("got %q, %v", buf, err)
				}
			})
		}
	}
}

// Peers that never begin.
func TestNoDataHandshake(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *net.TCPConn)
		want error
	}{
		{"closed at once", func(c *net.TCPConn) { c.Close() }, ErrNoHello},
		{"clear text", func(c *net.TCPConn) { c.Write([]byte("file in clear\r\n")) }, ErrNotTLS},
		{"half a hello", func(c *net.TCPConn) { c.Write([]byte{22, 3, 1, 1, 0, 1}); c.Close() }, io.ErrUnexpectedEOF},
		{"silence", func(c *net.TCPConn) {}, os.ErrDeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, cli := tcpPair(t)
			tt.do(cli)
			if tt.want == os.ErrDeadlineExceeded {
				srv.SetDeadline(time.Unix(1, 0))
			}
			d := NewDataConn(newIdentity(t), srv, DataOptions{})
			defer d.Release()
			if err := d.Handshake(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
