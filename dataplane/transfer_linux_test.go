package dataplane

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastftps/storage"
	"fastftps/tlsconn"
)

// modes are the ways in which the bytes of a file can go.
var modes = []struct {
	name string
	job  Job
}{
	{"clear", Job{}},
	{"sealed", Job{Private: true}},
	{"ascii", Job{ASCII: true}},
	{"deflate", Job{Deflate: 6}},
	{"sealed ascii deflate", Job{Private: true, ASCII: true, Deflate: 1}},
}

// sizes go around the edges of blocks.
var sizes = []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 3<<20 + 7}

// encode is what a client makes of a text of ours, or its inverse: TYPE, then MODE.
func encode(j Job, p []byte) []byte {
	if j.ASCII {
		p = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
	}
	if j.Deflate > 0 {
		p = zlibOf(p)
	}
	return p
}

func decode(t testing.TB, j Job, p []byte) []byte {
	t.Helper()
	if j.Deflate > 0 {
		z, err := zlib.NewReader(bytes.NewReader(p))
		if err == nil {
			p, err = io.ReadAll(z)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if j.ASCII {
		p = bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))
	}
	return p
}

// text returns n bytes in lines with no CR.
func text(n int) []byte {
	p := noise(uint64(n), n)
	for i := range p {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return p
}

// end is the client's side of a data connection, under TLS if the job is.
type end struct {
	io.ReadWriter
	sock *net.TCPConn
	tls  *tls.Conn
}

func (s *peer) open(j Job, to netip.AddrPort) *end {
	s.t.Helper()
	e := &end{sock: s.dial(to)}
	e.ReadWriter = e.sock
	if j.Private {
		e.tls = s.tls(e.sock)
		e.ReadWriter = e.tls
	}
	return e
}

// finish ends the client's side in order.
func (e *end) finish() {
	if e.tls != nil {
		e.tls.CloseWrite()
	}
	e.sock.CloseWrite()
}

// reset cuts the connection.
func (e *end) reset() {
	e.sock.SetLinger(0)
	e.sock.Close()
}

func TestDownload(t *testing.T) {
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
					if r.Bytes != int64(size) || r.Bound != j.Private || (r.TLSVersion != "") != j.Private {
						t.Errorf("got %+v", r)
					}
				})
			}
		}
	}
	if n := p.stats.SentSendfile.Load(); n != int64(sum(sizes)) {
		t.Errorf("got %d bytes by sendfile, want %d", n, sum(sizes))
	}
}

