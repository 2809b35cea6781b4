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
	"slices"
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
	a := NewAdapter(id, NewBinding(), engine)
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
			a := NewAdapter(id, NewBinding(), engine)
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

// An idle session costs no more than this, whatever the hello was like.
func TestIdleMemory(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	defer func(e Engine) { engine = e }(engine)
	id := newIdentity(t)
	for _, tt := range []struct {
		name          string
		engine        Engine
		v             uint16
		group         tls.CurveID
		awake, asleep int64 // bytes
	}{
		{"1.2", EngineFast, tls.VersionTLS12, tls.X25519, 2600, 850},
		{"1.3 classic", EngineFast, tls.VersionTLS13, tls.X25519, 2600, 850},
		{"1.3 ML-KEM", EngineFast, tls.VersionTLS13, tls.X25519MLKEM768, 2600, 850},
		{"1.3 classic std", EngineStd, tls.VersionTLS13, tls.X25519, 6 << 10, 6 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engine = tt.engine
			cfg := clientConfig(tt.v)
			cfg.CurvePreferences, cfg.ClientSessionCache = []tls.CurveID{tt.group}, nil
			const sessions = 500
			held := make([]*Adapter, sessions)
			before := inUse()
			for i := range held {
				held[i], _ = inMemory(t, id, cfg)
			}
			awake := (inUse() - before) / sessions
			for _, a := range held {
				a.Sleep()
			}
			asleep := (inUse() - before) / sessions
			t.Logf("%d bytes a session, %d asleep", awake, asleep)
			if awake > tt.awake || asleep > tt.asleep {
				t.Errorf("got %d and %d bytes a session, want at most %d and %d", awake, asleep, tt.awake, tt.asleep)
			}
			for _, a := range held {
				a.Close()
			}
		})
	}
}

// Bulk transfers over loopback against a peer in another process, CPU of this
// process only. A file in the page cache is sent, or received bytes are dropped.
// The variants take turns, so that what else the machine does hits them all;
// the smallest and the median of their rounds are reported.
//
//	go test ./tlsconn -run '^$' -bench Bulk -benchtime 15x
const (
	bulkSize = 256 << 20
	bulkPeer = "FASTFTPS_BULK_PEER" // set in the peer: "sink VERSION ADDR" or "source VERSION ADDR"
)

func BenchmarkBulk(b *testing.B) {
	id := newIdentity(b)
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, bulkSize), 0o600); err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	send := func(chunk int) func(*DataConn) error {
		return func(d *DataConn) error { return sendFile(d, file, chunk) }
	}
	receive := func(chunk int) func(*DataConn) error {
		return func(d *DataConn) error {
			d.ReadSize(chunk)
			return discard(d, chunk)
		}
	}
	for _, v := range versions {
		for _, bb := range []struct {
			name, peer string
			variants   []*bulkRun
		}{
			{"send", "sink", []*bulkRun{
				{name: "io.Copy", direct: true, run: func(d *DataConn) error {
					_, err := io.Copy(d.tc, struct{ io.Reader }{file})
					return err
				}},
				{name: "std64K", engine: EngineStd, run: send(64 << 10)},
				{name: "fast64K", run: send(64 << 10)},
				{name: "std256K", engine: EngineStd, run: send(256 << 10)},
				{name: "fast256K", run: send(256 << 10)},
			}},
			{"receive", "source", []*bulkRun{
				{name: "io.Copy", direct: true, run: func(d *DataConn) error { return discard(d.tc, 32<<10) }},
				{name: "std64K", engine: EngineStd, run: receive(64 << 10)},
				{name: "fast64K", run: receive(64 << 10)},
				{name: "std256K", engine: EngineStd, run: receive(256 << 10)},
				{name: "fast256K", run: receive(256 << 10)},
			}},
		} {
			b.Run(v.name+"/"+bb.name, func(b *testing.B) {
				for b.Loop() {
					for _, r := range bb.variants {
						file.Seek(0, io.SeekStart)
						r.spent = append(r.spent, bulk(b, id, v.v, bb.peer, r).Seconds()/bulkSize*1e9)
					}
				}
				b.ReportMetric(0, "ns/op")
				for _, r := range bb.variants {
					slices.Sort(r.spent)
					b.ReportMetric(r.spent[0], r.name+"-min-cpu-s/GB")
					b.ReportMetric(r.spent[len(r.spent)/2], r.name+"-med-cpu-s/GB")
				}
			})
		}
	}
}

