package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"fastftps/codec"
	"fastftps/internal/ftpclient"
	"fastftps/internal/ftptest"
	"fastftps/session"
)

// stage is how far a transfer has come when a peer goes away. Values follow
// the order of things.
type stage int

const (
	armed     stage = iota // PASV or PORT was answered
	held                   // connected before the command
	marked                 // 150, not connected
	connected              // 150, not a byte of TLS
	greeted                // half a ClientHello
	secured                // handshake done, not a byte of the file
	moving                 // in the midst of the bytes
	moved                  // all bytes are through, the connection stands
)

var stageNames = [...]string{"armed", "held", "marked", "connected", "greeted", "secured", "moving", "moved"}

// ending is what the peer does then.
type ending string

const (
	fin     ending = "FIN"
	rst     ending = "RST"
	silence ending = "silence"
)

// goneCase is a transfer that loses its peer.
type goneCase struct {
	verb    string // RETR, STOR, LIST
	private bool
	active  bool
	at      stage
	by      ending
}

func (g goneCase) String() string {
	prot, end := "C", "passive"
	if g.private {
		prot = "P"
	}
	if g.active {
		end = "active"
	}
	return fmt.Sprintf("%s PROT %s %s, %s %s", g.verb, prot, end, stageNames[g.at], g.by)
}

// eachGone yields the cases that exist.
func eachGone(f func(g goneCase)) {
	for _, verb := range []string{"RETR", "STOR", "LIST"} {
		for _, private := range []bool{false, true} {
			for _, active := range []bool{false, true} {
				for at := armed; at <= moved; at++ {
					for _, by := range []ending{fin, rst, silence} {
						g := goneCase{verb, private, active, at, by}
						switch {
						case active && at == held, !private && (at == connected || at == greeted):
						default:
							f(g)
						}
					}
				}
			}
		}
	}
}

// line is the command: of a large file or listing where bytes have to be under
// way, of a small one where all have to be through.
func (g goneCase) line() string {
	what := map[string]string{"RETR": "big", "STOR": "old.txt", "LIST": "many"}
	if g.at == moved {
		what = map[string]string{"RETR": "small", "STOR": "old.txt", "LIST": "few"}
	}
	return g.verb + " " + what[g.verb]
}

// silentHandshake: TLS is waited for, and does not come.
func (g goneCase) silentHandshake() bool {
	return g.private && g.at != armed && g.at != marked && g.at < secured && g.by == silence
}

// needsLimits: nothing but a limit ends the transfer. A port where nobody
// listens refuses the server at once.
func (g goneCase) needsLimits() bool {
	return g.at == marked && !g.active || g.at != marked && g.by == silence
}

// want is the completion reply when the data peer goes away. In clear a FIN is
// the end of an upload, a whole one.
func (g goneCase) want() int {
	switch {
	case g.at == marked:
		return 425
	case g.at == moved && g.verb != "STOR":
		return 226
	case g.silentHandshake(), g.private && g.at == greeted && g.by == fin:
		return 522
	case g.verb == "STOR" && !g.private && g.by == fin:
		return 226
	}
	return 426
}

