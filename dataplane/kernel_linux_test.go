package dataplane

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
	_ "unsafe" // for linkname

	"golang.org/x/sys/unix"

	"fastftps/tlsconn"
)

// The suites of TLS 1.3 and their order are not configurable. crypto/tls keeps
// these names open to others.

//go:linkname suitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var suitesTLS13 []uint16

//go:linkname suitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var suitesTLS13NoAES []uint16

// only13 makes everybody in this process offer one suite of TLS 1.3, until the test
// ends.
func only13(t *testing.T, suite uint16) {
	aes, no := suitesTLS13, suitesTLS13NoAES
	t.Cleanup(func() { suitesTLS13, suitesTLS13NoAES = aes, no })
	suitesTLS13, suitesTLS13NoAES = []uint16{suite}, []uint16{suite}
}

var gcmSuites = []struct {
	name     string
	v, suite uint16
}{
	{"1.2 AES-128", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"1.2 AES-256", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{"1.3 AES-128", tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256},
	{"1.3 AES-256", tls.VersionTLS13, tls.TLS_AES_256_GCM_SHA384},
}

// eachGCM runs a test with a peer of each suite.
func eachGCM(t *testing.T, test func(t *testing.T, p *Plane, newPeer func() *peer)) {
	for _, v := range gcmSuites {
		t.Run(v.name, func(t *testing.T) {
			id, p := identityOf(t, v.v), newPlane(t, Config{KernelTLS: true})
			if v.v == tls.VersionTLS13 {
				only13(t, v.suite)
			}
			test(t, p, func() *peer {
				s := newPeer(t, p, underTLS(id))
				s.cfg = clientConfig(v.v)
				s.cfg.CipherSuites = []uint16{v.suite}
				return s
			})
		})
	}
}

// A kernel that does not take the connection is counted, and we seal by the same key.
func TestKernelRefuses(t *testing.T) {
	eachGCM(t, func(t *testing.T, p *Plane, newPeer func() *peer) {
		s, body := newPeer(), noise(1, 3<<20)
		e := s.open(Job{Private: true}, s.passive())
		until(t, "the connection is held", s.held)
		refuse(t, s)
		s.start(Job{File: newHostFile(t, body), Length: int64(len(body)), Private: true})
		s.expect(e, body)
		if r := s.want(CauseOK); r.Engine != "fast" {
			t.Errorf("got %+v", r)
		}
		if n, by := p.stats.KernelRefused.Load(), p.stats.SentKernel.Load(); n != 1 || by != 0 {
			t.Errorf("refused: got %d, want 1; %d bytes by the kernel", n, by)
		}
	})
}

// refuse makes sure that the kernel does not take the connection that is held: where
// it has TLS, only once.
func refuse(t *testing.T, s *peer) {
	t.Helper()
	rc, err := s.lease.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control(rc, func(fd int) error {
		return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls")
	})
}

// What the kernel is asked for at all.
func TestKernelChoice(t *testing.T) {
	id := identity(t)
	for _, tt := range []struct {
		name   string
		asked  bool
		length int
		change func(c *Config, j *Job)
	}{
		{"a file", true, kernelMin, func(*Config, *Job) {}},
		{"short", false, kernelMin - 1, func(*Config, *Job) {}},
		{"off", false, kernelMin, func(c *Config, _ *Job) { c.KernelTLS = false }},
		{"std", false, kernelMin, func(c *Config, _ *Job) { c.Engine = tlsconn.EngineStd }},
		{"clear", false, kernelMin, func(_ *Config, j *Job) { j.Private = false }},
		{"ascii", false, kernelMin, func(_ *Config, j *Job) { j.ASCII = true }},
		{"deflate", false, kernelMin, func(_ *Config, j *Job) { j.Deflate = 1 }},
		{"memory", false, kernelMin, func(_ *Config, j *Job) { j.File = newMemFile(make([]byte, kernelMin)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{KernelTLS: true}
			j := Job{File: newHostFile(t, make([]byte, tt.length)), Length: int64(tt.length), Private: true}
			tt.change(&c, &j)
			p, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closed(t, p) })
			s := newPeer(t, p, underTLS(id))
			e := s.open(j, s.passive())
			s.start(j)
			if _, err := io.ReadAll(e); err != nil {
				t.Fatal(err)
			}
			r := s.want(CauseOK)
			if asked := r.Engine == "kernel" || p.stats.KernelRefused.Load() > 0; asked != tt.asked {
				t.Errorf("got %v, want %v: %+v", asked, tt.asked, r)
			}
		})
	}
	if kernelMax/(4<<10) > 1<<24 {
		t.Error("more records than one key may seal")
	}
}

