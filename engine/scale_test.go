//go:build linux && !race

package engine

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// Under the race detector a process is many times as large, so these tests of
// memory run without it only.

// TestIdleSessions: 10,000 TLS sessions that have said a command and wait hold
// no goroutine each; the memory of each is printed.
func TestIdleSessions(t *testing.T) {
	const sessions = 10_000
	srv := startChild(t, childOptions{Root: t.TempDir()})
	before := srv.ask("gc")
	conns := make([]net.Conn, sessions)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < sessions; i += 16 {
				c, err := idleSession(before.Addrs[session.Implicit], i)
				if err != nil {
					t.Errorf("session %d: %v", i, err)
					return
				}
				conns[i] = c
			}
		})
	}
	wg.Wait()
	var st childStats
	await(t, "workers of the burst have gone and the sessions sleep", func() bool {
		st = srv.ask("now")
		return st.Goroutines-before.Goroutines < 200 && st.Awake == 0
	})
	st = srv.ask("gc")
	each := (st.PSS - before.PSS) / sessions
	t.Logf("%d idle TLS sessions: %d bytes of PSS each, %d goroutines more", sessions, each, st.Goroutines-before.Goroutines)
	if st.Sessions != sessions {
		t.Errorf("%d sessions, want %d", st.Sessions, sessions)
	}
	if each > 8<<10 { // 7.0 KiB, and 15 %
		t.Errorf("an idle TLS session costs %d bytes", each)
	}
}

// idleSession opens a TLS session from one of a few addresses and says NOOP.
func idleSession(addr string, i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(10+i%8))}, Timeout: 10 * time.Second}
	raw, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	r := bufio.NewReaderSize(c, 64)
	if _, err := r.ReadString('\n'); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, "NOOP\r\n"); err != nil {
		return nil, err
	}
	_, err = r.ReadString('\n')
	return c, err
}

// TestFloods: memory stays inside the bounds whatever a peer does: flood the
// control connection, never read the replies, never read a download.
func TestFloods(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "big"), make([]byte, 64<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	srv := startChild(t, childOptions{Root: root})
	first := srv.ask("gc")
	bound := func(what string, bytes int64) {
		t.Helper()
		st := srv.ask("now")
		t.Logf("%s: RSS grew by %d KiB", what, (st.RSS-first.RSS)>>10)
		if grown := st.RSS - first.RSS; grown > bytes {
			t.Errorf("%s: RSS grew by %d bytes, the bound is %d", what, grown, bytes)
		}
	}

	// Of each peer a mailbox and one read of the event loop are kept; the rest
	// is the collector's to come.
	const during, after = 32 << 20, 16 << 20
	for _, in := range []string{"NOOP\r\n", "FEAT\r\n", "x", "SIZE big\r\n"} {
		floodControl(t, dialChild(t, first.Addrs[session.Plain], ftpclient.Clear), in)
	}
	bound("one peer that floods and never reads", during)
	srv.ask("gc")
	bound("and when it is gone", after)
	first.RSS = srv.ask("gc").RSS

	for range 300 {
		c := dialChild(t, first.Addrs[session.Implicit], ftpclient.Implicit)
		d, err := c.Begin("RETR big", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Handshake(); err != nil {
			t.Fatal(err)
		}
	}
	// The budget, and what a connection and its TLS hold besides; the collector
	// lets the heap grow to twice that.
	bound("300 that never read their download", 2*(childBudget+300*48<<10))
}

// floodControl logs in and sends in again and again without reading, until the
// server closes or the time is over.
func floodControl(t *testing.T, client *ftpclient.Client, in string) {
	t.Helper()
	c := client.Conn().TCP()
	block := make([]byte, 0, 64<<10)
	for len(block)+len(in) < cap(block) {
		block = append(block, in...)
	}
	if err := c.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for sent := 0; sent < 256<<20; sent += len(block) {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
	t.Errorf("%q: 256 MiB were taken", in)
}
