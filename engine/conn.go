package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// phase is what the bytes of a control connection are. Values follow protocol
// order.
type phase uint8

const (
	phaseClear     phase = iota // command lines → phaseHandshake, phaseLinger
	phaseHandshake              // TLS records of a handshake → phaseSecure, phaseDead
	phaseSecure                 // TLS records → phaseEnding, phaseRestart, phaseLinger
	phaseEnding                 // our close_notify is out: records until the peer's, then lines → phaseClear
	phaseRestart                // the same, then a new ClientHello → phaseHandshake
	phaseLinger                 // the last bytes are out; input is dropped until the peer closes → phaseDead
	phaseDead                   // nothing is read or written any more
)

// event is something that happened to a connection, besides input.
type event uint16

const (
	evFlushed event = 1 << iota // the output that was stuck has been written
	evBroken                    // it could not be written
	evSlot                      // a handshake slot is ours
	evTick                      // the deadline has passed
	evDrain                     // the server is going down
	evFlood                     // too much input
	evEnded                     // the peer has sent FIN
	evClosed                    // the socket is gone
	evResult                    // the transfer has ended; see mailbox.result
)

// conn is one control connection: the mailbox, and the state that only its
// owner touches.
type conn struct {
	engine *Engine
	conf   *Config // as it was when the connection came; a reload does not touch it
	ln     *listener
	id     uint64
	endpoint

	// deadline is when evTick is due, in nanoseconds since the engine's
	// start; 0 for never. The owner writes it, the sweeper reads it.
	deadline atomic.Int64

	mu  sync.Mutex // guards the mailbox; never held while anything is called
	box mailbox

	// The owner's fields.
	phase     phase
	act       session.Action // what the session asked for last
	sess      *session.Session
	tls       *tlsconn.Adapter
	binding   *tlsconn.Binding
	data      *channel
	cur       []byte // input lent by the reactor for the length of a call
	plain     []byte // decrypted bytes that the session has not taken yet
	stuck     bool   // output waits for the peer; evFlushed will come
	fin       bool   // the peer has sent FIN
	eof       bool   // no more commands come: FIN, or close_notify
	slot      slotState
	draining  bool
	born      time.Duration // when it was accepted, since the engine's start
	loginBy   time.Duration // when login must be done
	loggedIn  bool          // when renewLogin looked last
	seen      time.Duration // when the peer was heard last
	phaseFrom time.Duration // when the phase began
	why       string        // why the connection ended
	discarded int           // bytes that came while the connection lingered
	panics    int
	counted   metrics.SessionState // the gauge that counts this connection
}

// mailbox is what others leave for a connection.
type mailbox struct {
	owned   bool // somebody runs the connection
	last    bool // and that is a long command behind which nothing has come
	gone    bool // the socket is closed: input is dropped
	events  event
	in      []byte          // input that arrived while somebody ran it
	flooded int             // bytes that came beyond the bound
	result  *session.Result // of the transfer that has ended
	cancel  func()          // makes a blocking command return early
}

// slotState is where a connection stands with its handshake slot.
type slotState uint8

const (
	slotNone slotState = iota
	slotWaiting
	slotHeld
)

// newConn makes the connection of an admitted endpoint and greets the client
// where the listener speaks first. On an implicit listener nothing but this
// struct exists until the client has sent something.
func (e *Engine) newConn(ln *listener, ep endpoint) *conn {
	c := &conn{engine: e, conf: e.live.Load(), ln: ln, id: e.nextID.Add(1), endpoint: ep}
	c.box.owned = true // before others can see it
	now := e.now()
	c.born, c.seen, c.phaseFrom = now, now, now
	c.loginBy = now + c.conf.LoginTimeout
	if ln.Mode == session.Implicit {
		c.phase = phaseHandshake
	}
	e.conns.add(c)
	if e.draining.Load() { // Shutdown may have looked before
		c.leave(evDrain, nil)
	}
	e.metrics.Connections[metricMode(ln.Mode)].Inc()
	e.metrics.Sessions[c.counted].Inc()
	if ln.Mode != session.Implicit {
		c.makeSession()
		c.sess.Open()
	}
	c.run()
	return c
}

