package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"fastftps/bench/report"
	"fastftps/internal/ftpclient"
)

// measureHold opens connections, holds them for the measured time and looks what
// they cost.
func (b *bench) measureHold() error {
	s := b.servers[0]
	if b.cfg.Scenario.hold == holdStalled {
		return b.measureStalled(s)
	}
	b.measureIdle(s)
	return nil
}

// measureIdle holds sessions that do nothing, then asks each for a sign of life.
func (b *bench) measureIdle(s *server) {
	s.probe.rest()
	before, from := s.probe.used(), b.now()
	b.collector.do(func() { b.collector.origin = from })
	b.enter(fmt.Sprintf("opening %d sessions", b.cfg.Hold), 0)
	b.each(s, b.cfg.Hold, func(w *worker) {
		w.rec.measure = true
		if b.ctx.Err() == nil {
			w.ready()
		}
		w.rec.flush()
	})
	b.enter("holding", 0)
	think(b.ctx, b.cfg.Duration)
	s.probe.hold()
	held := s.sessions.Load()
	b.enter("NOOP round", 0)
	var answered atomic.Int64
	b.each(s, b.cfg.Hold, func(w *worker) {
		if w.noop() {
			answered.Add(1)
		}
		w.rec.flush()
	})
	used := s.probe.used().minus(before)
	seconds := (b.now() - from).Seconds()
	b.collector.do(func() {
		a := b.collector.targets[0].end(seconds, used)
		b.idle = &report.Idle{Wanted: int64(b.cfg.Hold), Held: held, Answered: answered.Load(), Noop: a.ops[opNoop].service.dist(true)}
	})
}

// noop asks whether the session is still there.
func (w *worker) noop() bool {
	if w.sess == nil {
		return false
	}
	return w.noopAt(w.b.now())
}

// noopAt does so for a NOOP that was scheduled for wanted.
func (w *worker) noopAt(wanted time.Duration) bool {
	from := w.b.now()
	_, err := w.sess.c.Do("NOOP", 200)
	w.finish(opNoop, wanted, from, 0, err)
	return err == nil
}

// measureStalled holds peers that keep the server waiting: half of them stop in
// the middle of the ClientHello (in clear: of a command), the others stop reading
// a download. Beside them clients log in: they should not notice.
func (b *bench) measureStalled(s *server) error {
	s.probe.rest()
	b.enter(fmt.Sprintf("stalling %d peers", b.cfg.Hold), 0)
	peers := make([]*stalledPeer, b.cfg.Hold)
	b.each(s, b.cfg.Hold, func(w *worker) {
		w.rec.measure = true
		if b.ctx.Err() == nil {
			peers[w.id] = w.stall()
		}
		w.rec.flush()
	})
	defer func() {
		for _, p := range peers {
			p.end()
		}
	}()
	b.enter("logins beside stalled peers", 0)
	before, from := s.probe.used(), b.now()
	until := from + b.cfg.Duration
	b.collector.do(func() { b.collector.origin, b.collector.until = from, until })
	b.loginsBeside(s, until)
	s.probe.hold()
	used := s.probe.used().minus(before)
	held := heldOf(peers)
	b.collector.do(func() { b.collector.targets[0].end(b.cfg.Duration.Seconds(), used) })
	b.idle = &report.Idle{Wanted: int64(b.cfg.Hold), Held: held}
	return nil
}

// loginsBeside has clients log in, in a closed loop.
func (b *bench) loginsBeside(s *server, until time.Duration) {
	var running sync.WaitGroup
	for id := range b.cfg.Clients {
		w := s.worker(b, b.cfg.Hold+id)
		w.rec.measure = true
		running.Go(func() {
			defer w.rec.flush()
			for b.now() < until && b.ctx.Err() == nil {
				if sess := w.login(b.now()); sess != nil {
					w.leave(sess)
				}
				w.pause(b.ctx)
			}
		})
	}
	b.join(s, &running, until)
}

// stalledPeer is a connection that keeps the server waiting.
type stalledPeer struct {
	conn   *net.TCPConn      // of one that began no command
	client *ftpclient.Client // of a download that nobody reads
	finish func()
}

// halfHello is the beginning of a ClientHello: the record's header promises 512
// bytes.
var halfHello = append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 100)...)

// stall makes the worker's connection a stalled one; nil when that failed.
func (w *worker) stall() *stalledPeer {
	from := w.b.now()
	var p *stalledPeer
	var err error
	if w.id%2 == 0 {
		p, err = w.stallHello()
	} else {
		p, err = w.stallReading()
	}
	w.record(opStall, from, from, w.b.now(), 0, err)
	return p
}

