package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// The tests of this file watch over what crypto/tls does but does not promise:
// that a read which failed for want of bytes can be made again, in the middle
// of anything. If one fails with a new Go release, the handshake's coroutine has
// to stay for the whole session. EngineFast has to do the same.

var (
	keyUpdateQuiet = []byte{24, 0, 0, 1, 0}
	keyUpdateAsk   = []byte{24, 0, 0, 1, 1}
)

// A KeyUpdate that asks for one in return, cut into two records and pushed byte
// by byte.
func TestSplitKeyUpdate(t *testing.T) { bothEngines(t, testSplitKeyUpdate) }

func testSplitKeyUpdate(t *testing.T) {
	c, f := forged(t, tls.VersionTLS13)
	c.cut = func() int { return 1 }
	f.send(f.seal(typeApplicationData, []byte("one ")),
		f.seal(typeHandshake, keyUpdateAsk[:2]), f.seal(typeHandshake, keyUpdateAsk[2:]))
	f.update()
	f.send(f.seal(typeApplicationData, []byte("two")))
	if got, err := c.readFull(7); string(got) != "one two" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if n := len(c.Pending()); n != headerLen+len(keyUpdateAsk)+1+16 {
		t.Errorf("got %d bytes of answer, want one KeyUpdate", n)
	}
	c.say("200 OK\r\n") // sealed with the next key
	if typ, p := f.open(); typ != typeHandshake || !bytes.Equal(p, keyUpdateQuiet) {
		t.Errorf("got record %d %v, want a KeyUpdate", typ, p)
	}
	f.server.update()
	if typ, p := f.open(); typ != typeApplicationData || string(p) != "200 OK\r\n" {
		t.Errorf("got record %d %q", typ, p)
	}
}

func TestFloods(t *testing.T) { bothEngines(t, testFloods) }

func testFloods(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version uint16
		typ     byte
		payload []byte
		update  bool
	}{
		{"key updates", tls.VersionTLS13, typeHandshake, keyUpdateQuiet, true},
		{"key updates that want one", tls.VersionTLS13, typeHandshake, keyUpdateAsk, true},
		{"empty records", tls.VersionTLS13, typeApplicationData, nil, false},
		{"empty records 1.2", tls.VersionTLS12, typeApplicationData, nil, false},
		{"warnings 1.2", tls.VersionTLS12, typeAlert, []byte{1, 90}, false},
		{"user_canceled", tls.VersionTLS13, typeAlert, []byte{1, 90}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, f := forged(t, tt.version)
			for range 40 {
				f.send(f.seal(tt.typ, tt.payload))
				if tt.update {
					f.update()
				}
			}
			_, err := c.readFull(1)
			if err == nil || !strings.Contains(err.Error(), "too many") {
				t.Errorf("got %v, want the flood to be cut", err)
			}
			if n := len(c.Pending()); n == 0 || n > 20*32 {
				t.Errorf("got %d bytes of answer, want an alert and no more than 17 answers", n)
			}
		})
	}
}

// noAlert stands for no answer at all.
const noAlert = -1

// alert sends what is pending and returns the one alert in it. f must know all that
// was sent before.
func (c *control) alert(f *forger) int {
	c.t.Helper()
	n := len(c.Pending())
	if n == 0 {
		return noAlert
	}
	c.flush()
	typ, p := f.open()
	if typ != typeAlert || len(p) != 2 || n > headerLen+2+f.server.overhead() {
		c.t.Fatalf("got record %d %v, %d bytes, want an alert", typ, p, n)
	}
	return int(p[1])
}

func (f *forgerHalf) overhead() int {
	if f.version == tls.VersionTLS13 {
		return 1 + 16
	}
	return 8 + 16
}

// wantBreach checks an error and its alert: std by its text.
func wantBreach(t *testing.T, c *control, f *forger, err error, std string, fast error, alert int) {
	t.Helper()
	switch {
	case err == nil,
		engine == EngineStd && !strings.Contains(err.Error(), std),
		engine == EngineFast && !errors.Is(err, fast):
		t.Errorf("got %v, want %q or %v", err, std, fast)
	}
	if got := c.alert(f); got != alert {
		t.Errorf("got alert %d, want %d", got, alert)
	}
	if _, again := c.Read(make([]byte, 1)); engine == EngineFast && again != err {
		t.Errorf("read again: got %v", again)
	}
	_, werr := c.Write([]byte("x"))
	if alert != noAlert && werr == nil {
		t.Error("write behind an alert: got no error")
	}
	if err == io.EOF && werr != nil {
		t.Errorf("write behind the peer's close_notify: got %v", werr)
	}
}

// What a peer may say after the handshake besides data.
func TestAfterHandshake(t *testing.T) { bothEngines(t, testAfterHandshake) }

