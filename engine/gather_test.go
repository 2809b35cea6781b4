package engine

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// gather is a connection whose writes can be held back, to be sent in one piece, and whose
// reads end with the record they are in: what follows TLS is left for others.
type gather struct {
	net.Conn
	in   *bufio.Reader
	left int // of the record
	hold bool
	held []byte
}

// Read implements io.Reader.
func (g *gather) Read(p []byte) (int, error) {
	if g.left == 0 {
		head, err := g.in.Peek(5)
		if err != nil {
			return 0, err
		}
		g.left = 5 + int(binary.BigEndian.Uint16(head[3:]))
	}
	n, err := g.in.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// Write implements io.Writer.
func (g *gather) Write(p []byte) (int, error) {
	if g.hold {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	return g.Conn.Write(p)
}

// TestClearedInOnePiece: what follows CCC may come together with it: the client's
// close_notify and its next command in clear.
func TestClearedInOnePiece(t *testing.T) {
	for _, e := range []tlsconn.Engine{tlsconn.EngineFast, tlsconn.EngineStd} {
		eachReactor(t, func(c *Config) { c.Session.CCC, c.Data.Engine = true, e }, func(t *testing.T, s *server) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				s.t = t
				conn, err := net.Dial("tcp", s.addr(session.Explicit))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				g := &gather{Conn: conn, in: bufio.NewReader(conn)}
				line := func(r *bufio.Reader, want string) {
					t.Helper()
					if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, want) {
						t.Fatalf("got %q, %v, want %s", got, err, want)
					}
				}
				line(g.in, "220 ")
				io.WriteString(g, "AUTH TLS\r\n")
				line(g.in, "234 ")
				sealed := tls.Client(g, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
				in := bufio.NewReader(sealed)
				io.WriteString(sealed, "USER demo\r\nPASS secret\r\n")
				line(in, "331 ")
				line(in, "230 ")
				g.hold = true
				io.WriteString(sealed, "CCC\r\n")
				sealed.CloseWrite()
				conn.SetDeadline(time.Now().Add(20 * time.Second)) // CloseWrite left one in the past
				if _, err := conn.Write(append(g.held, "PWD\r\n"...)); err != nil {
					t.Fatal(err)
				}
				line(in, "200 ")
				if _, err := in.ReadByte(); err != io.EOF {
					t.Fatalf("after 200: %v, want close_notify", err)
				}
				line(g.in, "257 ")
			}
		})
	}
}

// TestMuchPending: what max_pending_input allows is executed, under TLS as in clear, although
// it is more than TLS takes at a time.
func TestMuchPending(t *testing.T) {
	const commands = 15000
	for _, m := range []session.Mode{session.Plain, session.Implicit} {
		eachReactor(t, func(c *Config) {
			lateLogins(c)
			c.MaxPendingInput = 256 << 10
		}, func(t *testing.T, s *server) {
			c := s.dial(m, nil)
			if err := c.Send("USER demo\r\nPASS secret\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadReply(); err != nil {
				t.Fatal(err)
			}
			if err := c.Send(strings.Repeat("NOOP\r\n", commands)); err != nil {
				t.Fatal(err)
			}
			await(t, "all of it is in the mailbox", func() bool { return s.kept() >= commands*len("NOOP\r\n") })
			s.sweep(time.Now().Add(time.Minute + time.Second))
			for i := range commands + 1 {
				if r, err := c.ReadReply(); err != nil || r.Code != 200 && r.Code != 230 {
					t.Fatalf("reply %d: got %v, %v", i, r, err)
				}
			}
		})
	}
}

// TestSealedBehindEnd: a command in a record behind CCC or REIN belongs to neither side
// of the border. It ends the connection, as it does in the same record.
func TestSealedBehindEnd(t *testing.T) {
	tests := []struct {
		mode    session.Mode
		command string
	}{{session.Explicit, "CCC"}, {session.Explicit, "REIN"}, {session.Implicit, "REIN"}}
	for _, e := range []tlsconn.Engine{tlsconn.EngineFast, tlsconn.EngineStd} {
		eachReactor(t, func(c *Config) { c.Session.CCC, c.Data.Engine = true, e }, func(t *testing.T, s *server) {
			for _, tt := range tests {
				c := s.login(tt.mode, nil)
				if _, err := c.Cmd(tt.command); err != nil {
					t.Fatal(err)
				}
				if err := c.Send("USER demo\r\n"); err != nil {
					t.Fatal(err)
				}
				if err := c.StopTLS(false); err != nil {
					t.Fatal(err)
				}
				if err := c.ReadEnd(); err != nil {
					t.Errorf("%s in mode %v: %v, want the end of the connection", tt.command, tt.mode, err)
				}
			}
			if n := s.metrics.Rejected[metrics.RejectInjection].Load(); n != int64(len(tests)) {
				t.Errorf("%d counted, want %d", n, len(tests))
			}
		})
	}
}
