package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// drive reaches a limit, calls edge, and goes beyond it.
type drive func(t *testing.T, s *server, edge func())

// TestLimits drives each limit at its edge: what it allows passes uncounted, one
// more gets its reply and is counted once.
func TestLimits(t *testing.T) {
	for _, row := range []struct {
		limit  metrics.Limit
		change func(*Config)
		drive  drive
	}{
		{metrics.LimitMaxSessions, func(c *Config) { c.MaxSessions = 2 }, sessions(2)},
		{metrics.LimitMaxSessionsPerIP, func(c *Config) { c.MaxSessionsPerIP = 2 }, sessions(2)},
		{metrics.LimitAcceptRatePerIP, func(c *Config) { c.AcceptRatePerIP = 1 }, sessions(1)},
		{metrics.LimitMaxTransfers, func(c *Config) { c.Data.MaxTransfers = 1 }, transfers},
		{metrics.LimitPassivePorts, func(c *Config) { c.Data.PortLow, c.Data.PortHigh = freePort(t), 0; c.Data.PortHigh = c.Data.PortLow }, ports},
		{metrics.LimitLoginTimeout, func(c *Config) { c.LoginTimeout = time.Minute }, quiet(false)},
		{metrics.LimitIdleTimeout, func(c *Config) { c.IdleTimeout = time.Minute }, quiet(true)},
		{metrics.LimitHandshakeTimeout, func(c *Config) { c.HandshakeTimeout = time.Minute }, halfHellos},
		{metrics.LimitMaxEarlyHandshakes, func(c *Config) { c.Data.MaxEarly = 1 }, earlyHellos},
		{metrics.LimitStallTimeout, func(c *Config) { c.Data.Stall = time.Minute }, stall},
		{metrics.LimitDataHandshakeTimeout, func(c *Config) { c.Data.TLSTimeout = 200 * time.Millisecond }, silentData},
		{metrics.LimitWriteTimeout, func(c *Config) { c.WriteTimeout, c.MaxPendingInput = 200*time.Millisecond, 1<<20 }, neverReads},
		{metrics.LimitMaxBadCommands, func(c *Config) { c.Session.MaxBadCommands = 3 }, badCommands},
		{metrics.LimitMaxLoginAttempts, func(c *Config) { c.Session.MaxAttempts = 2 }, wrongPasswords},
		{metrics.LimitHashQueue, hashQueue, logins},
		{metrics.LimitMaxLine, nil, replies("NOOP "+strings.Repeat("x", codec.MaxLine-5), 200, "NOOP "+strings.Repeat("x", codec.MaxLine-4), 500)},
		{metrics.LimitMaxPendingCommands, func(c *Config) { c.Session.MaxPendingCommands = 3 }, sendAhead},
		{metrics.LimitMaxGlob, func(c *Config) { c.Session.MaxGlob = 3 }, globs},
		{metrics.LimitMaxTextSize, func(c *Config) { c.Session.MaxTextSize = 3 }, replies("SIZE f3", 213, "SIZE f4", 550)},
		{metrics.LimitMaxDigest, func(c *Config) { c.Session.MaxDigest = 3 }, replies("HASH f3", 213, "HASH f4", 556)},
		{metrics.LimitMaxIdle, func(c *Config) { c.Session.MaxIdle = time.Minute }, replies("SITE IDLE 60", 200, "SITE IDLE 61", 501)},
		{metrics.LimitMaxUpload, func(c *Config) { c.Session.MaxUpload = 3 }, uploads},
	} {
		t.Run(row.limit.String(), func(t *testing.T) {
			s := start(t, row.change)
			s.t = t
			for name, size := range map[string]int{"f3": 3, "f4": 4, "a1": 0, "a2": 0, "a3": 0, "big": 32 << 20} {
				if err := os.WriteFile(filepath.Join(s.root, name), make([]byte, size), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			count := func() int64 {
				s.scrapePage()
				return s.metrics.Limits[row.limit].Load()
			}
			reached := false
			row.drive(t, s, func() {
				reached = true
				if n := count(); n != 0 {
					t.Errorf("counted %d times at what is allowed", n)
				}
			})
			await(t, "the limit counts", func() bool { return count() > 0 })
			if n := count(); n != 1 || !reached {
				t.Errorf("counted %d times, want once", n)
			}
		})
	}
}

// sessions opens n sessions and one more.
func sessions(n int) drive {
	return func(t *testing.T, s *server, edge func()) {
		for range n {
			s.dial(session.Plain, nil)
		}
		edge()
		s.refusesOneMore(t)
	}
}

// text logs in with TYPE A.
func (s *server) text() *ftpclient.Client {
	c := s.login(session.Plain, nil)
	if err := c.Type("A"); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// replies sends a command that is allowed and one that is not.
func replies(allowed string, code int, refused string, refusal int) drive {
	return func(t *testing.T, s *server, edge func()) {
		c := s.text()
		expect(t, c, allowed, code)
		edge()
		expect(t, c, refused, refusal)
	}
}

func transfers(t *testing.T, s *server, edge func()) {
	data, err := s.login(session.Plain, nil).Begin("RETR big", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	edge()
	if _, err := s.login(session.Plain, nil).Retr("f3", 0, io.Discard); code(err) != 450 {
		t.Errorf("one transfer more: got %v, want 450", err)
	}
}

// freePort is a port that nobody listens on, below those that the kernel gives to
// anybody who asks for one.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		port := uint16(10_000 + rand.IntN(20_000))
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func ports(t *testing.T, s *server, edge func()) {
	expect(t, s.login(session.Plain, nil), "PASV", 227)
	edge()
	expect(t, s.login(session.Plain, nil), "PASV", 425)
}

// TestSleep: a TLS session of a silent client sleeps, with and without a login,
// and goes on with the next command. It is no limit: nobody is told.
func TestSleep(t *testing.T) {
	eachReactor(t, func(c *Config) { c.Data.Engine = tlsconn.EngineFast }, func(t *testing.T, s *server) {
		c := s.dial(session.Implicit, nil)
		all := func(*conn) bool { return true }
		for _, commands := range [][]struct {
			line string
			code int
		}{{{"NOOP", 200}}, {{"USER demo", 331}, {"PASS secret", 230}}, {{"PWD", 257}}} {
			for _, cmd := range commands {
				expect(t, c, cmd.line, cmd.code)
			}
			due := func(c *conn) time.Duration { return time.Duration(c.deadline.Load()) }
			s.conns.each(all, func(c *conn) {
				await(t, "it is to sleep", func() bool { return due(c) != never && due(c) <= s.now()+sleepAfter })
			})
			s.sweep(s.wall().Add(sleepAfter))
			s.conns.each(all, func(c *conn) {
				await(t, "it sleeps", func() bool { return due(c) > s.now()+sleepAfter })
			})
		}
		for i := range s.metrics.Limits {
			if n := s.metrics.Limits[i].Load(); n != 0 {
				t.Errorf("limit %d bit %d times", i, n)
			}
		}
	})
}

// quiet: a session says nothing for almost a minute, and for more than that.
func quiet(loggedIn bool) drive {
	return func(t *testing.T, s *server, edge func()) {
		c := s.dial(session.Plain, nil)
		if loggedIn {
			if err := c.Login("demo", "secret"); err != nil {
				t.Fatal(err)
			}
		}
		s.sweep(time.Now().Add(57 * time.Second))
		edge()
		s.sweep(time.Now().Add(62 * time.Second))
		if r, err := c.ReadReply(); err != nil || r.Code != 421 {
			t.Errorf("got %v, %v, want 421", r, err)
		}
	}
}

// TestIdleRests: the time of a transfer, and of a command that takes long, is no idle
// time: the limit starts anew at their end.
func TestIdleRests(t *testing.T) {
	for _, reactor := range reactors {
		t.Run(reactor, func(t *testing.T) {
			s := start(t, func(c *Config) { c.Reactor, c.IdleTimeout, c.Data.Stall = reactor, time.Minute, time.Hour })
			s.t = t
			c := s.login(session.Plain, nil)
			data, err := c.Begin("STOR x", 0)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "it runs", func() bool { return s.plane.Stats().Running.Load() == 1 })
			began := time.Now()
			s.sweep(began.Add(2 * time.Minute))
			if err := data.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := c.ReadReply(); err != nil || r.Code != 226 {
				t.Fatalf("got %v, %v, want 226", r, err)
			}
			s.sweep(began.Add(2*time.Minute + 50*time.Second))
			expect(t, c, "NOOP", 200)
			s.sweep(began.Add(5 * time.Minute))
			if r, err := c.ReadReply(); err != nil || r.Code != 421 {
				t.Errorf("got %v, %v, want 421", r, err)
			}
		})
	}
}

func halfHellos(t *testing.T, s *server, edge func()) {
	c := s.halfHello(session.Implicit)
	defer c.Close()
	await(t, "it is connected", func() bool { return s.Sessions() == 1 })
	s.sweep(time.Now().Add(57 * time.Second))
	edge()
	s.sweep(time.Now().Add(62 * time.Second))
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil && !isReset(err) {
		t.Errorf("got %q, %v, want the end", b, err)
	}
}

// earlyHellos begins handshakes on data connections and sends no command.
func earlyHellos(t *testing.T, s *server, edge func()) {
	begin := func(counts *atomic.Int64) {
		addr, err := s.login(session.Implicit, nil).Passive()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dialFrom(t, local(1), addr).Write(hello); err != nil {
			t.Fatal(err)
		}
		await(t, "the server has seen it", func() bool {
			s.plane.Sweep(time.Now().Add(2 * time.Second))
			return counts.Load() == 1
		})
	}
	begin(&s.plane.Stats().EarlyHandshakes)
	edge()
	begin(&s.plane.Stats().EarlyRefused)
}

func stall(t *testing.T, s *server, edge func()) {
	c := s.login(session.Plain, nil)
	data, err := c.Begin("STOR x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	await(t, "it runs", func() bool { return s.plane.Stats().Running.Load() == 1 })
	from := time.Now().Add(time.Hour) // ahead of the sweeper's own
	for range 3 {                     // sees the transfer, then what the wire has moved
		s.plane.Sweep(from)
	}
	s.plane.Sweep(from.Add(time.Minute - 1))
	edge()
	s.plane.Sweep(from.Add(time.Minute))
	if _, err := c.Complete(); code(err) != 426 {
		t.Errorf("got %v, want 426", err)
	}
}

func silentData(t *testing.T, s *server, edge func()) {
	c := s.login(session.Implicit, nil)
	addr, err := c.Passive()
	if err != nil {
		t.Fatal(err)
	}
	dialFrom(t, local(1), addr)
	edge()
	expect(t, c, "RETR f3", 150)
	if _, err := c.Complete(); code(err) != 522 {
		t.Errorf("got %v, want 522", err)
	}
}

// neverReads asks for more than the socket's buffers hold and reads nothing.
func neverReads(t *testing.T, s *server, edge func()) {
	edge()
	c := dialFrom(t, local(1), s.Addrs()[session.Plain])
	if err := c.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	// 7 MB of replies to 50 KB of commands.
	help := bytes.Repeat([]byte("HELP\r\n"), 500)
	for range 17 {
		if _, err := c.Write(help); err != nil {
			t.Fatal(err)
		}
	}
}

func badCommands(t *testing.T, s *server, edge func()) {
	c := s.dial(session.Plain, nil)
	expect(t, c, "XYZZY", 500)
	expect(t, c, "XYZZY", 500)
	edge()
	expect(t, c, "XYZZY", 421)
}

func wrongPasswords(t *testing.T, s *server, edge func()) {
	c := s.dial(session.Plain, nil)
	if err := c.Login("demo", "x"); code(err) != 530 {
		t.Errorf("got %v, want 530", err)
	}
	edge()
	if err := c.Login("demo", "x"); code(err) != 421 {
		t.Errorf("got %v, want 421", err)
	}
}

// slowAuth checks passwords in a pool whose one worker waits.
type slowAuth struct {
	pool *auth.Pool
	busy chan struct{} // a password takes one
}

// Authenticate implements auth.Authenticator.
func (a slowAuth) Authenticate(ctx context.Context, name, _ string) (*auth.User, error) {
	if err := a.pool.Do(ctx, func() { <-a.busy }); err != nil {
		return nil, err
	}
	return nil, auth.ErrDenied
}

// hashQueue makes a pool of one worker and one place in the line.
func hashQueue(c *Config) {
	pool, err := auth.NewPool(auth.PoolOptions{Workers: 1, Queue: 1, Wait: time.Minute})
	if err != nil {
		panic(err)
	}
	c.Session.Auth = slowAuth{pool, make(chan struct{})}
}

func logins(t *testing.T, s *server, edge func()) {
	a := s.conf.Session.Auth.(slowAuth)
	defer a.pool.Close()
	var first []*ftpclient.Client
	for i := range 2 {
		c := s.dial(session.Plain, nil)
		expect(t, c, "USER demo", 331)
		if err := c.Send("PASS x\r\n"); err != nil {
			t.Fatal(err)
		}
		first = append(first, c)
		await(t, "it waits", func() bool { return s.logins.busy() == i+1 && a.pool.Waiting() == i })
	}
	edge()
	if err := s.dial(session.Plain, nil).Login("demo", "x"); code(err) != 421 {
		t.Errorf("one login more: got %v, want 421", err)
	}
	close(a.busy)
	for _, c := range first {
		if r, err := c.ReadReply(); err != nil || r.Code != 530 {
			t.Errorf("got %v, %v, want 530", r, err)
		}
	}
}

// busy is how many workers the pool has at work.
func (p *pool) busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

// sendAhead sends commands while a transfer runs.
func sendAhead(t *testing.T, s *server, edge func()) {
	c := s.login(session.Plain, nil)
	data, err := c.Begin("RETR big", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if err := c.Send("NOOP\r\nNOOP\r\nNOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "STAT", 211) // is heard at once, behind the others
	edge()
	expect(t, c, "NOOP", 421)
}

// globs: a pattern shows as many names as it may.
func globs(t *testing.T, s *server, edge func()) {
	c := s.login(session.Plain, nil)
	for _, pattern := range []string{"a*", "?*"} {
		if names, err := c.NLST(pattern); err != nil || len(names) != 3 {
			t.Errorf("NLST %s: got %q, %v, want three names", pattern, names, err)
		}
		if pattern == "a*" {
			edge()
		}
	}
	if names, err := c.NLST(""); err != nil || len(names) != 6 {
		t.Errorf("NLST: got %q, %v, want all names", names, err)
	}
}

func uploads(t *testing.T, s *server, edge func()) {
	c := s.login(session.Plain, nil)
	if _, err := c.Stor("up", 0, strings.NewReader("123")); err != nil {
		t.Error(err)
	}
	edge()
	var re *ftpclient.ReplyError
	if _, err := c.Stor("up", 0, strings.NewReader("1234")); !errors.As(err, &re) || re.Code != 552 {
		t.Errorf("one byte more: got %v, want 552", err)
	}
}

// expect sends a command and checks the code of its reply.
func expect(t *testing.T, c *ftpclient.Client, line string, want int) {
	t.Helper()
	if r, err := c.Cmd(line); err != nil || r.Code != want {
		t.Errorf("%.20s: got %v, %v, want %d", line, r, err, want)
	}
}

// TestWorkersAreCounted: a job that finds no worker free counts.
func TestWorkersAreCounted(t *testing.T) {
	s := start(t, func(c *Config) { c.FSWorkers = 1 })
	hold := make(chan struct{})
	s.fs.submit(func() { <-hold })
	if n := s.metrics.Limits[metrics.LimitFSWorkers].Load(); n != 0 {
		t.Errorf("the first job counts %d", n)
	}
	done := make(chan struct{})
	s.fs.submit(func() { close(done) })
	if n := s.metrics.Limits[metrics.LimitFSWorkers].Load(); n != 1 {
		t.Errorf("the second job counts %d, want 1", n)
	}
	close(hold)
	<-done
}

// TestDrainTimeout: a transfer that outlives the drain is ended and counted.
func TestDrainTimeout(t *testing.T) {
	s := start(t, func(c *Config) { c.LingerTimeout = time.Millisecond })
	c := s.login(session.Plain, nil)
	data, err := c.Begin("STOR x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if n := s.metrics.Limits[metrics.LimitDrainTimeout].Load(); n != 1 {
		t.Errorf("counted %d times, want once", n)
	}
}
