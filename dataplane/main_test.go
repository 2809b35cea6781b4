package dataplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/storage"
	"fastftps/tlsconn"
	"fastftps/tlsconn/ktls"
)

// The goroutines that are there before the tests are those of ants' default pool.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

var loopback = netip.MustParseAddr("127.0.0.1")

// engine is what planes seal and open with, and kernel whether the kernel may; see
// eachEngine.
var (
	engine tlsconn.Engine
	kernel bool
)

// eachEngine runs a test with each engine, and with the kernel's if there is one.
func eachEngine(t *testing.T, test func(t *testing.T)) {
	defer func(e tlsconn.Engine, k bool) { engine, kernel = e, k }(engine, kernel)
	for _, v := range []struct {
		name   string
		engine tlsconn.Engine
		kernel bool
	}{{"fast", tlsconn.EngineFast, false}, {"std", tlsconn.EngineStd, false}, {"kernel", tlsconn.EngineFast, true}} {
		engine, kernel = v.engine, v.kernel
		t.Run(v.name, func(t *testing.T) {
			if kernel {
				needKernel(t)
			}
			test(t)
		})
	}
}

// needKernel skips a test where there is no kernel TLS. KTLS=required says that there
// must be.
func needKernel(t *testing.T) {
	t.Helper()
	if err := ktls.Probe(); err != nil {
		if os.Getenv("KTLS") == "required" {
			t.Fatal(err)
		}
		t.Skip("make ktls runs this: ", err)
	}
}

func newPlane(t testing.TB, cfg Config) *Plane {
	t.Helper()
	cfg.Engine, cfg.KernelTLS = engine, cfg.KernelTLS || kernel
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, p) })
	return p
}

// closed closes a plane of which nothing is to be left.
func closed(t testing.TB, p *Plane) {
	t.Helper()
	if left := p.Close(patience); left != 0 {
		t.Errorf("%d transfers are left", left)
	}
}

// peer is a session of the server and its client.
type peer struct {
	*Channel
	t       testing.TB
	plane   *Plane
	results chan Result
	binding *tlsconn.Binding
	cfg     *tls.Config
	from    netip.Addr                                          // the client's address
	control func(network, addr string, c syscall.RawConn) error // of its sockets
}

func newPeer(t testing.TB, p *Plane, edit ...func(*Options)) *peer {
	t.Helper()
	s := &peer{t: t, plane: p, results: make(chan Result, 4), from: loopback}
	o := Options{Client: loopback, Local: loopback, Done: func(r Result) { s.results <- r }}
	for _, f := range edit {
		f(&o)
	}
	s.from, s.binding = o.Client, o.Binding
	s.Channel = p.Channel(o)
	t.Cleanup(s.Close)
	return s
}

// at is the option of a client with another address.
func at(addr string) func(*Options) {
	return func(o *Options) { o.Client = netip.MustParseAddr(addr) }
}

// underTLS is the option of a session whose control connection is secure.
func underTLS(id *tlsconn.Identity) func(*Options) {
	return func(o *Options) { o.Identity, o.Binding = id, tlsconn.NewBinding() }
}

// passive takes a port.
func (s *peer) passive() netip.AddrPort {
	s.t.Helper()
	a, err := s.Passive(true)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// dial connects from the client's address.
func (s *peer) dial(to netip.AddrPort) *net.TCPConn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: s.from.AsSlice()}, Control: s.control}
	c, err := d.DialContext(context.Background(), "tcp", to.String())
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func (s *peer) start(j Job) {
	s.t.Helper()
	if err := s.Start(j); err != nil {
		s.t.Fatal(err)
	}
}

// result waits for the end of the transfer.
func (s *peer) result() Result {
	s.t.Helper()
	select {
	case r := <-s.results:
		return r
	case <-time.After(patience):
		s.t.Fatal("no result")
		panic("not reached")
	}
}

// want waits for the end of the transfer and checks why it came.
func (s *peer) want(c Cause) Result {
	s.t.Helper()
	r := s.result()
	if r.Cause != c {
		s.t.Fatalf("got cause %v (%v), want %v", r.Cause, r.Err, c)
	}
	return r
}

// tls returns the client's TLS on a data connection.
func (s *peer) tls(c net.Conn) *tls.Conn {
	if s.cfg == nil {
		s.cfg = clientConfig(0)
	}
	return tls.Client(c, s.cfg)
}

// until waits for a condition that some goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

var identities sync.Map // by version

func identity(t testing.TB) *tlsconn.Identity { return identityOf(t, 0) }

func identityOf(t testing.TB, version uint16) *tlsconn.Identity {
	t.Helper()
	if id, ok := identities.Load(version); ok {
		return id.(*tlsconn.Identity)
	}
	id, err := tlsconn.NewIdentity(tlsconn.Options{
		SelfSigned: filepath.Join(t.TempDir(), "cert.pem"), MinVersion: version, MaxVersion: version,
	})
	if err != nil {
		t.Fatal(err)
	}
	identities.Store(version, id)
	return id
}

func clientConfig(version uint16) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		ServerName: "localhost", ClientSessionCache: &oneTicket{},
	}
}

