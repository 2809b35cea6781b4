package engine

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
)

// gatedFS is a storage whose files cannot be read before the gate opens.
type gatedFS struct {
	storage.FS
	gate <-chan struct{}
}

// Open implements storage.FS.
func (f gatedFS) Open(p storage.Path) (storage.File, error) {
	file, err := f.FS.Open(p)
	return gatedFile{file, f.gate}, err
}

type gatedFile struct {
	storage.File
	gate <-chan struct{}
}

// Read implements io.Reader.
func (f gatedFile) Read(b []byte) (int, error) {
	<-f.gate
	return f.File.Read(b)
}

// TestDigestsApart: sessions that have files read through wait for each other,
// and nobody else does: neither for them nor for a storage command.
func TestDigestsApart(t *testing.T) {
	for _, r := range reactors {
		t.Run(r, func(t *testing.T) { digestsApart(t, r) })
	}
}

func digestsApart(t *testing.T, reactor string) {
	const workers, crowd = 2, 6
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	s := start(t, func(c *Config) {
		c.Reactor, c.FSWorkers, c.DigestWorkers = reactor, 1, workers
		c.Session.MaxTextSize = 1 << 10
		c.Session.OpenFS = func(_ context.Context, u *auth.User) (storage.FS, error) {
			fs, err := osfs.New(u.Home, osfs.Options{})
			return gatedFS{fs, gate}, err
		}
	})
	t.Cleanup(open)
	if err := os.WriteFile(filepath.Join(s.root, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	waited := &s.metrics.Limits[metrics.LimitDigestWorkers]
	clients := make([]*ftpclient.Client, crowd)
	for i := range clients {
		clients[i] = s.text()
		if err := clients[i].Send([]string{"HASH file\r\n", "XCRC file\r\n", "SIZE file\r\n"}[i%3]); err != nil {
			t.Fatal(err)
		}
		await(t, "it reads or waits", func() bool {
			return s.readers.busy() == min(i+1, workers) && waited.Load() == int64(max(0, i+1-workers))
		})
	}
	c := s.login(session.Implicit, nil)
	for _, cmd := range []struct {
		line string
		code int
	}{{"MKD dir", 257}, {"CWD dir", 250}, {"SIZE ../file", 213}, {"MLST ../file", 250}, {"RMD ../dir", 250}} {
		expect(t, c, cmd.line, cmd.code)
	}
	open()
	for _, c := range clients {
		if r, err := c.ReadReply(); err != nil || r.Code != 213 {
			t.Errorf("got %v, %v, want 213", r, err)
		}
	}
}
