package engine

import (
	"context"
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/internal/ftptest"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/tlsconn"
)

// TestTranscripts plays the session's transcripts over loopback, on both
// reactors, with whole writes and in sevens, and once with crypto/tls all the way.
func TestTranscripts(t *testing.T) {
	eachTranscript(t, func(t *testing.T, script *ftptest.Script) {
		for _, r := range reactors {
			for cut, how := range map[int]string{0: "whole", 7: "sevens"} {
				if cut > 0 && script.Setup.Uncut {
					continue
				}
				t.Run(r+"/"+how, func(t *testing.T) { playOverLoopback(t, script, r, tlsconn.EngineFast, cut) })
			}
		}
		t.Run("std", func(t *testing.T) { playOverLoopback(t, script, "", tlsconn.EngineStd, 0) })
	})
}

// eachTranscript runs f on every transcript that a network can play.
func eachTranscript(t *testing.T, f func(t *testing.T, script *ftptest.Script)) {
	t.Helper()
	const root = "../session/testdata/transcripts"
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		script, err := ftptest.Parse(data)
		if err != nil {
			return err
		}
		if name, _ := filepath.Rel(root, path); !script.InMemoryOnly() {
			t.Run(name, func(t *testing.T) { f(t, script) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func playOverLoopback(t *testing.T, script *ftptest.Script, reactor string, e tlsconn.Engine, cut int) {
	setup := &script.Setup
	s := start(t, func(c *Config) {
		c.Reactor, c.Data.Engine = reactor, e
		c.LingerTimeout = 2 * time.Second
		c.Session = transcriptConfig(t, setup)
		for i := range c.Listen {
			c.Listen[i].RequireTLS = setup.RequireTLS && c.Listen[i].Mode == session.Explicit
		}
	})
	n, err := ftptest.Dial(t.Context(), s.addr(modes[setup.Mode]), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	got, err := script.Play(n, cut)
	if err != nil {
		t.Fatalf("play: %v\n%s", err, got)
	}
	if want := script.Text(); got != want {
		t.Errorf("played:\n%s\nwant:\n%s", got, want)
	}
}

// transcriptConfig turns a transcript's settings into the session's.
func transcriptConfig(t *testing.T, setup *ftptest.Setup) session.Config {
	t.Helper()
	tree, err := setup.FS(nil)
	if err != nil {
		t.Fatal(err)
	}
	perms := auth.ReadWrite
	if setup.ReadOnly {
		perms = auth.ReadOnly
	}
	return session.Config{
		RequireProt: setup.RequireProt, CCC: setup.CCC, LenientPBSZ: setup.LenientPBSZ, ModeZ: setup.ModeZ,
		HideDot: setup.HideDot, CSID: setup.CSID, TrustHosts: setup.Hosts, Greeting: "Ready", Version: "1.0",
		Auth:   auth.Single(ftptest.User, ftptest.Password, "", perms),
		OpenFS: func(context.Context, *auth.User) (storage.FS, error) { return sharedTree{tree}, nil },
		Umask:  0o022, MaxUpload: setup.MaxUpload, MaxIdle: time.Hour, IdleTimeout: 5 * time.Minute,
		UploadClose: map[string]session.CloseRule{"strict": session.CloseStrict, "warn": session.CloseWarn, "off": session.CloseOff}[setup.UploadClose],
		MaxAttempts: setup.Attempts, MaxBadCommands: setup.BadCommands, MaxPendingCommands: setup.Pending, MaxPendingBytes: 16 << 10,
		MaxGlob: 1000, MaxTextSize: 1 << 20, MaxDigest: setup.MaxDigest,
		Unique: func() string { return "unique" },
	}
}

// sharedTree outlives the sessions that use it.
type sharedTree struct{ storage.FS }

func (sharedTree) Close() error { return nil }