func sum(v []int) (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

func TestUpload(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	s := newPeer(t, p, underTLS(id))
	s.login(id)
	for _, m := range modes {
		for _, size := range sizes {
			for _, kind := range []string{"memory", "host"} {
				t.Run(fmt.Sprintf("%s/%d/%s", m.name, size, kind), func(t *testing.T) {
					s.t = t
					want, j := text(size), m.job
					mem, host := new(memUpload), newHostFile(t, nil)
					if j.Upload = mem; kind == "host" {
						j.Upload, mem = host, &host.memUpload
					}
					e := s.open(j, s.passive())
					s.start(j)
					if _, err := e.Write(encode(j, want)); err != nil {
						t.Fatal(err)
					}
					e.finish()
					if _, err := io.ReadAll(e); err != nil {
						t.Errorf("after the upload: %v, want close_notify or FIN", err)
					}
					r := s.want(CauseOK)
					got := mem.Bytes()
					if kind == "host" {
						got = host.content(t)
					}
					if !bytes.Equal(got, want) {
						t.Errorf("got %d bytes, want %d equal ones", len(got), size)
					}
					if r.Bytes != int64(size) || r.CloseNotify != j.Private {
						t.Errorf("got %+v", r)
					}
					mem.wantEnd(t, true)
				})
			}
		}
	}
	if n := p.stats.RecvSpliced.Load(); n != int64(sum(sizes)) {
		t.Errorf("got %d bytes by splice, want %d", n, sum(sizes))
	}
}

// The ways in which an upload ends badly, and what is made of them.
func TestUploadEnds(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	body := text(100 << 10)
	sealedFIN := func(e *end) {
		e.Write(body)
		e.sock.CloseWrite()
	}
	for _, tt := range []struct {
		name   string
		job    Job
		upload memUpload
		client func(e *end)
		want   Cause
	}{
		{"FIN without close_notify", Job{Private: true}, memUpload{}, sealedFIN, CauseNoCloseNotify},
		{"the same, warn", Job{Private: true, Close: CloseWarn}, memUpload{}, sealedFIN, CauseOK},
		{"the same, off", Job{Private: true, Close: CloseOff}, memUpload{}, sealedFIN, CauseOK},
		{"the same, whole zlib stream", Job{Private: true, Deflate: 6}, memUpload{}, func(e *end) {
			e.Write(zlibOf(body))
			e.sock.CloseWrite()
		}, CauseOK},
		{"FIN in the middle of a record", Job{Private: true, Close: CloseOff}, memUpload{}, func(e *end) {
			e.Write(body)
			e.sock.Write([]byte{0x17, 3, 3, 0, 100, 1, 2, 3})
			e.sock.CloseWrite()
		}, CauseCut},
		{"reset, sealed", Job{Private: true, Close: CloseOff}, memUpload{}, func(e *end) { e.Write(body); e.reset() }, CauseCut},
		{"reset, copied", Job{}, memUpload{}, func(e *end) { e.Write(body); e.reset() }, CauseCut},
		{"reset, MODE Z", Job{Deflate: 1}, memUpload{}, func(e *end) { e.Write(zlibOf(body)[:1000]); e.reset() }, CauseCut},
		{"zlib stream cut", Job{Deflate: 1}, memUpload{}, func(e *end) { e.Write(zlibOf(body)[:1000]); e.finish() }, CauseCorrupt},
		{"zlib stream damaged", Job{Deflate: 1}, memUpload{}, func(e *end) { e.Write(body); e.finish() }, CauseCorrupt},
		{"bytes behind the zlib stream", Job{Deflate: 1, Private: true}, memUpload{}, func(e *end) {
			e.Write(append(zlibOf(body), "more"...))
			e.finish()
		}, CauseCorrupt},
		{"clear bytes under PROT P", Job{Private: true}, memUpload{}, func(e *end) { e.sock.Write(body) }, CauseTLS},
		{"closed without a hello", Job{Private: true}, memUpload{}, func(e *end) { e.sock.Close() }, CauseCut},
		{"as large as allowed", Job{MaxBytes: 100 << 10}, memUpload{}, func(e *end) { e.Write(body); e.finish() }, CauseOK},
		{"larger than allowed", Job{MaxBytes: 100<<10 - 1}, memUpload{}, func(e *end) { e.Write(body); e.finish() }, CauseQuota},
		{"larger than allowed, sealed", Job{MaxBytes: 1, Private: true}, memUpload{}, func(e *end) { e.Write(body); e.finish() }, CauseQuota},
		{"inflates to more than allowed", Job{MaxBytes: 1000, Deflate: 1}, memUpload{}, func(e *end) {
			e.Write(zlibOf(make([]byte, 10000)))
			e.finish()
		}, CauseQuota},
		{"disk full", Job{}, memUpload{writeErr: storage.ErrNoSpace, room: 50 << 10}, func(e *end) { e.Write(body); e.finish() }, CauseNoSpace},
		{"quota", Job{Private: true}, memUpload{writeErr: storage.ErrQuota}, func(e *end) { e.Write(body); e.finish() }, CauseQuota},
		{"write error", Job{ASCII: true}, memUpload{writeErr: syscall.EIO}, func(e *end) { e.Write(body); e.finish() }, CauseWrite},
		{"name taken at the end", Job{}, memUpload{commitErr: fs.ErrExist}, func(e *end) { e.Write(body); e.finish() }, CauseExists},
		{"fsync fails", Job{Private: true}, memUpload{commitErr: syscall.EIO}, func(e *end) { e.Write(body); e.finish() }, CauseWrite},
		{"fsync finds no space", Job{}, memUpload{commitErr: syscall.ENOSPC}, func(e *end) { e.Write(body); e.finish() }, CauseNoSpace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newPeer(t, p, underTLS(id))
			s.login(id)
			u := &tt.upload
			tt.job.Upload = u
			e := s.open(tt.job, s.passive())
			s.start(tt.job)
			tt.client(e)
			s.want(tt.want)
			u.wantEnd(t, tt.want == CauseOK || u.commitErr != nil)
			if tt.want == CauseOK {
				return
			}
			e.sock.SetReadDeadline(time.Now().Add(patience))
			if tt.want != CauseNoCloseNotify && u.commitErr == nil {
				return // a reset that meets the client's writes reads as a plain end afterwards
			}
			if _, err := io.Copy(io.Discard, e); err == nil {
				t.Error("a clean end after a failed upload")
			}
		})
	}
}