func (w *worker) stallHello() (*stalledPeer, error) {
	opts := w.options()
	w.opened++
	c, err := ftpclient.Connect(w.ctx, w.t.Addr, opts)
	if err != nil {
		return nil, err
	}
	if opts.Security != ftpclient.Implicit {
		err = c.Greeting()
	}
	if err == nil && opts.Security == ftpclient.Explicit {
		_, err = c.Do("AUTH TLS", 234)
	}
	half := halfHello
	if opts.Security == ftpclient.Clear {
		half = []byte("USE")
	}
	if err == nil {
		err = c.Send(string(half))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &stalledPeer{conn: c.Conn().TCP(), finish: func() { c.Conn().TCP().Close() }}, nil
}

func (w *worker) stallReading() (*stalledPeer, error) {
	s, _, err := w.open()
	if err != nil {
		return nil, err
	}
	files := w.t.files[s.user]
	data, _, err := w.begin(s.c, opStall, "RETR "+files[w.rng.IntN(len(files))].path)
	w.hold(1, nil)
	if err != nil {
		w.drop(s)
		return nil, err
	}
	return &stalledPeer{client: s.c, finish: func() {
		_ = data.Reset()
		w.drop(s)
	}}, nil
}

// heldOf returns how many the server still puts up with.
func heldOf(peers []*stalledPeer) int64 {
	var n atomic.Int64
	var asked sync.WaitGroup
	for _, p := range peers {
		asked.Go(func() {
			if p.there() {
				n.Add(1)
			}
		})
	}
	asked.Wait()
	return n.Load()
}

// stillness is how long a connection must be silent to be taken for one that waits.
const stillness = 100 * time.Millisecond

// there reports whether the server still puts up with the peer.
func (p *stalledPeer) there() bool {
	switch {
	case p == nil:
		return false
	case p.client != nil:
		return waits(p.client)
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(stillness)); err != nil {
		return false
	}
	_, err := p.conn.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// waits reports whether a download that nobody reads goes on, or was over because the
// buffers took it all.
func waits(c *ftpclient.Client) bool {
	for c.Timeout = stillness; ; {
		if reply, err := c.ReadReply(); err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		} else if reply.Code/100 != 2 {
			return false
		}
	}
}

func (p *stalledPeer) end() {
	if p != nil {
		p.finish()
	}
}

// background holds idle sessions beside a loop, if the scenario wants any, and
// returns what ends them.
func (b *bench) background(s *server) (end func()) {
	bg := b.cfg.Scenario.background
	if bg.idle == 0 {
		return func() {}
	}
	b.enter(fmt.Sprintf("opening %d idle sessions", bg.idle), s.index)
	crowd := &server{Target: s.Target, index: s.index, tls: s.tls, users: s.users, dirs: s.dirs, files: s.files}
	b.each(crowd, bg.idle, func(w *worker) {
		if b.ctx.Err() == nil {
			w.ready()
		}
		w.rec.flush()
	})
	ctx, cancel := context.WithCancel(b.ctx)
	var done sync.WaitGroup
	done.Go(func() { b.keepAlive(ctx, s, crowd.all()) })
	return func() {
		cancel()
		done.Wait()
		b.closeSessions(crowd)
	}
}

// keepAlive says NOOP on all idle sessions, spread evenly over the interval: each at
// its time, whether the one before was answered or not. Those whose time falls into a
// segment that is measured are an operation of its target, dropped if the session still
// waits for its last one. A session that was lost is opened again, unmeasured.
func (b *bench) keepAlive(ctx context.Context, s *server, all []*worker) {
	busy := make([]atomic.Bool, len(all))
	gap := b.cfg.Scenario.background.keepalive / time.Duration(len(all))
	drops := recorder{out: b.collector.in, target: s.index, measure: true}
	var running sync.WaitGroup
	defer running.Wait()
	from := b.now()
	for n := 0; ; n++ {
		wanted := from + time.Duration(n)*gap
		think(ctx, wanted-b.now())
		if ctx.Err() != nil {
			return
		}
		i := n % len(all)
		measured, end := s.beside.begin()
		if busy[i].Swap(true) {
			if measured {
				drops.batch().dropped[opNoop]++
				drops.flush()
			}
			end()
			continue
		}
		running.Go(func() {
			defer end()
			defer busy[i].Store(false)
			w := all[i]
			if w.rec.measure = false; w.ready() {
				w.rec.flush()
				w.rec.measure = measured
				w.noopAt(wanted)
			}
			w.rec.flush()
		})
	}
}

// beside is what goes on beside the segments of a target, and belongs to the one in
// which it began. The zero value is between two segments.
type beside struct {
	mu       sync.Mutex // guards measured, and running.Add against Wait
	measured bool
	running  sync.WaitGroup // of what is measured
}

// open begins a segment.
func (s *beside) open(measured bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measured = measured
}

// begin reports whether what begins now is measured; end is called when it has ended.
func (s *beside) begin() (measured bool, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.measured {
		return false, func() {}
	}
	s.running.Add(1)
	return true, s.running.Done
}

// close ends the segment, and waits for what is measured of it.
func (s *beside) close() {
	s.mu.Lock()
	s.measured = false
	s.mu.Unlock()
	s.running.Wait()
}
