package dataplane

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"fastftps/internal/netblock"
)

// dialSlots bounds the active connects that are under way: each may last for the whole
// time limit. One client has at most a quarter of them, so that whose peers do not
// answer keeps out no more than himself.
type dialSlots struct {
	all   chan struct{}
	share int // of one client

	mu   sync.Mutex // guards the field below, and dialShare.users
	each map[netip.Addr]*dialShare
}

// dialShare is one client's part of the slots, while it has or wants any.
type dialShare struct {
	slots chan struct{}
	users int
}

func newDialSlots(n int) *dialSlots {
	return &dialSlots{all: make(chan struct{}, n), share: max(1, n/4), each: make(map[netip.Addr]*dialShare)}
}

// take takes a slot for the client, whose share comes first: who waits for that holds
// nothing of others. It calls wait, once, before it waits. Without an error the caller
// gives the slot back.
func (s *dialSlots) take(ctx context.Context, client netip.Addr, wait func()) (give func(), err error) {
	own := s.join(client)
	wait = sync.OnceFunc(wait)
	if err := acquire(ctx, own.slots, wait); err != nil {
		s.leave(client)
		return nil, err
	}
	giveOwn := func() {
		<-own.slots
		s.leave(client)
	}
	if err := acquire(ctx, s.all, wait); err != nil {
		giveOwn()
		return nil, err
	}
	return func() { <-s.all; giveOwn() }, nil
}

// acquire takes a place in slots, first come, first served.
func acquire(ctx context.Context, slots chan struct{}, wait func()) error {
	select {
	case slots <- struct{}{}:
		return nil
	default:
		wait()
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *dialSlots) join(client netip.Addr) *dialShare {
	client = netblock.Of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.each[client]
	if own == nil {
		own = &dialShare{slots: make(chan struct{}, s.share)}
		s.each[client] = own
	}
	own.users++
	return own
}

func (s *dialSlots) leave(client netip.Addr) {
	client = netblock.Of(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.each[client]; own.users > 1 {
		own.users--
		return
	}
	delete(s.each, client)
}

// dial connects to the peer's port from the local address of the control
// connection. An implicit session's connection comes from the source port that
// is configured ([MS-FTPS] section 1.9), or from any if that one cannot be had. The
// time limit counts the wait for a slot.
func (t *transfer) dial() (*net.TCPConn, error) {
	p := t.plane
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg().DialTimeout)
	defer cancel()
	t.onStop(cancel)
	give, err := p.dials.take(ctx, t.ch.opt.Client, func() { p.stats.DialWaits.Add(1) })
	if err != nil {
		if err == context.DeadlineExceeded {
			p.stats.ConnectTimeouts.Add(1)
		}
		return nil, err
	}
	defer give()
	if port := p.cfg().SourcePort; port != 0 && t.ch.opt.Implicit {
		if c, err := t.dialFrom(ctx, int(port)); err == nil || !isAddrTaken(err) {
			return c, err
		}
		p.stats.SourcePortMissed.Add(1)
	}
	return t.dialFrom(ctx, 0)
}

func (t *transfer) dialFrom(ctx context.Context, port int) (*net.TCPConn, error) {
	local, to := &net.TCPAddr{Port: port}, t.to
	if a := t.ch.opt.Local; a.IsValid() && a.Is4() == to.Addr().Unmap().Is4() {
		local.IP, local.Zone = a.AsSlice(), a.Zone()
		to = netip.AddrPortFrom(to.Addr().WithZone(a.Zone()), to.Port()) // on the same link
	}
	d := net.Dialer{LocalAddr: local, KeepAlive: -1, Control: tuneDialer}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			t.plane.stats.ConnectTimeouts.Add(1)
		}
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
