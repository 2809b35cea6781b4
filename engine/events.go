package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// sessionEvents counts what sessions report.
type sessionEvents struct{ e *Engine }

// Command implements session.Events.
func (s sessionEvents) Command(v metrics.Verb, code codec.Code) { s.e.metrics.Command(v, int(code)) }

// Login implements session.Events.
func (s sessionEvents) Login(r metrics.LoginResult) { s.e.metrics.Logins[r].Inc() }

// Transfer implements session.Events.
func (s sessionEvents) Transfer(t session.TransferInfo) {
	m := s.e.metrics
	dir, prot := directionOf(t.Verb), metrics.ProtClear
	if t.Private {
		prot = metrics.ProtPrivate
	}
	m.Transfer(dir, prot, resultOf(t.Result.Cause), t.Result.Duration)
	if e, ok := metrics.EngineOf(t.Result.Engine); ok {
		m.Engines[e].Inc()
	}
	if t.Result.FirstByte > 0 {
		m.FirstByte[dir].Observe(t.Result.FirstByte)
	}
	switch t.Result.Cause {
	case session.CauseStalled:
		m.Limits[metrics.LimitStallTimeout].Inc()
	case session.CauseQuota:
		m.Limits[metrics.LimitMaxUpload].Inc()
	case session.CausePanic:
		m.Panics.Inc()
	}
}

// Rejected implements session.Events.
func (s sessionEvents) Rejected(r metrics.Reject) { s.e.metrics.Rejected[r].Inc() }

// Limit implements session.Events.
func (s sessionEvents) Limit(l metrics.Limit) { s.e.metrics.Limits[l].Inc() }

// directionOf is the direction of a transfer command.
func directionOf(v codec.Verb) metrics.Direction {
	switch v {
	case codec.V("RETR"):
		return metrics.Download
	case codec.V("STOR"), codec.V("STOU"), codec.V("APPE"):
		return metrics.Upload
	}
	return metrics.List
}

// resultOf is the metric label of a cause.
func resultOf(c session.Cause) metrics.TransferResult {
	switch c {
	case session.CauseOK:
		return metrics.TransferOK
	case session.CauseNoConn, session.CauseNoPort:
		return metrics.TransferNoConnection
	case session.CauseTLS, session.CauseNotResumed:
		return metrics.TransferTLS
	case session.CauseCut:
		return metrics.TransferCut
	case session.CauseNoCloseNotify:
		return metrics.TransferNoCloseNotify
	case session.CauseStalled:
		return metrics.TransferStalled
	case session.CauseAborted:
		return metrics.TransferAborted
	case session.CauseShutdown:
		return metrics.TransferShutdown
	case session.CausePanic:
		return metrics.TransferFault
	}
	return metrics.TransferStorage
}

// metricMode is the metric label of a listener's mode.
func metricMode(m session.Mode) metrics.Mode {
	switch m {
	case session.Implicit:
		return metrics.ModeImplicit
	case session.Plain:
		return metrics.ModePlain
	}
	return metrics.ModeExplicit
}

// rejected counts a connection that was not admitted.
func (e *Engine) rejected(why refusal) {
	r := &refusals[why]
	e.metrics.Rejected[r.reject].Inc()
	if r.isLimit {
		e.metrics.Limits[r.limit].Inc()
	}
}

// notAcceptedEvery is how often the log tells of an error of accept.
const notAcceptedEvery = 10 * time.Second

// notAccepted reports that accept failed. It does so for each client or, where the
// kernel keeps the connection, as fast as we ask again, so not each has its line.
func (e *Engine) notAccepted(err error) {
	var no syscall.Errno // 0 for what the kernel did not say
	errors.As(err, &no)
	if no == syscall.EMFILE || no == syscall.ENFILE {
		e.metrics.Rejected[metrics.RejectDescriptors].Inc()
	}
	if e.acceptLog.due(no, e.now()) {
		e.log.Error("accept", slog.Any("err", err))
	}
}

// acceptLog keeps until when nothing more is logged of each error of accept.
type acceptLog struct {
	mu    sync.Mutex
	until map[syscall.Errno]time.Duration
}

// due reports whether this error is to be logged, now.
func (l *acceptLog) due(no syscall.Errno, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, told := l.until[no]; told && now < until {
		return false
	}
	if l.until == nil {
		l.until = make(map[syscall.Errno]time.Duration)
	}
	l.until[no] = now + notAcceptedEvery
	return true
}

// handshakeReason sorts the errors of a handshake. What crypto/tls has no type
// for is known by its text.
func handshakeReason(err error) metrics.HandshakeError {
	var alert tls.AlertError
	switch text := err.Error(); {
	case errors.Is(err, tlsconn.ErrNotTLS):
		return metrics.HandshakeNotTLS
	case errors.Is(err, tlsconn.ErrNotResumed):
		return metrics.HandshakeNotBound
	case errors.Is(err, os.ErrDeadlineExceeded):
		return metrics.HandshakeTimeout
	case errors.Is(err, tlsconn.ErrTruncated), errors.Is(err, tlsconn.ErrNoHello), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return metrics.HandshakeClosed
	case strings.Contains(text, "unsupported versions"), strings.Contains(text, "unsupported version"):
		return metrics.HandshakeVersion
	case strings.Contains(text, "unsupported application protocols"):
		return metrics.HandshakeALPN
	case strings.Contains(text, "no cipher suite"), strings.Contains(text, "no ECDHE curve"), strings.Contains(text, "no key exchanges"):
		return metrics.HandshakeCipher
	case errors.As(err, &alert), strings.Contains(text, "remote error: tls:"):
		return metrics.HandshakeCert
	}
	return metrics.HandshakeOther
}

// stateOf is what a session is doing, for the gauge of sessions by state.
func (c *conn) stateOf() metrics.SessionState {
	switch {
	case c.sess == nil || !c.sess.LoggedIn():
		return metrics.StatePrelogin
	case c.sess.Transferring():
		return metrics.StateTransfer
	}
	return metrics.StateIdle
}

// gone is the state of a connection that no gauge counts any more.
const gone = metrics.NumSessionStates

// countState moves the connection to the gauge of what it is doing now. The
// result of a transfer may come after the connection's end.
func (c *conn) countState() {
	if now := c.stateOf(); now != c.counted && c.counted != gone {
		c.engine.metrics.Sessions[c.counted].Dec()
		c.engine.metrics.Sessions[now].Inc()
		c.counted = now
	}
}

// wait returns when no connection is left, or with ctx's error.
func (r *registry) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for r.len() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