func testAfterHandshake(t *testing.T) {
	helloRequest := []byte{0, 0, 0, 0}
	hello := []byte{clientHello, 0, 0, 2, 3, 3}
	for _, tt := range []struct {
		name      string
		version   uint16
		typ       byte
		payload   []byte
		std       string // in the error of crypto/tls
		fast      error
		alertStd  int
		alertFast int // the one that the RFC names
	}{
		{"close_notify 1.2", tls.VersionTLS12, typeAlert, []byte{1, 0}, "EOF", io.EOF, noAlert, noAlert},
		{"close_notify 1.3", tls.VersionTLS13, typeAlert, []byte{1, 0}, "EOF", io.EOF, noAlert, noAlert},
		{"fatal alert 1.2", tls.VersionTLS12, typeAlert, []byte{2, 40}, "remote error", tls.AlertError(40), noAlert, noAlert},
		{"fatal alert 1.3", tls.VersionTLS13, typeAlert, []byte{2, 40}, "remote error", tls.AlertError(40), noAlert, noAlert},
		{"long alert", tls.VersionTLS13, typeAlert, []byte{2, 40, 1}, "unexpected message", errAlert, alertUnexpectedMessage, alertDecodeError},
		{"hello request", tls.VersionTLS12, typeHandshake, helloRequest, "no renegotiation", errMessage, alertNoRenegotiation, alertUnexpectedMessage},
		{"renegotiation", tls.VersionTLS12, typeHandshake, hello, "decoding", errRenegotiation, alertDecodeError, alertNoRenegotiation},
		{"second hello", tls.VersionTLS13, typeHandshake, hello, "", errMessage, alertDecodeError, alertUnexpectedMessage},
		{"unknown type", tls.VersionTLS13, 99, []byte("x"), "unexpected message", errType, alertUnexpectedMessage, alertUnexpectedMessage},
		{"change cipher spec 1.2", tls.VersionTLS12, typeChangeCipherSpec, []byte{1}, "unexpected message", errType, alertUnexpectedMessage, alertUnexpectedMessage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, f := forged(t, tt.version)
			f.send(f.seal(tt.typ, tt.payload))
			_, err := c.readFull(1)
			alert := tt.alertStd
			if engine == EngineFast {
				alert = tt.alertFast
			}
			wantBreach(t, c, f, err, tt.std, tt.fast, alert)
		})
	}
}

// A record that was changed under way ends the connection with an alert, wherever
// it was changed, and nothing of it is read.
func TestForgedRecord(t *testing.T) { bothEngines(t, testForgedRecord) }

func testForgedRecord(t *testing.T) {
	for _, v := range versions {
		for _, tt := range []struct {
			name string
			bend func(rec []byte)
		}{
			{"tag", func(rec []byte) { rec[len(rec)-1] ^= 1 }},
			{"content", func(rec []byte) { rec[len(rec)-18] ^= 1 }},
			{"first byte", func(rec []byte) { rec[headerLen] ^= 1 }},
		} {
			for _, size := range []int{1, 100} { // opened in place, and not
				t.Run(fmt.Sprintf("%s %s %d", v.name, tt.name, size), func(t *testing.T) {
					c, f := forged(t, v.v)
					rec := f.seal(typeApplicationData, []byte("DELE x\r\n"))
					tt.bend(rec)
					f.send(rec)
					got, err := c.readFull(size)
					if len(got) > 0 {
						t.Errorf("got %q", got)
					}
					wantBreach(t, c, f, err, "bad record MAC", errBadMAC, alertBadRecordMAC)
				})
			}
		}
	}
}

// What was sealed once is taken once, and in its order.
func TestReplayedRecord(t *testing.T) { bothEngines(t, testReplayedRecord) }

func testReplayedRecord(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			rec := f.seal(typeApplicationData, []byte("NOOP\r\n"))
			f.send(rec, rec)
			got, err := c.readFull(12)
			if string(got) != "NOOP\r\n" {
				t.Errorf("got %q", got)
			}
			wantBreach(t, c, f, err, "bad record MAC", errBadMAC, alertBadRecordMAC)
		})
	}
}

// An oversized record is refused on its header.
func TestOversizedRecord(t *testing.T) { bothEngines(t, testOversizedRecord) }

func testOversizedRecord(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			f.send(recordHeader(typeApplicationData, 65535))
			_, err := c.readFull(1)
			wantBreach(t, c, f, err, "oversized", errOverflow, alertRecordOverflow)
		})
	}
}

// What follows close_notify in the same segment stays outside TLS.
func TestRestAfterCloseNotify(t *testing.T) { bothEngines(t, testRestAfterCloseNotify) }

func testRestAfterCloseNotify(t *testing.T) {
	const clear = "USER x\r\nPASS y\r\n"
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			f.send(f.seal(typeApplicationData, []byte("CCC\r\n")), f.seal(typeAlert, []byte{1, 0}), []byte(clear))
			got, err := c.readFull(6)
			if string(got) != "CCC\r\n" || err != io.EOF {
				t.Fatalf("got %q, %v", got, err)
			}
			if rest := string(c.Rest()); rest != clear {
				t.Errorf("got %q, want %q", rest, clear)
			}
		})
	}
}

