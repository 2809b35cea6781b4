package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// dialRaw opens a bare TCP connection to a listener.
func (s *server) dialRaw(m session.Mode) *net.TCPConn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr(m))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// byteWise writes one byte at a time, and records whether the peer had said
// anything by the time the last byte of the first flight was written.
type byteWise struct {
	net.Conn
	flights int
	early   bool
}

func (b *byteWise) Write(p []byte) (int, error) {
	for i := range p {
		if b.flights == 0 && i > 0 && readable(b.Conn) {
			b.early = true
		}
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	b.flights++
	return len(p), nil
}

// readable reports whether bytes have arrived, without waiting.
func readable(c net.Conn) bool {
	rc, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	n := 0
	_ = rc.Read(func(fd uintptr) bool {
		n = peek(int(fd))
		return true
	})
	return n > 0
}

// TestM03SilentUntilTLS: nothing leaves the server before the client's
// handshake is there, and the first application data is the greeting, also
// when the ClientHello comes byte by byte ([MS-FTPS] section 3.2.5.1).
func TestM03SilentUntilTLS(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			raw := &byteWise{Conn: s.dialRaw(session.Implicit)}
			c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v})
			if err := c.Handshake(); err != nil {
				t.Fatalf("%s: %v", tls.VersionName(v), err)
			}
			if raw.early {
				t.Errorf("%s: the server spoke before the ClientHello was whole", tls.VersionName(v))
			}
			buf := make([]byte, 256)
			n, err := c.Read(buf)
			if err != nil || !strings.HasPrefix(string(buf[:n]), "220 ") {
				t.Errorf("%s: first application data %q, %v; want the greeting", tls.VersionName(v), buf[:n], err)
			}
		}
	})
}

// TestM21ClearTextGetsNoClearText: a client that speaks in clear on an implicit
// port sees a TLS alert or a bare close, never text.
func TestM21ClearTextGetsNoClearText(t *testing.T) {
	inputs := map[string]string{
		"ftp":   "USER demo\r\nPASS secret\r\n",
		"http":  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"sslv2": "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80",
		"zeros": string(make([]byte, 4096)),
	}
	eachReactor(t, nil, func(t *testing.T, s *server) {
		for name, in := range inputs {
			t.Run(name, func(t *testing.T) {
				c := s.dialRaw(session.Implicit)
				if _, err := io.WriteString(c, in); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(c)
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					t.Fatal("the connection stays open")
				}
				if len(got) > 0 && got[0] != 0x15 {
					t.Errorf("got %q in clear", got)
				}
			})
		}
	})
}

// TestImplicitRules plays the rules of [MS-FTPS] section 3.2.5 on one
// connection: M5 (PROT P assumed), M8 and M9 (AUTH and CCC refused), M11
// (PROT C makes data clear), M10 (REIN ends TLS, not TCP, and all begins anew).
func TestImplicitRules(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.login(session.Implicit, nil)
		for _, cmd := range []string{"AUTH TLS", "AUTH SSL", "CCC"} {
			if _, err := c.Do(cmd, 534); err != nil {
				t.Errorf("%s: %v", cmd, err)
			}
		}
		if !sealedListing(t, c) {
			t.Error("LIST without PBSZ and PROT was not sealed")
		}
		if err := c.Protect("C"); err != nil {
			t.Fatal(err)
		}
		if sealedListing(t, c) {
			t.Error("LIST after PROT C was sealed")
		}
		reinit(t, c)
		if _, err := c.Do("PWD", 530); err != nil {
			t.Errorf("PWD after REIN: %v", err)
		}
		if err := c.Login("demo", "secret"); err != nil {
			t.Fatal(err)
		}
		if !sealedListing(t, c) {
			t.Error("LIST after REIN was not sealed")
		}
	})
}

