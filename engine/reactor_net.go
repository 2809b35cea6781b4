package engine

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// netReactor serves control connections with a goroutine each, over package
// net.
type netReactor struct {
	engine *Engine

	wg   sync.WaitGroup
	mu   sync.Mutex // guards open
	open map[*netConn]struct{}
}

func newNetReactor(e *Engine) (reactor, error) {
	return &netReactor{engine: e, open: map[*netConn]struct{}{}}, nil
}

// serve implements reactor.
func (r *netReactor) serve(ln *listener) error {
	for {
		tc, err := ln.ln.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // no descriptor, no memory, or of one connection only
			r.engine.notAccepted(err)
			time.Sleep(100 * time.Millisecond) // only time mends it
			continue
		}
		r.accepted(ln, tc)
	}
}

// accepted admits a connection and starts to read it.
func (r *netReactor) accepted(ln *listener, tc *net.TCPConn) {
	remote := unzoned(unmapped(tc.RemoteAddr().(*net.TCPAddr).AddrPort()))
	local := unmapped(tc.LocalAddr().(*net.TCPAddr).AddrPort())
	rc, err := tc.SyscallConn()
	if err != nil {
		tc.Close()
		return
	}
	n := &netConn{tc: tc, rc: rc, shut: make(chan struct{})}
	n.onShut = sync.OnceFunc(func() { close(n.shut) })
	if r.engine.refuse(ln, remote.Addr(), func(b []byte) { _, _ = n.TryWrite(b) }) {
		tc.Close()
		return
	}
	r.mu.Lock()
	r.open[n] = struct{}{}
	r.mu.Unlock()
	r.wg.Go(func() {
		n.read(r.engine.newConn(ln, endpoint{remote: remote, local: local, wire: n}))
		r.mu.Lock()
		delete(r.open, n)
		r.mu.Unlock()
	})
}

// quiet implements reactor.
func (r *netReactor) quiet(ln *listener) error { return ln.close() }

// stop implements reactor.
func (r *netReactor) stop() error {
	r.mu.Lock()
	for n := range r.open {
		n.Shut()
	}
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// netConn is the wire of a connection of package net.
type netConn struct {
	tc     *net.TCPConn
	rc     syscall.RawConn
	shut   chan struct{} // closed by Shut
	onShut func()        // closes it, once
}

// read is the connection's goroutine.
func (n *netConn) read(h handler) {
	buf := make([]byte, 4<<10)
	for {
		k, err := n.tc.Read(buf)
		if k > 0 {
			h.input(buf[:k])
		}
		if err == io.EOF {
			h.halfClosed()
			<-n.shut
		}
		if err != nil {
			break
		}
	}
	h.closed()
	n.tc.Close()
}

// TryWrite implements wire.
func (n *netConn) TryWrite(b []byte) (k int, err error) {
	werr := n.rc.Write(func(fd uintptr) bool {
		k, err = tryWrite(int(fd), b)
		return true
	})
	return k, errors.Join(werr, err)
}

// WriteAll implements wire.
func (n *netConn) WriteAll(b []byte, limit time.Duration) error {
	if err := n.tc.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := n.tc.Write(b)
	return errors.Join(err, n.tc.SetWriteDeadline(time.Time{}))
}

// ShutWrite implements wire.
func (n *netConn) ShutWrite() { _ = n.tc.CloseWrite() }

// Shut implements wire. The reading goroutine sees the end and closes.
func (n *netConn) Shut() {
	n.onShut()
	_ = n.tc.CloseWrite()
	_ = n.tc.CloseRead()
	_ = n.tc.SetReadDeadline(time.Unix(1, 0))
}

// Reset implements wire.
func (n *netConn) Reset() {
	_ = n.tc.SetLinger(0)
	n.Shut()
}
