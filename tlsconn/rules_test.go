package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// What records may be and what ends the connection, and with which alert: RFC
// 8446 sections 4.6.3, 5 and 6, RFC 5246 sections 6.2 and 7.2.
func TestRecordRules(t *testing.T) {
	const (
		both = iota
		only12
		only13
	)
	const none = -1 // no alert
	data := []byte("file bytes")
	fits := bytes.Repeat([]byte("x"), maxPlaintext)
	app := func(f *forger) []byte { return f.seal(typeApplicationData, data) }
	flip := func(rec []byte, at int) []byte {
		rec[at] ^= 1
		return rec
	}
	// shut appends a clean end.
	shut := func(f *forger, recs ...[]byte) []byte {
		return append(bytes.Join(recs, nil), f.seal(typeAlert, []byte{1, 0})...)
	}
	hand := func(p ...byte) func(*forger) []byte {
		return func(f *forger) []byte { return f.seal(typeHandshake, p) }
	}
	alert := func(p ...byte) func(*forger) []byte {
		return func(f *forger) []byte { return f.seal(typeAlert, p) }
	}
	for _, tt := range []struct {
		name  string
		in    int
		send  func(f *forger) []byte
		got   []byte // what is read before the end
		want  error
		alert int
	}{
		// Framing.
		{"data", both, func(f *forger) []byte { return shut(f, app(f)) }, data, io.EOF, none},
		{"full record", both, func(f *forger) []byte { return shut(f, f.seal(typeApplicationData, fits)) }, fits, io.EOF, none},
		{"too long by one", both, func(f *forger) []byte { return f.seal(typeApplicationData, append(fits, 'x')) }, nil, errOverflow, 22},
		{"header of 65535", both, func(*forger) []byte { return recordHeader(typeApplicationData, 65535) }, nil, errOverflow, 22},
		{"payload of 0", both, func(*forger) []byte { return recordHeader(typeApplicationData, 0) }, nil, errBadMAC, 20},
		{"payload of a tag less one", both, func(*forger) []byte {
			return append(recordHeader(typeApplicationData, 15), make([]byte, 15)...)
		}, nil, errBadMAC, 20},
		{"no room for the nonce", only12, func(*forger) []byte {
			return append(recordHeader(typeApplicationData, 23), make([]byte, 23)...)
		}, nil, errBadMAC, 20},
		{"version 3.1", both, func(f *forger) []byte { r := app(f); r[2] = 1; return r }, nil, errVersion, 70},
		{"version 3.4", both, func(f *forger) []byte { r := app(f); r[2] = 4; return r }, nil, errVersion, 70},
		{"clear text", both, func(*forger) []byte { return []byte("STOR file\r\n") }, nil, errVersion, 70},
		{"clear alert", only13, func(*forger) []byte { return append(recordHeader(typeAlert, 2), 2, 40) }, nil, errType, 10},
		{"clear alert", only12, func(*forger) []byte { return append(recordHeader(typeAlert, 2), 2, 40) }, nil, errBadMAC, 20},
		{"clear handshake", only13, func(*forger) []byte { return append(recordHeader(typeHandshake, 4), 1, 0, 0, 0) }, nil, errType, 10},
		{"outer type 99", only13, func(f *forger) []byte { r := app(f); r[0] = 99; return r }, nil, errType, 10},
		{"outer type 99", only12, func(f *forger) []byte { r := app(f); r[0] = 99; return r }, nil, errBadMAC, 20},
		{"change_cipher_spec", only13, func(*forger) []byte { return append(recordHeader(typeChangeCipherSpec, 1), 1) }, nil, errType, 10},
		{"change_cipher_spec", only12, func(f *forger) []byte { return f.seal(typeChangeCipherSpec, []byte{1}) }, nil, errType, 10},

		// Protection.
		{"bad tag", both, func(f *forger) []byte { r := app(f); return flip(r, len(r)-1) }, nil, errBadMAC, 20},
		{"bad content", both, func(f *forger) []byte { r := app(f); return flip(r, len(r)-17) }, nil, errBadMAC, 20},
		{"bad explicit nonce", only12, func(f *forger) []byte { return flip(app(f), headerLen) }, nil, errBadMAC, 20},
		{"bad length", both, func(f *forger) []byte { r := app(f); r[4]--; return r }, nil, errBadMAC, 20},
		{"bad after good", both, func(f *forger) []byte { r := app(f); return append(r, flip(app(f), 10)...) }, data, errBadMAC, 20},
		{"replayed", both, func(f *forger) []byte { r := app(f); return append(r, r...) }, data, errBadMAC, 20},
		{"reordered", both, func(f *forger) []byte { a, b := app(f), app(f); return append(b, a...) }, nil, errBadMAC, 20},
		{"one missing", both, func(f *forger) []byte { a := app(f); app(f); return append(a, app(f)...) }, data, errBadMAC, 20},
		{"nonce of the peer's own", only12, func(f *forger) []byte {
			return shut(f, f.sealUnder([8]byte{0xff, 1, 2}, typeApplicationData, data))
		}, data, io.EOF, none},

		// Content and padding.
		{"padded", only13, func(f *forger) []byte { return shut(f, f.sealPadded(typeApplicationData, data, 1000)) }, data, io.EOF, none},
		{"padded to the limit", only13, func(f *forger) []byte {
			return shut(f, f.sealPadded(typeApplicationData, data, maxPlaintext-len(data)))
		}, data, io.EOF, none},
		{"padded beyond", only13, func(f *forger) []byte {
			return f.sealPadded(typeApplicationData, data, maxPlaintext+1-len(data))
		}, nil, errOverflow, 22},
		{"data that ends with zeros", only13, func(f *forger) []byte {
			return shut(f, f.sealPadded(typeApplicationData, []byte{'x', 0, 0}, 2))
		}, []byte{'x', 0, 0}, io.EOF, none},
		{"nothing but padding", only13, func(f *forger) []byte { return f.sealInner(make([]byte, 100)) }, nil, errNoType, 10},
		{"nothing at all", only13, func(f *forger) []byte { return f.sealInner(nil) }, nil, errNoType, 10},
		{"empty records", both, func(f *forger) []byte {
			var b []byte
			for range maxIdle {
				b = append(b, f.seal(typeApplicationData, nil)...)
			}
			return shut(f, b, app(f))
		}, data, io.EOF, none},
		{"inner type 99", both, func(f *forger) []byte { return f.seal(99, data) }, nil, errType, 10},
		{"inner change_cipher_spec", only13, func(f *forger) []byte { return f.seal(typeChangeCipherSpec, []byte{1}) }, nil, errType, 10},

		// Floods.
		{"too many empty records", both, repeat(maxIdle+1, func(f *forger) []byte { return f.seal(typeApplicationData, nil) }), nil, errIdle, 10},
		{"too many warnings", only12, repeat(maxIdle+1, alert(1, 41)), nil, errIdle, 10},
		{"too many user_canceled", only13, repeat(maxIdle+1, alert(1, 90)), nil, errIdle, 10},
		{"too many KeyUpdates", only13, repeat(maxIdle+1, func(f *forger) []byte { return f.keyUpdate(0) }), nil, errIdle, 10},
		{"many KeyUpdates with data between", only13, func(f *forger) []byte {
			var b []byte
			for range 3 * maxIdle {
				b = append(append(b, f.keyUpdate(0)...), f.seal(typeApplicationData, []byte{'x'})...)
			}
			return shut(f, b)
		}, bytes.Repeat([]byte{'x'}, 3*maxIdle), io.EOF, none},

		// Alerts.
		{"close_notify, then anything", both, func(f *forger) []byte { return shut(f, nil, nil) }, nil, io.EOF, none},
		{"fatal close_notify", both, alert(2, 0), nil, io.EOF, none},
		{"fatal alert", both, alert(2, 40), nil, tls.AlertError(40), none},
		{"warning", only13, alert(1, 40), nil, tls.AlertError(40), none},
		{"warning", only12, func(f *forger) []byte { return shut(f, alert(1, 40)(f), app(f)) }, data, io.EOF, none},
		{"user_canceled", both, func(f *forger) []byte { return shut(f, alert(1, 90)(f), app(f)) }, data, io.EOF, none},
		{"level 3", only12, alert(3, 40), nil, errAlert, 50},
		{"empty alert", both, alert(), nil, errEmpty, 10},
		{"half an alert", both, alert(1), nil, errAlert, 50},
		{"two alerts in a record", both, alert(1, 90, 1, 0), nil, errAlert, 50},

		// Handshake messages.
		{"hello request", only12, hand(0, 0, 0, 0), nil, errMessage, 10},
		{"client hello", only12, hand(1, 0, 0, 2, 3, 3), nil, errRenegotiation, 100},
		{"client hello", only13, hand(1, 0, 0, 2, 3, 3), nil, errMessage, 10},
		{"ticket", only13, hand(4, 0, 0, 0), nil, errMessage, 10},
		{"certificate", only13, hand(11, 0, 0, 0), nil, errMessage, 10},
		{"empty handshake", both, hand(), nil, errEmpty, 10},

		{"KeyUpdate", only13, func(f *forger) []byte { a := app(f); k := f.keyUpdate(0); return shut(f, a, k, app(f)) }, append(data[:len(data):len(data)], data...), io.EOF, none},
		{"KeyUpdate, old key", only13, func(f *forger) []byte { return append(f.seal(typeHandshake, keyUpdateQuiet), app(f)...) }, nil, errBadMAC, 20},
		{"KeyUpdate, new key unasked", only13, func(f *forger) []byte { f.update(); return app(f) }, nil, errBadMAC, 20},
		{"KeyUpdate in five records", only13, func(f *forger) []byte {
			var b []byte
			for _, c := range keyUpdateQuiet {
				b = append(b, f.seal(typeHandshake, []byte{c})...)
			}
			f.update()
			return shut(f, b, app(f))
		}, data, io.EOF, none},
		{"KeyUpdate of two bytes", only13, hand(24, 0, 0, 2, 0, 0), nil, errKeyUpdate, 50},
		{"KeyUpdate of none", only13, hand(24, 0, 0, 0), nil, errKeyUpdate, 50},
		{"KeyUpdate of 2^24", only13, hand(24, 255, 255, 255), nil, errKeyUpdate, 50},
		{"KeyUpdate of 2^16+1", only13, hand(24, 1, 0, 1, 0), nil, errKeyUpdate, 50},
		{"KeyUpdate that asks for 2", only13, hand(24, 0, 0, 1, 2), nil, errKeyUpdateAsks, 47},
		{"two KeyUpdates in a record", only13, hand(24, 0, 0, 1, 0, 24, 0, 0, 1, 0), nil, errSplit, 10},
		{"data within a KeyUpdate", only13, func(f *forger) []byte { return append(hand(24, 0)(f), app(f)...) }, nil, errSplit, 10},
		{"alert within a KeyUpdate", only13, func(f *forger) []byte { return append(hand(24, 0)(f), alert(1, 0)(f)...) }, nil, errSplit, 10},
		{"KeyUpdate", only12, hand(24, 0, 0, 1, 0), nil, errMessage, 10},

		// Ends.
		{"nothing", both, func(*forger) []byte { return nil }, nil, ErrTruncated, none},
		{"data and FIN", both, app, data, ErrTruncated, none},
		{"half a header", both, func(f *forger) []byte { return app(f)[:4] }, nil, io.ErrUnexpectedEOF, none},
		{"half a record", both, func(f *forger) []byte { return app(f)[:20] }, nil, io.ErrUnexpectedEOF, none},
	} {
		for _, v := range gcmLayers {
			if tt.in == only12 && v.v != tls.VersionTLS12 || tt.in == only13 && v.v != tls.VersionTLS13 {
				continue
			}
			for _, size := range []int{1, 100, maxPlaintext, 64 << 10} {
				t.Run(v.name+" "+tt.name, func(t *testing.T) {
					d, f, err := forgedSuite(t, v.v, v.suite, DataOptions{})
					if err != nil {
						t.Fatal(err)
					}
					f.send(tt.send(f))
					f.conn.(interface{ CloseWrite() error }).CloseWrite()
					got, err := readAll(d, size)
					if !bytes.Equal(got, tt.got) || !errors.Is(err, tt.want) {
						t.Fatalf("got %d bytes, %v; want %d, %v", len(got), err, len(tt.got), tt.want)
					}
					if _, again := d.Read(make([]byte, 1)); again != err {
						t.Errorf("read again: got %v", again)
					}
					if err := d.Await(); err != nil {
						t.Errorf("await: got %v", err)
					}
					werr := d.CloseWrite([]byte("answer"))
					if tt.alert == none {
						wantSent(t, f, werr, tt.want)
						return
					}
					if werr == nil {
						t.Error("write after the breach: got no error")
					}
					level := byte(levelFatal)
					if tt.alert == alertNoRenegotiation {
						level = levelWarning
					}
					if typ, p := f.open(); typ != typeAlert || !bytes.Equal(p, []byte{level, byte(tt.alert)}) {
						t.Errorf("got record %d %v, want alert %d", typ, p, tt.alert)
					}
				})
			}
		}
	}
}