// goneServer is a server with what the cases ask for, and with limits that the
// sweep meets before it meets the idle limit.
func goneServer(t *testing.T, reactor string, change func(*Config)) *server {
	t.Helper()
	if _, err := ftptest.DeafPort(); err != nil { // before descriptors are counted
		t.Fatal(err)
	}
	s := start(t, func(c *Config) {
		c.Reactor, c.IdleTimeout = reactor, 1000*time.Hour
		c.Data.Stall, c.Data.ConnectWait = 20*time.Second, 20*time.Second
		if change != nil {
			change(c)
		}
	})
	inMemory(t, s.root) // a few thousand names: a disk would take seconds
	hostTree(t, s.root, map[string]string{"old.txt": "old content", "small": "small", "few/file": ""})
	if err := os.WriteFile(filepath.Join(s.root, "big"), make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.root, "many"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 { // a megabyte of lines: more than sockets and buffers hold
		if err := os.WriteFile(filepath.Join(s.root, "many", fmt.Sprintf("%0250d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// peer is the client's side of a case.
type peer struct {
	*ftpclient.Client
	ln *net.TCPListener
	d  *ftpclient.Conn
}

// reach brings the transfer to its stage.
func (p *peer) reach(g goneCase) (err error) {
	addr := p.Conn().TCP().RemoteAddr().(*net.TCPAddr).AddrPort()
	switch p.Private = g.private; {
	case g.active && g.at == marked:
		err = p.toDeafPort()
	case g.active:
		p.Endpoint = ftpclient.PORT
		p.ln, err = p.Listen()
	default:
		p.Endpoint = ftpclient.EPSV
		addr, err = p.Passive()
	}
	if err != nil || g.at == armed {
		return err
	}
	if g.at == held {
		p.d, err = p.DialData(addr)
		return err
	}
	if _, err := p.Do(g.line(), 150); err != nil || g.at == marked {
		return err
	}
	if g.active {
		p.d, err = p.Accept(p.ln)
	} else {
		p.d, err = p.DialData(addr)
	}
	if err != nil {
		return err
	}
	// What is under way must not be all, and the window not less than a segment.
	if err := p.d.TCP().SetReadBuffer(96 << 10); err != nil || g.at == connected {
		return err
	}
	if g.at == greeted {
		_, err := p.d.TCP().Write(hello)
		return err
	}
	if err := p.d.Handshake(); err != nil || g.at == secured {
		return err
	}
	return p.move(g)
}

// toDeafPort has the server connect to where nobody listens.
func (p *peer) toDeafPort() error {
	port, err := ftptest.DeafPort()
	if err != nil {
		return err
	}
	to := netip.AddrPortFrom(p.Conn().TCP().LocalAddr().(*net.TCPAddr).AddrPort().Addr(), port)
	_, err = p.Do(string(codec.AppendPort([]byte("PORT "), to)), 200)
	return err
}

// move moves some of the bytes, or all.
func (p *peer) move(g goneCase) (err error) {
	switch {
	case g.verb == "STOR":
		_, err = p.d.Write(make([]byte, 100_000))
	case g.at == moving:
		_, err = io.ReadFull(p.d, make([]byte, 10_000))
	default:
		_, err = io.Copy(io.Discard, p.d)
	}
	return err
}

// end ends the data connection. A client that ends its side alone reads on.
func (p *peer) end(g goneCase) error {
	switch {
	case p.d == nil:
		return nil
	case g.by == rst:
		return p.d.Reset()
	case g.by == fin:
		return p.d.CloseWriteBare()
	}
	return nil
}

// tidy closes what is left on our side.
func (p *peer) tidy() {
	if p.d != nil {
		p.d.Close()
	}
	if p.ln != nil {
		p.ln.Close()
	}
	p.d, p.ln = nil, nil
}

// completion is the reply when the peer's end was seen or, in silence, when
// the limits have passed.
func (s *server) completion(p *peer, g goneCase) (ftpclient.Reply, error) {
	type result struct {
		ftpclient.Reply
		error
	}
	got := make(chan result, 1)
	go func() {
		if p.d != nil && g.by == fin && g.verb != "STOR" {
			_, _ = io.Copy(io.Discard, p.d.TCP())
		}
		r, err := p.ReadReply()
		got <- result{r, err}
	}()
	if !g.needsLimits() {
		r := <-got
		return r.Reply, r.error
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case r := <-got:
			return r.Reply, r.error
		case <-tick.C:
			if g.at != marked && s.plane.Stats().Waiting.Load() > 0 {
				continue // connected, but not yet accepted
			}
			s.sweep(time.Now().Add(time.Duration(n) * 25 * time.Second))
		}
	}
}

// census counts what a peer that is gone must not hold: descriptors, and
// goroutines but for idle workers. Those of the passive ports stay.
type census struct{ fds, goroutines int }

func (s *server) census() census {
	s.t.Helper()
	ports := int(s.plane.Stats().Listeners.Load())
	return census{len(names(s.t, "/proc/self/fd")) - ports, goroutines() - ports}
}

// goroutines counts those that are not idle in the pool of workers.
func goroutines() (n int) {
	all := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		_, top, _ := strings.Cut(stack, "\n")
		if !strings.HasPrefix(top, "github.com/panjf2000/ants/") {
			n++
		}
	}
	return n
}

// atRest counts when every listener serves and nobody is connected.
func (s *server) atRest(t *testing.T) census {
	t.Helper()
	for _, mode := range modes {
		s.dial(mode, nil).Close()
	}
	await(t, "all sessions are gone", func() bool { return s.Sessions() == 0 })
	return s.census()
}

// backTo waits until no more is held than was at rest.
func (s *server) backTo(t *testing.T, base census) {
	t.Helper()
	var is census
	defer func() {
		if t.Failed() {
			t.Logf("%d sessions; at rest %+v, now %+v", s.Sessions(), base, is)
		}
	}()
	await(t, "descriptors and goroutines are back", func() bool {
		is = s.census()
		return s.Sessions() == 0 && is.fds <= base.fds && is.goroutines <= base.goroutines
	})
}

// TestPeerGone: whatever a peer does at whatever stage of a transfer, nothing
// is left behind.
func TestPeerGone(t *testing.T) {
	for _, reactor := range reactors {
		t.Run(reactor, func(t *testing.T) {
			s := goneServer(t, reactor, nil)
			base := s.atRest(t)
			t.Run("data", s.dataPeerGone)
			t.Run("control", s.controlPeerGone)
			s.backTo(t, base)
			if left := strings.Join(names(t, s.root), " "); left != "big few many old.txt small" {
				t.Errorf("left in the root: %s", left)
			}
		})
	}
}

// dataPeerGone: the reply is the right one and the session goes on.
func (s *server) dataPeerGone(t *testing.T) {
	p := &peer{Client: s.login(session.Implicit, nil)}
	defer p.Close()
	eachGone(func(g goneCase) {
		if g.at == armed || g.silentHandshake() {
			return
		}
		if err := s.lose(p, g); err != nil {
			t.Fatalf("%v: %v", g, err)
		}
	})
}

// lose plays one case in a session that stands.
func (s *server) lose(p *peer, g goneCase) error {
	defer p.tidy()
	level := "C"
	if g.private {
		level = "P"
	}
	if err := p.Protect(level); err != nil {
		return err
	}
	old := filepath.Join(s.root, "old.txt")
	if err := os.WriteFile(old, []byte("old content"), 0o644); err != nil {
		return err
	}
	if err := p.reach(g); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := p.end(g); err != nil {
		return err
	}
	if g.at == held {
		if _, err := p.Do(g.line(), 150); err != nil {
			return err
		}
	}
	r, err := s.completion(p, g)
	if err != nil || r.Code != g.want() {
		return fmt.Errorf("got %q, %v; want %d", r, err, g.want())
	}
	if _, err := p.Do("NOOP", 200); err != nil {
		return err
	}
	if text, err := os.ReadFile(old); err != nil || r.Code != 226 && string(text) != "old content" {
		return fmt.Errorf("the old file holds %.20q, %v", text, err)
	}
	return nil
}

// TestSilentHandshakes: data peers that stop before or in their handshake get
// 522 when its limit is over.
func TestSilentHandshakes(t *testing.T) {
	for _, reactor := range reactors {
		t.Run(reactor, func(t *testing.T) {
			s := goneServer(t, reactor, func(c *Config) { c.Data.TLSTimeout = 200 * time.Millisecond })
			base := s.atRest(t)
			var all sync.WaitGroup
			eachGone(func(g goneCase) {
				if !g.silentHandshake() {
					return
				}
				p := &peer{Client: s.login(session.Implicit, nil)}
				all.Go(func() {
					defer p.Close()
					defer p.tidy()
					err := p.reach(g)
					if err == nil && g.at == held {
						_, err = p.Do(g.line(), 150)
					}
					if err == nil {
						_, err = p.Complete()
					}
					var re *ftpclient.ReplyError
					if !errors.As(err, &re) || re.Code != 522 {
						t.Errorf("%v: got %v, want 522", g, err)
					}
					if _, err := p.Do("NOOP", 200); err != nil {
						t.Errorf("%v: %v", g, err)
					}
				})
			})
			all.Wait()
			s.backTo(t, base)
		})
	}
}

// controlPeerGone: a client whose control connection ends takes its data
// connection with it, and nothing of an upload stands.
func (s *server) controlPeerGone(t *testing.T) {
	hostTree(t, s.root, map[string]string{"old.txt": "old content"})
	var all sync.WaitGroup
	slots, n := make(chan struct{}, 8), 1
	eachGone(func(g goneCase) {
		if g.by == silence {
			return
		}
		slots <- struct{}{}
		n++
		from := local(byte(n)) // a port that a neighbour has left may ask for a ticket
		all.Go(func() {
			defer func() { <-slots }()
			if err := s.leave(g, from); err != nil {
				t.Errorf("%v: %v", g, err)
			}
		})
	})
	all.Wait()
	await(t, "the sessions are gone", func() bool { return s.Sessions() == 0 })
	if text, err := os.ReadFile(filepath.Join(s.root, "old.txt")); err != nil || string(text) != "old content" {
		t.Errorf("the old file holds %.20q, %v", text, err)
	}
}

// leave plays one case with the control connection, and waits until the server
// has ended the data connection.
func (s *server) leave(g goneCase, from netip.Addr) error {
	c, err := s.connect(session.Implicit, func(o *ftpclient.Options) { o.Local = from })
	if err != nil {
		return err
	}
	p := &peer{Client: c}
	defer p.Close()
	defer p.tidy()
	level := "C"
	if g.private {
		level = "P"
	}
	if err := errors.Join(p.Login("demo", "secret"), p.Protect(level), p.Type("I")); err != nil {
		return err
	}
	if err := p.reach(g); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if g.by == rst {
		err = p.Conn().Reset()
	} else {
		err = p.Conn().TCP().Close()
	}
	if err != nil || p.d == nil {
		return err
	}
	if err := p.d.TCP().SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, p.d.TCP())
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection stands")
	}
	return nil
}
