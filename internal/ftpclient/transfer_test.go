package ftpclient

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastftps/codec"

	"github.com/klauspost/compress/zlib"
)

// serve plays a small server with one file until the client leaves.
func (p *peer) serve(file []byte) (stored []byte) {
	p.t.Helper()
	deflate, restart := false, 0
	for {
		line := p.line()
		verb, arg, _ := strings.Cut(line, " ")
		switch verb {
		case "":
			return stored
		case "EPSV":
			p.reply("229 " + string(codec.AppendEPSV(nil, p.listen().Port())))
		case "PASV":
			p.reply("227 " + string(codec.AppendPASV(nil, p.listen())))
		case "PORT":
			to, err := codec.ParsePort([]byte(arg))
			p.check(err)
			p.to = to.String()
			p.reply("200 Done")
		case "EPRT":
			to, err := codec.ParseEPRT([]byte(arg))
			p.check(err)
			p.to = to.String()
			p.reply("200 Done")
		case "PROT":
			p.secure = arg == "P"
			p.reply("200 Done")
		case "MODE":
			deflate = arg == "Z"
			p.reply("200 Done")
		case "REST":
			_, err := fmt.Sscan(arg, &restart)
			p.check(err)
			p.reply("350 Go on")
		case "RETR":
			p.reply("150 Here it comes")
			p.sendFile(file[restart:], deflate)
			p.reply("226 Done")
		case "STOR", "APPE":
			p.reply("150 Send")
			stored = append(stored, p.receiveFile(deflate)...)
			p.reply("226 Done")
		default:
			p.reply("200 Done")
		}
	}
}

func (p *peer) sendFile(file []byte, deflate bool) {
	p.t.Helper()
	data := p.secured()
	defer data.Close()
	if !deflate {
		_, err := data.Write(file)
		p.check(err)
		return
	}
	z := zlib.NewWriter(data)
	_, err := z.Write(file)
	p.check(err)
	p.check(z.Close())
}

func (p *peer) receiveFile(deflate bool) []byte {
	p.t.Helper()
	data := p.secured()
	defer data.Close()
	r := io.Reader(data)
	if deflate {
		z, err := zlib.NewReader(data)
		p.check(err)
		r = z
	}
	got, err := io.ReadAll(r)
	p.check(err)
	_, err = io.Copy(io.Discard, data) // past the zlib stream: closing with bytes unread is RST
	p.check(err)
	return got
}

// Every way to a data connection, clear and private, plain and deflated.
func TestTransfers(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	endpoints := []struct {
		name string
		e    Endpoint
	}{{"EPSV", EPSV}, {"PASV", PASV}, {"PORT", PORT}, {"EPRT", EPRT}}
	for _, endpoint := range endpoints {
		for _, level := range []string{"C", "P"} {
			for _, mode := range []string{"S", "Z"} {
				t.Run(endpoint.name+level+mode, func(t *testing.T) {
					var stored []byte
					done := make(chan struct{})
					c := dial(t, play(t, func(p *peer) {
						defer close(done)
						p.startTLS()
						p.reply("220 Ready")
						stored = p.serve(file)
					}), Options{Security: Implicit, Endpoint: endpoint.e})
					if err := errors.Join(c.Protect(level), c.Mode(mode)); err != nil {
						t.Fatal(err)
					}
					roundTrips(t, c, file)
					c.Close()
					<-done
					if want := append(file, file[:100]...); !bytes.Equal(stored, want) {
						t.Errorf("stored %d bytes, want %d", len(stored), len(want))
					}
				})
			}
		}
	}
}

