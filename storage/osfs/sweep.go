package osfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"fastftps/storage"
)

// Swept is what Sweep found.
type Swept struct {
	Seen    int  // entries looked at
	Removed int  // files removed
	Done    bool // the whole tree was looked at
}

// sweepBatch is how many entries Sweep reads between two looks at its context.
const sweepBatch = 512

// Sweep removes the hidden files that a crash left below dir: unfinished
// uploads whose last byte was written before the time given, which is to be
// older than any transfer that may still run. It looks at no more than limit
// entries, follows no links, and goes on past what it may not read. The error is the
// first one met, or the context's. It makes its own calls and needs no jail
// that is open; it may run while the server works.
func Sweep(ctx context.Context, dir string, before time.Time, limit int) (Swept, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep %q: %w", dir, err)
	}
	defer root.Close()
	s := sweeper{ctx: ctx, root: root, before: before, limit: limit, todo: []string{"."}}
	for len(s.todo) > 0 && s.more() {
		last := len(s.todo) - 1
		next := s.todo[last]
		s.todo = s.todo[:last]
		s.note(s.directory(next))
	}
	s.Done = s.more()
	return s.Swept, errors.Join(ctx.Err(), s.err)
}

type sweeper struct {
	Swept
	ctx    context.Context
	root   *os.Root
	before time.Time
	limit  int
	todo   []string // directories not yet read
	err    error
}

// more reports whether the sweep may go on.
func (s *sweeper) more() bool { return s.Seen < s.limit && s.ctx.Err() == nil }

// note keeps the first error that is more than a name that went away.
func (s *sweeper) note(err error) {
	if s.err == nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.err = fmt.Errorf("sweep: %w", err)
	}
}

func (s *sweeper) directory(name string) error {
	d, err := s.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err == nil {
		d, err = unrooted(d)
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for s.more() {
		entries, err := d.ReadDir(min(sweepBatch, s.limit-s.Seen))
		for _, e := range entries {
			s.entry(path.Join(name, e.Name()), e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sweeper) entry(name string, e fs.DirEntry) {
	s.Seen++
	switch {
	case e.IsDir():
		s.todo = append(s.todo, name)
	case e.Type().IsRegular() && isTemp(e.Name()):
		s.note(s.remove(name))
	}
}

// remove removes an old left-over.
func (s *sweeper) remove(name string) error {
	fi, err := s.root.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() || !fi.ModTime().Before(s.before) {
		return err
	}
	if err := s.root.Remove(name); err != nil {
		return err
	}
	s.Removed++
	return nil
}

// isTemp reports whether hiddenName could have made name.
func isTemp(name string) bool {
	if len(name) != hiddenLen || !storage.IsHidden(name) {
		return false
	}
	return strings.Trim(name[len(storage.HiddenPrefix):], "0123456789abcdef") == ""
}