// sealedListing asks for a listing by hand and says whether its data connection
// waits for a ClientHello.
func sealedListing(t *testing.T, c *ftpclient.Client) bool {
	t.Helper()
	d := dialData(t, c)
	defer d.Close()
	if _, err := c.Do("LIST", 150); err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(d.TCP(), &tls.Config{InsecureSkipVerify: true})
	sealed := tc.Handshake() == nil
	if sealed {
		if _, err := io.Copy(io.Discard, tc); err != nil {
			t.Errorf("sealed listing: %v", err)
		}
	}
	d.Close()
	if r, err := c.ReadReply(); err != nil || r.Code != 226 && sealed {
		t.Errorf("completion reply %v, %v", r, err)
	}
	return sealed
}

// reinit sends REIN and begins TLS again on the same TCP connection.
func reinit(t *testing.T, c *ftpclient.Client) {
	t.Helper()
	if _, err := c.Do("REIN", 220); err != nil {
		t.Fatal(err)
	}
	if err := c.StopTLS(true); err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(); err != nil {
		t.Fatal(err)
	}
	if err := c.Greeting(); err != nil {
		t.Fatal(err)
	}
	c.Private = true
}

// TestM12AuthSSLIsAuthTLS: the two mechanisms differ in the verb's argument and
// in nothing else ([MS-FTPS] section 3.2.5.4).
func TestM12AuthSSLIsAuthTLS(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		record := func(mech string) string {
			c := s.dial(session.Explicit, func(o *ftpclient.Options) { o.Auth = mech })
			var b strings.Builder
			for _, cmd := range []string{"PROT P", "PBSZ 0", "PROT P", "AUTH TLS", "FEAT", "USER demo", "PASS secret", "PWD", "CCC", "REIN"} {
				r, err := c.Cmd(cmd)
				if err != nil {
					t.Fatalf("%s: %s: %v", mech, cmd, err)
				}
				b.WriteString(cmd + "\n" + r.String() + "\n")
			}
			return b.String()
		}
		ssl, tls := record("SSL"), record("TLS")
		if ssl != tls {
			t.Errorf("AUTH SSL:\n%s\nAUTH TLS:\n%s", ssl, tls)
		}
		for _, want := range []string{" AUTH TLS\n", " AUTH SSL\n"} {
			if !strings.Contains(tls, want) {
				t.Errorf("FEAT lacks %q (M13)", want)
			}
		}
	})
}

// TestM23NothingBehindAUTH: bytes behind the AUTH line are never executed, in
// one segment or two.
func TestM23NothingBehindAUTH(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.dialRaw(session.Explicit)
		if _, err := io.WriteString(c, "AUTH TLS\r\nFEAT\r\nUSER demo\r\n"); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c)
		if lines := bytes.Count(got, []byte("\r\n")); lines != 2 || !bytes.Contains(got, []byte("\r\n503 ")) {
			t.Errorf("got %q; want the greeting, 503 and the end", got)
		}
	})
}

// TestQuitHalfClose: a client that shuts its side behind its commands still
// gets the replies.
func TestQuitHalfClose(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.dialRaw(session.Plain)
		if _, err := io.WriteString(c, "NOOP\r\nQUIT\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Contains(got, []byte("200 ")) || !bytes.Contains(got, []byte("221 ")) {
			t.Errorf("got %q, %v; want 200 and 221", got, err)
		}
	})
}

