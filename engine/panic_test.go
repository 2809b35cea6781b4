package engine

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
)

// trapFS panics where a test says so.
type trapFS struct{ storage.FS }

// Stat implements storage.FS.
func (f trapFS) Stat(p storage.Path) (storage.Info, error) {
	if p == "/trap" {
		panic("trap")
	}
	return f.FS.Stat(p)
}

// Open implements storage.FS.
func (f trapFS) Open(p storage.Path) (storage.File, error) {
	file, err := f.FS.Open(p)
	if p == "/f" && err == nil {
		return trapFile{file}, nil
	}
	return file, err
}

// trapFile panics when it is read.
type trapFile struct{ storage.File }

// Read implements storage.File.
func (trapFile) Read([]byte) (int, error) { panic("trap") }

// trapAuth panics for one user.
type trapAuth struct{ auth.Authenticator }

// Authenticate implements auth.Authenticator.
func (a trapAuth) Authenticate(ctx context.Context, name, password string) (*auth.User, error) {
	if name == "trap" {
		panic("trap")
	}
	return a.Authenticator.Authenticate(ctx, name, password)
}

// TestPanicCostsOneSession: wherever a fault of ours strikes, its session gets
// 421, or its transfer 451, and nobody else notices.
func TestPanicCostsOneSession(t *testing.T) {
	eachReactor(t, func(c *Config) {
		c.Session.Auth = trapAuth{c.Session.Auth}
		c.Session.OpenFS = func(_ context.Context, u *auth.User) (storage.FS, error) {
			fs, err := osfs.New(u.Home, osfs.Options{})
			return trapFS{fs}, err
		}
		c.Session.LoginTurn = func(_ netip.Addr, user string) (at time.Time, ok bool) {
			if user == "early" {
				panic("trap")
			}
			return at, true
		}
	}, func(t *testing.T, s *server) {
		var others []*ftpclient.Client
		for _, m := range modes {
			for range 10 {
				others = append(others, s.login(m, nil))
			}
		}
		for _, m := range modes {
			s.strike(t, m, "USER early", "PASS x") // in a turn, on the event loop's side
			s.strike(t, m, "USER trap", "PASS x")  // on a worker for hashes
			s.strike(t, m, "USER demo", "PASS secret", "CWD trap")
			s.brokenRead(t, m)
		}
		if want := int64(4 * len(modes)); s.metrics.Panics.Load() != want {
			t.Errorf("counted %d panics, want %d", s.metrics.Panics.Load(), want)
		}
		for _, c := range others {
			if _, err := c.Do("CWD /", 250); err != nil {
				t.Errorf("another session: %v", err)
			}
			if _, err := c.List(""); err != nil {
				t.Errorf("another session: %v", err)
			}
		}
		await(t, "only the others are left", func() bool { return s.Sessions() == len(others)+len(modes) })
		if n := s.metrics.Sessions[metrics.StatePrelogin].Load(); n != 0 {
			t.Errorf("the gauge has %d sessions before login, want none", n)
		}
	})
}

// trapEnd panics when it is closed.
type trapEnd struct{ storage.FS }

// Close implements storage.FS.
func (f trapEnd) Close() error {
	f.FS.Close()
	panic("trap")
}

// TestPanicAtEnd: a fault that strikes when the socket is gone costs no place among the
// sessions.
func TestPanicAtEnd(t *testing.T) {
	eachReactor(t, func(c *Config) {
		c.Session.OpenFS = func(_ context.Context, u *auth.User) (storage.FS, error) {
			fs, err := osfs.New(u.Home, osfs.Options{})
			return trapEnd{fs}, err
		}
	}, func(t *testing.T, s *server) {
		for _, m := range modes {
			s.login(m, nil).Close()
		}
		await(t, "all are gone", func() bool { return s.Sessions() == 0 })
		await(t, "none is admitted", func() bool {
			s.admission.mu.Lock()
			defer s.admission.mu.Unlock()
			return s.admission.total == 0
		})
		for state := range s.metrics.Sessions {
			await(t, "none is on the gauge", func() bool { return s.metrics.Sessions[state].Load() == 0 })
		}
	})
}

// strike sends commands of which the last one panics: 421, and the end.
func (s *server) strike(t *testing.T, m session.Mode, lines ...string) {
	t.Helper()
	c := s.dial(m, nil)
	for i, line := range lines {
		r, err := c.Cmd(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if last := i == len(lines)-1; (r.Code == 421) != last {
			t.Errorf("%s: got %v", line, r)
		}
	}
	if err := c.ReadEnd(); err != nil {
		t.Errorf("after 421: %v, want the end", err)
	}
	c.Close()
}

// brokenRead: a panic in a transfer costs the transfer alone.
func (s *server) brokenRead(t *testing.T, m session.Mode) {
	t.Helper()
	c := s.login(m, nil)
	if _, err := c.Stor("f", 0, io.LimitReader(zeros{}, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Retr("f", 0, io.Discard); code(err) != 451 {
		t.Errorf("got %v, want 451", err)
	}
	if _, err := c.Do("NOOP", 200); err != nil {
		t.Errorf("the session after its transfer: %v", err)
	}
}

// zeros is endless.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
