package dataplane

import (
	"context"
	"net"
)

// dial connects to the peer's port from the local address of the control
// connection. An implicit session's connection comes from the source port that
// is configured ([MS-FTPS] section 1.9), or from any if that one cannot be had. The
// time limit counts the wait for a slot.
func (t *transfer) dial() (*net.TCPConn, error) {
	p := t.plane
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg().DialTimeout)
	defer cancel()
	t.onStop(cancel)
	select {
	case p.dials <- struct{}{}:
		defer func() { <-p.dials }()
	case <-ctx.Done():
		if ctx.Err() == context.DeadlineExceeded {
			p.stats.ConnectTimeouts.Add(1)
		}
		return nil, ctx.Err()
	}
	if port := p.cfg().SourcePort; port != 0 && t.ch.opt.Implicit {
		if c, err := t.dialFrom(ctx, int(port)); err == nil || !isAddrTaken(err) {
			return c, err
		}
		p.stats.SourcePortMissed.Add(1)
	}
	return t.dialFrom(ctx, 0)
}

func (t *transfer) dialFrom(ctx context.Context, port int) (*net.TCPConn, error) {
	local := &net.TCPAddr{Port: port}
	if a := t.ch.opt.Local; a.IsValid() && a.Is4() == t.to.Addr().Unmap().Is4() {
		local.IP, local.Zone = a.AsSlice(), a.Zone()
	}
	d := net.Dialer{LocalAddr: local, KeepAlive: -1, Control: tuneDialer}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", t.to.String())
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			t.plane.stats.ConnectTimeouts.Add(1)
		}
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
