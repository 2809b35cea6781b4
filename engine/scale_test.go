//go:build linux && !race

package engine

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// Under the race detector a process is many times as large, so these tests of
// memory run without it only.

// crowd is how many connections each cost is of.
const crowd = 10_000

// costs are what a connection takes of the server's memory once it waits, in
// bytes of PSS after a garbage collection, as the README has them.
var costs = []struct {
	name      string
	mode      session.Mode
	open      func(raw net.Conn) (net.Conn, error) // brings a new connection there
	published int64
}{
	{"idle TLS session", session.Implicit, func(raw net.Conn) (net.Conn, error) {
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		return c, converse(c, "", "220", "USER demo", "331", "PASS secret", "230", "NOOP", "200")
	}, 2_850},
	{"half a ClientHello", session.Implicit, func(raw net.Conn) (net.Conn, error) {
		_, err := raw.Write(hello)
		return raw, err
	}, 1_950},
	{"half a ClientHello after AUTH", session.Explicit, func(raw net.Conn) (net.Conn, error) {
		err := converse(raw, "", "220", "AUTH TLS", "234")
		if err == nil {
			_, err = raw.Write(hello)
		}
		return raw, err
	}, 2_690},
	{"greeting and nothing more", session.Explicit, func(raw net.Conn) (net.Conn, error) {
		return raw, converse(raw, "", "220")
	}, 1_530},
	{"idle clear session", session.Plain, func(raw net.Conn) (net.Conn, error) {
		return raw, converse(raw, "", "220", "USER demo", "331", "PASS secret", "230", "NOOP", "200")
	}, 1_790},
}

// converse sends lines and reads the reply to each. The first may be empty.
func converse(c net.Conn, linesAndCodes ...string) error {
	r := bufio.NewReaderSize(c, 64)
	for s := linesAndCodes; len(s) > 0; s = s[2:] {
		if s[0] != "" {
			if _, err := io.WriteString(c, s[0]+"\r\n"); err != nil {
				return err
			}
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, s[1]) {
			return fmt.Errorf("%q: got %q, want %s", s[0], line, s[1])
		}
	}
	return nil
}

// heapFile makes TestMemory write the profile of the server's heap; the figures
// are of no use then.
var heapFile = flag.String("heap", "", "file for the heap profile of the last server in TestMemory")

// TestMemory: 10,000 connections that wait, in each state in which many do, hold
// no goroutine each and no more memory than what is published, give or take.
func TestMemory(t *testing.T) {
	for _, cost := range costs {
		t.Run(cost.name, func(t *testing.T) {
			srv := startChild(t, childOptions{Root: t.TempDir(), Heap: *heapFile})
			before := srv.ask("gc")
			conns := make([]net.Conn, crowd)
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
					for i := w; i < crowd; i += 16 {
						raw, err := net.Dial("tcp", before.Addrs[cost.mode])
						if err == nil {
							conns[i], err = cost.open(raw)
						}
						if err != nil {
							t.Errorf("connection %d: %v", i, err)
							return
						}
					}
				})
			}
			wg.Wait()
			var st childStats
			await(t, "workers of the burst have gone and the sessions sleep", func() bool {
				st = srv.ask("now")
				return st.Sessions >= crowd && st.Goroutines-before.Goroutines < crowd/50 && st.Busy == 0 && st.Awake == 0
			})
			st = srv.ask("gc")
			each := (st.PSS - before.PSS) / crowd
			t.Logf("%d x %s: %d bytes of PSS each, %d goroutines more", crowd, cost.name, each, st.Goroutines-before.Goroutines)
			if st.Sessions != crowd {
				t.Errorf("%d sessions, want %d", st.Sessions, crowd)
			}
			if most := cost.published * 115 / 100; each > most && *heapFile == "" {
				t.Errorf("%d bytes each, want no more than %d", each, most)
			}
		})
	}
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
