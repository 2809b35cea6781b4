package engine

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fastftps/session"
)

// TestUnreadReplies: what the kernel keeps of replies that a client does not
// read is bounded, also for one that has read fast before, which lets the
// kernel's own bound grow to megabytes.
func TestUnreadReplies(t *testing.T) {
	s := start(t, func(c *Config) { c.WriteTimeout = time.Minute })
	c, err := net.Dial("tcp", s.addr(session.Plain))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	feats := bytes.Repeat([]byte("FEAT\r\n"), 32)
	for read := 0; read < 8<<20; {
		if _, err := c.Write(feats); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadAtLeast(c, make([]byte, 1<<20), 1)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	most := 0
	for s.Sessions() > 0 {
		if _, err := c.Write(feats); err != nil {
			break
		}
		most = max(most, s.unsent(t))
	}
	t.Logf("the kernel kept %d bytes", most)
	if most > 256<<10 {
		t.Errorf("the kernel kept %d bytes of replies", most)
	}
}

// unsent is how many bytes for clients the kernel keeps.
func (s *server) unsent(t *testing.T) (n int) {
	t.Helper()
	s.conns.each(func(*conn) bool { return true }, func(c *conn) {
		p := c.wire.(*pollConn)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gone {
			return
		}
		k, err := unix.IoctlGetInt(p.fd, unix.SIOCOUTQ)
		if err != nil {
			t.Error(err)
		}
		n += k
	})
	return n
}
