package bench

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/internal/leaktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leaktest.Processwide()...) }

// fake is a small FTP server that can be broken on purpose. It keeps files in
// memory, one folder deep.
type fake struct {
	t    *testing.T
	ln   net.Listener
	tls  *tls.Config // implicit TLS; nil is clear
	stop sync.WaitGroup

	// Faults.
	corrupt    bool // RETR: one byte is another
	honest     int  // of so many RETR, the first ones, not
	repents    int  // nor after so many; 0 is never
	short      bool // RETR: the last byte is missing
	silent     bool // RETR: no completion reply
	impatient  bool // RETR: the connection is cut at once, and 426
	bare       bool // no close_notify after a download
	rst        bool // RETR: half of it, then RST, and 226
	inRecord   bool // RETR: half of it and the beginning of a TLS record, then FIN, and 226
	hasty      bool // STOR: the connection is reset before all was read, and 226
	forget     bool // STOR, but for our files to download: nothing is kept, 226 is said
	truncate   bool // STOR, but for our files to download: half of it is kept, 226 is said
	refuse     int  // code for RETR
	serves     int  // with refuse: but one RETR of so many
	most       int  // connections; more are full
	noList     bool // 502 to listings
	full       bool // 421 instead of the greeting
	loginDelay func() time.Duration
	beforeRetr func()

	waited   atomic.Int64 // ns that loginDelay really took
	logins   atomic.Int64
	accepted atomic.Int64
	mu       sync.Mutex // guards the fields below
	files    map[string][]byte
	commands map[string]int
	conns    map[net.Conn]bool
	closed   bool
}

// newFake starts a fake; change sets faults before it listens.
func newFake(t *testing.T, secure bool, change func(*fake)) *fake {
	t.Helper()
	f := &fake{t: t, files: map[string][]byte{}, commands: map[string]int{}, conns: map[net.Conn]bool{}}
	if change != nil {
		change(f)
	}
	if secure {
		f.tls = &tls.Config{Certificates: []tls.Certificate{certificate()}}
	}
	var err error
	if f.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.stop.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *fake) url() string {
	if f.tls != nil {
		return "ftps://u:p@" + f.ln.Addr().String()
	}
	return "ftp://u:p@" + f.ln.Addr().String()
}

func (f *fake) close() {
	f.ln.Close()
	f.mu.Lock()
	f.closed = true
	for c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.stop.Wait()
}

// track has close end a connection; false when it is too late for that.
func (f *fake) track(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
	return !f.closed
}

func (f *fake) untrack(c net.Conn) {
	c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

func (f *fake) accept() {
	for {
		c, err := f.ln.Accept()
		if err != nil {
			return
		}
		f.stop.Go(func() {
			defer f.untrack(c)
			if f.track(c) {
				s := &fakeSession{f: f, conn: c}
				s.serve()
			}
		})
	}
}

// fakeSession is one session.
type fakeSession struct {
	f    *fake
	conn net.Conn
	port net.Listener
}

func (s *fakeSession) say(format string, args ...any) {
	fmt.Fprintf(s.conn, format+"\r\n", args...)
}

func (s *fakeSession) serve() {
	if s.f.tls != nil {
		s.conn = tls.Server(s.conn, s.f.tls)
		defer s.conn.Close()
	}
	defer func() {
		if s.port != nil {
			s.port.Close()
		}
	}()
	if s.f.full || s.f.most > 0 && s.f.accepted.Add(1) > int64(s.f.most) {
		s.say("421 too many")
		return
	}
	s.say("220 fake")
	in := bufio.NewReader(s.conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.f.mu.Lock()
		s.f.commands[verb]++
		s.f.mu.Unlock()
		if !s.command(verb, arg) {
			return
		}
	}
}

func (s *fakeSession) command(verb, arg string) bool {
	f := s.f
	switch verb {
	case "USER":
		s.say("331 go on")
	case "PASS":
		if f.loginDelay != nil {
			begun := time.Now()
			t := time.NewTimer(f.loginDelay())
			<-t.C
			f.waited.Add(int64(time.Since(begun)))
		}
		f.logins.Add(1)
		s.say("230 in")
	case "EPSV":
		s.epsv()
	case "RETR":
		s.retr(arg)
	case "STOR":
		s.stor(arg)
	case "LIST", "NLST":
		if f.noList {
			s.say("502 no")
			break
		}
		s.list(verb == "NLST", arg)
	case "DELE":
		f.mu.Lock()
		delete(f.files, arg)
		f.mu.Unlock()
		s.say("250 gone")
	case "MKD":
		s.say("257 \"%s\" made", arg)
	case "RMD":
		s.say("250 gone")
	case "QUIT":
		s.say("221 bye")
		return false
	default:
		s.say("200 ok")
	}
	return true
}

func (s *fakeSession) epsv() {
	if s.port != nil {
		s.port.Close()
	}
	var err error
	if s.port, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		s.say("425 %v", err)
		return
	}
	s.say("229 (|||%d|)", s.port.Addr().(*net.TCPAddr).Port)
}

