package engine

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"fastftps/metrics"
	"fastftps/session"
)

// output returns the bytes that are to be sent: what the session has to say,
// sealed if the connection is secure. With the session's last reply goes the
// close_notify, in the same write.
func (c *conn) output() []byte {
	switch c.phase {
	case phaseClear, phaseEnding:
		if c.sess == nil {
			return nil
		}
		return c.sess.Out()
	case phaseSecure:
		if p := c.sess.Out(); len(p) > 0 {
			_, err := c.tls.Write(p)
			c.sess.Sent()
			if err != nil { // a client without replies would only wait
				c.logger().Error("seal reply", slog.Any("err", err))
				c.drop(slog.LevelError, "reply not sealed")
				return nil
			}
		}
		if endsTLS(c.act) {
			c.tls.CloseNotify()
		}
	}
	if c.tls == nil {
		return nil
	}
	return c.tls.Pending()
}

// endsTLS reports whether the action ends the TLS session.
func endsTLS(a session.Action) bool {
	return a == session.EndTLS || a == session.Restart || a == session.Close
}

// sent drops what output returned.
func (c *conn) sent(n int) {
	if c.phase == phaseClear || c.phase == phaseEnding {
		c.sess.Sent()
		return
	}
	c.tls.Sent(n)
}

// flush sends the output in one write and reports whether all of it is out.
// What the socket does not take is written by a goroutine of its own, which
// waits for the peer; no command is read meanwhile.
func (c *conn) flush() bool {
	if c.stuck {
		return false
	}
	p := c.output()
	if len(p) == 0 {
		return true
	}
	n, err := c.wire.TryWrite(p)
	if err != nil {
		c.drop(slog.LevelDebug, "closed by peer")
		return false
	}
	if n < len(p) {
		c.writeLater(p[n:])
	}
	c.sent(len(p))
	return !c.stuck
}

// writeLater writes a copy of p in a goroutine of its own.
func (c *conn) writeLater(p []byte) {
	c.stuck = true
	p = append([]byte(nil), p...)
	go func() {
		err := c.wire.WriteAll(p, c.conf.WriteTimeout)
		if isTimeout(err) {
			c.engine.metrics.Limits[metrics.LimitWriteTimeout].Inc()
		}
		if err != nil {
			c.post(evBroken | evFlushed)
			return
		}
		c.post(evFlushed)
	}()
}

// isTimeout reports whether a peer did not read in time.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// linger ends the connection after the last reply: everything is written, so
// say FIN and read on until the peer has done the same, lest a reset destroy
// what it has not read yet.
func (c *conn) linger() {
	if c.why == "" {
		c.why = "quit"
	}
	c.shutAndLinger()
}

func (c *conn) shutAndLinger() {
	if c.phase >= phaseLinger {
		return
	}
	c.enter(phaseLinger)
	c.act = session.Continue
	c.endSession()
	c.wire.ShutWrite()
}

// endOfInput goes on where the peer sends no more and all that it has sent was dealt
// with. A client that closes without QUIT is no fault (RFC 959 section 4.1.1). It
// reports whether anything has changed.
func (c *conn) endOfInput() bool {
	switch {
	case c.phase == phaseLinger && !c.fin: // after a close_notify
		return false
	case (c.phase == phaseClear || c.phase == phaseSecure) && c.transferring():
		c.sess.Ended()
		return false
	case c.phase == phaseSecure:
		c.endTLS("closed by peer")
	default:
		c.drop(slog.LevelDebug, "closed by peer")
	}
	return true
}

// drop closes at once.
func (c *conn) drop(level slog.Level, why string) {
	if c.phase == phaseDead {
		return
	}
	if c.why == "" || level > slog.LevelDebug {
		c.why = why
	}
	c.enter(phaseDead)
	c.act = session.Continue
	defer c.wire.Shut() // whatever else fails
	c.endSession()
}

// endSession lets go of what the session holds. A transfer that runs is
// aborted; its result still comes.
func (c *conn) endSession() {
	c.freeSlot()
	if c.sess != nil {
		c.sess.Gone()
	}
	c.plain = nil
}

// teardown ends everything once the socket is gone. Nothing keeps it from counting the
// connection out: no second event would come to do it.
func (c *conn) teardown() {
	defer c.countOut()
	if c.why == "" {
		c.why = "closed by peer"
	}
	if c.phase < phaseLinger {
		c.endSession()
	}
	c.phase, c.act = phaseDead, session.Continue
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
}

// countOut takes the connection off the books.
func (c *conn) countOut() {
	c.engine.left(c)
	c.engine.metrics.Sessions[c.counted].Dec()
	c.counted = gone
	c.logger().Info("session end", slog.String("reason", c.why), slog.Int64("dur_ms", (c.engine.now()-c.born).Milliseconds()))
}

// recoverTurn keeps a panic inside its connection: 421 where it may be said,
// close, count, stack. The other connections never notice.
func (c *conn) recoverTurn() {
	r := recover()
	if r == nil {
		return
	}
	c.panics++
	c.engine.metrics.Panics.Inc()
	c.logger().Error("panic", slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
	defer func() {
		if recover() != nil {
			c.phase = phaseDead
			c.wire.Shut()
		}
	}()
	if c.panics == 1 {
		c.sayInternalError()
	}
	c.drop(slog.LevelError, "panic")
}

// sayInternalError tries to say 421 on a connection whose state is in doubt.
func (c *conn) sayInternalError() {
	const text = "421 Internal error, closing\r\n"
	switch c.phase {
	case phaseClear:
		_, _ = c.wire.TryWrite([]byte(text))
	case phaseSecure:
		if _, err := c.tls.Write([]byte(text)); err == nil {
			c.tls.CloseNotify()
			_, _ = c.wire.TryWrite(c.tls.Pending())
		}
	}
}
