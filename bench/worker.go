package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fastftps/internal/ftpclient"
)

// server is a target while the run lasts.
type server struct {
	Target
	index    int
	tls      *tls.Config
	users    []User
	dirs     []string // our folder, by user; "" is that of the login
	files    [][]file // by user
	sessions atomic.Int64
	probe    *probe // of its processes; nil when they are not known
	beside   beside

	mu      sync.Mutex // guards workers
	workers []*worker
}

// worker is one client. It is used by one goroutine at a time.
type worker struct {
	b   *bench
	t   *server
	id  int
	ctx context.Context // of connecting, and of waiting in a transfer
	rng *rand.Rand
	rec recorder

	sess    *session
	cache   tls.ClientSessionCache // with ResumeAlways
	opened  int                    // connections
	logins  int
	moved   int // transfers, for sampling
	stored  int // uploads
	unlucky int // failed operations in a row

	mu       sync.Mutex // guards the fields below
	live     [2]*net.TCPConn
	isCut    bool
	cutFails bool
}

func newWorker(b *bench, t *server, id int) *worker {
	w := &worker{b: b, t: t, id: id, ctx: b.ctx, rng: rand.New(rand.NewPCG(b.cfg.Seed, uint64(id)))}
	w.rec.out, w.rec.target = b.collector.in, t.index
	return w
}

// arrive does what one arrival does. wanted is when it should have begun; what
// has several steps ends early with ctx.
func (w *worker) arrive(ctx context.Context, wanted time.Duration) {
	s := &w.b.cfg.Scenario
	if s.walk {
		w.walk(ctx, wanted)
		return
	}
	switch st := s.choose(w.rng); st.kind {
	case stepLogin:
		if s := w.login(wanted); s != nil {
			w.leave(s)
		}
	case stepHandshake:
		w.shake(wanted)
	default:
		if !w.ready() {
			w.lose(st.op())
			return
		}
		w.step(ctx, st, wanted)
		w.relogin()
	}
}

// lose counts an arrival that never began, for there was no session: in an open loop it
// was drawn, and is dropped. The login that failed is recorded by itself.
func (w *worker) lose(o op) {
	if w.b.cfg.open() && w.b.ctx.Err() == nil {
		w.rec.batch().dropped[o]++
	}
}

// walk does all steps in order, on a session of its own if it is a visit. The
// first operation is late by what the schedule is; those after it follow when
// they can.
func (w *worker) walk(ctx context.Context, wanted time.Duration) {
	if w.b.cfg.Scenario.visit {
		if w.sess = w.login(wanted); w.sess != nil {
			wanted = w.b.now()
		}
		defer w.quit()
	} else if !w.ready() {
		w.lose(w.t.firstOp(w.b))
	}
	for _, st := range w.b.cfg.Scenario.steps {
		if w.sess == nil || ctx.Err() != nil {
			return
		}
		w.step(ctx, st, wanted)
		wanted = w.b.now()
	}
	w.relogin()
}

// ready makes sure that there is a session.
func (w *worker) ready() bool {
	if w.sess == nil {
		w.sess = w.login(w.b.now())
	}
	return w.sess != nil
}

// relogin ends a session that has done its share.
func (w *worker) relogin() {
	if n := w.b.cfg.Relogin; n > 0 && w.sess != nil && w.sess.done >= n {
		w.quit()
	}
}

func (w *worker) quit() {
	if w.sess != nil {
		w.leave(w.sess)
		w.sess = nil
	}
}

// step does one step on the session there is.
func (w *worker) step(ctx context.Context, st step, wanted time.Duration) {
	from := w.b.now()
	s := w.sess
	s.done++
	switch st.kind {
	case stepThink:
		think(ctx, st.lo+time.Duration(w.rng.Float64()*float64(st.hi-st.lo)))
	case stepRetr:
		w.stepRetr(s, wanted, from)
	case stepStor:
		w.stepStor(s, st, wanted, from)
	case stepList:
		line := st.line
		if dir := w.t.dirs[s.user]; dir != "" && !st.hasArgument() {
			line += " " + dir
		}
		w.finish(opList, wanted, from, 0, w.list(s.c, line))
	}
}

func (w *worker) stepRetr(s *session, wanted, from time.Duration) {
	files := w.t.files[s.user]
	f := &files[w.rng.IntN(len(files))]
	switch sc := &w.b.cfg.Scenario; {
	case sc.abort.hit(w.rng):
		got, err := w.abort(s.c, f, sc.abort.after)
		w.finish(opAbort, wanted, from, got, err)
	case sc.slow.hit(w.rng):
		w.finish(opSlow, wanted, from, f.body.size, w.retrSlowly(s.c, f, sc.slow.rate))
	default:
		w.finish(opRetr, wanted, from, f.body.size, w.retr(s.c, opRetr, f, w.checked(sampleRetr)))
	}
}