func roundTrips(t *testing.T, c *Client, file []byte) {
	t.Helper()
	for _, restart := range []int64{0, 100_000, int64(len(file))} {
		var got bytes.Buffer
		n, err := c.Retr("file", restart, &got)
		if err != nil || n != int64(got.Len()) || !bytes.Equal(got.Bytes(), file[restart:]) {
			t.Errorf("RETR from %d: got %d bytes, error %v", restart, n, err)
		}
		if _, err := c.Cmd("REST 0"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Stor("file", 0, bytes.NewReader(file)); err != nil || n != int64(len(file)) {
		t.Errorf("STOR: got %d bytes, error %v", n, err)
	}
	if n, err := c.Appe("file", 0, bytes.NewReader(file[:100])); err != nil || n != 100 {
		t.Errorf("APPE: got %d bytes, error %v", n, err)
	}
	if n, err := c.Stor("empty", 0, strings.NewReader("")); err != nil || n != 0 {
		t.Errorf("STOR of nothing: got %d bytes, error %v", n, err)
	}
}

// Data connections resume the session of the control connection, in both
// versions, and only when they may.
func TestResumption(t *testing.T) {
	tests := []struct {
		name     string
		version  uint16
		noResume bool
		security Security
		want     bool
	}{
		{"TLS 1.2", tls.VersionTLS12, false, Implicit, true},
		{"TLS 1.3", tls.VersionTLS13, false, Implicit, true},
		{"TLS 1.2, explicit", tls.VersionTLS12, false, Explicit, true},
		{"TLS 1.3, explicit", tls.VersionTLS13, false, Explicit, true},
		{"TLS 1.2, not allowed", tls.VersionTLS12, true, Implicit, false},
		{"TLS 1.3, not allowed", tls.VersionTLS13, true, Implicit, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan []bool, 1)
			addr := play(t, func(p *peer) {
				if tt.security == Explicit {
					p.reply("220 Ready")
					p.expect("AUTH TLS", "234 Go")
					p.startTLS()
				} else {
					p.startTLS()
					p.reply("220 Ready")
				}
				p.serve([]byte("file"))
				done <- p.resume
			})
			cfg := trusting()
			cfg.MinVersion, cfg.MaxVersion = tt.version, tt.version
			c := dial(t, addr, Options{Security: tt.security, TLS: cfg, NoResume: tt.noResume})
			if err := c.Protect("P"); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := c.Retr("file", 0, io.Discard); err != nil {
					t.Error(err)
				}
			}
			c.Close()
			want := []bool{tt.want, tt.want, tt.want}
			if got := <-done; !slices.Equal(got, want) {
				t.Errorf("resumed: got %v, want %v", got, want)
			}
		})
	}
}

// A download is whole only if the server says so, both ways.
func TestDownloadFails(t *testing.T) {
	tests := []struct {
		name  string
		data  func(p *peer, data *net.TCPConn)
		reply string
		want  error
		code  int
	}{
		{"no close_notify", func(p *peer, data *net.TCPConn) {
			secured := tls.Server(data, p.server)
			_, err := secured.Write([]byte("half"))
			p.check(err)
			data.Close()
		}, "226 Done", ErrTruncated, 0},
		{"inside a record", func(p *peer, data *net.TCPConn) {
			p.check(tls.Server(data, p.server).Handshake())
			_, err := data.Write([]byte{23, 3, 3, 1, 0, 'h'})
			p.check(err)
			data.Close()
		}, "226 Done", io.ErrUnexpectedEOF, 0},
		{"426", func(p *peer, data *net.TCPConn) {
			secured := tls.Server(data, p.server)
			_, err := secured.Write([]byte("half"))
			p.check(err)
			secured.Close()
		}, "426 Gone", nil, 426},
		{"both", func(p *peer, data *net.TCPConn) {
			p.check(data.CloseWrite())
			_, _ = io.Copy(io.Discard, data) // the ClientHello; closing with it unread is RST
			data.Close()
		}, "522 No TLS", io.EOF, 522},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, play(t, func(p *peer) {
				p.startTLS()
				p.reply("220 Ready")
				p.epsv()
				p.expect("RETR file", "150 Here it comes")
				tt.data(p, p.data())
				p.reply(tt.reply)
				p.expect("NOOP", "200 Done")
			}), Options{Security: Implicit})
			_, err := c.Retr("file", 0, io.Discard)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			var refused *ReplyError
			if got := errors.As(err, &refused); got != (tt.code != 0) || got && refused.Code != tt.code {
				t.Errorf("got %v, want code %d", err, tt.code)
			}
			if _, err := c.Do("NOOP", 200); err != nil {
				t.Errorf("the session did not survive: %v", err)
			}
		})
	}
}