// The splice path has its own errors: those of both ends come as one.
func TestSpliceEnds(t *testing.T) {
	p := newPlane(t, Config{})
	body := text(9 << 20) // more than one step
	for _, tt := range []struct {
		name   string
		max    int64
		open   func(t *testing.T, h *hostFile)
		client func(e *end)
		want   Cause
	}{
		{"whole", 0, nil, func(e *end) { e.Write(body); e.finish() }, CauseOK},
		{"as large as allowed", int64(len(body)), nil, func(e *end) { e.Write(body); e.finish() }, CauseOK},
		{"larger than allowed", int64(len(body)) - 1, nil, func(e *end) { e.Write(body); e.finish() }, CauseQuota},
		{"reset", 0, nil, func(e *end) { e.Write(body); e.reset() }, CauseCut},
		{"not writable", 0, func(_ *testing.T, h *hostFile) {
			h.File.Close()
			h.File, _ = os.Open(h.Name())
		}, func(e *end) { e.Write(body); e.finish() }, CauseWrite},
		{"no more space", 0, func(t *testing.T, _ *hostFile) { limitFiles(t, 1<<20) }, func(e *end) { e.Write(body); e.finish() }, CauseNoSpace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, h := newPeer(t, p), newHostFile(t, nil)
			if tt.open != nil {
				tt.open(t, h)
			}
			e := s.open(Job{}, s.passive())
			s.start(Job{Upload: h, MaxBytes: tt.max})
			tt.client(e)
			s.want(tt.want)
			h.wantEnd(t, tt.want == CauseOK)
			if tt.want == CauseOK && !bytes.Equal(h.content(t), body) {
				t.Error("the file differs")
			}
		})
	}
}

// limitFiles makes every file of this process end at n bytes, for a while: the
// nearest thing to a full disk (EFBIG).
func limitFiles(t *testing.T, n uint64) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
		signal.Reset(syscall.SIGXFSZ)
	})
}

// A restart writes from its offset on and leaves the rest.
func TestUploadFromOffset(t *testing.T) {
	p := newPlane(t, Config{})
	s, h := newPeer(t, p), newHostFile(t, []byte("0123456789"))
	up := &offsetUpload{h, 4}
	e := s.open(Job{}, s.passive())
	s.start(Job{Upload: up})
	e.Write([]byte("abc"))
	e.finish()
	s.want(CauseOK)
	if got := string(h.content(t)); got != "0123abc789" {
		t.Errorf("got %q", got)
	}
}

type offsetUpload struct {
	*hostFile
	off int64
}

func (u *offsetUpload) Offset() int64 { return u.off }

