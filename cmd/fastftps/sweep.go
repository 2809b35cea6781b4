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

// maxSweep is how many entries a sweep looks at in all: more than that, and the
// leftovers of a crash are not worth the reading.
const maxSweep = 1 << 20

// sweepRoots are the folders that may hold leftovers of interrupted uploads: the
// share, or the homes of the users, where anybody may write.
func (s *server) sweepRoots(sh *share) []string {
	switch {
	case sh != nil && sh.perms == auth.ReadWrite:
		return []string{sh.dir}
	case s.users != nil:
		return tops(s.users.Homes())
	}
	return nil
}

// tops leaves out each folder that lies below another one.
func tops(dirs []string) (out []string) {
	seen := make(map[string]bool)
	for _, d := range dirs {
		seen[filepath.Clean(d)] = true
	}
	for _, d := range slices.Sorted(maps.Keys(seen)) {
		up := filepath.Dir(d)
		for up != filepath.Dir(up) && !seen[up] {
			up = filepath.Dir(up)
		}
		if up == d || !seen[up] {
			out = append(out, d)
		}
	}
	return out
}

// sweepLeftovers removes what a crash left of uploads before this start. It
// runs beside the server, one entry after another, until ctx ends.
func (s *server) sweepLeftovers(ctx context.Context, roots []string, before time.Time, limit int) {
	nice()
	removed := 0
	for _, root := range roots {
		swept, err := osfs.Sweep(ctx, root, before, limit)
		limit -= swept.Seen
		removed += swept.Removed
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !errors.Is(err, fs.ErrNotExist): // nobody with that home has come yet
			s.log.Warn("sweep", "path", root, "err", err)
		case err == nil && !swept.Done:
			s.log.Warn("sweep ended at its bound, leftovers of uploads may remain", "path", root, "seen", swept.Seen)
		}
		if swept.Removed > 0 {
			s.log.Info("leftovers of interrupted uploads removed", "path", root, "files", swept.Removed)
		}
		if limit <= 0 {
			return
		}
	}
	s.log.Debug("sweep done", "files", removed)
}