// A refused transfer, and a refused restart point, leave the session in order.
func TestTransferRefused(t *testing.T) {
	for _, endpoint := range []Endpoint{EPSV, PORT} {
		c := dial(t, play(t, func(p *peer) {
			p.reply("220 Ready")
			for range 2 {
				p.endpoint(endpoint)
				p.expect("REST 5", "350 Go on")
				p.expect("RETR none", "550 None")
			}
			p.endpoint(endpoint)
			p.expect("REST 5", "501 No")
		}), Options{Endpoint: endpoint})
		for _, want := range []string{"RETR: 550 None", "RETR: 550 None", "REST: 501 No"} {
			if _, err := c.Retr("none", 5, io.Discard); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
}

// endpoint answers EPSV or PORT and forgets about it.
func (p *peer) endpoint(e Endpoint) {
	p.t.Helper()
	if e == EPSV {
		p.epsv()
		p.data().Close()
		return
	}
	if line := p.line(); !strings.HasPrefix(line, "PORT ") {
		p.fail("got %q, want PORT", line)
	}
	p.reply("200 Done")
}

// Where the server does not come to the port that was announced, its reply says
// why.
func TestActiveNeverConnected(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.endpoint(PORT)
		p.expect("RETR file", "150 Coming", "425 Cannot connect")
	}), Options{Endpoint: PORT})
	c.Timeout = 100 * time.Millisecond
	_, err := c.Retr("file", 0, io.Discard)
	var refused *ReplyError
	if !errors.As(err, &refused) || refused.Code != 425 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want 425 and the deadline", err)
	}
}

// The server gives up in the middle of an upload.
func TestUploadRefusedMidway(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.epsv()
		p.expect("STOR big", "150 Send")
		data := p.data()
		_, err := io.ReadFull(data, make([]byte, 1000))
		p.check(err)
		data.Close()
		p.reply("552 Quota")
	}), Options{})
	n, err := c.Stor("big", 0, endless{})
	var refused *ReplyError
	if !errors.As(err, &refused) || refused.Code != 552 || n < 1000 {
		t.Errorf("got %d bytes, %v, want 552", n, err)
	}
}

// endless reads as zeros without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The ways in which an upload can end, as the server sees them.
func TestUploadEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(*Conn) error
		fin  bool  // the server reads FIN first, and not close_notify
		want error // from tls.Conn.Read
	}{
		{"CloseWrite", (*Conn).CloseWrite, false, io.EOF},
		{"Close", (*Conn).Close, false, io.EOF},
		{"CloseWriteBare", (*Conn).CloseWriteBare, true, io.EOF},
		{"CloseWriteInRecord", (*Conn).CloseWriteInRecord, true, io.ErrUnexpectedEOF},
		{"Reset", (*Conn).Reset, false, syscall.ECONNRESET},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ended := make(chan struct{})
			c := dial(t, play(t, func(p *peer) {
				p.startTLS()
				p.reply("220 Ready")
				p.epsv()
				p.expect("STOR file", "150 Send")
				p.readEnd(tt.fin, tt.want, ended)
				p.reply("226 Done")
			}), Options{Security: Implicit})
			data, err := c.Begin("STOR file", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer data.Close()
			if _, err := data.Write([]byte("content")); err != nil {
				t.Fatal(err)
			}
			<-ended // the content is read: RST cannot overtake it
			if err := tt.end(data); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Complete(); err != nil {
				t.Error(err)
			}
		})
	}
}

// readEnd reads the content and then the end.
func (p *peer) readEnd(fin bool, want error, content chan<- struct{}) {
	p.t.Helper()
	// Without tickets nothing is left unread at the client, so that its Close is
	// no RST.
	server := p.server.Clone()
	server.SessionTicketsDisabled = true
	data := &wire{TCPConn: p.data()}
	defer data.Close()
	secured := tls.Server(data, server)
	if _, err := io.ReadFull(secured, make([]byte, len("content"))); err != nil {
		close(content)
		p.fail("%v", err)
	}
	close(content)
	if _, err := secured.Read(make([]byte, 1)); !errors.Is(err, want) || data.fin != fin {
		p.fail("got %v, FIN first %v, want %v, %v", err, data.fin, want, fin)
	}
}

// A data connection that is opened and closed without a byte.
func TestDataWithoutHandshake(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.startTLS()
		p.reply("220 Ready")
		p.epsv()
		p.expect("RETR file", "150 Here it comes")
		if n, err := p.data().Read(make([]byte, 1)); n != 0 || err != io.EOF {
			p.fail("got %d bytes, %v", n, err)
		}
		p.reply("426 Gone")
	}), Options{Security: Implicit})
	data, err := c.Begin("RETR file", 0)
	if err != nil {
		t.Fatal(err)
	}
	data.Close()
	if reply, err := c.Complete(); err == nil || reply.Code != 426 {
		t.Errorf("got %v, %v, want 426", reply, err)
	}
}

