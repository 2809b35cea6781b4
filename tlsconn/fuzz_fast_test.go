package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
)

// tape is a connection that reads from bytes, in pieces, and keeps what is
// written.
type tape struct {
	net.Conn // for the methods that nobody calls
	in       []byte
	cuts     []byte
	reads    int
	out      []byte
}

func (t *tape) Read(p []byte) (int, error) {
	if len(t.in) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(t.in))
	if len(t.cuts) > 0 {
		c := int(t.cuts[t.reads%len(t.cuts)])
		t.reads++
		n = min(n, 1+c*c)
	}
	copy(p, t.in[:n])
	t.in = t.in[n:]
	return n, nil
}

func (t *tape) Write(p []byte) (int, error) {
	t.out = append(t.out, p...)
	return len(p), nil
}

// twins returns both engines after one and the same handshake, and a forger in
// the client's place. Each reads from a tape of its own.
func twins(t testing.TB, id *Identity, v, suite uint16) (ours, std *DataConn, f *forger) {
	t.Helper()
	srv, cli := newPipe()
	cfg, log := forgeable(v)
	useSuite(t, cfg, suite)
	tap := &tapConn{Conn: cli}
	tc := tls.Client(tap, cfg)
	ours = NewDataConn(id, srv, DataOptions{})
	kept := ours.tc // taking over lets go of it and changes nothing in it
	done := make(chan error, 1)
	go func() { done <- tc.Handshake() }()
	if err := errors.Join(ours.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	if ours.fast == nil {
		t.Fatalf("got %+v", ours.info)
	}
	std = &DataConn{link: ours.link, tc: kept, info: ours.info} // tc holds on to its link
	ours.link = newLink(new(tape), nil)
	ours.link.keepWhole()
	ours.fast.link = ours.link
	f = newForgerOf(t, cli, v, suite, log, tap.serverRandom())
	f.tc = tc
	return ours, std, f
}

// script makes records of what a fuzzer says.
func script(f *forger, say []byte) []byte {
	var recs [][]byte
	add := func(rec []byte) { recs = append(recs, rec) }
	last := func() []byte {
		if len(recs) == 0 {
			return nil
		}
		return recs[len(recs)-1]
	}
	for ; len(say) >= 3 && len(recs) < 200; say = say[3:] {
		a, b := say[1], say[2]
		n := (int(a)<<8 | int(b)) % (maxPlaintext + 1)
		text := bytes.Repeat([]byte{a, b, byte(len(recs))}, n/3+1)[:n]
		switch say[0] % 16 {
		case 0:
			add(f.seal(typeApplicationData, text))
		case 1:
			add(f.seal(typeApplicationData, text[:min(n, int(a))]))
		case 2:
			add(f.seal(typeApplicationData, bytes.Repeat([]byte{b}, maxPlaintext+1-int(a)%2)))
		case 3:
			add(f.seal(typeAlert, []byte{1, 0}))
		case 4:
			add(f.seal(typeAlert, []byte{a % 4, b}))
		case 5:
			add(f.seal(typeAlert, []byte{1, 90}))
		case 6:
			add(f.sealPadded(typeApplicationData, text[:n/2], int(a)))
		case 7:
			add(f.seal(a, text[:min(n, 5)]))
		case 8: // a whole message
			body := text[:min(n, int(a)%4)]
			add(f.seal(typeHandshake, append([]byte{b % 32, 0, 0, byte(len(body))}, body...)))
		case 9:
			if f.version == tls.VersionTLS13 {
				add(f.keyUpdate(a % 2))
			}
		case 10:
			if f.version == tls.VersionTLS13 {
				cut := 1 + int(a)%4
				add(f.seal(typeHandshake, keyUpdateQuiet[:cut]))
				if b%8 == 0 {
					add(f.seal(typeApplicationData, []byte("between")))
				}
				add(f.seal(typeHandshake, keyUpdateQuiet[cut:]))
				f.update()
			}
		case 11: // changed under way
			if r := last(); r != nil {
				r[(int(a)<<8|int(b))%len(r)] ^= 1 << (a % 8)
			}
		case 12: // lost
			if len(recs) > 0 {
				recs = recs[:len(recs)-1]
			}
		case 13: // replayed
			if r := last(); r != nil {
				add(bytes.Clone(r))
			}
		case 14: // reordered
			if n := len(recs); n > 1 {
				recs[n-1], recs[n-2] = recs[n-2], recs[n-1]
			}
		case 15: // cut off
			all := bytes.Join(recs, nil)
			return all[:max(0, len(all)-int(a))]
		}
	}
	return bytes.Join(recs, nil)
}

// stricter reports whether a stream holds what crypto/tls lets pass against RFC
// 8446 section 5: a change_cipher_spec after Finished.
func stricter(v uint16, stream []byte) bool {
	for v == tls.VersionTLS13 && len(stream) >= headerLen {
		if stream[0] == typeChangeCipherSpec {
			return true
		}
		stream = stream[min(len(stream), recordLen(stream)):]
	}
	return false
}

// What comes of a client's records is the same with both engines, down to the
// byte: the same data, and both a clean end or neither. A control connection
// finds the same as a data connection.
func FuzzOpen(f *testing.F) {
	id := newIdentity(f)
	for layer := range gcmLayers {
		f.Add(byte(layer), []byte{0, 1, 0, 0, 64, 0, 3, 0, 0}, []byte{}, uint16(60000))
		f.Add(byte(layer), []byte{1, 9, 9, 4, 2, 40}, []byte{0}, uint16(1))
		f.Add(byte(layer), []byte{0, 3, 3, 9, 1, 0, 0, 1, 1, 10, 1, 1, 6, 9, 9, 3, 0, 0}, []byte{0, 50}, uint16(1000))
		f.Add(byte(layer), []byte{2, 0, 1, 1, 1, 1, 13, 0, 0}, []byte{200}, uint16(16384))
		f.Add(byte(layer), []byte{0, 1, 1, 2, 1, 7, 11, 0, 3, 15, 9, 0}, []byte{5}, uint16(5))
		f.Add(byte(layer), []byte{1, 1, 1, 1, 2, 2, 14, 0, 0, 8, 1, 24, 10, 0, 0}, []byte{5}, uint16(5))
	}
	f.Fuzz(func(t *testing.T, layer byte, say, cuts []byte, size uint16) {
		v := gcmLayers[int(layer)%len(gcmLayers)]
		ours, std, f := twins(t, id, v.v, v.suite)
		defer ours.Release()
		defer std.Release()
		stream := script(f, say)
		read := func(d *DataConn) ([]byte, error) {
			d.link.conn = &tape{in: bytes.Clone(stream), cuts: cuts}
			return readAll(d, 1+int(size))
		}
		rec := ours.fast.records
		got, gerr := read(ours)
		want, werr := read(std)
		if ctl, cerr := readControl(t, &rec, bytes.Clone(stream), cuts, 1+int(size)); !bytes.Equal(ctl, got) ||
			(cerr == io.EOF) != (gerr == io.EOF) || breachOf(cerr) != breachOf(gerr) {
			t.Errorf("control connection: got %d bytes, %v; data connection %d, %v", len(ctl), cerr, len(got), gerr)
		}
		switch {
		case stricter(v.v, stream):
			if !bytes.HasPrefix(want, got) {
				t.Errorf("got %d bytes that are not among %d", len(got), len(want))
			}
		case !bytes.Equal(got, want), (gerr == io.EOF) != (werr == io.EOF):
			t.Errorf("got %d bytes, %v; crypto/tls %d, %v", len(got), gerr, len(want), werr)
		}
	})
}

// readControl pushes a stream to a control connection as cuts say, and reads in
// pieces of size bytes to the end.
func readControl(t *testing.T, rec *records, stream, cuts []byte, size int) (got []byte, err error) {
	a := &Adapter{phase: phaseOpen, rec: rec}
	defer a.Close()
	buf := make([]byte, size)
	for i := 0; ; i++ {
		for pushed := false; err == nil; pushed = true {
			var n int
			n, err = a.Read(buf)
			got = append(got, buf[:n]...)
			if n > 0 && !pushed && len(stream) > 0 { // in the midst of a record
				err = errors.Join(err, a.Push(stream[:1]))
				stream = stream[1:]
			}
		}
		if err != ErrWouldBlock {
			return got, err
		}
		err = nil
		n := min(len(stream), maxPlaintext)
		if len(cuts) > 0 {
			n = min(n, 1+64*int(cuts[i%len(cuts)]))
		}
		if n == 0 {
			a.PushEOF()
		}
		if err := a.Push(stream[:n]); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
	}
}

// breachOf returns the breach in an error, nil for others.
func breachOf(err error) (b *breach) {
	errors.As(err, &b)
	return b
}

// What we send is what a client of crypto/tls reads, with a clean end. If a bit of
// it changes under way it reads a beginning and an error.
func FuzzSeal(f *testing.F) {
	id := newIdentity(f)
	for layer := range gcmLayers {
		f.Add(byte(layer), []byte{1, 0, 0, 0, 255, 255}, uint8(0), uint32(0))
		f.Add(byte(layer), []byte{200, 1, 3, 2}, uint8(2), uint32(0))
		f.Add(byte(layer), []byte{9, 128, 255, 7}, uint8(0), uint32(77))
		f.Add(byte(layer), []byte{}, uint8(3), uint32(0))
	}
	f.Fuzz(func(t *testing.T, layer byte, sizes []byte, limit uint8, flip uint32) {
		v := gcmLayers[int(layer)%len(gcmLayers)]
		d, _, f := twins(t, id, v.v, v.suite)
		defer d.Release()
		wire := new(tape)
		d.link.conn = wire
		if v.v == tls.VersionTLS13 && limit > 0 {
			d.fast.out.limit = uint64(limit)
		}
		var want []byte
		for i, s := range sizes[:min(len(sizes), 12)] {
			p := bytes.Repeat([]byte{s, byte(i)}, int(s)*int(s)*(i%5)/2+int(s)/2)
			kept := bytes.Clone(p)
			d.fast.out.owed = v.v == tls.VersionTLS13 && s%7 == 0
			var err error
			if i+1 < len(sizes) && i < 11 {
				_, err = d.Write(p)
			} else {
				err = d.CloseWrite(p)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p, kept) {
				t.Fatal("Write changed its argument")
			}
			want = append(want, p...)
		}
		if err := d.CloseWrite(nil); err != nil {
			t.Fatal(err)
		}
		sent := slices.Clone(wire.out)
		if flip > 0 {
			sent[int(flip)%len(sent)] ^= 1 << (flip % 8)
		}
		f.conn.(*pipe).in.put(sent)
		got, err := io.ReadAll(f.tc)
		switch {
		case flip == 0 && (err != nil || !bytes.Equal(got, want)):
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
		case flip > 0 && (err == nil || !bytes.HasPrefix(want, got)):
			t.Errorf("got %d bytes, %v in spite of a changed bit", len(got), err)
		}
	})
}

// put appends to a queue and ends it.
func (q *queue) put(p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.b = append(q.b, p...)
	q.closed = true
	q.more.Signal()
}