// bulkRun is a variant of BenchmarkBulk.
type bulkRun struct {
	name   string
	engine Engine
	direct bool // crypto/tls right on the socket
	run    func(*DataConn) error
	spent  []float64 // CPU s/GB, a round each
}

// The record layer alone, without a kernel: 256 KiB blocks to nowhere and from
// memory. Both engines take turns after one and the same handshake.
//
//	go test ./tlsconn -run '^$' -bench Records -benchtime 100x
func BenchmarkRecords(b *testing.B) {
	const size = 16 << 20
	id, block := newIdentity(b), make([]byte, 256<<10)
	for _, v := range gcmLayers {
		ours, std, f := twins(b, id, v.v, v.suite)
		both := []struct {
			name string
			d    *DataConn
			run  *bulkRun
		}{{"std", std, nil}, {"fast", ours, nil}}
		measure := func(b *testing.B, prepare func() []byte, run func(d *DataConn) error) {
			both[0].run, both[1].run = new(bulkRun), new(bulkRun)
			for b.Loop() {
				stream := prepare()
				for _, e := range both {
					e.d.ReadSize(len(block))
					e.d.link.conn = &drop{tape{in: slices.Clone(stream)}}
					start := cpuTime(b)
					if err := run(e.d); err != nil {
						b.Fatal(err)
					}
					e.run.spent = append(e.run.spent, (cpuTime(b)-start).Seconds()/size*1e9)
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, e := range both {
				slices.Sort(e.run.spent)
				b.ReportMetric(e.run.spent[0], e.name+"-min-cpu-s/GB")
				b.ReportMetric(e.run.spent[len(e.run.spent)/2], e.name+"-med-cpu-s/GB")
			}
		}
		b.Run(v.name+"/seal", func(b *testing.B) {
			measure(b, func() []byte { return nil }, func(d *DataConn) error {
				for range size / len(block) {
					if _, err := d.Write(block); err != nil {
						return err
					}
				}
				return nil
			})
		})
		b.Run(v.name+"/open", func(b *testing.B) {
			record := make([]byte, maxPlaintext)
			seal := func() (stream []byte) {
				for range size / len(record) {
					stream = append(stream, f.seal(typeApplicationData, record)...)
				}
				return stream
			}
			measure(b, seal, func(d *DataConn) error {
				for n := 0; n < size; {
					m, err := d.Read(block)
					if n += m; err != nil {
						return err
					}
				}
				return nil
			})
		})
		ours.Release()
		std.Release()
	}
}

// drop is a tape that forgets what is written.
type drop struct{ tape }

func (*drop) Write(p []byte) (int, error) { return len(p), nil }

// What taking over costs a data connection: the derivation of keys and the proof.
func BenchmarkTakeOver(b *testing.B) {
	for _, v := range gcmLayers {
		b.Run(v.name, func(b *testing.B) {
			srv, cli := tcpPair(b)
			cfg := clientConfig(v.v)
			useSuite(b, cfg, v.suite)
			d := NewDataConn(newIdentity(b), srv, DataOptions{})
			done := make(chan error, 1)
			go func() { done <- tls.Client(cli, cfg).Handshake() }()
			if err := errors.Join(d.tc.Handshake(), <-done); err != nil {
				b.Fatal(err)
			}
			info := infoOf(d.tc.ConnectionState())
			suite, _ := gcmSuiteOf(info.Suite)
			b.ReportAllocs()
			for b.Loop() {
				if err := d.link.tap.fit(new(records), info, suite); err != nil {
					b.Fatal(err)
				}
			}
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

// bulk returns the CPU time that a run takes on a data connection to a peer.
func bulk(b *testing.B, id *Identity, version uint16, peer string, r *bulkRun) time.Duration {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", bulkPeer, peer, version, l.Addr()))
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	d := NewDataConn(id, conn, DataOptions{Engine: r.engine})
	if r.direct {
		d.link.tap = nil // nobody takes over
		d.tc = tls.Server(conn, d.gate.cfg)
	}
	defer d.Release()
	if err := d.Handshake(); err != nil {
		b.Fatal(err)
	}
	start := cpuTime(b)
	err = r.run(d)
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
	var version uint16
	if _, err := fmt.Sscan(what, &role, &version, &addr); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	tc := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, DynamicRecordSizingDisabled: true, MinVersion: version, MaxVersion: version,
	})
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
