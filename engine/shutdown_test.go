package engine

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/memfs"
	"fastftps/storage/storagetest"
)

// TestShutdownWithLingerers: clients that said QUIT and do not close hold up
// nothing, for all has been said to them.
func TestShutdownWithLingerers(t *testing.T) {
	eachReactor(t, func(c *Config) { c.LingerTimeout = time.Hour }, func(t *testing.T, s *server) {
		for _, mode := range modes {
			if err := s.login(mode, nil).Quit(); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if n := s.metrics.Limits[metrics.LimitDrainTimeout].Load(); n != 0 {
			t.Error("the drain met its deadline")
		}
	})
}

// TestShutdownMeetsAccept: a connection that was admitted just before Shutdown
// and is made after it told all others is told, too.
func TestShutdownMeetsAccept(t *testing.T) {
	s := start(t, nil)
	remote := netip.MustParseAddrPort("192.0.2.1:1024")
	if why := s.admit(remote.Addr()); why != admitted {
		t.Fatal(why)
	}
	var w paper
	s.draining.Store(true)
	c := s.newConn(s.listeners[session.Plain], endpoint{remote: remote, local: remote, wire: &w})
	s.draining.Store(false)
	if want := "220 fastftps ready\r\n421 Server is going down\r\n"; w.text.String() != want {
		t.Errorf("got %q, want %q", w.text.String(), want)
	}
	c.closed()
}

// paper is a wire to nobody.
type paper struct {
	wire
	text bytes.Buffer
}

func (w *paper) TryWrite(p []byte) (int, error) { return w.text.Write(p) }
func (w *paper) ShutWrite()                     {}
func (w *paper) Shut()                          {}

// TestShutdownAtOnce: a server may be stopped while it starts.
func TestShutdownAtOnce(t *testing.T) {
	for range 20 {
		eachReactor(t, nil, func(*testing.T, *server) {})
	}
}

// TestShutdownWithDeadDisk: transfers whose call to a file does not return are left
// behind, and the log says how many.
func TestShutdownWithDeadDisk(t *testing.T) {
	for _, reactor := range reactors {
		t.Run(reactor, func(t *testing.T) {
			disk := storagetest.NewFaulty(memfs.New(memfs.Options{}))
			storagetest.WriteFile(t, disk, "/file", "content")
			var out bytes.Buffer
			s := start(t, func(c *Config) {
				c.Reactor, c.LingerTimeout = reactor, time.Millisecond
				c.Log = slog.New(slog.NewTextHandler(&out, nil))
				c.Session.OpenFS = func(context.Context, *auth.User) (storage.FS, error) { return disk, nil }
			})
			t.Cleanup(func() {
				await(t, "the transfers are over", func() bool { return s.plane.Stats().Running.Load() == 0 })
			})
			for line, op := range map[string]storagetest.Op{
				"RETR file": storagetest.OpRead, "LIST": storagetest.OpNext, "STOR new": storagetest.OpCommit,
			} {
				entered, release := disk.Block(op, 0)
				t.Cleanup(release)
				data, err := s.login(session.Plain, nil).Begin(line, 0)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { data.Close() })
				if op == storagetest.OpCommit {
					data.Close()
				}
				<-entered
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				now, cancel := context.WithCancel(context.Background())
				cancel()
				_ = s.Shutdown(now) // says that now came before the end
			}()
			select {
			case <-ended:
			case <-time.After(30 * time.Second):
				t.Fatal("it waits for the disk")
			}
			if log := out.String(); !strings.Contains(log, "transfers=3") {
				t.Errorf("the log does not tell of 3 transfers: %s", log)
			}
		})
	}
}