// A client that stops a download is noticed, whichever way it goes.
func TestDownloadCut(t *testing.T) {
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
func TestDownloadFile(t *testing.T) {
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

func TestListing(t *testing.T) {
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
			if got := string(decode(t, Job{Deflate: j.Deflate}, got)); got != strings.Join(pieces, "") {
				t.Errorf("got %d bytes", len(got))
			}
			e.finish()
			if r := s.want(CauseOK); l.closed != 1 || r.Bytes != int64(len(strings.Join(pieces, ""))) {
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
		l := &lines{pieces: []string{strings.Repeat("first\r\n", 20<<10), "last\r\n"}, wait: make(chan struct{})}
		e := s.open(Job{Private: true}, s.passive())
		s.start(Job{Listing: l, Private: true})
		if _, err := io.ReadFull(e, make([]byte, 7)); err != nil {
			t.Error(err)
		}
		close(l.wait)
		io.Copy(io.Discard, e)
		s.want(CauseOK)
	})
}

func TestAbort(t *testing.T) {
	p, id := newPlane(t, Config{Stall: time.Minute}), identity(t)
	for _, how := range []struct {
		name string
		stop func(s *peer)
		want Cause
	}{
		{"abort", func(s *peer) { s.Abort() }, CauseAborted},
		{"session ends", func(s *peer) { s.Channel.Close() }, CauseAborted},
		{"stall", func(s *peer) {
			until(s.t, "the stall is seen", func() bool {
				for i := range 100 {
					p.Sweep(time.Now().Add(time.Duration(i) * time.Minute))
				}
				return s.running.Load() == nil
			})
		}, CauseStalled},
	} {
		for _, m := range modes[:2] {
			t.Run(how.name+"/download/"+m.name, func(t *testing.T) {
				s, j := newPeer(t, p, underTLS(id)), m.job
				j.File, j.Length = newHostFile(t, noise(1, 32<<20)), 32<<20
				e := s.open(j, s.passive())
				s.start(j)
				if _, err := io.ReadFull(e, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				how.stop(s)
				s.want(how.want)
				if _, err := io.Copy(io.Discard, e); err == nil {
					t.Error("the client saw a clean end")
				}
			})
			t.Run(how.name+"/upload/"+m.name, func(t *testing.T) {
				s, j, u := newPeer(t, p, underTLS(id)), m.job, new(memUpload)
				j.Upload = u
				e := s.open(j, s.passive())
				s.start(j)
				e.Write([]byte("the beginning"))
				until(t, "bytes arrive", func() bool { return s.Progress() > 0 })
				how.stop(s)
				s.want(how.want)
				u.wantEnd(t, false)
			})
			if !m.job.Private {
				continue
			}
			t.Run(how.name+"/handshake", func(t *testing.T) {
				s, j := newPeer(t, p, underTLS(id)), m.job
				j.File = newMemFile(nil)
				to := s.passive()
				s.start(j)
				s.dial(to)
				until(t, "the transfer runs", func() bool { return p.stats.Running.Load() > 0 })
				how.stop(s)
				s.want(how.want)
			})
		}
	}
	s := newPeer(t, p)
	s.Abort() // nothing runs
	s.download([]byte("after all"))
	s.Abort()
	if len(s.results) > 0 {
		t.Error("a second result")
	}
}

// Bytes that the peer acknowledges are progress, though the file's do not move.
func TestSlowPeerIsNoStall(t *testing.T) {
	p := newPlane(t, Config{})
	s := newPeer(t, p)
	e := s.open(Job{}, s.passive())
	s.start(Job{File: newMemFile(make([]byte, 64<<20)), Length: 64 << 20})
	now := time.Now()
	for range 20 {
		if _, err := io.ReadFull(e, make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
		run := s.running.Load()
		before := wireBytes(run.conn)
		if _, err := io.ReadFull(e, make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
		until(t, "the peer acknowledges", func() bool { return wireBytes(run.conn) > before })
		now = now.Add(100 * time.Second)
		p.Sweep(now)
	}
	s.Abort()
	s.want(CauseAborted)
}

func TestActive(t *testing.T) {
	p, id := newPlane(t, Config{DialTimeout: 5 * time.Second}), identity(t)
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s, j := newPeer(t, p, underTLS(id)), m.job
			want := noise(9, 100<<10)
			j.File, j.Length = newMemFile(want), int64(len(want))
			s.passive()
			s.Active(l.Addr().(*net.TCPAddr).AddrPort())
			if !s.Armed() {
				t.Error("not armed")
			}
			s.start(j)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if j.Private {
				c = s.tls(c)
			}
			s.expect(c, want)
			s.want(CauseOK)
			if s.Armed() {
				t.Error("still armed")
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		to := l.Addr().(*net.TCPAddr).AddrPort()
		l.Close()
		s, u := newPeer(t, p), new(memUpload)
		s.Active(to)
		s.start(Job{Upload: u})
		s.want(CauseNoConn)
		u.wantEnd(t, false)
	})
	t.Run("aborted while connecting", func(t *testing.T) {
		to := blackHole(t)
		s := newPeer(t, p)
		s.Active(to)
		s.start(Job{File: newMemFile(nil)})
		until(t, "it runs", func() bool { return p.stats.Running.Load() > 0 })
		s.Abort()
		s.want(CauseAborted)
	})
}

// blackHole returns an address whose listener answers no more connections: its
// queue is full.
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(loopback, uint16(sa.(*syscall.SockaddrInet4).Port))
	for range 16 {
		c, err := net.DialTimeout("tcp", to.String(), 200*time.Millisecond)
		if err != nil {
			return to
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the queue of a listener does not fill up here")
	return to
}

// Several active connections share the source port; one that cannot have it
// goes without.
func TestSourcePort(t *testing.T) {
	lo, _ := portRange(t, 1)
	p := newPlane(t, Config{SourcePort: lo})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from := func(implicit bool) uint16 {
		t.Helper()
		s := newPeer(t, p, func(o *Options) { o.Implicit = implicit })
		s.Active(l.Addr().(*net.TCPAddr).AddrPort())
		s.start(Job{File: newMemFile([]byte("x")), Length: 1})
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s.expect(c, []byte("x"))
		s.want(CauseOK)
		return c.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
	}
	if got := from(false); got == lo {
		t.Error("an explicit session has the source port")
	}
	if got := from(true); got != lo {
		t.Errorf("got source port %d, want %d", got, lo)
	}
	if got := from(true); got == lo { // the pair of addresses is still in use
		t.Errorf("got source port %d twice for one peer", got)
	}
	if n := p.stats.SourcePortMissed.Load(); n != 1 {
		t.Errorf("got %d misses, want 1", n)
	}
}

func TestOverload(t *testing.T) {
	p := newPlane(t, Config{MaxTransfers: 1})
	busy := newPeer(t, p)
	e := busy.open(Job{}, busy.passive())
	busy.start(Job{Upload: new(memUpload)})
	e.Write([]byte("x"))
	until(t, "it runs", func() bool { return busy.Progress() > 0 })

	s, u := newPeer(t, p), new(memUpload)
	to := s.passive()
	if err := s.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) {
		t.Errorf("waiting for a connection: got %v, want %v", err, ErrOverload)
	}
	c := s.dial(to)
	until(t, "the connection is held", s.held)
	if err := s.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) || !s.Armed() {
		t.Errorf("connection held: got %v, armed %v, want %v, true", err, s.Armed(), ErrOverload)
	}
	a := newPeer(t, p)
	a.Active(to)
	if err := a.Start(Job{Upload: u}); !errors.Is(err, ErrOverload) || !a.Armed() {
		t.Errorf("active: got %v, want %v", err, ErrOverload)
	}
	if u.committed+u.discarded > 0 {
		t.Error("the upload of a refused transfer was ended")
	}
	e.finish()
	busy.want(CauseOK)
	until(t, "the worker is free", func() bool { return !p.full() })
	s.start(Job{Upload: u}) // same endpoint, same connection
	c.Write([]byte("later"))
	c.CloseWrite()
	s.want(CauseOK)
	if u.String() != "later" {
		t.Errorf("got %q", u.String())
	}
}

// panics at the n-th call.
type panicky struct{ memUpload }

func (p *panicky) Write([]byte) (int, error) { panic("in Write") }

// A panic costs one transfer; its file and connection are closed and the
// others do not notice.
func TestPanic(t *testing.T) {
	p := newPlane(t, Config{})
	other := newPeer(t, p)
	oe := other.open(Job{}, other.passive())
	ou := new(memUpload)
	other.start(Job{Upload: ou})

	s, f := newPeer(t, p), newMemFile(nil)
	f.read = func([]byte) (int, error) { panic("in Read") }
	e := s.open(Job{}, s.passive())
	s.start(Job{File: f, Length: 1})
	if r := s.want(CausePanic); !f.closed || r.Err == nil {
		t.Errorf("closed %v, error %v", f.closed, r.Err)
	}
	if _, err := io.ReadAll(e); err == nil {
		t.Error("the client saw a clean end")
	}
	u := new(panicky)
	e = s.open(Job{}, s.passive())
	s.start(Job{Upload: u})
	e.Write([]byte("x"))
	s.want(CausePanic)
	u.wantEnd(t, false)

	done := newPeer(t, p, func(o *Options) { o.Done = func(Result) { panic("in Done") } })
	e = done.open(Job{}, done.passive())
	done.start(Job{File: newMemFile([]byte("x")), Length: 1})
	done.expect(e, []byte("x"))
	until(t, "the panic is counted", func() bool { return p.stats.Panics.Load() == 3 })

	oe.Write([]byte("unharmed"))
	oe.finish()
	other.want(CauseOK)
	if ou.String() != "unharmed" {
		t.Errorf("got %q", ou.String())
	}
}

func TestStop(t *testing.T) {
	before := descriptors(t)
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t)
	var peers []*peer
	for _, begin := range []func(s *peer){
		func(s *peer) { s.passive(); s.start(Job{Upload: new(memUpload)}) },
		func(s *peer) { s.dial(s.passive()); s.start(Job{Upload: new(memUpload)}) },
		func(s *peer) { s.dial(s.passive()); s.start(Job{Upload: new(memUpload), Private: true}) },
		func(s *peer) {
			s.dial(s.passive())
			s.start(Job{File: newMemFile(make([]byte, 32<<20)), Length: 32 << 20})
		},
	} {
		s := newPeer(t, p, underTLS(id))
		peers = append(peers, s)
		begin(s)
	}
	idle := newPeer(t, p)
	idle.passive()
	p.Close()
	p.Close()
	for i, s := range peers {
		if r := s.result(); r.Cause != CauseShutdown {
			t.Errorf("transfer %d: got %v, want %v", i, r.Cause, CauseShutdown)
		}
	}
	if _, err := idle.Passive(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	idle.Active(netip.MustParseAddrPort("127.0.0.1:1"))
	if err := idle.Start(Job{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	// Left are the clients' ends of three connections.
	until(t, "descriptors return", func() bool { return descriptors(t) <= before+3 })
}

// A peer that never closes its side delays neither the result nor the end of
// the plane, and is cut when its time is over.
func TestDrain(t *testing.T) {
	p := newPlane(t, Config{DrainTime: time.Hour, MaxDrains: 2})
	for range 4 {
		s := newPeer(t, p)
		e := s.open(Job{}, s.passive())
		s.start(Job{File: newMemFile([]byte("x")), Length: 1})
		s.want(CauseOK)
		s.expect(e, []byte("x"))
	}
	until(t, "two drains", func() bool { return p.stats.Drains.Load() == 2 })
	p.Close()
}

// TLS 1.2 and 1.3: clients that close at once after their last byte, without
// reading what we sent.
func TestRudeUploads(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p, id := newPlane(t, Config{}), identityOf(t, version)
			body := text(300 << 10)
			for i := range 20 {
				s := newPeer(t, p, underTLS(id))
				if i%2 == 0 {
					s.login(id)
				}
				u := new(memUpload)
				to := s.passive()
				s.start(Job{Upload: u, Private: true})
				e := s.open(Job{Private: true}, to)
				if _, err := e.Write(body); err != nil {
					t.Fatal(err)
				}
				e.tls.CloseWrite()
				e.sock.Close()
				s.want(CauseOK)
				if !bytes.Equal(u.Bytes(), body) {
					t.Fatalf("upload %d: got %d bytes, want %d equal ones", i, u.Len(), len(body))
				}
			}
		})
	}
}

// Stalled readers stay within the byte budget, and one that reads gets through
// once there is room.
func TestBudgetHolds(t *testing.T) {
	const readers, budget = 300, 4 << 20
	p, id := newPlane(t, Config{Budget: budget}), identity(t)
	body := make([]byte, 16<<20)
	before := heap()
	var peers []*peer
	var ends []*end
	for range readers {
		s := newPeer(t, p, underTLS(id), func(o *Options) { o.Reuse = tlsconn.ReuseOff })
		j := Job{File: newMemFile(body), Length: int64(len(body)), Private: true}
		e := s.open(j, s.passive())
		s.start(j)
		if err := e.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		peers, ends = append(peers, s), append(ends, e)
	}
	until(t, "the budget is used up", func() bool { return p.budget.left() < 32<<10 && p.stats.BudgetWaits.Load() > 0 })
	// Both ends of the connections are in this process: 20 KiB a pair, measured.
	if got, want := heap()-before, int64(budget+readers*80<<10); got > want {
		t.Errorf("got %d bytes of heap for %d stalled readers, want at most %d", got, readers, want)
	}
	if left := p.budget.left(); left < 0 {
		t.Errorf("the budget is overdrawn by %d bytes", -left)
	}
	last := len(peers) - 1
	for _, s := range peers[:last] {
		s.Abort()
		s.want(CauseAborted)
	}
	peers[last].expect(ends[last], body)
	peers[last].want(CauseOK)
	if left := p.budget.left(); left != budget {
		t.Errorf("got %d bytes of budget at the end, want %d", left, budget)
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (b *budget) left() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}

// An upload that has stalled holds no memory of the budget.
func TestStalledUploadHoldsNothing(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	for _, m := range modes[:3] {
		t.Run(m.name, func(t *testing.T) {
			s, j := newPeer(t, p, underTLS(id)), m.job
			j.Upload = new(memUpload)
			e := s.open(j, s.passive())
			s.start(j)
			e.Write(make([]byte, 1<<20))
			until(t, "all is stored", func() bool { return s.Progress() == 1<<20 })
			until(t, "the budget is whole", func() bool { return p.budget.left() == p.cfg.Budget })
			e.finish()
			s.want(CauseOK)
		})
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"defaults", Config{}, true},
		{"one port", Config{PortLow: 5, PortHigh: 5}, true},
		{"upside down", Config{PortLow: 6, PortHigh: 5}, false},
		{"no lower end", Config{PortHigh: 5}, false},
		{"tiny budget", Config{Budget: 1000}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.cfg.withDefaults(); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Options that a listener has are those of its connections.
func TestInheritedOptions(t *testing.T) {
	p := newPlane(t, Config{})
	s := newPeer(t, p)
	s.dial(s.passive())
	until(t, "the connection is held", s.held)
	if got := lowat(t, s.lease.conn); got != notSent {
		t.Errorf("TCP_NOTSENT_LOWAT: got %d, want %d", got, notSent)
	}
}
