package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/config"
	"fastftps/metrics"
	"fastftps/storage"
)

// leftover is a name that an interrupted upload leaves.
const leftover = storage.HiddenPrefix + "0011223344556677"

// TestSweepAtStart: leftovers in the homes of the users are removed at the
// start, and logged; files of clients and young leftovers stay.
func TestSweepAtStart(t *testing.T) {
	s := newSite(t)
	old := time.Now().Add(-time.Hour)
	kept := []string{"root/file", "root/young/" + leftover}
	for name, at := range map[string]time.Time{
		"root/" + leftover: old, "root/sub/" + leftover: old, "root/file": old, "root/young/" + leftover: time.Now().Add(time.Hour),
	} {
		s.file(name, at)
	}
	p := s.start()
	await(t, "the sweep", func() bool { return contains(p.log.String(), "uploads removed", "files=2") })
	for _, name := range kept {
		if _, err := os.Stat(s.path(name)); err != nil {
			t.Error(err)
		}
	}
}

// file makes a file with a time.
func (s *site) file(name string, at time.Time) {
	s.t.Helper()
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		s.t.Fatal(err)
	}
}

func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

// TestSweepIsBounded: entries are counted over all folders.
func TestSweepIsBounded(t *testing.T) {
	s := newSite(t)
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"a/" + leftover, "b/" + leftover, "c/" + leftover} {
		s.file(name, old)
	}
	log, err := newLogger(config.Log{Level: "debug", Format: "text", Output: "stderr"}, io.Discard, io.Discard, new(metrics.Counter))
	if err != nil {
		t.Fatal(err)
	}
	(&server{log: log}).sweepLeftovers(t.Context(), []string{s.path("a"), s.path("b"), s.path("c")}, time.Now(), 2)
	var left int
	for _, dir := range []string{"a", "b", "c"} {
		if _, err := os.Stat(s.path(dir + "/" + leftover)); err == nil {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d leftovers stay behind a bound of two entries, want 1", left)
	}
}

// TestSweepRoots: each tree is swept once.
func TestSweepRoots(t *testing.T) {
	if got := (&server{}).sweepRoots(&share{dir: "/d", perms: auth.ReadOnly}); len(got) > 0 {
		t.Errorf("read-only share: got %q", got)
	}
	if got := (&server{}).sweepRoots(&share{dir: "/d", perms: auth.ReadWrite}); !slices.Equal(got, []string{"/d"}) {
		t.Errorf("share: got %q", got)
	}
	if got, want := tops([]string{"/srv/b", "/srv/a/x", "/srv/a", "/srv/ab", "/srv/a"}), []string{"/srv/a", "/srv/ab", "/srv/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := tops([]string{"/srv", "/"}), []string{"/"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
