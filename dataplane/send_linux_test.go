package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"fastftps/tlsconn"
)

func TestDownload(t *testing.T) { eachEngine(t, testDownload) }

func testDownload(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	s := newPeer(t, p, underTLS(id))
	s.login(id)
	for _, m := range modes {
		for _, size := range sizes {
			for _, kind := range []string{"memory", "host"} {
				t.Run(fmt.Sprintf("%s/%d/%s", m.name, size, kind), func(t *testing.T) {
					s.t = t
					want, j := text(size), m.job
					whole := append([]byte("skipped"), want...)
					j.Offset, j.Length = 7, int64(size)
					if j.File = newMemFile(whole); kind == "host" {
						j.File = newHostFile(t, append(whole, "grown"...))
					}
					e := s.open(j, s.passive())
					s.start(j)
					got, err := io.ReadAll(e)
					if err != nil {
						t.Fatal(err)
					}
					if got = decode(t, j, got); !bytes.Equal(got, want) {
						t.Fatalf("got %d bytes, want %d equal ones", len(got), size)
					}
					e.finish()
					r := s.want(CauseOK)
					if r.Bytes != int64(size) || r.Bound != j.Private || (r.TLSVersion != "") != j.Private || r.Engine != engineOf(j) {
						t.Errorf("got %+v, want engine %q", r, engineOf(j))
					}
				})
			}
		}
	}
	if n := p.stats.SentSendfile.Load(); n != int64(sum(sizes)) {
		t.Errorf("got %d bytes by sendfile, want %d", n, sum(sizes))
	}
}

// engineOf is who seals a download.
func engineOf(j Job) string {
	switch {
	case !j.Private:
		return ""
	case engine == tlsconn.EngineStd:
		return "std"
	case kernel && osFile(j.File) != nil && !j.ASCII && j.Deflate == 0 && j.Length >= kernelMin:
		return "kernel"
	}
	return "fast"
}