// Every suite, the number of the first record with and without a ticket, and sizes
// around records; crypto/tls sees each file whole, and its end.
func TestKernelDownload(t *testing.T) {
	needKernel(t)
	eachGCM(t, func(t *testing.T, p *Plane, newPeer func() *peer) {
		var total int64
		for _, resumed := range []bool{false, true} {
			s := newPeer()
			for _, n := range []int{kernelMin, kernelMin + 1, 5*16<<10 - 1, 1 << 20, 3<<20 + 17} {
				t.Run(fmt.Sprintf("%d bytes, resumed %v", n, resumed), func(t *testing.T) {
					if s.t = t; resumed {
						s.loginAgain(identityOf(t, s.cfg.MaxVersion))
					} else {
						s.cfg.ClientSessionCache = nil
					}
					body := noise(uint64(n), n)
					j := Job{File: newHostFile(t, append([]byte("skip"), append(body, "grown"...)...)), Offset: 4, Length: int64(n), Private: true}
					e := s.open(j, s.passive())
					s.start(j)
					s.expect(e, body)
					e.finish()
					r := s.want(CauseOK)
					if r.Engine != "kernel" || r.Resumed != resumed || r.Bytes != int64(n) {
						t.Errorf("got %+v", r)
					}
					total += int64(n)
				})
			}
		}
		if n := p.stats.SentKernel.Load(); n != total || p.stats.KernelRefused.Load() != 0 {
			t.Errorf("got %d bytes by the kernel, want %d; refused %d", n, total, p.stats.KernelRefused.Load())
		}
	})
}

// A peer with a small window that reads nothing until all is quiet gets the file whole
// when it goes on, wherever the kernel stopped: within a record too, of which TCP has a
// part only.
func TestKernelSlowPeer(t *testing.T) {
	needKernel(t)
	eachGCM(t, func(t *testing.T, p *Plane, newPeer func() *peer) {
		most := -1
		for _, less := range []int{0, -100 << 10, 1, 5000, 20 << 10} {
			s, n := newPeer(), max(most-less, kernelMin)
			if s.control = smallWindow; most < 0 {
				n = 32 << 20 // how much is taken?
			}
			body := noise(2, n)
			e := s.open(Job{Private: true}, s.passive())
			s.start(Job{File: newHostFile(t, body), Length: int64(n), Private: true})
			if err := e.tls.Handshake(); err != nil {
				t.Fatal(err)
			}
			taken := s.quiet()
			if most < 0 {
				most = int(taken)
				s.Abort()
				s.want(CauseAborted)
				continue
			}
			s.expect(e, body)
			e.finish()
			if r := s.want(CauseOK); r.Engine != "kernel" {
				t.Errorf("got %+v", r)
			}
		}
	})
}

// smallWindow is the option of a client that has room for little.
func smallWindow(_, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
}

// quiet returns the progress of the transfer when it has not moved for a while, or is
// over.
func (s *peer) quiet() (n int64) {
	s.t.Helper()
	same := 0
	until(s.t, "no more is taken", func() bool {
		now := s.Progress()
		if same++; now != n || now == 0 {
			n, same = now, 0
		}
		return same > 50 || len(s.results) > 0
	})
	return n
}

// The client of a file that shrinks sees no close_notify, whatever the suite.
func TestKernelShort(t *testing.T) {
	needKernel(t)
	eachGCM(t, func(t *testing.T, _ *Plane, newPeer func() *peer) {
		s, h := newPeer(), newHostFile(t, noise(3, 8<<20))
		j := Job{File: h, Length: 8 << 20, Private: true}
		e := s.open(j, s.passive())
		s.start(j)
		if _, err := io.ReadFull(e, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := h.Truncate(6<<20 + 5); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, e); err == nil {
			t.Errorf("the client saw a clean end after %d bytes", n)
		}
		s.want(CauseShort)
	})
}

// A peer that resets the connection as soon as it has all bytes, without a look at
// the end, as curl does, has lost nothing.
func TestKernelLeaves(t *testing.T) {
	needKernel(t)
	eachGCM(t, func(t *testing.T, p *Plane, newPeer func() *peer) {
		for n := kernelMin; n < kernelMin+8; n++ {
			s, body := newPeer(), noise(5, n)
			e := s.open(Job{Private: true}, s.passive())
			s.start(Job{File: newHostFile(t, body), Length: int64(n), Private: true})
			if _, err := io.ReadFull(e, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			e.reset()
			s.want(CauseOK)
		}
	})
}

// A peer that stalls is ended.
func TestKernelStall(t *testing.T) {
	needKernel(t)
	eachGCM(t, func(t *testing.T, p *Plane, newPeer func() *peer) {
		for _, n := range []int{1 << 20, 32 << 20} {
			s := newPeer()
			s.control = smallWindow
			j := Job{File: newHostFile(t, bytes.Repeat([]byte{1}, n)), Length: int64(n), Private: true}
			e := s.open(j, s.passive())
			s.start(j)
			if err := e.tls.Handshake(); err != nil {
				t.Fatal(err)
			}
			until(t, "bytes move", func() bool { return s.Progress() > 0 })
			now := time.Now()
			until(t, "the end", func() bool {
				now = now.Add(time.Minute)
				p.Sweep(now)
				return len(s.results) > 0
			})
			s.want(CauseStalled)
			if _, err := io.Copy(io.Discard, e); err == nil {
				t.Error("the client saw a clean end")
			}
		}
	})
}