// After our close_notify TLS ends with the peer's, or with the first byte that
// is none of its records.
func TestDrain(t *testing.T) { bothEngines(t, testDrain) }

func testDrain(t *testing.T) {
	hello := []byte{typeHandshake, 3, 1, 0, 5, clientHello}
	for _, v := range versions {
		for _, tt := range []struct {
			name string
			send func(f *forger) []byte
			done bool
			err  error
			rest string
		}{
			{"nothing", func(f *forger) []byte { return []byte{typeAlert, 3} }, false, nil, ""},
			{"close_notify", func(f *forger) []byte { return f.seal(typeAlert, []byte{1, 0}) }, true, nil, ""},
			{"close_notify and clear text", func(f *forger) []byte {
				return append(f.seal(typeAlert, []byte{1, 0}), "NOOP\r\n"...)
			}, true, nil, "NOOP\r\n"},
			{"clear text at once", func(*forger) []byte { return []byte("NOOP\r\n") }, true, nil, "NOOP\r\n"},
			{"late command, then close_notify", func(f *forger) []byte {
				return append(f.seal(typeApplicationData, []byte("NOOP\r\n")), f.seal(typeAlert, []byte{1, 0})...)
			}, false, ErrLateData, ""},
			{"warning, then close_notify", func(f *forger) []byte {
				return append(f.seal(typeAlert, []byte{1, 90}), f.seal(typeAlert, []byte{1, 0})...)
			}, true, nil, ""},
			{"new hello at once", func(*forger) []byte { return hello }, true, nil, string(hello)},
		} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				c, f := forged(t, v.v)
				c.CloseNotify()
				c.CloseNotify()
				c.flush()
				f.send(tt.send(f))
				var done bool
				err := c.fetch(func() (err error) { done, err = c.Drain(); return err })
				if done != tt.done || err != tt.err {
					t.Fatalf("got %v, %v, want %v, %v", done, err, tt.done, tt.err)
				}
				if rest := string(c.Rest()); done && rest != tt.rest {
					t.Errorf("got rest %q, want %q", rest, tt.rest)
				}
				if _, err := c.Write([]byte("x")); err == nil || len(c.Pending()) > 0 {
					t.Errorf("write behind close_notify: got %v, %d bytes", err, len(c.Pending()))
				}
			})
		}
	}
}

// REIN on an implicit listener: a second TLS session on the same connection.
func TestSecondSession(t *testing.T) { bothEngines(t, testSecondSession) }

func testSecondSession(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			id, cfg := newIdentity(t), clientConfig(v.v)
			c, tc := secured(t, id, NewBinding(), cfg)
			c.CloseNotify()
			c.flush()
			if _, err := tc.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("client got %v, want close_notify", err)
			}
			if err := tc.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			// CloseWrite left the socket with a write deadline in the past.
			if err := tc.NetConn().SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			again := tls.Client(tc.NetConn(), cfg)
			done := make(chan error, 1)
			go func() { done <- again.Handshake() }()
			for over := false; !over; {
				if err := c.fetch(func() (err error) { over, err = c.Drain(); return err }); err != nil {
					t.Fatal(err)
				}
			}
			next := newControl(t, id, NewBinding(), c.sock)
			if err := next.Push(c.Rest()); err != nil {
				t.Fatal(err)
			}
			if next.Ready() {
				if _, err := next.Step(); err != nil {
					t.Fatal(err)
				}
				next.flush()
			}
			if err := next.handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			next.say("220 again\r\n")
			expect(t, again, "220 again\r\n")
		})
	}
}

func TestControlTruncated(t *testing.T) { bothEngines(t, testControlTruncated) }

func testControlTruncated(t *testing.T) {
	for _, v := range versions {
		for _, tt := range []struct {
			name string
			cut  int // bytes missing at the end of the last record
			in   bool
		}{{"between records", 0, false}, {"inside a record", 3, true}} {
			t.Run(v.name+" "+tt.name, func(t *testing.T) {
				c, f := forged(t, v.v)
				rec := f.seal(typeApplicationData, []byte("QUIT\r\n"))
				f.send(rec[:len(rec)-tt.cut])
				f.conn.Close()
				_, err := c.readFull(7)
				if !errors.Is(err, ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF) != tt.in {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// A record is read whole even if it needs many small reads, and its buffer goes
// back with the last byte.
func TestIdleHoldsNothing(t *testing.T) { bothEngines(t, testIdleHoldsNothing) }

func testIdleHoldsNothing(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, f := forged(t, v.v)
			want := bytes.Repeat([]byte("x"), 1000)
			f.send(f.seal(typeApplicationData, want))
			if got, err := c.readFull(len(want)); !bytes.Equal(got, want) || err != nil {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			c.say("200 OK\r\n")
			if c.in != nil || c.out != nil || c.hs != nil {
				t.Errorf("idle session holds in %v, out %v, coroutine %v", c.in, c.out, c.hs)
			}
		})
	}
}
