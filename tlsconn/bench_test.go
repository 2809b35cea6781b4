package tlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// The CPU time of one handshake, server side only: what Push and Step take.
func BenchmarkHandshake(b *testing.B) {
	dir := b.TempDir()
	for _, key := range []string{"ECDSA", "RSA"} {
		signer := newECDSA(b)
		if key == "RSA" {
			signer = newRSA(b)
		}
		id := newIdentityWith(b, Options{Pairs: []Pair{writePair(b, dir, key+".example", signer)}})
		for _, v := range versions {
			for _, resumed := range []bool{false, true} {
				for _, group := range []tls.CurveID{tls.X25519, tls.X25519MLKEM768} {
					if resumed && key == "RSA" || group == tls.X25519MLKEM768 && v.v == tls.VersionTLS12 {
						continue
					}
					name := fmt.Sprintf("%s/%s/%v/resumed=%v", key, v.name, group, resumed)
					b.Run(name, func(b *testing.B) { benchHandshake(b, id, v.v, group, resumed) })
				}
			}
		}
	}
}

func benchHandshake(b *testing.B, id *Identity, v uint16, group tls.CurveID, resumed bool) {
	cfg := clientConfig(v)
	cfg.CurvePreferences = []tls.CurveID{group}
	cfg.ClientSessionCache = nil
	if resumed {
		cfg.ClientSessionCache = &stickyCache{}
		inMemory(b, id, cfg) // fetches the ticket
	}
	b.ReportAllocs()
	var spent time.Duration
	for b.Loop() {
		a, took := inMemory(b, id, cfg)
		if a.Info().Resumed != resumed {
			b.Fatalf("got %+v", a.Info())
		}
		spent += took
		a.Close()
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "server-µs/op")
}

