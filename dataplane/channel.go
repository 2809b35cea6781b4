package dataplane

import (
	"net/netip"
	"sync/atomic"
	"time"

	"fastftps/tlsconn"
)

// Options describe the control connection that a Channel belongs to.
type Options struct {
	Client    netip.Addr        // its peer, without a zone: the only address that data connections come from
	Local     netip.Addr        // its local address, with its zone: passive listeners and active connections use it
	Advertise netip.Addr        // returned by Passive in place of Local, for NAT; may be zero
	Implicit  bool              // active connections come from Config.SourcePort
	Identity  *tlsconn.Identity // nil while the control connection is clear; see SetTLS
	Binding   *tlsconn.Binding  // what the session's tickets carry
	Reuse     tlsconn.Reuse

	// Done takes each transfer's result, exactly once a successful Start,
	// from the transfer's goroutine and never during Start. It must not
	// block. The channel can start the next transfer when it is called.
	Done func(Result)
}

// Channel is the data connections of one session: at most one endpoint and at
// most one transfer. It holds no descriptor and no goroutine while neither is
// set. Its methods return at once. Whoever owns the session at the moment
// calls them, never two goroutines at a time; Done comes from another one.
type Channel struct {
	plane *Plane
	opt   Options

	tls    *tlsSide       // nil while the control connection is clear
	lease  *lease         // passive endpoint
	active netip.AddrPort // active endpoint

	running atomic.Pointer[transfer] // cleared by the transfer before Done
	waiting *lease                   // lease on which running waits for its connection
	drains  atomic.Int32             // connections of transfers that are over
}

// Channel makes the data connections of a control connection.
func (p *Plane) Channel(o Options) *Channel {
	o.Client, o.Local = unmap(o.Client), unmap(o.Local)
	o.Advertise = unmap(or(o.Advertise, o.Local))
	c := &Channel{plane: p, opt: o}
	c.SetTLS(o.Identity, o.Binding)
	return c
}

// SetTLS says what later transfers run TLS with: after AUTH and after REIN. It
// drops the endpoint.
func (c *Channel) SetTLS(id *tlsconn.Identity, b *tlsconn.Binding) {
	c.Drop()
	if c.tls = nil; id != nil && b != nil {
		c.tls = &tlsSide{identity: id, binding: b, reuse: c.opt.Reuse, engine: c.plane.cfg().Engine}
	}
}

// Passive takes a port on which the peer will connect and returns the address
// to advertise (RFC 959 section 4.1.2, RFC 2428 section 3). It replaces the
// endpoint. ErrNoPort when the range is dry for this address. private says that TLS will
// run on the connection: then the port may be one on which other sessions of the address
// wait, too, for a ticket tells whose connection it is.
func (c *Channel) Passive(private bool) (netip.AddrPort, error) {
	c.Drop()
	l, err := c.plane.pool.take(or(c.plane.cfg().Listen, c.opt.Local), c.opt.Client, c, private && c.tls.tickets())
	if err != nil {
		return netip.AddrPort{}, err
	}
	c.lease = l
	return netip.AddrPortFrom(c.opt.Advertise, l.port.number), nil
}

// Active remembers where to connect to, and replaces the endpoint. The caller
// has checked the address (RFC 2577 section 3).
func (c *Channel) Active(to netip.AddrPort) {
	c.Drop()
	c.active = to
}

// Armed reports whether an endpoint is set. A passive one lapses unused after
// Config.LeaseTTL.
func (c *Channel) Armed() bool {
	return c.active.IsValid() || c.lease != nil && c.plane.pool.armed(c.lease)
}

// Drop forgets the endpoint and closes a connection that waits on it. A
// transfer that was started is not touched.
func (c *Channel) Drop() {
	c.active = netip.AddrPort{}
	if c.lease != nil {
		c.plane.pool.drop(c.lease)
		c.lease = nil
	}
}

// Start begins a transfer and uses the endpoint up. After an error the job's
// file and the endpoint are still the caller's: ErrNoEndpoint, ErrOverload,
// ErrBusy while another transfer of this channel runs, ErrClosed.
func (c *Channel) Start(j Job) error {
	if c.running.Load() != nil {
		return ErrBusy
	}
	t := &transfer{plane: c.plane, ch: c, job: j, tls: c.tls, started: time.Now(), quit: make(chan struct{})}
	if err := c.plane.admit(); err != nil {
		return err
	}
	c.waiting = nil
	c.running.Store(t)
	if err := c.begin(t); err != nil {
		c.running.Store(nil)
		c.plane.settle()
		c.plane.transfers.Done()
		return err
	}
	return nil
}

func (c *Channel) begin(t *transfer) error {
	switch {
	case c.lease != nil:
		l := c.lease
		if err := c.plane.pool.start(l, t); err != nil {
			return err
		}
		c.lease, c.waiting = nil, l
		return nil
	case c.active.IsValid():
		t.to = c.active
		c.plane.submit(t)
		c.active = netip.AddrPort{}
		return nil
	}
	return ErrNoEndpoint
}

// Abort ends the running transfer with CauseAborted unless it is over. Done
// still comes.
func (c *Channel) Abort() {
	t := c.running.Load()
	if t == nil {
		return
	}
	if l := c.waiting; l != nil && c.plane.pool.drop(l) == t {
		c.plane.stats.Waiting.Add(-1)
		c.plane.endEarly(t, CauseAborted, nil)
		return
	}
	t.stop(CauseAborted)
}

// Progress returns the file bytes moved by the running transfer, 0 without one.
func (c *Channel) Progress() int64 {
	if t := c.running.Load(); t != nil {
		return t.moved.Load()
	}
	return 0
}

// Close ends everything for the end of the session: the endpoint is dropped,
// the transfer aborted; its Done still comes.
func (c *Channel) Close() {
	c.Drop()
	c.Abort()
}