// TestShutdownSaysGoodbye: an idle session gets 421 when the server goes down.
func TestShutdownSaysGoodbye(t *testing.T) {
	for _, r := range reactors {
		t.Run(r, func(t *testing.T) {
			s := start(t, func(c *Config) { c.Reactor = r })
			c := s.login(session.Implicit, nil)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			go func() {
				if r, err := c.ReadReply(); err != nil || r.Code != 421 {
					t.Errorf("got %v, %v; want 421", r, err)
				}
				c.Close()
			}()
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHalfClose: what a client sent before it shut its side is executed and answered,
// also what a worker executes, and a transfer behind which QUIT waits ends as it should
// (RFC 959 section 4.1.1). Without QUIT it is aborted.
func TestHalfClose(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // more than sockets hold
	modes := map[string]session.Mode{"plain": session.Plain, "implicit": session.Implicit}
	eachReactor(t, nil, func(t *testing.T, s *server) {
		if err := os.WriteFile(filepath.Join(s.root, "down"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				login := func() *ftpclient.Client {
					c := s.login(mode, nil)
					if err := c.Protect("C"); mode == session.Implicit && err != nil {
						t.Fatal(err)
					}
					return c
				}
				replies := func(c *ftpclient.Client, want ...int) {
					t.Helper()
					var got []int
					for {
						r, err := c.ReadReply()
						if err != nil {
							break
						}
						got = append(got, r.Code)
					}
					if !slices.Equal(got, want) {
						t.Errorf("got %v, want %v", got, want)
					}
				}

				c := s.dial(mode, nil)
				say(t, c, "USER demo", "PASS secret", "MKD "+name, "MKD "+name+"/sub", "QUIT")
				shut(t, c)
				replies(c, 331, 230, 257, 257, 221)

				c = login()
				say(t, c, "HASH down")
				shut(t, c)
				await(t, "the session is over", func() bool { return s.Sessions() == 0 })

				c = login()
				data := dialData(t, c)
				say(t, c, "RETR down", "QUIT")
				shut(t, c)
				if got, err := io.ReadAll(data); err != nil || !bytes.Equal(got, content) {
					t.Errorf("download: %d bytes of %d, %v", len(got), len(content), err)
				}
				data.Close()
				replies(c, 150, 226, 221)

				c = login()
				data = dialData(t, c)
				say(t, c, "STOR up", "QUIT")
				shut(t, c)
				if _, err := data.Write(content); err != nil {
					t.Error(err)
				}
				data.Close()
				replies(c, 150, 226, 221)
				if got, err := os.ReadFile(filepath.Join(s.root, "up")); err != nil || !bytes.Equal(got, content) {
					t.Errorf("upload: %d bytes of %d, %v", len(got), len(content), err)
				}

				c = login()
				data = dialData(t, c)
				say(t, c, "STOR half")
				if _, err := data.Write(content[:100]); err != nil {
					t.Error(err)
				}
				shut(t, c)
				replies(c, 150, 426)
				data.Close()
				if _, err := os.Stat(filepath.Join(s.root, "half")); err == nil {
					t.Error("an upload without an end and without QUIT is there")
				}
			})
		}
		await(t, "no session is left", func() bool { return s.Sessions() == 0 })
	})
}

// TestBehindCloseNotify: what follows a close_notify is dropped, also while a transfer
// goes on behind which QUIT waits.
func TestBehindCloseNotify(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		c := s.login(session.Implicit, nil)
		if err := c.Protect("C"); err != nil {
			t.Fatal(err)
		}
		data := dialData(t, c)
		say(t, c, "STOR up", "QUIT")
		if _, err := data.Write([]byte("half")); err != nil { // the transfer runs
			t.Fatal(err)
		}
		if err := c.Conn().CloseNotifyThen(bytes.Repeat([]byte("X"), 1000)); err != nil {
			t.Fatal(err)
		}
		await(t, "all input was taken", func() bool {
			ended := false
			s.conns.each(func(*conn) bool { return true }, func(c *conn) {
				c.mu.Lock()
				defer c.mu.Unlock()
				ended = !c.box.owned && c.eof
			})
			return ended && s.kept() == 0
		})
		if _, err := data.Write([]byte("whole")); err != nil {
			t.Error(err)
		}
		data.Close()
		for _, want := range []int{150, 226, 221} {
			if r, err := c.ReadReply(); err != nil || r.Code != want {
				t.Errorf("got %v, %v, want %d", r, err, want)
			}
		}
		if got, err := os.ReadFile(filepath.Join(s.root, "up")); err != nil || string(got) != "halfwhole" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// say sends lines in one write.
func say(t *testing.T, c *ftpclient.Client, lines ...string) {
	t.Helper()
	if err := c.Send(strings.Join(lines, "\r\n") + "\r\n"); err != nil {
		t.Fatal(err)
	}
}

// shut ends the client's side of the control connection.
func shut(t *testing.T, c *ftpclient.Client) {
	t.Helper()
	if err := c.Conn().CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// dialData makes a data connection for the next transfer.
func dialData(t *testing.T, c *ftpclient.Client) *ftpclient.Conn {
	t.Helper()
	addr, err := c.Passive()
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.DialData(addr)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