func sum(v []int) (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

// A client that stops a download is noticed, whichever way it goes.
func TestDownloadCut(t *testing.T) { eachEngine(t, testDownloadCut) }

func testDownloadCut(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	body := noise(3, 32<<20) // more than any socket buffer takes
	for _, m := range modes[:2] {
		for name, leave := range map[string]func(e *end){
			"reset":        (*end).reset,
			"close":        func(e *end) { e.sock.Close() },
			"close_notify": (*end).finish,
			"FIN":          func(e *end) { e.sock.CloseWrite() },
		} {
			for _, kind := range []string{"memory", "host"} {
				t.Run(m.name+"/"+name+"/"+kind, func(t *testing.T) {
					s := newPeer(t, p, underTLS(id))
					j := m.job
					j.Length = int64(len(body))
					if j.File = newMemFile(body); kind == "host" {
						j.File = newHostFile(t, body)
					}
					e := s.open(j, s.passive())
					s.start(j)
					if _, err := io.ReadFull(e, make([]byte, 100)); err != nil {
						t.Fatal(err)
					}
					leave(e)
					go io.Copy(io.Discard, e.sock) // what is under way
					if r := s.want(CauseCut); r.Bytes >= int64(len(body)) {
						t.Errorf("got %d bytes moved", r.Bytes)
					}
				})
			}
		}
	}
}

// A file that shrinks, vanishes or fails during its download; the client must
// not take what it got for the whole.
func TestDownloadFile(t *testing.T) { eachEngine(t, testDownloadFile) }

func testDownloadFile(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	body := noise(4, 8<<20)
	for _, tt := range []struct {
		name   string
		change func(h *hostFile) error
		want   Cause
	}{
		{"shortened", func(h *hostFile) error { return h.Truncate(2 << 20) }, CauseShort},
		{"emptied", func(h *hostFile) error { return h.Truncate(0) }, CauseShort},
		{"removed", func(h *hostFile) error { return os.Remove(h.Name()) }, CauseOK},
		{"grown", func(h *hostFile) error { return h.Truncate(16 << 20) }, CauseOK},
	} {
		for _, m := range modes[:2] {
			t.Run(tt.name+"/"+m.name, func(t *testing.T) {
				s, h := newPeer(t, p, underTLS(id)), newHostFile(t, body)
				j := m.job
				j.File, j.Length = h, int64(len(body))
				e := s.open(j, s.passive())
				s.start(j)
				first := make([]byte, 1<<10)
				if _, err := io.ReadFull(e, first); err != nil {
					t.Fatal(err)
				}
				if err := tt.change(h); err != nil {
					t.Fatal(err)
				}
				rest, err := io.ReadAll(e)
				if got := append(first, rest...); tt.want == CauseOK && (err != nil || !bytes.Equal(got, body)) {
					t.Errorf("got %d bytes, %v, want %d equal ones", len(got), err, len(body))
				}
				if tt.want != CauseOK && err == nil {
					t.Errorf("the client saw a clean end after %d bytes", len(first)+len(rest))
				}
				e.finish()
				s.want(tt.want)
			})
		}
	}
	t.Run("read error", func(t *testing.T) {
		s, f := newPeer(t, p), newMemFile(body)
		f.read = func([]byte) (int, error) { return 0, syscall.EIO }
		e := s.open(Job{}, s.passive())
		s.start(Job{File: f, Length: 10})
		if r := s.want(CauseRead); !errors.Is(r.Err, syscall.EIO) || !f.closed {
			t.Errorf("got %v, closed %v", r.Err, f.closed)
		}
		if _, err := io.ReadAll(e); err == nil {
			t.Error("the client saw a clean end")
		}
	})
	t.Run("reader that makes no progress", func(t *testing.T) {
		s, f := newPeer(t, p), newMemFile(body)
		f.read = func([]byte) (int, error) { return 0, nil }
		s.open(Job{}, s.passive())
		s.start(Job{File: f, Length: 10})
		s.want(CauseRead)
	})
}

func TestListing(t *testing.T) { eachEngine(t, testListing) }

func testListing(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	for _, m := range modes {
		if m.job.ASCII {
			continue // listings come converted
		}
		t.Run(m.name, func(t *testing.T) {
			var pieces []string
			for i := range 500 {
				pieces = append(pieces, strings.Repeat(fmt.Sprintf("entry %d\r\n", i), i%40))
			}
			want := strings.Join(pieces, "")
			s := newPeer(t, p, underTLS(id))
			l := &lines{pieces: pieces}
			j := m.job
			j.Listing = l
			e := s.open(j, s.passive())
			s.start(j)
			got, err := io.ReadAll(e)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(decode(t, Job{Deflate: j.Deflate}, got)); got != want {
				t.Errorf("got %d bytes", len(got))
			}
			e.finish()
			if r := s.want(CauseOK); l.closed != 1 || r.Bytes != int64(len(want)) {
				t.Errorf("closed %d times, %d bytes", l.closed, r.Bytes)
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		s := newPeer(t, p, underTLS(id))
		e := s.open(Job{Private: true}, s.passive())
		s.start(Job{Listing: &lines{}, Private: true})
		s.expect(e, nil)
		s.want(CauseOK)
	})
	t.Run("fails", func(t *testing.T) {
		s, l := newPeer(t, p), &lines{pieces: []string{"x\r\n"}, err: syscall.EIO}
		e := s.open(Job{}, s.passive())
		s.start(Job{Listing: l})
		s.want(CauseRead)
		if _, err := io.ReadAll(e); err == nil || l.closed != 1 {
			t.Errorf("the client saw a clean end, or %d closes", l.closed)
		}
	})
	t.Run("first lines leave before the last are known", func(t *testing.T) {
		s := newPeer(t, p, underTLS(id))
		l := &lines{pieces: []string{strings.Repeat("first\r\n", firstPiece/7+1), "last\r\n"}, wait: make(chan struct{})}
		e := s.open(Job{Private: true}, s.passive())
		s.start(Job{Listing: l, Private: true})
		if _, err := io.ReadFull(e, make([]byte, len(l.pieces[0]))); err != nil {
			t.Error(err)
		}
		close(l.wait)
		io.Copy(io.Discard, e)
		s.want(CauseOK)
	})
}
