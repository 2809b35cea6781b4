package dataplane

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"fastftps/storage"
)

func TestUpload(t *testing.T) { eachEngine(t, testUpload) }

func testUpload(t *testing.T) {
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
func TestUploadEnds(t *testing.T) { eachEngine(t, testUploadEnds) }

func testUploadEnds(t *testing.T) {
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

// TLS 1.2 and 1.3: clients that close at once after their last byte, without
// reading what we sent.
func TestRudeUploads(t *testing.T) { eachEngine(t, testRudeUploads) }

func testRudeUploads(t *testing.T) {
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

// An upload that has stalled holds no memory of the budget.
func TestStalledUploadHoldsNothing(t *testing.T) { eachEngine(t, testStalledUploadHoldsNothing) }

func testStalledUploadHoldsNothing(t *testing.T) {
	p, id := newPlane(t, Config{}), identity(t)
	for _, m := range modes[:3] {
		t.Run(m.name, func(t *testing.T) {
			s, j := newPeer(t, p, underTLS(id)), m.job
			j.Upload = new(memUpload)
			e := s.open(j, s.passive())
			s.start(j)
			e.Write(make([]byte, 1<<20))
			until(t, "all is stored", func() bool { return s.Progress() == 1<<20 })
			until(t, "the budget is whole", func() bool { return p.budget.left() == p.cfg().Budget })
			e.finish()
			s.want(CauseOK)
		})
	}
}