// makeSession gives the connection its FTP state.
func (c *conn) makeSession() {
	c.data = &channel{conn: c}
	c.sess = session.New(c.ln.conf.Load(), session.Peer{Remote: c.remote, Local: c.local, Data: c.data, Log: c.logger})
	c.mu.Lock()
	c.box.cancel = c.sess.Cancel
	c.mu.Unlock()
}

// input implements handler. A few commands are run at once; more than that is
// left to a worker, for meanwhile the event loop stands still. Bytes that arrive
// while the connection is being run are kept, up to a bound; the reactor does not
// stop reading, so beyond it the connection is closed.
func (c *conn) input(p []byte) {
	switch c.receive(p) {
	case runHere:
		c.run()
	case runThere:
		c.engine.cpu.submit(c.run)
	case cut:
		c.wire.Reset()
	}
}

// maxInline is how many bytes of commands are run on the event loop.
const maxInline = 4 << 10

// reception is what is to be done about input.
type reception uint8

const (
	kept     reception = iota // the owner will see it, or nobody
	runHere                   // the caller owns the connection now
	runThere                  // the same, and a worker shall run it
	cut                       // enough: the owner is busy, and the peer sends on
)

// receive takes input into the mailbox, behind what lies there, unless the
// caller can run it at once.
func (c *conn) receive(p []byte) reception {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, owned := &c.box, c.box.owned
	if b.gone {
		return kept
	}
	b.owned = true
	switch {
	case len(b.in)+len(p) > c.conf.MaxPendingInput+maxRecord:
		b.events |= evFlood
		if b.flooded += len(p); b.flooded > maxDiscard && owned {
			return cut
		}
	case !owned && len(b.in) == 0 && len(p) <= maxInline:
		c.cur = p
	default:
		b.in = append(b.in, p...)
	}
	switch {
	case owned:
		return kept
	case len(b.in) > maxInline:
		return runThere
	}
	return runHere
}

// maxRecord is the size of the largest TLS record: what a peer may have to
// send before anything can be made of it.
const maxRecord = 5 + 16<<10 + 256

// halfClosed implements handler. A long command behind which nothing has come is given up.
func (c *conn) halfClosed() {
	c.mu.Lock()
	cancel := c.box.cancel
	if !c.box.last || len(c.box.in) > 0 {
		cancel = nil
	}
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.post(evEnded)
}

// closed implements handler.
func (c *conn) closed() {
	c.mu.Lock()
	c.box.gone = true
	c.box.in = nil
	cancel := c.box.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.post(evClosed)
}

// post leaves an event and runs the connection if nobody does.
func (c *conn) post(ev event) {
	if c.leave(ev, nil) {
		c.run()
	}
}

// postLater is post for callers that must not run a connection themselves.
func (c *conn) postLater(ev event) {
	if c.leave(ev, nil) {
		c.engine.cpu.submit(c.run)
	}
}

// leave puts ev into the mailbox, with the result of a transfer if it has one, and
// reports whether the caller is now the owner. The two come together: an owner may
// take what is there at any time.
func (c *conn) leave(ev event, r *session.Result) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.box.events |= ev
	if r != nil {
		c.box.result = r
	}
	if c.box.owned {
		return false
	}
	c.box.owned = true
	return true
}

// transferDone is called by the data plane when the transfer has ended.
func (c *conn) transferDone(r session.Result) {
	if c.leave(evResult, &r) {
		c.run()
	}
}

// run moves the connection on until it waits for something. The caller is the
// owner; when run returns it is not any more.
func (c *conn) run() {
	for !c.turn() {
	}
}

// turn deals with the events and the input that are there. It reports whether
// the ownership is gone: given up, or handed to a worker.
func (c *conn) turn() (over bool) {
	defer c.recoverTurn()
	c.handle(c.events())
	if c.advance() == handedOver {
		return true
	}
	c.renewLogin()
	c.setDeadline()
	c.countState()
	return c.rest()
}

