package dataplane

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"testing"

	"fastftps/tlsconn"
)

// The client's share is in the times: compare with each other, not with other
// servers. The CPU of the whole process is reported as cpu-s/GB or cpu-us/op.

func cpuSeconds() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func perGB(b *testing.B, size int64, run func()) {
	b.SetBytes(size)
	before := cpuSeconds()
	for b.Loop() {
		run()
	}
	b.ReportMetric((cpuSeconds()-before)/float64(b.N)/float64(size)*1e9, "cpu-s/GB")
}

// benchModes are clear, and sealed by version and engine.
var benchModes = []struct {
	name    string
	private bool
	version uint16
	engine  tlsconn.Engine
}{
	{"clear", false, 0, 0},
	{"1.2/std", true, tls.VersionTLS12, tlsconn.EngineStd},
	{"1.2/fast", true, tls.VersionTLS12, tlsconn.EngineFast},
	{"1.3/std", true, tls.VersionTLS13, tlsconn.EngineStd},
	{"1.3/fast", true, tls.VersionTLS13, tlsconn.EngineFast},
}

// eachBenchMode runs a benchmark in each mode. It gets a logged-in session. Compare
// engines of runs that took turns: -count, not -benchtime.
func eachBenchMode(b *testing.B, run func(b *testing.B, s *peer, j Job)) {
	defer func(e tlsconn.Engine) { engine = e }(engine)
	for _, m := range benchModes {
		b.Run(m.name, func(b *testing.B) {
			engine = m.engine
			id := identityOf(b, m.version)
			s := newPeer(b, newPlane(b, Config{}), underTLS(id))
			s.login(id)
			b.ReportAllocs()
			run(b, s, Job{Private: m.private})
		})
	}
}

// BenchmarkPassiveCycle is one PASV with a download, or an upload, of 1 KiB.
func BenchmarkPassiveCycle(b *testing.B) {
	body := make([]byte, 1<<10)
	cycle := func(b *testing.B, run func(s *peer, j Job, c net.Conn)) {
		eachBenchMode(b, func(b *testing.B, s *peer, j Job) {
			before := cpuSeconds()
			for b.Loop() {
				c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(s.passive()))
				if err != nil {
					b.Fatal(err)
				}
				run(s, j, c)
				c.Close()
			}
			b.ReportMetric((cpuSeconds()-before)/float64(b.N)*1e6, "cpu-us/op")
		})
	}
	b.Run("down", func(b *testing.B) {
		cycle(b, func(s *peer, j Job, c net.Conn) {
			j.File, j.Length = newMemFile(body), int64(len(body))
			s.start(j)
			if j.Private {
				c = s.tls(c)
			}
			if n, err := io.Copy(io.Discard, c); n != 1<<10 || err != nil {
				b.Fatal(n, err)
			}
			s.want(CauseOK)
		})
	})
	b.Run("up", func(b *testing.B) {
		cycle(b, func(s *peer, j Job, c net.Conn) {
			j.Upload = new(memUpload)
			s.start(j)
			w := c.(interface {
				io.Writer
				CloseWrite() error
			})
			if j.Private {
				w = s.tls(c)
			}
			if _, err := w.Write(body); err != nil {
				b.Fatal(err)
			}
			w.CloseWrite()
			s.want(CauseOK)
		})
	})
}

// BenchmarkLease is the pool's share of a PASV.
func BenchmarkLease(b *testing.B) {
	lo, hi := portRange(b, 100)
	s := newPeer(b, newPlane(b, Config{PortLow: lo, PortHigh: hi}))
	b.ReportAllocs()
	for b.Loop() {
		s.passive()
	}
}

const benchSize = 256 << 20

func BenchmarkSend(b *testing.B) {
	h := newHostFile(b, make([]byte, benchSize))
	eachBenchMode(b, func(b *testing.B, s *peer, j Job) {
		perGB(b, benchSize, func() {
			j.File, j.Length = keepOpen{h}, benchSize
			e := s.open(j, s.passive())
			s.start(j)
			if e.tls != nil { // ciphertext, unopened, costs the client little
				e.tls.Handshake()
			}
			io.Copy(io.Discard, e.sock)
			e.sock.Close()
			s.want(CauseOK)
		})
	})
}

// keepOpen is a file that several transfers share.
type keepOpen struct{ *hostFile }

func (keepOpen) Close() error { return nil }

func BenchmarkReceive(b *testing.B) {
	h := newHostFile(b, nil)
	chunk := make([]byte, 1<<20)
	eachBenchMode(b, func(b *testing.B, s *peer, j Job) {
		perGB(b, benchSize, func() {
			h.Truncate(0)
			j.Upload = h
			e := s.open(j, s.passive())
			s.start(j)
			for range benchSize / len(chunk) {
				if _, err := e.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			e.finish()
			if e.tls != nil {
				io.Copy(io.Discard, e)
			}
			s.want(CauseOK)
			e.sock.Close()
		})
	})
}