// oneTicket is the cache of a client that keeps its last ticket, also after a
// failed handshake, which makes crypto/tls drop it.
type oneTicket struct {
	mu   sync.Mutex
	last *tls.ClientSessionState
}

func (c *oneTicket) Get(string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.last != nil
}

func (c *oneTicket) Put(_ string, s *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s != nil {
		c.last = s
	}
}

// login makes the handshake of the control connection, so that the client
// holds a ticket of its session.
func (s *peer) login(id *tlsconn.Identity) {
	s.t.Helper()
	s.cfg = clientConfig(0)
	s.loginAgain(id)
}

// loginAgain is login with the client's configuration as it is.
func (s *peer) loginAgain(id *tlsconn.Identity) {
	s.t.Helper()
	a := tlsconn.NewAdapter(id, s.binding, engine)
	defer a.Close()
	near, far := net.Pipe()
	defer near.Close()
	client := make(chan error, 1)
	go func() {
		c := tls.Client(far, s.cfg)
		_, err := io.ReadFull(c, make([]byte, 1)) // the ticket comes before it
		far.Close()
		client <- err
	}()
	flush := func() {
		p := bytes.Clone(a.Pending())
		a.Sent(len(p))
		near.Write(p)
	}
	buf := make([]byte, 8<<10)
	for done := false; !done; {
		n, err := near.Read(buf)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := a.Push(buf[:n]); err != nil {
			s.t.Fatal(err)
		}
		if !a.Ready() {
			continue
		}
		if done, err = a.Step(); err != nil {
			s.t.Fatal(err)
		}
		flush()
	}
	a.Write([]byte("2"))
	flush()
	if err := <-client; err != nil {
		s.t.Fatal(err)
	}
}

// random bytes, the same for the same seed.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(p)
	return p
}

// memFile is a File in memory.
type memFile struct {
	*bytes.Reader
	closed bool
	read   func(p []byte) (int, error) // in place of the reader's
}

func newMemFile(p []byte) *memFile { return &memFile{Reader: bytes.NewReader(p)} }

func (f *memFile) Read(p []byte) (int, error) {
	if f.read != nil {
		return f.read(p)
	}
	return f.Reader.Read(p)
}

func (f *memFile) Close() error {
	if f.closed {
		return errors.New("closed twice")
	}
	f.closed = true
	return nil
}

func (f *memFile) Stat() (storage.Info, error) { return storage.Info{Size: f.Size()}, nil }

// memUpload is an Upload in memory; it keeps account of how it ended.
type memUpload struct {
	bytes.Buffer
	writeErr, commitErr  error
	room                 int // bytes after which writeErr comes
	committed, discarded int
}

func (u *memUpload) Offset() int64 { return 0 }

func (u *memUpload) Write(p []byte) (int, error) {
	if u.writeErr != nil && u.Len()+len(p) > u.room {
		return 0, u.writeErr
	}
	return u.Buffer.Write(p)
}

func (u *memUpload) Commit() error {
	u.committed++
	return u.commitErr
}

func (u *memUpload) Discard() error {
	u.discarded++
	return nil
}

// wantEnd checks that the upload was ended once, and how.
func (u *memUpload) wantEnd(t testing.TB, committed bool) {
	t.Helper()
	want := [2]int{0, 1}
	if committed {
		want = [2]int{1, 0}
	}
	if got := [2]int{u.committed, u.discarded}; got != want {
		t.Errorf("commits and discards: got %v, want %v", got, want)
	}
}

// hostFile is a File or Upload that is a file of the host.
type hostFile struct {
	*os.File
	memUpload
}

func newHostFile(t testing.TB, p []byte) *hostFile {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(p); err != nil {
		t.Fatal(err)
	}
	return &hostFile{File: f}
}

func (f *hostFile) OSFile() *os.File                  { return f.File }
func (f *hostFile) Stat() (storage.Info, error)       { return storage.Info{}, nil }
func (f *hostFile) Read(p []byte) (int, error)        { return f.File.Read(p) }
func (f *hostFile) Write(p []byte) (int, error)       { return f.File.Write(p) }
func (f *hostFile) ReadFrom(io.Reader) (int64, error) { panic("not by the interface") }
func (f *hostFile) WriteTo(io.Writer) (int64, error)  { panic("not by the interface") }
func (f *hostFile) content(t testing.TB) []byte {
	t.Helper()
	p, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lines is a Listing of pieces.
type lines struct {
	pieces []string
	err    error
	wait   chan struct{} // closed before the last piece is given
	memory int64
	reads  atomic.Int64
	closed int
}

func (l *lines) Memory() int64 { return l.memory }

func (l *lines) Read(p []byte) (int, error) {
	l.reads.Add(1)
	if len(l.pieces) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		return 0, io.EOF
	}
	if l.wait != nil && len(l.pieces) == 1 {
		<-l.wait
	}
	n := copy(p, l.pieces[0])
	if l.pieces[0] = l.pieces[0][n:]; l.pieces[0] == "" {
		l.pieces = l.pieces[1:]
	}
	return n, nil
}

func (l *lines) Close() error {
	l.closed++
	return nil
}

// descriptors counts the open files of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd")
	}
	return len(e)
}
