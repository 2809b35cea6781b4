package dataplane

import (
	"io"
	"net"
	"syscall"
	"testing"
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

// BenchmarkPassiveCycle is one PASV with a download of 1 KiB.
func BenchmarkPassiveCycle(b *testing.B) {
	for _, m := range modes[:2] {
		b.Run(m.name, func(b *testing.B) {
			s := newPeer(b, newPlane(b, Config{}), underTLS(identity(b)))
			s.login(identity(b))
			body := make([]byte, 1<<10)
			before := cpuSeconds()
			for b.Loop() {
				j := m.job
				j.File, j.Length = newMemFile(body), int64(len(body))
				c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(s.passive()))
				if err != nil {
					b.Fatal(err)
				}
				s.start(j)
				var r io.Reader = c
				if j.Private {
					r = s.tls(c)
				}
				if n, err := io.Copy(io.Discard, r); n != 1<<10 || err != nil {
					b.Fatal(n, err)
				}
				c.Close()
				s.want(CauseOK)
			}
			b.ReportMetric((cpuSeconds()-before)/float64(b.N)*1e6, "cpu-us/op")
		})
	}
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
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			s := newPeer(b, newPlane(b, Config{}), underTLS(identity(b)))
			perGB(b, benchSize, func() {
				j := m.job
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
}

// keepOpen is a file that several transfers share.
type keepOpen struct{ *hostFile }

func (keepOpen) Close() error { return nil }

func BenchmarkReceive(b *testing.B) {
	for _, m := range modes[:2] {
		b.Run(m.name, func(b *testing.B) {
			s := newPeer(b, newPlane(b, Config{}), underTLS(identity(b)))
			h := newHostFile(b, nil)
			chunk := make([]byte, 1<<20)
			perGB(b, benchSize, func() {
				h.Truncate(0)
				j := m.job
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
}
