package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestNeverMixedUp plays random orders of PASV, ABOR, RETR, STOR and connect
// with many sessions of two addresses at once. Whatever a client receives on a
// connection is a file of its own session, whole or cut, and whatever is stored
// came from it: a late connection of an aborted transfer reaches nobody.
func TestNeverMixedUp(t *testing.T) {
	t.Run("clear, a port each", func(t *testing.T) {
		mixUp(t, rangePlane(t, 128), 10000, false)
	})
	t.Run("sealed, one port for all", func(t *testing.T) {
		mixUp(t, rangePlane(t, 1), 1000, true)
	})
}

func mixUp(t *testing.T, p *Plane, orders int, private bool) {
	before := descriptors(t)
	const sessions = 8
	var players sync.WaitGroup
	ready := make([]*mixPlayer, sessions)
	for i := range ready {
		m := &mixPlayer{name: fmt.Sprintf("session %d ", i), rnd: rand.New(rand.NewPCG(uint64(i), 7)), private: private}
		edit := []func(*Options){at(fmt.Sprintf("127.0.0.%d", 1+i%2))}
		if private {
			edit = append(edit, underTLS(identity(t)))
		}
		if m.peer = newPeer(t, p, edit...); private {
			m.login(identity(t))
		}
		ready[i] = m
	}
	for _, m := range ready {
		players.Go(func() {
			for range orders / sessions {
				m.step()
			}
			m.Channel.Close()
			for _, c := range m.late {
				c.sock.Close()
			}
		})
	}
	players.Wait()
	if t.Failed() {
		return
	}
	var got, foreign int
	for _, m := range ready {
		got += m.whole
		foreign += m.foreign
	}
	t.Logf("%d orders: %d whole transfers, %d connections refused or late", orders, got, foreign)
	if got == 0 {
		t.Error("not one transfer came through")
	}
	until(t, "all ends", func() bool { return p.stats.Running.Load()+p.stats.Leases.Load()+p.stats.Waiting.Load() == 0 })
	until(t, "descriptors return", func() bool { return descriptors(t) <= before+int(p.stats.Listeners.Load()) })
}

// mixPlayer is one session with its client.
type mixPlayer struct {
	*peer
	name    string
	rnd     *rand.Rand
	private bool
	late    []*end // connected for an endpoint that is gone by now, or soon

	whole, foreign int
}

// step plays one order: the steps of a transfer shuffled, some left out.
func (m *mixPlayer) step() {
	to := m.passive()
	if len(m.late) > 4 {
		m.late[0].sock.Close()
		m.late = m.late[1:]
	}
	switch m.rnd.IntN(8) {
	case 0: // an endpoint that is never used
	case 1: // connected to, then replaced
		m.late = append(m.late, m.connect(to))
	case 2: // a command, then ABOR, then the connection
		m.start(Job{Upload: new(memUpload), Private: m.private})
		m.Abort()
		m.want(CauseAborted)
		m.late = append(m.late, m.connect(to))
	case 3: // connection and command, then ABOR while both are at work
		e := m.connect(to)
		m.start(m.retr())
		m.Abort()
		if r := m.result(); r.Cause != CauseAborted && r.Cause != CauseOK {
			m.t.Errorf("%s: got %v (%v)", m.name, r.Cause, r.Err)
		}
		m.check(e)
	case 4, 5:
		e := m.connect(to)
		m.start(m.retr())
		m.check(e)
		m.mayFail()
	case 6:
		m.start(m.retr())
		m.check(m.connect(to))
		m.mayFail()
	case 7:
		m.upload(to)
	}
}

// connect is open for a peer that may be turned away while it connects.
func (m *mixPlayer) connect(to netip.AddrPort) *end {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: m.from.AsSlice()}}
	c, err := d.DialContext(context.Background(), "tcp", to.String())
	if errors.Is(err, syscall.ECONNRESET) {
		return m.connect(to)
	}
	if err != nil {
		m.t.Error(err)
		return &end{ReadWriter: new(bytes.Buffer), sock: new(net.TCPConn)}
	}
	c.SetDeadline(time.Now().Add(patience))
	e := &end{ReadWriter: c, sock: c.(*net.TCPConn)}
	if m.private {
		e.tls = m.tls(c)
		e.ReadWriter = e.tls
	}
	return e
}

func (m *mixPlayer) retr() Job {
	body := bytes.Repeat([]byte(m.name), 1+m.rnd.IntN(300))
	return Job{File: newMemFile(body), Length: int64(len(body)), Private: m.private}
}

// check reads what comes: pieces of this session's file and nothing else.
func (m *mixPlayer) check(e *end) {
	got, _ := io.ReadAll(e)
	e.sock.Close()
	if len(got) == 0 {
		m.foreign++
		return
	}
	want := bytes.Repeat([]byte(m.name), len(got)/len(m.name)+1)
	if !bytes.HasPrefix(want, got) {
		m.t.Errorf("%s: got %q", m.name, got[:min(len(got), 40)])
	}
}

// mayFail takes the result of a transfer whose connection came from us alone.
// An aborted one of the same order may have taken its place.
func (m *mixPlayer) mayFail() {
	m.Abort()
	switch r := m.result(); r.Cause {
	case CauseOK:
		m.whole++
	case CauseAborted, CauseCut:
	default:
		m.t.Errorf("%s: got %v (%v)", m.name, r.Cause, r.Err)
	}
}

func (m *mixPlayer) upload(to netip.AddrPort) {
	u := new(memUpload)
	m.start(Job{Upload: u, Private: m.private})
	e := m.connect(to)
	e.Write([]byte(m.name))
	e.finish()
	io.Copy(io.Discard, e)
	e.sock.Close()
	m.mayFail()
	if got := u.String(); got != "" && got != m.name {
		m.t.Errorf("%s: stored %q", m.name, got)
	}
}
