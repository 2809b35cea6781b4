package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"

	"fastftps/codec"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// sessionEvents counts what sessions report.
type sessionEvents struct{ e *Engine }

// Command implements session.Events.
func (s sessionEvents) Command(v codec.Verb, code codec.Code) {
	s.e.metrics.Command(metrics.VerbOf(v.String()), int(code))
}

// Login implements session.Events.
func (s sessionEvents) Login(result string) {
	results := map[string]metrics.LoginResult{
		"ok": metrics.LoginOK, "denied": metrics.LoginDenied, "busy": metrics.LoginBusy, "error": metrics.LoginError,
	}
	s.e.metrics.Logins[results[result]].Inc()
}

// Transfer implements session.Events.
func (s sessionEvents) Transfer(t session.TransferInfo) {
	m := s.e.metrics
	dir, prot := directionOf(t.Verb), metrics.ProtClear
	if t.Private {
		prot = metrics.ProtPrivate
	}
	m.Transfer(dir, prot, resultOf(t.Result.Cause), t.Result.Duration)
	m.Bytes[dir][prot].Add(t.Result.Bytes)
	if e, ok := metrics.EngineOf(t.Result.Engine); ok {
		m.Engines[e].Inc()
	}
	if t.Result.FirstByte > 0 {
		m.FirstByte[dir].Observe(t.Result.FirstByte)
	}
	if t.Result.Cause == session.CauseStalled {
		m.Limits[metrics.LimitStallTimeout].Inc()
	}
}

// Limit implements session.Events.
func (s sessionEvents) Limit(key string) {
	for l := range metrics.NumLimits {
		if "limits."+l.String() == key {
			s.e.metrics.Limits[l].Inc()
		}
	}
}

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
	reasons := map[refusal]metrics.Reject{
		refusedTotal: metrics.RejectMaxSessions, refusedPerAddr: metrics.RejectMaxPerAddress,
		refusedRate: metrics.RejectRate, refusedDraining: metrics.RejectDraining, refusedBanned: metrics.RejectBanned,
	}
	e.metrics.Rejected[reasons[why]].Inc()
	switch why {
	case refusedTotal:
		e.metrics.Limits[metrics.LimitMaxSessions].Inc()
	case refusedPerAddr:
		e.metrics.Limits[metrics.LimitMaxSessionsPerIP].Inc()
	case refusedRate:
		e.metrics.Limits[metrics.LimitAcceptRatePerIP].Inc()
	}
}

// handshakeReason sorts the errors of a control handshake.
func handshakeReason(err error) metrics.HandshakeError {
	var alert tls.AlertError
	switch {
	case errors.Is(err, tlsconn.ErrNotTLS):
		return metrics.HandshakeNotTLS
	case errors.Is(err, tlsconn.ErrTruncated), errors.Is(err, tlsconn.ErrNoHello), errors.Is(err, io.EOF):
		return metrics.HandshakeClosed
	case errors.As(err, &alert):
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

// countState moves the connection to the gauge of what it is doing now.
func (c *conn) countState() {
	if now := c.stateOf(); now != c.counted {
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