// events takes the events out of the mailbox.
func (c *conn) events() (ev event, r *session.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ev, r = c.box.events, c.box.result
	c.box.events, c.box.result = 0, nil
	return ev, r
}

// rest gives the ownership up, unless there is something to do.
func (c *conn) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLocked()
	if c.box.events != 0 || len(c.box.in) > 0 && c.hungry() {
		return false
	}
	c.box.owned = false
	return true
}

// keepLocked saves what is left of the bytes that the reactor lent.
func (c *conn) keepLocked() {
	if len(c.cur) > 0 && !c.box.gone {
		c.box.in = append(append(make([]byte, 0, len(c.cur)+len(c.box.in)), c.cur...), c.box.in...)
	}
	c.cur = nil
}

// hungry reports whether the connection can use input now.
func (c *conn) hungry() bool {
	return !c.stuck && (c.act == session.Continue && len(c.plain) == 0 || c.phase >= phaseLinger) &&
		!(c.phase == phaseHandshake && c.slot == slotWaiting)
}

// take returns the input that has arrived: lent or kept bytes. They are valid
// until the next call of take or until the turn ends.
func (c *conn) take() []byte {
	if p := c.cur; len(p) > 0 {
		c.cur = nil
		return p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.box.in
	c.box.in = nil
	return p
}

// giveBack returns bytes to take that could not be used yet.
func (c *conn) giveBack(p []byte) {
	if len(p) > 0 {
		c.cur = p
	}
}

// handOver gives the connection to a pool. The bytes that the reactor lent are
// kept, for they die when its call returns.
func (c *conn) handOver(p *pool, job func()) outcome {
	c.mu.Lock()
	c.keepLocked()
	c.mu.Unlock()
	c.deadline.Store(0)
	p.submit(job)
	return handedOver
}

// outcome is what advance ends with.
type outcome uint8

const (
	waits      outcome = iota // for input, or for an event
	handedOver                // the connection belongs to a worker now
)

// handle deals with events, one after another, in an order in which the later
// ones win: a closed socket ends everything.
func (c *conn) handle(ev event, r *session.Result) {
	if ev == 0 {
		return
	}
	if ev&evClosed != 0 {
		defer c.teardown() // comes once: whatever else fails
	}
	if ev&evFlushed != 0 {
		c.stuck = false
	}
	if ev&evEnded != 0 {
		c.fin, c.eof = true, true
	}
	if ev&evResult != 0 {
		c.seen = c.engine.now() // the idle limit rested
		c.then(c.sess.TransferDone(*r))
	}
	if ev&evSlot != 0 && c.slot == slotWaiting {
		c.slot = slotHeld
	}
	if ev&evTick != 0 {
		c.tick()
	}
	if ev&evDrain != 0 {
		c.draining = true
		if c.phase == phaseLinger { // nothing more is said to it: no reason to wait
			c.drop(slog.LevelDebug, c.why)
		}
	}
	if ev&evFlood != 0 {
		c.engine.metrics.Limits[metrics.LimitMaxPendingInput].Inc()
		c.cutOff("Too much input")
	}
	if ev&evBroken != 0 {
		c.drop(slog.LevelInfo, "peer does not read replies")
	}
	if c.draining && c.phase < phaseLinger && !c.transferring() {
		c.stop("Server is going down")
	}
}

// then remembers what the session asks for, unless it is closing already.
func (c *conn) then(a session.Action) {
	if c.phase < phaseLinger && c.act != session.Close && c.act != session.CloseDrop {
		c.act = a
	}
}

// transferring reports whether a transfer runs.
func (c *conn) transferring() bool { return c.sess != nil && c.sess.Transferring() }

// stop ends the connection with a 421, where a reply may be sent at all.
func (c *conn) stop(reason string) {
	switch {
	case c.phase >= phaseLinger:
	case c.sess == nil, c.phase == phaseHandshake, c.phase == phaseRestart:
		c.drop(slog.LevelInfo, reason)
	default:
		c.act = c.sess.Stop(reason)
		c.why = reason
	}
}

// advance does all that can be done without waiting.
func (c *conn) advance() outcome {
	for c.phase != phaseDead && c.flush() {
		switch c.act {
		case session.Continue:
			did, out := c.pull()
			if out == handedOver || !did && !(c.eof && c.endOfInput()) {
				return out
			}
		case session.Flush:
			c.act = session.Continue
			c.then(c.sess.Resume())
		case session.Work:
			return c.handOver(c.engine.fs, func() { c.work(session.Work) })
		case session.WorkHash:
			return c.handOver(c.engine.logins, func() { c.work(session.WorkHash) })
		case session.WorkRead:
			return c.handOver(c.engine.readers, func() { c.work(session.WorkRead) })
		case session.Wait:
			if c.eof {
				c.drop(slog.LevelDebug, "closed by peer")
			}
			return waits
		case session.StartTLS:
			c.act = session.Continue
			c.enter(phaseHandshake)
		case session.EndTLS:
			c.act = session.Continue
			c.sess.Cleared()
			c.enter(phaseEnding)
		case session.Restart:
			c.act = session.Continue
			c.sess.Cleared()
			c.enter(phaseRestart)
		case session.Close:
			c.act = session.Continue
			c.linger()
		case session.CloseDrop:
			c.drop(slog.LevelInfo, "not an FTP client")
			return waits
		}
	}
	if c.phase == phaseDead {
		c.take()
	}
	return waits
}

// work runs a blocking command on a worker and goes on from there. Commands of
// the same kind that follow run on the same worker.
func (c *conn) work(kind session.Action) {
	func() {
		defer c.recoverTurn()
		defer c.setLast(false)
		for c.act == kind {
			if c.setLast(kind == session.WorkRead && !c.sess.More()) {
				c.sess.Cancel()
			}
			c.sess.Work()
			c.seen = c.engine.now() // whatever took long was not the client
			c.renewLogin()
			c.act = c.sess.Resume()
		}
	}()
	c.run()
}

// setLast tells halfClosed whether there is a command to give up. It reports whether it
// is to be given up at once, for the peer's FIN is there already.
func (c *conn) setLast(last bool) (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.box.last = last
	return last && c.box.events&evEnded != 0 && len(c.box.in) == 0
}

// pull gives the session its next bytes, or the handshake. did is false when
// there is nothing to give, or when a worker has taken over.
func (c *conn) pull() (did bool, out outcome) {
	switch c.phase {
	case phaseClear:
		return c.pullClear(), waits
	case phaseHandshake:
		return c.pullHandshake()
	case phaseSecure:
		return c.pullSecure(), waits
	case phaseEnding, phaseRestart:
		return c.pullEnding(), waits
	}
	return c.discard(), waits
}

// maxDiscard is how much a peer may still send after our last byte, or beyond
// what is kept for an owner that is busy.
const maxDiscard = 64 << 10

// discard drops what still comes while the connection lingers.
func (c *conn) discard() bool {
	n := len(c.take())
	if c.discarded += n; c.discarded > maxDiscard {
		c.drop(slog.LevelDebug, "sends on after the end")
	}
	return n > 0
}

// cutOff says 421, if that can be said at once, and closes without listening
// any longer: reading on is what a flood wants.
func (c *conn) cutOff(reason string) {
	c.stop(reason)
	if c.phase < phaseLinger {
		c.flush()
	}
	c.drop(slog.LevelInfo, reason)
}

// pullClear feeds command lines.
func (c *conn) pullClear() bool {
	p := c.take()
	if len(p) == 0 {
		return false
	}
	c.seen = c.engine.now()
	n, act := c.sess.Feed(p)
	c.giveBack(p[n:])
	c.then(act)
	return true
}

// enter begins a phase.
func (c *conn) enter(p phase) {
	c.phase = p
	c.phaseFrom = c.engine.now()
}
