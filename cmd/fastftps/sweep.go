package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"fastftps/auth"
	"fastftps/storage/osfs"
)

// sweepEntries bounds how much of one home is looked at.
const sweepEntries = 1 << 20

// sweep removes from all homes what uploads left when a server was killed. No
// client sees such files, but they take space. It runs beside the service, and
// returns a function that ends it.
func (s *server) sweep(ctx context.Context, dirs []string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		nice()
		s.sweepTwice(ctx, dirs, time.Now())
	}()
	return func() {
		cancel()
		<-done
	}
}

// sweepTwice looks once at the start and once more when limits.stall_timeout is
// over. A server that this one replaces may still drain: whatever has not
// written a byte for so long is of no upload that runs.
func (s *server) sweepTwice(ctx context.Context, dirs []string, start time.Time) {
	stall := s.started.Limits.StallTimeout
	s.sweepHomes(ctx, dirs, start.Add(-stall))
	select {
	case <-time.After(time.Until(start.Add(stall))):
		s.sweepHomes(ctx, dirs, start)
	case <-ctx.Done():
	}
}

func (s *server) sweepHomes(ctx context.Context, dirs []string, before time.Time) {
	for _, dir := range outermost(dirs) {
		swept, err := osfs.Sweep(ctx, dir, before, sweepEntries)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			s.log.Warn("sweep", "dir", dir, "err", err)
		case err == nil && !swept.Done:
			s.log.Warn("sweep: too many files, the rest was not looked at", "dir", dir, "seen", swept.Seen)
		}
		if swept.Removed > 0 {
			s.log.Info("unfinished uploads removed", "dir", dir, "files", swept.Removed)
		}
	}
}

// homes are the folders that may hold leftovers: those where somebody may write.
func (s *server) homes(o serveOptions) []string {
	switch {
	case o.share == nil:
		return s.users.Homes()
	case o.share.perms == auth.ReadOnly:
		return nil
	}
	return []string{o.share.dir}
}

// outermost returns the folders that lie in no other one.
func outermost(dirs []string) []string {
	served := make(map[string]bool)
	for _, dir := range dirs {
		served[filepath.Clean(dir)] = true
	}
	maps.DeleteFunc(served, func(dir string, _ bool) bool { return liesIn(dir, served) })
	return slices.Sorted(maps.Keys(served))
}

// liesIn reports whether one of the folders above dir is served.
func liesIn(dir string, served map[string]bool) bool {
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		if served[up] {
			return true
		}
	}
	return false
}