// wantSent checks that the other direction still works, but not after a fatal
// alert.
func wantSent(t *testing.T, f *forger, err, end error) {
	t.Helper()
	var fatal tls.AlertError
	if errors.As(end, &fatal) {
		if !errors.As(err, &fatal) {
			t.Errorf("write after a fatal alert: got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if typ, p := f.open(); typ != typeApplicationData || string(p) != "answer" {
		t.Errorf("got record %d %q", typ, p)
	}
	if typ, p := f.open(); typ != typeAlert || !bytes.Equal(p, []byte{1, 0}) {
		t.Errorf("got record %d %v, want close_notify", typ, p)
	}
}

// repeat makes n records.
func repeat(n int, rec func(*forger) []byte) func(*forger) []byte {
	return func(f *forger) []byte {
		var b []byte
		for range n {
			b = append(b, rec(f)...)
		}
		return b
	}
}

// readAll reads to the end in pieces of size bytes.
func readAll(r io.Reader, size int) ([]byte, error) {
	var got []byte
	buf := make([]byte, size)
	for {
		n, err := r.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			return got, err
		}
	}
}

// keyUpdate seals a KeyUpdate and moves on to the next key.
func (f *forger) keyUpdate(asks byte) []byte {
	rec := f.seal(typeHandshake, []byte{24, 0, 0, 1, asks})
	f.update()
	return rec
}

// The answer to any number of KeyUpdates is one, in front of what is sent next
// (RFC 8446 section 4.6.3), and close_notify counts.
func TestKeyUpdateAnswer(t *testing.T) {
	for _, v := range gcmLayers[2:] {
		for _, what := range []string{"data", "close_notify"} {
			t.Run(v.name+" "+what, func(t *testing.T) {
				d, f, err := forgedSuite(t, v.v, v.suite, DataOptions{})
				if err != nil {
					t.Fatal(err)
				}
				f.send(f.keyUpdate(1), f.keyUpdate(0), f.keyUpdate(1), f.seal(typeApplicationData, []byte("x")))
				if _, err := d.Read(make([]byte, 10)); err != nil {
					t.Fatal(err)
				}
				want := byte(typeAlert)
				if what == "data" {
					want = typeApplicationData
					_, err = d.Write([]byte("y"))
				} else {
					err = d.CloseWrite(nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				if typ, p := f.open(); typ != typeHandshake || !bytes.Equal(p, keyUpdateQuiet) {
					t.Fatalf("got record %d %v, want a KeyUpdate", typ, p)
				}
				f.server.update()
				if typ, _ := f.open(); typ != want {
					t.Errorf("got record %d, want %d", typ, want)
				}
				if what != "data" {
					return
				}
				if _, err := d.Write([]byte("z")); err != nil {
					t.Fatal(err)
				}
				if typ, p := f.open(); typ != typeApplicationData || string(p) != "z" {
					t.Errorf("got record %d %q: a second answer", typ, p)
				}
			})
		}
	}
}

// Nothing follows close_notify, not even an alert (RFC 8446 section 6.1).
func TestNoAlertAfterCloseNotify(t *testing.T) {
	for _, v := range gcmLayers {
		t.Run(v.name, func(t *testing.T) {
			d, f, err := forgedSuite(t, v.v, v.suite, DataOptions{})
			if err != nil {
				t.Fatal(err)
			}
			f.send(recordHeader(typeApplicationData, 65535))
			if err := d.CloseWrite(nil); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Read(make([]byte, 1)); !errors.Is(err, errOverflow) {
				t.Fatalf("got %v", err)
			}
			d.link.conn.(*net.TCPConn).CloseWrite()
			if typ, p := f.open(); typ != typeAlert || !bytes.Equal(p, []byte{1, 0}) {
				t.Errorf("got record %d %v, want close_notify", typ, p)
			}
			if rest, err := io.ReadAll(f.conn); len(rest) > 0 || err != nil {
				t.Errorf("got %d bytes behind close_notify, %v", len(rest), err)
			}
		})
	}
}

// A key that has done enough is followed by the next one; TLS 1.2 has none.
func TestKeyLimit(t *testing.T) {
	const limit = 5
	for _, v := range gcmLayers {
		t.Run(v.name, func(t *testing.T) {
			d, f, err := forgedSuite(t, v.v, v.suite, DataOptions{})
			if err != nil {
				t.Fatal(err)
			}
			d.fast.out.limit = limit
			want := bytes.Repeat([]byte("0123456789abcdef"), 40<<10) // 40 records in 3 writes
			got := make(chan []byte, 1)
			go func() {
				p, _ := io.ReadAll(f.tc)
				got <- p
			}()
			err = d.CloseWrite(want)
			d.link.conn.Close()
			p := <-got
			if v.v == tls.VersionTLS12 {
				if !errors.Is(err, errKeyLimit) || len(p) != 0 {
					t.Errorf("got %d bytes, %v", len(p), err)
				}
				return
			}
			if err != nil || !bytes.Equal(p, want) {
				t.Errorf("got %d bytes, %v, want %d", len(p), err, len(want))
			}
			if n := d.fast.out.seq; n > limit+1 {
				t.Errorf("%d records under the last key", n)
			}
		})
	}
}

// After a write that failed there is no other: the peer has a part of a record.
func TestWriteFailsForGood(t *testing.T) {
	for _, v := range layers {
		t.Run(v.name, func(t *testing.T) {
			d, _ := forgedData(t, v.v, DataOptions{Engine: v.engine})
			d.link.conn.SetDeadline(time.Unix(1, 0))
			if _, err := d.Write([]byte("x")); err == nil {
				t.Fatal("got no error")
			}
			d.link.conn.SetDeadline(time.Time{})
			if _, err := d.Write([]byte("x")); err == nil {
				t.Error("got no error the second time")
			}
			if err := d.CloseWrite(nil); err == nil {
				t.Error("close_notify: got no error")
			}
		})
	}
}

// Nothing is left of the secrets.
func TestWiped(t *testing.T) {
	for _, v := range gcmLayers {
		t.Run(v.name, func(t *testing.T) {
			d, _, err := forgedSuite(t, v.v, v.suite, DataOptions{})
			if err != nil {
				t.Fatal(err)
			}
			f := d.fast
			if f.out.iv == [gcmNonce]byte{} || f.in.iv == [gcmNonce]byte{} {
				t.Fatal("no secrets at all")
			}
			d.Release()
			for _, h := range []*half{&f.in.half, &f.out.half} {
				wantWiped(t, h)
			}
		})
	}
}

// wantWiped checks that no key is left, and that nothing can be sealed without one.
func wantWiped(t *testing.T, h *half) {
	t.Helper()
	if h.key != [32]byte{} || h.secret != [maxSecret]byte{} || h.iv != [gcmNonce]byte{} || h.aead != nil {
		t.Error("secrets are left")
	}
	defer func() {
		if recover() == nil {
			t.Error("a record was sealed without a key")
		}
	}()
	(&sealer{half: *h}).record(nil, typeApplicationData, []byte("x"))
}