// inMemory runs a handshake, a greeting and a command, and returns the session
// with the time that Push and Step took.
func inMemory(b testing.TB, id *Identity, cfg *tls.Config) (*Adapter, time.Duration) {
	b.Helper()
	srv, cli := newPipe()
	tc := tls.Client(cli, cfg)
	fail := make(chan error, 1)
	go func() {
		_, err := io.WriteString(tc, "NOOP\r\n")
		buf := make([]byte, 100)
		for n := 0; err == nil && n < len("220 ready\r\n200 OK\r\n"); {
			var m int
			m, err = tc.Read(buf)
			n += m
		}
		fail <- err
	}()
	a := NewAdapter(id, NewBinding())
	var spent time.Duration
	block := make([]byte, 4096)
	for done := false; !done; {
		n, err := srv.Read(block)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err = a.Push(block[:n]); err == nil {
			done, err = a.Step()
		}
		spent += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		srv.Write(a.Pending())
		a.Sent(len(a.Pending()))
	}
	a.Write([]byte("220 ready\r\n"))
	for {
		n, err := a.Read(block)
		if n > 0 {
			break
		}
		if err != ErrWouldBlock {
			b.Fatal(err)
		}
		if n, err = srv.Read(block); err == nil {
			err = a.Push(block[:n])
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	a.Write([]byte("200 OK\r\n"))
	srv.Write(a.Take(nil))
	if err := <-fail; err != nil {
		b.Fatal(err)
	}
	return a, spent
}

// What an idle session holds after its handshake, greeting and one command, and
// what a peer holds that is stuck before or in its handshake.
func BenchmarkIdleMemory(b *testing.B) {
	id := newIdentity(b)
	idle := func(v uint16, group tls.CurveID) func() *Adapter {
		cfg := clientConfig(v)
		cfg.CurvePreferences, cfg.ClientSessionCache = []tls.CurveID{group}, nil
		return func() *Adapter { a, _ := inMemory(b, id, cfg); return a }
	}
	stuck := func(p []byte, steps bool) func() *Adapter {
		return func() *Adapter {
			a := NewAdapter(id, NewBinding())
			err := a.Push(p)
			if steps && err == nil {
				_, err = a.Step()
				a.Sent(len(a.Pending()))
			}
			if err != nil {
				b.Fatal(err)
			}
			return a
		}
	}
	hello := firstFlight(b, clientConfig(tls.VersionTLS13))
	for _, bb := range []struct {
		name string
		make func() *Adapter
	}{
		{"1.3 classic", idle(tls.VersionTLS13, tls.X25519)},
		{"1.3 ML-KEM", idle(tls.VersionTLS13, tls.X25519MLKEM768)},
		{"1.2", idle(tls.VersionTLS12, tls.X25519)},
		{"nothing sent", stuck(nil, false)},
		{"half a hello", stuck(hello[:300], false)},
		{"after the hello", stuck(hello, true)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			const sessions = 2000
			for b.Loop() {
				held := make([]*Adapter, sessions)
				before := inUse()
				for i := range held {
					held[i] = bb.make()
				}
				b.ReportMetric(float64(inUse()-before)/sessions, "B/session")
				for _, a := range held {
					a.Close()
				}
			}
		})
	}
}

// inUse returns the live bytes of heap and stacks.
func inUse() int64 {
	for range 3 {
		runtime.GC() // pools need two rounds to empty
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// An idle session costs no more than this: section "TLS" of the documentation
// promises 8 KiB with everything.
func TestIdleMemory(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	id, cfg := newIdentity(t), clientConfig(tls.VersionTLS13)
	cfg.CurvePreferences, cfg.ClientSessionCache = []tls.CurveID{tls.X25519}, nil
	const sessions, limit = 500, 6 << 10
	held := make([]*Adapter, sessions)
	before := inUse()
	for i := range held {
		held[i], _ = inMemory(t, id, cfg)
	}
	if got := (inUse() - before) / sessions; got > limit {
		t.Errorf("got %d bytes a session, want at most %d", got, limit)
	}
	for _, a := range held {
		a.Close()
	}
}

// Bulk transfers over loopback against a peer in another process, CPU of this
// process only. A file in the page cache is sent, or received bytes are dropped.
const (
	bulkSize = 256 << 20
	bulkPeer = "FASTFTPS_BULK_PEER" // set in the peer: "sink ADDR" or "source ADDR"
)

func BenchmarkBulk(b *testing.B) {
	id := newIdentity(b)
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, bulkSize), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name, peer string
		run        func(d *DataConn, f *os.File) error
	}{
		{"send/io.Copy", "sink", func(d *DataConn, f *os.File) error {
			_, err := io.Copy(d.tc, struct{ io.Reader }{f})
			return err
		}},
		{"send/64K", "sink", func(d *DataConn, f *os.File) error { return sendFile(d, f, 64<<10) }},
		{"send/256K", "sink", func(d *DataConn, f *os.File) error { return sendFile(d, f, 256<<10) }},
		{"receive/io.Copy", "source", func(d *DataConn, f *os.File) error { return discard(d.tc, 32<<10) }},
		{"receive/64K", "source", func(d *DataConn, f *os.File) error { return discard(d, 64<<10) }},
		{"receive/256K", "source", func(d *DataConn, f *os.File) error {
			d.ReadSize(256 << 10)
			return discard(d, 256<<10)
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			file, err := os.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			b.SetBytes(bulkSize)
			var spent time.Duration
			for b.Loop() {
				file.Seek(0, io.SeekStart)
				spent += bulk(b, id, bb.peer, bb.name == "receive/io.Copy", func(d *DataConn) error { return bb.run(d, file) })
			}
			b.ReportMetric(spent.Seconds()/float64(b.N)/bulkSize*1e9, "cpu-s/GB")
		})
	}
}

func sendFile(d *DataConn, f *os.File, chunk int) error {
	buf := make([]byte, chunk)
	for {
		n, err := f.Read(buf)
		if err == io.EOF {
			return d.CloseWrite(nil)
		}
		if err == nil {
			_, err = d.Write(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}

func discard(r io.Reader, chunk int) error {
	buf := make([]byte, chunk)
	for {
		if _, err := r.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// bulk returns the CPU time that run takes on a data connection to a peer.
func bulk(b *testing.B, id *Identity, peer string, direct bool, run func(*DataConn) error) time.Duration {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), bulkPeer+"="+peer+" "+l.Addr().String())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	d := NewDataConn(id, conn, DataOptions{})
	if direct { // crypto/tls right on the socket
		d.tc = tls.Server(conn, d.gate.cfg)
	}
	defer d.Release()
	if err := d.Handshake(); err != nil {
		b.Fatal(err)
	}
	start := cpuTime(b)
	err = run(d)
	spent := cpuTime(b) - start
	if err := errors.Join(err, conn.Close(), child.Wait()); err != nil {
		b.Fatal(err)
	}
	return spent
}

// runBulkPeer is the other process: it takes ciphertext without opening it, or
// sends zeros.
func runBulkPeer(what string) error {
	var role, addr string
	if _, err := fmt.Sscan(what, &role, &addr); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	tc := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	if err := tc.Handshake(); err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	if role == "sink" {
		for err == nil {
			_, err = conn.Read(buf)
		}
		return nil
	}
	for n := 0; n < bulkSize; n += len(buf) {
		if _, err := tc.Write(buf); err != nil {
			return err
		}
	}
	if err := tc.CloseWrite(); err != nil {
		return err
	}
	_, _ = conn.Read(buf) // until the server closes
	return nil
}
