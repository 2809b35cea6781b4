package dataplane

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func zlibOf(p []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(p)
	w.Close()
	return b.Bytes()
}

func gzipOf(p []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(p)
	w.Close()
	return b.Bytes()
}

// inflate returns what an inflater makes of p.
func inflate(r io.Reader) ([]byte, error) {
	f := newInflater(r)
	defer f.release()
	return io.ReadAll(f)
}

func TestInflate(t *testing.T) {
	text := bytes.Repeat([]byte("a line of text\n"), 5000)
	z := zlibOf(text)
	for _, tt := range []struct {
		name string
		in   []byte
		want []byte
		err  error // nil: io.EOF only; errAny: some error
	}{
		{"zlib", z, text, nil},
		{"gzip", gzipOf(text), text, nil},
		{"empty file", zlibOf(nil), nil, nil},
		{"nothing", nil, nil, io.ErrUnexpectedEOF},
		{"header only", z[:2], nil, io.ErrUnexpectedEOF},
		{"cut", z[:len(z)/2], nil, io.ErrUnexpectedEOF},
		{"checksum missing", z[:len(z)-1], nil, io.ErrUnexpectedEOF},
		{"one byte behind", append(bytes.Clone(z), 0), nil, errGarbage},
		{"second stream behind", append(bytes.Clone(z), z...), nil, errGarbage},
		{"second gzip member", append(gzipOf(text), gzipOf(text)...), nil, errGarbage},
		{"damaged", append([]byte{0x78, 0x9c, 0xff}, z[3:]...), nil, errAny},
		{"no zlib", []byte("USER anonymous\r\n"), nil, errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": bytes.NewReader(tt.in), "bytes": iotest.OneByteReader(bytes.NewReader(tt.in)),
			} {
				got, err := inflate(r)
				switch {
				case tt.err == nil && (err != nil || !bytes.Equal(got, tt.want)):
					t.Errorf("%s: got %d bytes, %v, want %d equal ones", name, len(got), err, len(tt.want))
				case tt.err == errAny && err == nil, tt.err != nil && tt.err != errAny && !errors.Is(err, tt.err):
					t.Errorf("%s: got %v, want %v", name, err, tt.err)
				}
			}
		})
	}
}

var errAny = errors.New("any error")

// zeros is a reader of n zero bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.n)
	clear(p[:n])
	if z.n -= n; n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

func TestInflateBomb(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		z, _ := zlib.NewWriterLevel(w, zlib.BestCompression)
		if _, err := io.Copy(z, &zeros{1 << 30}); err == nil {
			t.Error("the bomb was read to its end")
		}
		w.Close()
	}()
	f := newInflater(r)
	n, err := io.Copy(io.Discard, f)
	r.CloseWithError(io.ErrClosedPipe)
	if !errors.Is(err, errBomb) || n > 2*ratioFrom {
		t.Errorf("got %d bytes, %v, want %v soon after %d", n, err, errBomb, ratioFrom)
	}
	f.release()
}

func TestDeflaters(t *testing.T) {
	text := bytes.Repeat([]byte("a line of text\n"), 50000)
	d := newDeflaters(1)
	var first, second bytes.Buffer
	a, windowed := d.get(6, &first)
	b, more := d.get(6, &second)
	if !windowed || more {
		t.Fatalf("windows: got %v, %v, want true, false", windowed, more)
	}
	for _, z := range []deflater{a, b} {
		for p := text; len(p) > 0; p = p[min(len(p), 1000):] {
			if _, err := z.Write(p[:min(len(p), 1000)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, buf := range map[string]*bytes.Buffer{"window": &first, "stateless": &second} {
		if got, err := inflate(buf); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
	d.put(6, a)
	d.put(6, b)
	if _, windowed = d.get(6, io.Discard); !windowed {
		t.Error("the slot did not come back")
	}
}

// Whatever comes, the inflater ends, stays within its ratio, and accepts just
// what the standard library accepts with nothing behind it, but for reserved flags
// of gzip: RFC 1952 section 2.3.1.2 has them refused.
func FuzzInflate(f *testing.F) {
	f.Add(zlibOf([]byte("hello")))
	f.Add(append(zlibOf([]byte("hello")), 'x'))
	f.Add(zlibOf(make([]byte, 1<<16))[:20])
	f.Add(gzipOf([]byte("hello")))
	reserved := gzipOf([]byte("hello"))
	reserved[gzipFlags] |= 0x40
	f.Add(reserved)
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := inflate(bytes.NewReader(p))
		if int64(len(got)) > max(ratioFrom, maxRatio*int64(len(p)))+1<<20 {
			t.Errorf("%d bytes became %d", len(p), len(got))
		}
		want, werr := reference(p)
		if (err == nil) != (werr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d, %v", len(got), err, len(want), werr)
		}
	})
}

// gzipFlags is where FLG stands in a header of gzip (RFC 1952 section 2.3).
const gzipFlags = 3

func reference(p []byte) ([]byte, error) {
	r := bytes.NewReader(p)
	var z io.Reader
	var err error
	if len(p) > 0 && p[0] == 0x1f {
		var g *gzip.Reader
		if g, err = gzip.NewReader(r); err == nil && p[gzipFlags]&0xe0 != 0 {
			err = gzip.ErrHeader
		} else if err == nil {
			g.Multistream(false)
			z = g
		}
	} else {
		z, err = zlib.NewReader(r)
	}
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(z)
	if err == nil && r.Len() > 0 {
		err = errGarbage
	}
	return got, err
}
