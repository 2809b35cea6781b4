package ftpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDial(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		script  func(p *peer)
	}{
		{"clear", Options{}, func(p *peer) {
			p.reply("220 Ready")
		}},
		{"late greeting", Options{}, func(p *peer) {
			p.reply("120 Soon", "220-Ready", " really", "220 Ready")
		}},
		{"explicit", Options{Security: Explicit}, func(p *peer) {
			p.reply("220 Ready")
			p.expect("AUTH TLS", "234 Go")
			p.startTLS()
		}},
		{"explicit with SSL", Options{Security: Explicit, Auth: "SSL"}, func(p *peer) {
			p.reply("220 Ready")
			p.expect("AUTH SSL", "234 Go")
			p.startTLS()
		}},
		{"implicit", Options{Security: Implicit}, func(p *peer) {
			p.startTLS()
			p.reply("220 Ready")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, play(t, func(p *peer) {
				tt.script(p)
				p.expect("USER bob", "331 Password")
				p.expect("PASS a b ", "230-Welcome", " bob", "230 In")
				p.expect("QUIT", "221 Bye")
			}), tt.options)
			if err := c.Login("bob", "a b "); err != nil {
				t.Error(err)
			}
			if got, want := c.Private, tt.options.Security == Implicit; got != want {
				t.Errorf("private data connections: got %v, want %v", got, want)
			}
			if got, want := c.Conn().TLS() != nil, tt.options.Security != Clear; got != want {
				t.Errorf("TLS: got %v, want %v", got, want)
			}
			if err := c.Quit(); err != nil {
				t.Error(err)
			}
			if err := c.ReadEnd(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		script  func(p *peer)
		want    string
	}{
		{"421", Options{}, func(p *peer) { p.reply("421 Full") }, "greeting: 421 Full"},
		{"no greeting", Options{}, func(*peer) {}, "greeting: read reply: EOF"},
		{"rubbish", Options{}, func(p *peer) { p.reply("hello") }, `no reply code in "hello"`},
		{"no AUTH", Options{Security: Explicit}, func(p *peer) {
			p.reply("220 Ready")
			p.expect("AUTH TLS", "504 No")
		}, "AUTH: 504 No"},
		{"clear text after 234", Options{Security: Explicit}, func(p *peer) {
			p.reply("220 Ready")
			p.expect("AUTH TLS", "234 Go", "230 In")
		}, "8 bytes in clear before TLS"},
		{"clear text on implicit", Options{Security: Implicit}, func(p *peer) {
			p.reply("220 Ready")
			p.line()
		}, "TLS handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.TLS = trusting()
			c, err := Dial(context.Background(), play(t, tt.script), tt.options)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

// Without a word in Options the certificate is checked.
func TestDialVerifies(t *testing.T) {
	addr := play(t, func(p *peer) { _ = tls.Server(p.tcp, p.server).Handshake() })
	_, err := Dial(context.Background(), addr, Options{Security: Implicit})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("got %v, want an unknown authority", err)
	}
}

func TestDialCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Dial(ctx, "127.0.0.1:9", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestLocalAddress(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.7")
	from := func(conn net.Conn) netip.Addr { return conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() }
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.epsv()
		data := p.data()
		defer data.Close()
		if a, b := from(p.tcp), from(data); a != local || b != local {
			t.Errorf("got control from %v, data from %v, want %v", a, b, local)
		}
	}), Options{Local: local})
	addr, err := c.Passive()
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.DialData(addr)
	if err != nil {
		t.Fatal(err)
	}
	data.Close()
}

// A silent server ends each step at its deadline.
func TestTimeout(t *testing.T) {
	quiet := make(chan struct{})
	addr := play(t, func(p *peer) {
		p.reply("220 Ready")
		<-quiet
	})
	c := dial(t, addr, Options{})
	defer close(quiet)
	c.Timeout = 20 * time.Millisecond
	if _, err := c.Cmd("NOOP"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestLoginRefused(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.expect("USER bob", "331 Password")
		p.expect("PASS wrong", "530 No")
		p.expect("USER eve", "530 TLS required")
	}), Options{})
	for _, user := range []string{"bob", "eve"} {
		var refused *ReplyError
		err := c.Login(user, "wrong")
		if !errors.As(err, &refused) || refused.Code != 530 {
			t.Errorf("%s: got %v, want a 530", user, err)
		}
		if strings.Contains(err.Error(), "wrong") {
			t.Errorf("%q tells the password", err)
		}
	}
}

// Names go out as RFC 3659 section 2.2 and RFC 2640 section 3.1 ask for, and
// what cannot be sent is not sent in part.
func TestCmdEncoding(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.expect("STAT a\xff\xffb\r\x00c", "211 Done")
		p.expect("NOOP", "200 Done")
	}), Options{})
	if _, err := c.Cmd("STAT a\xffb\rc"); err != nil {
		t.Error(err)
	}
	for _, line := range []string{"DELE a\nb", "DELE a\x00"} {
		if _, err := c.Cmd(line); err == nil {
			t.Errorf("%q was sent", line)
		}
	}
	if _, err := c.Do("NOOP", 200); err != nil {
		t.Error(err)
	}
}

// Several commands in one write, read one by one.
func TestPipelining(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.startTLS()
		p.reply("220 Ready")
		p.expect("NOOP")
		p.expect("PWD", "200 Done", "257 \"/\"")
	}), Options{Security: Implicit})
	if err := c.Send("NOOP\r\nPWD\r\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{200, 257} {
		if reply, err := c.ReadReply(); err != nil || reply.Code != want {
			t.Errorf("got %v, %v, want %d", reply, err, want)
		}
	}
}