func TestAbort(t *testing.T) {
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		p.epsv()
		p.expect("RETR file", "150 Here it comes")
		data := p.data()
		defer data.Close()
		p.expect("ABOR", "426 Aborted", "226 ABOR done")
		p.expect("ABOR", "226 Nothing to abort")
	}), Options{})
	data, err := c.Begin("RETR file", 0)
	if err != nil {
		t.Fatal(err)
	}
	transfer, abort, err := c.Abort(data)
	if err != nil || transfer.Code != 426 || abort.Code != 226 {
		t.Errorf("got %v, %v, %v, want 426 and 226", transfer, abort, err)
	}
	if _, err := data.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the data connection: got %v, want %v", err, net.ErrClosed)
	}
	if transfer, abort, err = c.Abort(nil); err != nil || transfer.Code != 0 || abort.Code != 226 {
		t.Errorf("idle: got %v, %v, %v, want only 226", transfer, abort, err)
	}
}

// A zlib stream must be whole and the last thing sent.
func TestDeflateChecked(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	whole := z.Bytes()
	tests := []struct {
		name string
		body []byte
		ok   bool
	}{
		{"whole", whole, true},
		{"cut", whole[:len(whole)-1], false},
		{"nothing", nil, false},
		{"trailing", append(slices.Clone(whole), 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, play(t, func(p *peer) {
				p.reply("220 Ready")
				p.epsv()
				p.expect("RETR file", "150 Here it comes")
				data := p.data()
				_, err := data.Write(tt.body)
				p.check(err)
				data.Close()
				p.reply("226 Done")
			}), Options{})
			c.Deflate = true
			if _, err := c.Retr("file", 0, io.Discard); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestListings(t *testing.T) {
	list := func(p *peer, command, body string) {
		p.epsv()
		p.expect(command, "150 Here it comes")
		data := p.data()
		_, err := io.WriteString(data, body)
		p.check(err)
		data.Close()
		p.reply("226 Done")
	}
	c := dial(t, play(t, func(p *peer) {
		p.reply("220 Ready")
		list(p, "LIST -a dir", "a\r\n b\r\n")
		list(p, "NLST", "")
		list(p, "NLST", "a\r\nb")
		list(p, "MLSD dir", "type=file;size=3; a b\r\n  c\r\n")
		list(p, "MLSD", "type=file a\r\n")
	}), Options{})
	if got, err := c.List("-a dir"); err != nil || !slices.Equal(got, []string{"a", " b"}) {
		t.Errorf("LIST: got %q, %v", got, err)
	}
	if got, err := c.NLST(""); err != nil || got != nil {
		t.Errorf("NLST of nothing: got %q, %v", got, err)
	}
	if got, err := c.NLST(""); err == nil {
		t.Errorf("NLST without the last line end: got %q", got)
	}
	got, err := c.MLSD("dir")
	want := []Entry{{"a b", map[string]string{"type": "file", "size": "3"}}, {" c", nil}}
	if err != nil || !slices.EqualFunc(got, want, func(a, b Entry) bool {
		return a.Name == b.Name && maps.Equal(a.Facts, b.Facts)
	}) {
		t.Errorf("MLSD: got %q, %v, want %q", got, err, want)
	}
	if got, err := c.MLSD(""); err == nil {
		t.Errorf("MLSD with a broken line: got %q", got)
	}
}

// FuzzParseEntry: an entry that is accepted has its name, and each fact, in the
// line, and nothing else but separators.
func FuzzParseEntry(f *testing.F) {
	f.Add("type=file;size=3; a b")
	f.Add(" name")
	f.Add("type=file a")
	f.Fuzz(func(t *testing.T, line string) {
		e, err := ParseEntry(line)
		if err != nil {
			return
		}
		if !strings.HasSuffix(line, " "+e.Name) || e.Name == "" {
			t.Errorf("name %q of %q", e.Name, line)
		}
		facts := strings.TrimSuffix(line, " "+e.Name)
		if n := strings.Count(facts, ";"); strings.Contains(facts, " ") || len(e.Facts) > n {
			t.Errorf("%d facts of %q", len(e.Facts), line)
		}
		for key, value := range e.Facts {
			if !strings.Contains(strings.ToLower(facts), strings.ToLower(key+"="+value+";")) {
				t.Errorf("fact %q=%q of %q", key, value, line)
			}
		}
	})
}