// data accepts the data connection, under TLS if the control connection is.
func (s *fakeSession) data() (net.Conn, *net.TCPConn) {
	s.say("150 here it comes")
	_ = s.port.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
	raw, err := s.port.Accept()
	if err != nil {
		return nil, nil
	}
	if s.f.tls == nil {
		return raw, raw.(*net.TCPConn)
	}
	return tls.Server(raw, s.f.tls), raw.(*net.TCPConn)
}

func (s *fakeSession) send(content []byte, silent bool) {
	conn, raw := s.data()
	if conn == nil {
		return
	}
	if s.f.rst || s.f.inRecord {
		content = content[:len(content)/2]
	}
	_, err := conn.Write(content)
	switch {
	case s.f.impatient:
		raw.Close()
		s.say("426 too slow")
		return
	case s.f.rst:
		_ = raw.SetLinger(0)
		raw.Close()
	case s.f.inRecord:
		_, _ = raw.Write([]byte{23, 3, 3, 4, 0, 'c', 'u', 't'})
		raw.Close()
	case s.f.bare:
		raw.Close()
	default:
		conn.Close()
	}
	if !silent {
		s.complete(err)
	}
}

func (s *fakeSession) complete(err error) {
	if err != nil {
		s.say("426 %v", err)
		return
	}
	s.say("226 done")
}

func (s *fakeSession) retr(name string) {
	if s.f.beforeRetr != nil {
		s.f.beforeRetr()
	}
	if n := s.f.serves; s.f.refuse != 0 && (n == 0 || s.f.count("RETR")%n > 0) {
		s.say("%d no", s.f.refuse)
		return
	}
	s.f.mu.Lock()
	content, ok := s.f.files[name]
	s.f.mu.Unlock()
	if !ok {
		s.say("550 not here")
		return
	}
	content = append([]byte{}, content...)
	if n := s.f.count("RETR"); s.f.corrupt && n > s.f.honest && (s.f.repents == 0 || n <= s.f.repents) {
		content[len(content)/2] ^= 1
	}
	if s.f.short {
		content = content[:len(content)-1]
	}
	s.send(content, s.f.silent)
}

func (s *fakeSession) stor(name string) {
	conn, raw := s.data()
	if conn == nil {
		return
	}
	upload := strings.Contains(name, "/up-")
	if s.f.hasty && upload {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_ = raw.SetLinger(0)
		raw.Close()
		s.complete(nil)
		return
	}
	content, err := io.ReadAll(conn)
	conn.Close()
	if s.f.truncate && upload {
		content = content[:len(content)/2]
	}
	if !s.f.forget || !upload {
		s.f.mu.Lock()
		s.f.files[name] = content
		s.f.mu.Unlock()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	s.complete(err)
}

func (s *fakeSession) list(names bool, dir string) {
	var b strings.Builder
	s.f.mu.Lock()
	for name := range s.f.files {
		if base, ok := strings.CutPrefix(name, dir+"/"); ok {
			if !names {
				base = "-rw-r--r-- 1 u u 1 Jan 1 00:00 " + base
			}
			b.WriteString(base + "\r\n")
		}
	}
	s.f.mu.Unlock()
	s.send([]byte(b.String()), false)
}

// left returns the files that are still there.
func (f *fake) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.files)
}

// count returns how often a command came.
func (f *fake) count(verb string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commands[verb]
}

// certificate is a self-signed one, made once.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
