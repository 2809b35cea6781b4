package engine

import (
	"errors"
	"io"
	"log/slog"
	"slices"

	"fastftps/metrics"
	"fastftps/tlsconn"
)

// pullHandshake moves the handshake on: the bytes go to the adapter, the
// arithmetic to the CPU pool, and only once a whole first record is there and
// a handshake slot is free.
func (c *conn) pullHandshake() (did bool, out outcome) {
	if p := c.take(); len(p) > 0 {
		if c.tls == nil {
			c.beginTLS()
		}
		if err := c.pushSome(p); err != nil {
			c.handshakeFailed(err)
			return true, waits
		}
	}
	if c.tls == nil || !c.tls.Ready() {
		return false, waits
	}
	if c.slot == slotNone && !c.engine.slots.acquire(c) {
		c.engine.metrics.Limits[metrics.LimitMaxHandshakes].Inc()
	}
	if c.slot != slotHeld {
		return false, waits
	}
	return false, c.handOver(c.engine.cpu, c.step)
}

// beginTLS makes the adapter of a handshake. The session behind it gets a new
// binding: tickets of an older one do not fit its data connections
// (RFC 4217 section 13 for REIN).
func (c *conn) beginTLS() {
	c.binding = tlsconn.NewBinding()
	c.tls = tlsconn.NewAdapter(c.conf.Identity, c.binding, c.conf.Data.Engine)
}

// step does one piece of the handshake on the CPU pool.
func (c *conn) step() {
	func() {
		defer c.recoverTurn()
		done, err := c.tls.Step()
		switch {
		case err != nil:
			c.handshakeFailed(err)
		case done:
			c.handshakeDone()
		}
	}()
	c.run()
}

// handshakeDone tells the session. On an implicit listener it exists from here
// on, and its greeting is the first thing that is said.
func (c *conn) handshakeDone() {
	c.freeSlot()
	info := c.tls.Info()
	c.engine.metrics.Handshake(metrics.ChannelControl, info.Version, info.Resumed, c.engine.now()-c.phaseFrom)
	if e, ok := metrics.EngineOf(info.Engine()); ok {
		c.engine.metrics.ControlEngines[e].Inc()
	}
	c.enter(phaseSecure)
	if c.sess == nil {
		c.makeSession()
	}
	c.rebind()
	c.sess.Secured(info.ServerName)
}

// handshakeFailed ends the connection: what TLS has to say, an alert, still
// goes out, and never a line in clear.
func (c *conn) handshakeFailed(err error) {
	c.freeSlot()
	reason := handshakeReason(err)
	c.engine.metrics.HandshakeErrors[reason].Inc()
	if reason == metrics.HandshakeNotTLS {
		c.engine.metrics.Rejected[metrics.RejectProtocol].Inc()
	}
	c.logger().Info("control handshake failed", slog.Any("err", err))
	c.why = "handshake failed"
	if c.flush() && !errors.Is(err, tlsconn.ErrNotTLS) {
		c.shutAndLinger()
		return
	}
	c.drop(slog.LevelDebug, c.why)
}

// freeSlot gives the handshake slot back, or the place in its queue.
func (c *conn) freeSlot() {
	if c.slot != slotNone {
		c.engine.slots.release(c)
		c.slot = slotNone
	}
}

// pullSecure decrypts records and feeds the command lines in them. Lines and
// records are independent: a record may hold many lines or part of one.
func (c *conn) pullSecure() bool {
	if len(c.plain) > 0 {
		return c.feedPlain(c.plain)
	}
	buf := plain.Get()
	defer plain.Put(buf)
	for {
		n, err := c.tls.Read(buf.B)
		if n > 0 {
			return c.feedPlain(buf.B[:n])
		}
		switch {
		case err == io.EOF:
			c.eof = true
			return len(c.take()) > 0 // what follows a close_notify is nothing (RFC 8446 section 6.1)
		case !errors.Is(err, tlsconn.ErrWouldBlock):
			c.readFailed(err)
			return true
		}
		p := c.take()
		if len(p) == 0 {
			return len(c.tls.Pending()) > 0 // an answer to KeyUpdate
		}
		c.seen = c.engine.now()
		if err := c.pushSome(p); err != nil {
			c.readFailed(err)
			return true
		}
	}
}

// pushSome gives the adapter what it has room for, and keeps the rest until it has read
// that. Without room, and with nothing to read, it is for the adapter to say so.
func (c *conn) pushSome(p []byte) error {
	n := min(len(p), c.tls.Room())
	if n == 0 && !c.tls.Ready() {
		n = len(p)
	}
	if err := c.tls.Push(p[:n]); err != nil {
		return err
	}
	c.giveBack(p[n:])
	return nil
}

// feedPlain feeds decrypted bytes and keeps what the session does not take.
func (c *conn) feedPlain(p []byte) bool {
	n, act := c.sess.Feed(p)
	c.then(act)
	if n == len(p) {
		c.plain = nil
	} else {
		c.plain = append([]byte(nil), p[n:]...)
	}
	return true
}

// readFailed ends the connection after a bad record.
func (c *conn) readFailed(err error) {
	c.logger().Info("control connection broken", slog.Any("err", err))
	c.endTLS("bad TLS record")
}

// endTLS says close_notify and closes.
func (c *conn) endTLS(why string) {
	c.why = why
	c.tls.CloseNotify()
	if c.flush() {
		c.shutAndLinger()
		return
	}
	c.drop(slog.LevelDebug, c.why)
}

// pullEnding reads on after our close_notify: the peer's records belong to the
// old TLS session until its own close_notify, or until something comes that is
// no record of it (curl answers CCC without a close_notify). Either may have come
// together with the command. Commands in such records are executed on neither side of
// the border: they end the connection.
func (c *conn) pullEnding() bool {
	p := c.take()
	var err error
	if len(p) > 0 {
		c.seen = c.engine.now()
		err = c.pushSome(p)
	}
	over := false
	if err == nil {
		over, err = c.tls.Drain()
	}
	switch {
	case errors.Is(err, tlsconn.ErrLateData):
		c.engine.metrics.Rejected[metrics.RejectInjection].Inc()
		c.why = "bytes behind a TLS border command"
		c.logger().Warn(c.why)
		c.shutAndLinger()
	case err != nil:
		c.why = "bad TLS record"
		c.drop(slog.LevelInfo, c.why)
	case over:
		c.ended(slices.Concat(c.tls.Rest(), c.take()))
	}
	return len(p) > 0 || over || err != nil
}

// ended goes on behind the old TLS session with the bytes that follow it.
func (c *conn) ended(rest []byte) {
	c.tls.Close()
	c.tls = nil
	c.giveBack(rest)
	if c.phase == phaseRestart {
		c.enter(phaseHandshake)
		return
	}
	c.enter(phaseClear)
}
