package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"fastftps/internal/ftpclient"
)

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// setUp logs in as every user, makes a folder and the files to download in it.
func (b *bench) setUp(s *server) error {
	s.dirs, s.files = make([]string, len(s.users)), make([][]file, len(s.users))
	needs := b.cfg.Scenario.needs(b.cfg)
	folder := "fastftps-bench-" + strings.ToLower(rand.Text()[:8])
	for user := range s.users {
		w := b.helper(b.ctx, s, user)
		if err := w.setUp(join(s.Dir, folder), needs); err != nil {
			return err
		}
	}
	return nil
}

// needs says what a scenario must have on the server.
type needs struct{ folder, files bool }

func (s *Scenario) needs(cfg *Config) needs {
	files := s.has(stepRetr) || s.has(stepList) || s.hold == holdStalled
	return needs{folder: s.has(stepStor) || files && len(cfg.Remote) == 0, files: files}
}

// helper is a worker beside the others: it logs in as one user, and what it does
// is not measured.
func (b *bench) helper(ctx context.Context, s *server, user int) *worker {
	w := newWorker(b, s, 0)
	w.ctx, w.logins = ctx, user
	return w
}

// setUp prepares one user's part.
func (w *worker) setUp(folder string, n needs) error {
	s, _, err := w.open()
	if err != nil {
		return err
	}
	defer w.rec.flush()
	defer w.leave(s)
	if n.folder {
		if _, err := s.c.Do("MKD "+folder, 2); err != nil {
			return fmt.Errorf("make a folder for our files (name existing ones with --remote on a server that takes none): %w", err)
		}
		w.t.dirs[s.user] = folder
	}
	switch {
	case !n.files:
		return nil
	case len(w.b.cfg.Remote) > 0:
		return w.learn(s)
	}
	return w.b.makeFiles(w.t, s.user)
}

// uploaders is how many sessions put our files on the server.
const uploaders = 8

// makeFiles uploads one user's files.
func (b *bench) makeFiles(s *server, user int) error {
	rng := mathrand.New(mathrand.NewPCG(b.cfg.Seed, 2<<32+uint64(user)))
	n := b.filesOf(s)
	files := make([]file, n)
	for i := range files {
		files[i] = file{path: join(s.dirs[user], fileName(i)), body: newBody(b.cfg.Sizes.draw(rng), rng)}
	}
	next := make(chan *file, n)
	for i := range files {
		next <- &files[i]
	}
	close(next)
	errs := make([]error, min(n, uploaders))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = b.helper(b.ctx, s, user).putFiles(next) })
	}
	wg.Wait()
	s.files[user] = files
	return errors.Join(errs...)
}

func (w *worker) putFiles(files <-chan *file) error {
	s, _, err := w.open()
	if err != nil {
		return err
	}
	defer w.rec.flush()
	defer w.leave(s)
	for f := range files {
		if err := w.ctx.Err(); err != nil {
			return context.Cause(w.ctx)
		}
		if err := w.upload(s.c, opStor, "STOR "+f.path, f.body); err != nil {
			return fmt.Errorf("upload our files: %w", err)
		}
	}
	return nil
}

// learn downloads foreign files once, to know them again.
func (w *worker) learn(s *session) error {
	for _, path := range w.b.cfg.Remote {
		sum := crc32.New(castagnoli)
		n, err := s.c.Retr(path, 0, sum)
		if errors.Is(err, ftpclient.ErrTruncated) && w.b.cfg.Verify == VerifyOff {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("--remote %s: %w", path, err)
		}
		w.t.files[s.user] = append(w.t.files[s.user], file{path: path, body: body{size: n}, foreign: true, sum: sum.Sum32()})
	}
	return nil
}

// cleanWithin is how long we try to take away what we made, even when the user
// is waiting to leave.
const cleanWithin = 20 * time.Second

// cleanUp takes our files away.
func (b *bench) cleanUp() {
	b.enter("cleanup", -1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), cleanWithin)
	defer cancel()
	for _, s := range b.servers {
		b.closeSessions(s)
		for user, dir := range s.dirs {
			if dir == "" {
				continue
			}
			if err := b.helper(ctx, s, user).cleanUp(dir); err != nil {
				b.log("%s: folder %s stays there: %v", s.Name, dir, err)
			}
		}
	}
}

// cleanUp empties and removes a folder. Where it cannot be listed, what we may
// have made has to do.
func (w *worker) cleanUp(dir string) error {
	defer w.rec.flush()
	names, err := w.names(dir)
	if err != nil || len(names) == 0 {
		names = w.madeNames()
	}
	s, _, err := w.open()
	if err != nil {
		return err
	}
	defer w.leave(s)
	for _, name := range names {
		if _, err := s.c.Do("DELE "+join(dir, name), 2); err != nil && !isReply(err) {
			return err
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	_, err = s.c.Do("RMD "+dir, 2) // says so if something could not be deleted
	return err
}

// names lists what is in a folder.
func (w *worker) names(dir string) (names []string, err error) {
	user := w.logins
	s, _, err := w.open()
	if err != nil {
		return nil, err
	}
	defer w.leave(s)
	w.logins = user // the next session is the same user's
	var list bytes.Buffer
	_, err = s.c.Download("NLST "+dir, 0, &list)
	if err != nil && !errors.Is(err, ftpclient.ErrTruncated) {
		return nil, err
	}
	for name := range strings.FieldsFuncSeq(list.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		name = name[strings.LastIndexByte(name, '/')+1:] // some servers give whole paths
		if name != "." && name != ".." {                 // some give these
			names = append(names, name)
		}
	}
	return names, nil
}

// madeNames are the names of what we may have put into a folder.
func (w *worker) madeNames() (names []string) {
	for i := range w.b.filesOf(w.t) {
		names = append(names, fileName(i))
	}
	for _, other := range w.t.all() {
		for slot := range min(other.stored, slots) {
			names = append(names, other.uploadName(slot))
		}
	}
	return names
}

// filesOf returns how many files to download each user has: all users together
// have as many as were asked for.
func (b *bench) filesOf(s *server) int { return (b.cfg.Files + len(s.users) - 1) / len(s.users) }

func fileName(i int) string { return fmt.Sprintf("f%06d", i) }