// Of how many transfers one is checked whole when samples are.
const (
	sampleRetr = 16
	sampleStor = 256
)

// checked reports whether this transfer's content is looked at.
func (w *worker) checked(every int) bool {
	w.moved++
	switch w.b.cfg.Verify {
	case VerifyFull:
		return true
	case VerifyOff:
		return false
	}
	return w.moved%every == 1
}

// slots is how many files a worker uploads to, in turn.
const slots = 8

func (w *worker) stepStor(s *session, st step, wanted, from time.Duration) {
	sizes := w.b.cfg.Sizes
	if st.sizes != nil {
		sizes = *st.sizes
	}
	f := file{path: join(w.t.dirs[s.user], w.uploadName(w.stored%slots)), body: newBody(sizes.draw(w.rng), w.rng)}
	w.stored++
	err := w.upload(s.c, opStor, "STOR "+f.path, f.body)
	end := w.b.now()
	if err == nil && w.checkedUpload() {
		err = w.readBack(s.c, &f)
	}
	w.finishAt(opStor, wanted, from, end, f.body.size, err)
}

func (w *worker) uploadName(slot int) string { return fmt.Sprintf("up-%d-%d", w.id, slot) }

func (w *worker) checkedUpload() bool {
	return w.b.cfg.Verify == VerifyFull || w.b.cfg.Verify == VerifySample && w.stored%sampleStor == 1
}

// readBack downloads what was uploaded. It is not measured, only judged: a server that
// took an upload and has no such file is wrong, one that is busy has failed.
func (w *worker) readBack(c *ftpclient.Client, f *file) error {
	check := checker{content: w.b.content, body: f.body, compare: true}
	data, err := c.Begin("RETR "+f.path, 0)
	if err == nil {
		_, err = c.Receive(&check, data)
		_ = data.Close() // its end was seen, or it is broken
		_, replyErr := c.Complete()
		err = transferError(err, replyErr)
	}
	var reply *ftpclient.ReplyError
	switch {
	case errors.As(err, &reply) && reply.Code == 550:
		return wrongf("the server took an upload, but then: %w", err)
	case err != nil:
		return fmt.Errorf("read an upload back: %w", err)
	}
	if err := check.end(); err != nil {
		return wrongf("the server took an upload, but holds %w", err)
	}
	return nil
}

// shake is a handshake and nothing more.
func (w *worker) shake(wanted time.Duration) {
	from := w.b.now()
	c, err := w.connect(opHandshake)
	w.record(opHandshake, wanted, from, w.b.now(), 0, err)
	if err == nil {
		w.hold(0, nil)
		c.Close()
	}
}

// finish records an operation on the session and drops the session when it is of
// no more use.
func (w *worker) finish(o op, wanted, from time.Duration, bytes int64, err error) {
	w.finishAt(o, wanted, from, w.b.now(), bytes, err)
}

func (w *worker) finishAt(o op, wanted, from, end time.Duration, bytes int64, err error) {
	w.record(o, wanted, from, end, bytes, err)
	if err != nil && !usable(err) {
		w.drop(w.sess)
		w.sess = nil
	}
}

// usable reports whether the session is in order after err.
func usable(err error) bool {
	var broken brokenError
	var wrong wrongError
	return !errors.As(err, &broken) && (isReply(err) || errors.As(err, &wrong))
}

// record records how an operation ended.
func (w *worker) record(o op, wanted, from, end time.Duration, bytes int64, err error) {
	if err == nil {
		w.unlucky = 0
		w.rec.op(opSample{opSampleKind{o, good}, wanted, from, end, bytes}, nil)
		return
	}
	if err = w.blame(err); err == nil {
		return
	}
	w.unlucky++
	kind := opSampleKind{o, failed}
	var wrongly wrongError
	if errors.As(err, &wrongly) {
		kind.outcome = wrong
	}
	w.rec.op(opSample{kind, wanted, from, end, 0}, err)
	w.b.note(err)
}

// pause keeps a closed loop from hammering a server that refuses.
func (w *worker) pause(ctx context.Context) {
	if w.unlucky > 0 {
		think(ctx, min(time.Second, 5*time.Millisecond<<min(w.unlucky, 8)))
	}
}

// think waits, or until ctx is done.
func think(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
