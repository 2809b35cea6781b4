package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"fastftps/internal/ftpclient"
)

// session is a control connection that is ready for operations.
type session struct {
	c    *ftpclient.Client
	user int // in the target's list
	done int // operations
}

// options returns how to connect for the worker's next session.
func (w *worker) options() ftpclient.Options {
	cfg := w.b.cfg
	o := ftpclient.Options{
		Security: w.t.Security, TLS: w.t.tls, Timeout: cfg.Timeout, Endpoint: cfg.Endpoint,
		NoResume: cfg.ResumeData == ResumeNever, Local: cfg.Sources.pick(w.id + w.opened),
	}
	if cfg.ResumeControl == ResumeAlways && o.Security != ftpclient.Clear {
		if w.cache == nil {
			w.cache = tls.NewLRUClientSessionCache(1)
		}
		o.TLS = w.t.tls.Clone()
		o.TLS.ClientSessionCache = w.cache
	}
	return o
}

// connect makes the control connection and secures it, up to and with the
// greeting; o is the operation that it is part of.
func (w *worker) connect(o op) (*ftpclient.Client, error) {
	opts := w.options()
	w.opened++
	at := w.b.now()
	c, err := ftpclient.Connect(w.ctx, w.t.Addr, opts)
	if err != nil {
		return nil, err
	}
	at = w.passed(phaseConnect, o, at)
	w.hold(0, c.Conn().TCP())
	if err := w.secure(c, o, opts.Security, at); err != nil {
		w.hold(0, nil)
		c.Close()
		return nil, err
	}
	return c, nil
}

func (w *worker) secure(c *ftpclient.Client, o op, s ftpclient.Security, at time.Duration) error {
	if s == ftpclient.Implicit {
		if err := c.StartTLS(); err != nil {
			return err
		}
		at = w.shook(phaseHandshakeFull, o, at, c.Conn())
	}
	if err := c.Greeting(); err != nil {
		return err
	}
	at = w.passed(phaseGreeting, o, at)
	if s != ftpclient.Explicit {
		return nil
	}
	if _, err := c.Do("AUTH TLS", 234); err != nil {
		return err
	}
	at = w.passed(phaseAuth, o, at)
	if err := c.StartTLS(); err != nil {
		return err
	}
	w.shook(phaseHandshakeFull, o, at, c.Conn())
	return nil
}

// passed records that a phase which began at from is over, and returns now.
func (w *worker) passed(p phase, o op, from time.Duration) time.Duration {
	now := w.b.now()
	w.rec.phase(p, o, now-from)
	return now
}

func (w *worker) shook(full phase, o op, from time.Duration, conn *ftpclient.Conn) time.Duration {
	now := w.b.now()
	if state := conn.TLS(); state != nil {
		w.rec.handshake(full, o, now-from, state)
	}
	return now
}

// login makes a session and records it as an operation that was wanted at a
// time. It returns nil when that failed.
func (w *worker) login(wanted time.Duration) *session {
	from := w.b.now()
	s, end, err := w.open()
	w.record(opLogin, wanted, from, end, 0, err)
	if err != nil {
		return nil
	}
	return s
}

// open makes a session; end is when the server had said yes to the password.
func (w *worker) open() (s *session, end time.Duration, err error) {
	c, err := w.connect(opLogin)
	if err != nil {
		return nil, w.b.now(), err
	}
	user := w.nextUser()
	at := w.b.now()
	if err = c.Login(w.t.users[user].Name, w.t.users[user].Password); err == nil {
		end = w.passed(phaseLogin, opLogin, at)
		err = w.prepare(c)
	}
	if err != nil {
		w.hold(0, nil)
		c.Close()
		return nil, w.b.now(), err
	}
	w.t.sessions.Add(1)
	return &session{c: c, user: user}, end, nil
}

// nextUser walks through the users, each worker from its own.
func (w *worker) nextUser() int {
	n := (w.id + w.logins) % len(w.t.users)
	w.logins++
	return n
}

// prepare sets up what all transfers share.
func (w *worker) prepare(c *ftpclient.Client) error {
	if w.t.Security != ftpclient.Clear {
		level := "P"
		if w.b.cfg.Clear {
			level = "C"
		}
		if err := c.Protect(level); err != nil {
			return err
		}
	}
	if err := c.Type("I"); err != nil {
		return err
	}
	if w.b.cfg.Deflate {
		return c.Mode("Z")
	}
	return nil
}

// leave ends a session as clients do.
func (w *worker) leave(s *session) {
	_ = s.c.Quit() // what matters has been measured
	w.drop(s)
}

// drop ends a session at once.
func (w *worker) drop(s *session) {
	w.hold(0, nil)
	_ = s.c.Close() // it may be broken
	w.t.sessions.Add(-1)
}

// hold notes the connection that a step may wait for, so that cut can end it:
// slot 0 is the control connection, 1 the data connection.
func (w *worker) hold(slot int, conn *net.TCPConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live[slot] = conn
	if w.isCut && conn != nil {
		conn.Close()
	}
}

// cut ends what the worker waits for, now and until mend. It is the server's
// failure when its time was over, but not when the user has had enough.
func (w *worker) cut(failure bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut, w.cutFails = true, failure
	for _, conn := range w.live {
		if conn != nil {
			conn.Close()
		}
	}
}

// errUnfinished is an operation that was cut because its time was over.
var errUnfinished = fmt.Errorf("did not end within the step limit after the end of the run: %w", os.ErrDeadlineExceeded)

// mend undoes cut for what comes next; the sessions that it hit are gone.
func (w *worker) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}

// blame returns what is to be recorded of an operation that ended with err: nil
// when that was our own doing.
func (w *worker) blame(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.isCut && w.cutFails:
		return errUnfinished
	case w.isCut, w.b.ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// isReply reports whether the session is still in order after err.
func isReply(err error) bool {
	var reply *ftpclient.ReplyError
	return errors.As(err, &reply) && reply.Code != 421
}

// wrongf is an error of a server that said yes.
func wrongf(format string, args ...any) error { return wrongError{fmt.Errorf(format, args...)} }
