package engine

import (
	"errors"
	"net/netip"

	"fastftps/dataplane"
	"fastftps/session"
)

// channel is the session's view of its data connections: it speaks the types
// of package session on one side and those of package dataplane on the other,
// so that neither has to know the other.
type channel struct {
	conn *conn
	ch   *dataplane.Channel // made at the first use: most sessions are idle
}

// plane returns the data plane's channel.
func (d *channel) plane() *dataplane.Channel {
	if d.ch == nil {
		d.ch = d.conn.openChannel()
	}
	return d.ch
}

// openChannel makes the data plane's part of a connection.
func (c *conn) openChannel() *dataplane.Channel {
	o := dataplane.Options{
		Client:   c.remote.Addr(),
		Local:    c.local.Addr(),
		Implicit: c.ln.Mode == session.Implicit,
		Reuse:    c.conf.Reuse,
		Done:     func(r dataplane.Result) { c.transferDone(resultOfPlane(r)) },
	}
	if f := c.conf.Advertise; f != nil {
		o.Advertise = f(o.Client, o.Local)
	}
	if c.binding != nil {
		o.Identity, o.Binding = c.conf.Identity, c.binding
	}
	return c.engine.plane.Channel(o)
}

// rebind tells the data plane of a new TLS session on the control connection.
func (c *conn) rebind() {
	if c.data != nil && c.data.ch != nil {
		c.data.ch.SetTLS(c.conf.Identity, c.binding)
	}
}

// Passive implements session.DataPlane.
func (d *channel) Passive(private bool) (netip.AddrPort, error) { return d.plane().Passive(private) }

// Active implements session.DataPlane.
func (d *channel) Active(to netip.AddrPort) { d.plane().Active(to) }

// Armed implements session.DataPlane.
func (d *channel) Armed() bool { return d.ch != nil && d.ch.Armed() }

// Drop implements session.DataPlane.
func (d *channel) Drop() {
	if d.ch != nil {
		d.ch.Drop()
	}
}

// Abort implements session.DataPlane.
func (d *channel) Abort() {
	if d.ch != nil {
		d.ch.Abort()
	}
}

// Progress implements session.DataPlane.
func (d *channel) Progress() int64 {
	if d.ch == nil {
		return 0
	}
	return d.ch.Progress()
}

// errNoTLS: PROT P is not possible before the control connection was under TLS
// at least once.
var errNoTLS = errors.New("private data connection without a TLS session")

// Start implements session.DataPlane.
func (d *channel) Start(j session.Job) error {
	if j.Private && d.conn.binding == nil {
		return errNoTLS
	}
	job := dataplane.Job{
		File: j.File, Upload: j.Upload,
		Offset: j.Offset, Length: j.Length,
		Private: j.Private, ASCII: j.ASCII, Deflate: j.Deflate,
		Close: dataplane.CloseRule(j.Close), MaxBytes: j.MaxBytes,
	}
	if j.Listing != nil {
		job.Listing = j.Listing
	}
	err := d.plane().Start(job)
	if errors.Is(err, dataplane.ErrNoEndpoint) {
		return session.ErrNoEndpoint
	}
	return err
}

// causes maps the data plane's causes to the session's. The two enumerations
// are kept apart, so neither package imports the other.
var causes = [dataplane.Causes]session.Cause{
	dataplane.CauseOK: session.CauseOK, dataplane.CauseNoConn: session.CauseNoConn, dataplane.CauseNoPort: session.CauseNoPort,
	dataplane.CauseTLS: session.CauseTLS, dataplane.CauseNotResumed: session.CauseNotResumed, dataplane.CauseCut: session.CauseCut,
	dataplane.CauseNoCloseNotify: session.CauseNoCloseNotify, dataplane.CauseStalled: session.CauseStalled,
	dataplane.CauseAborted: session.CauseAborted, dataplane.CauseRead: session.CauseRead, dataplane.CauseShort: session.CauseShort,
	dataplane.CauseWrite: session.CauseWrite, dataplane.CauseNoSpace: session.CauseNoSpace, dataplane.CauseQuota: session.CauseQuota,
	dataplane.CauseExists: session.CauseExists, dataplane.CauseCorrupt: session.CauseCorrupt,
	dataplane.CauseShutdown: session.CauseShutdown, dataplane.CausePanic: session.CausePanic,
}

// resultOfPlane translates a result.
func resultOfPlane(r dataplane.Result) session.Result {
	return session.Result{
		Cause: causes[r.Cause], Err: r.Err, Bytes: r.Bytes, Duration: r.Duration, FirstByte: r.FirstByte,
		TLSVersion: r.TLSVersion, Cipher: r.Cipher, Engine: r.Engine, Resumed: r.Resumed, Bound: r.Bound, CloseNotify: r.CloseNotify,
	}
}
