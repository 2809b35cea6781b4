package engine

import (
	"log/slog"
	"time"

	"fastftps/metrics"
	"fastftps/session"
)

// sleepAfter is how long a client is silent until its TLS session is put to sleep:
// much longer than between the commands of a program, for to wake it again costs
// as much as the rest of a short command.
const sleepAfter = 5 * time.Second

// setDeadline tells the sweeper when to look at the connection again. There is
// one deadline a connection, and which limit it is follows from the phase; or it
// is the time to sleep, if that comes first.
func (c *conn) setDeadline() {
	at := c.nextDeadline()
	if sleep := c.seen + sleepAfter; c.tls != nil && c.tls.Awake() && (at == never || at > sleep) {
		at = sleep
	}
	c.deadline.Store(int64(at))
}

// never is the deadline of a connection that no limit threatens.
const never = 0

func (c *conn) nextDeadline() time.Duration {
	conf := c.conf
	switch c.phase {
	case phaseHandshake:
		return c.phaseFrom + conf.HandshakeTimeout
	case phaseEnding, phaseRestart:
		return c.phaseFrom + conf.LingerTimeout
	case phaseLinger:
		return c.phaseFrom + conf.LingerTimeout
	case phaseDead:
		return never
	}
	if c.act == session.Wait {
		return c.sess.Wake().Sub(c.engine.clock.start)
	}
	switch {
	case c.sess.Transferring():
		return never
	case !c.sess.LoggedIn():
		return c.loginBy
	}
	return c.seen + c.idleLimit()
}

// renewLogin gives a client whose login has ended, by REIN or AUTH, the time for
// another one. Who was not logged in gets no more: else REIN could put the limit
// off for ever.
func (c *conn) renewLogin() {
	in := c.sess != nil && c.sess.LoggedIn()
	if c.loggedIn && !in {
		c.loginBy = c.engine.now() + c.conf.LoginTimeout
	}
	c.loggedIn = in
}

// idleLimit is how long a logged-in client may be silent. It rests during a
// transfer.
func (c *conn) idleLimit() time.Duration {
	if d := c.sess.IdleLimit(); d > 0 {
		return d
	}
	return c.conf.IdleTimeout
}

// tick deals with a deadline that has passed. It may have moved meanwhile.
func (c *conn) tick() {
	now := c.engine.now()
	if c.tls != nil && now >= c.seen+sleepAfter {
		c.tls.Sleep()
	}
	if at := c.nextDeadline(); at == never || now < at {
		return
	}
	switch c.phase {
	case phaseHandshake:
		c.engine.metrics.Limits[metrics.LimitHandshakeTimeout].Inc()
		c.engine.metrics.HandshakeErrors[metrics.HandshakeTimeout].Inc()
		c.drop(slog.LevelInfo, "handshake took too long")
	case phaseRestart, phaseLinger:
		c.drop(slog.LevelDebug, "peer does not close")
	case phaseEnding:
		// No close_notify came: what comes next is clear text all the same.
		c.ended(nil)
	default:
		c.timeLimit()
	}
}

// timeLimit deals with the limits of a connection on which commands run.
func (c *conn) timeLimit() {
	switch {
	case c.act == session.Wait:
		c.act = session.Continue
		c.then(c.sess.Expire(c.engine.wall()))
	case !c.sess.LoggedIn():
		c.engine.metrics.Limits[metrics.LimitLoginTimeout].Inc()
		c.stop("Login took too long")
	default:
		c.engine.metrics.Limits[metrics.LimitIdleTimeout].Inc()
		c.stop("Idle for too long")
	}
}