func TestParameters(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.expect("PBSZ 0", "200 PBSZ=0")
		p.expect("PROT P", "200 Private")
		p.expect("PBSZ 0", "200 PBSZ=0")
		p.expect("PROT E", "536 No")
		p.expect("TYPE I", "200 Binary")
		p.expect("MODE Z", "200 Deflate")
		p.expect("MODE B", "504 No")
		p.expect("SIZE a", "213 9223372036854775807")
		p.expect("PWD", `257 "/a ""b"" `+"\xff\xff"+`" is it`)
	}), Options{})
	if err := c.Protect("P"); err != nil || !c.Private {
		t.Errorf("PROT P: error %v, private %v", err, c.Private)
	}
	if err := c.Protect("E"); err == nil || !c.Private {
		t.Errorf("PROT E: error %v, private %v", err, c.Private)
	}
	if err := c.Type("I"); err != nil {
		t.Error(err)
	}
	if err := c.Mode("Z"); err != nil || !c.Deflate {
		t.Errorf("MODE Z: error %v, deflate %v", err, c.Deflate)
	}
	if err := c.Mode("B"); err == nil || !c.Deflate {
		t.Errorf("MODE B: error %v, deflate %v", err, c.Deflate)
	}
	if n, err := c.Size("a"); n != 1<<63-1 || err != nil {
		t.Errorf("SIZE: got %d, %v", n, err)
	}
	if path, err := c.Pwd(); path != "/a \"b\" \xff" || err != nil {
		t.Errorf("PWD: got %q, %v", path, err)
	}
}

// What a refusal or rubbish in the place of an answer comes to.
func TestAnswersRefused(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.expect("SIZE a", "550 None")
		p.expect("SIZE a", "213 many")
		p.expect("PWD", "550 None")
		p.expect("PBSZ 0", "503 AUTH first")
		p.expect("EPSV", "425 None")
		p.expect("PASV", "227 somewhere")
	}), Options{})
	var refused *ReplyError
	if _, err := c.Size("a"); !errors.As(err, &refused) || refused.Code != 550 {
		t.Errorf("SIZE: got %v, want a 550", err)
	}
	if n, err := c.Size("a"); err == nil {
		t.Errorf("SIZE: got %d, want an error", n)
	}
	if _, err := c.Pwd(); !errors.As(err, &refused) || refused.Code != 550 {
		t.Errorf("PWD: got %v, want a 550", err)
	}
	if err := c.Protect("P"); !errors.As(err, &refused) || refused.Code != 503 || c.Private {
		t.Errorf("PBSZ: got %v, private %v, want a 503", err, c.Private)
	}
	if _, err := c.Passive(); !errors.As(err, &refused) || refused.Code != 425 {
		t.Errorf("EPSV: got %v, want a 425", err)
	}
	c.Endpoint = PASV
	if addr, err := c.Passive(); err == nil {
		t.Errorf("PASV: got %v, want an error", addr)
	}
}

// One Send is one TLS record, whatever its length up to 16 KiB: servers must not
// depend on where records end, and tests must be able to choose.
func TestSendIsOneRecord(t *testing.T) {
	line := "STAT " + strings.Repeat("a", 8000) + "\r\n"
	c := dial(t, play(t, func(p *peer) {
		p.startTLS()
		p.reply("220 Ready")
		buf := make([]byte, 16<<10) // crypto/tls returns at most one record a Read
		if n, err := p.conn.Read(buf); err != nil || string(buf[:n]) != line {
			p.fail("got %d bytes, %v, want %d", n, err, len(line))
		}
	}), Options{Security: Implicit})
	if err := c.Send(line); err != nil {
		t.Fatal(err)
	}
}

// CCC and REIN: TLS ends, the TCP connection does not.
func TestStopTLS(t *testing.T) {
	for _, answer := range []bool{true, false} {
		c := dial(t, play(t, func(p *peer) {
			p.startTLS()
			p.reply("220 Ready")
			p.expect("CCC", "200 Clear")
			p.stopTLS(answer)
			p.expect("AUTH TLS", "234 Go")
			p.startTLS()
			p.expect("NOOP", "200 Done")
		}), Options{Security: Implicit})
		if _, err := c.Do("CCC", 200); err != nil {
			t.Fatal(err)
		}
		if err := c.StopTLS(answer); err != nil {
			t.Fatal(err)
		}
		if err := c.StopTLS(answer); err == nil {
			t.Error("TLS stopped twice")
		}
		if err := c.Auth("TLS"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do("NOOP", 200); err != nil {
			t.Error(err)
		}
	}
}

func TestReadEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func(p *peer)
		want error
	}{
		{"close_notify", func(p *peer) { p.conn.Close() }, nil},
		{"bare FIN", func(p *peer) { p.tcp.Close() }, ErrTruncated},
		{"RST", func(p *peer) {
			p.check(p.tcp.SetLinger(0))
			p.tcp.Close()
		}, syscall.ECONNRESET},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, play(t, func(p *peer) {
				p.startTLS()
				p.reply("220 Ready")
				p.expect("QUIT", "221 Bye")
				tt.end(p)
			}), Options{Security: Implicit})
			if err := c.Quit(); err != nil {
				t.Fatal(err)
			}
			if err := c.ReadEnd(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
