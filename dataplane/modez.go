package dataplane

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash"
	"hash/adler32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"fastftps/internal/bufpool"
)

// MODE Z: every transfer is one zlib stream (RFC 1950) between TYPE conversion
// and TLS.

// deflaters lends compressors. One with a window takes 0.8 to 1.2 MiB, so only
// a number of them live at once; beyond it compression works block by block,
// with no memory between blocks.
type deflaters struct {
	slots chan struct{}
	pools [10]sync.Pool // of *zlib.Writer, by level
}

func newDeflaters(n int) *deflaters { return &deflaters{slots: make(chan struct{}, n)} }

// deflater compresses what is written; Close ends the stream.
type deflater interface{ io.WriteCloser }

// get lends a compressor that writes to dst; windowed is false beyond the cap.
func (d *deflaters) get(level int, dst io.Writer) (z deflater, windowed bool) {
	level = max(1, min(level, 9))
	select {
	case d.slots <- struct{}{}:
	default:
		return newStateless(dst), false
	}
	if w, ok := d.pools[level].Get().(*zlib.Writer); ok {
		w.Reset(dst)
		return w, true
	}
	w, _ := zlib.NewWriterLevel(dst, level) // fails for a wrong level only
	return w, true
}

// put takes back what get lent with the same level.
func (d *deflaters) put(level int, z deflater) {
	if w, ok := z.(*zlib.Writer); ok {
		w.Reset(io.Discard)
		d.pools[max(1, min(level, 9))].Put(w)
		<-d.slots
	}
}

// stateless is a zlib stream around flate's stateless compressor.
type stateless struct {
	dst   io.Writer
	sum   hash.Hash32
	began bool
}

func newStateless(dst io.Writer) *stateless { return &stateless{dst: dst, sum: adler32.New()} }

func (s *stateless) Write(p []byte) (int, error) {
	if err := s.header(); err != nil {
		return 0, err
	}
	s.sum.Write(p)
	return len(p), flate.StatelessDeflate(s.dst, p, false, nil)
}

func (s *stateless) Close() error {
	if err := s.header(); err != nil {
		return err
	}
	if err := flate.StatelessDeflate(s.dst, nil, true, nil); err != nil {
		return err
	}
	_, err := s.dst.Write(binary.BigEndian.AppendUint32(nil, s.sum.Sum32()))
	return err
}

// header writes the two bytes of RFC 1950 section 2.2: deflate with a 32 KiB
// window, fastest.
func (s *stateless) header() error {
	if s.began {
		return nil
	}
	s.began = true
	_, err := s.dst.Write([]byte{0x78, 0x01})
	return err
}

// deflateFeed yields another feeder's bytes compressed.
type deflateFeed struct {
	t     *transfer
	from  feeder
	block int // which block of the window is its own
	z     deflater
	out   *bufpool.Buffer // compressed bytes
	rest  []byte          // those not yet given
	done  bool
}

var deflated = bufpool.NewGrowing("deflated")

func (t *transfer) newDeflateFeed(from feeder, block int) *deflateFeed {
	f := &deflateFeed{t: t, from: from, block: block, out: deflated.Get()}
	z, windowed := t.plane.deflaters.get(t.job.Deflate, f.out)
	if f.z = z; !windowed {
		t.plane.stats.StatelessMode.Add(1)
	}
	return f
}

func (f *deflateFeed) release() {
	f.t.plane.deflaters.put(f.t.job.Deflate, f.z)
	deflated.Put(f.out)
}

func (f *deflateFeed) feed(w *window, dst []byte) (int, error) {
	for len(f.rest) == 0 && !f.done {
		if err := f.fill(w); err != nil {
			return 0, err
		}
	}
	n := copy(dst, f.rest)
	if f.rest = f.rest[n:]; f.done && len(f.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// fill compresses one block.
func (f *deflateFeed) fill(w *window) error {
	n, err := f.from.feed(w, w.block(f.block))
	last := err == io.EOF
	if err != nil && !last {
		return err
	}
	f.out.Reset()
	if _, err := f.z.Write(w.block(f.block)[:n]); err != nil {
		return err
	}
	if last {
		f.done, err = true, f.z.Close()
	} else {
		err = nil
	}
	f.rest = f.out.B
	return err
}

// Bounds of an inflated upload: what is that much larger than what came, and
// that large, is no file that anybody has.
const (
	maxRatio    = 1000
	ratioFrom   = 64 << 20
	inflateCost = 64 << 10 // memory of an inflater with its input, in bytes
)

var (
	errBomb     = errors.New("compressed data expands without bound")
	errGarbage  = errors.New("data after the end of the compressed stream")
	errTooLarge = errors.New("more bytes than may be stored")
)

// inflater reads one zlib stream; gzip is recognised, for some clients send it.
// It reads not one byte beyond the stream's end.
type inflater struct {
	wire countReader
	in   *bufio.Reader
	zlib io.ReadCloser // nil until needed, kept in the pool
	gzip *gzip.Reader
	from io.Reader // the one in use
	out  int64
}

// countReader counts what is read and remembers how the reading ended, for an
// inflater makes one error of all.
type countReader struct {
	r   io.Reader
	n   int64
	err error
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.in = bufio.NewReaderSize(&f.wire, 16<<10)
	return f
}}

// newInflater returns an inflater for r; release takes it back.
func newInflater(r io.Reader) *inflater {
	f := inflaters.Get().(*inflater)
	f.wire = countReader{r: r}
	f.in.Reset(&f.wire)
	f.from, f.out = nil, 0
	return f
}

func (f *inflater) release() {
	f.wire = countReader{}
	inflaters.Put(f)
}

// Read returns inflated bytes, and io.EOF once the stream is whole and nothing
// follows it. errBomb and errGarbage are about what came; see also wire.err.
func (f *inflater) Read(p []byte) (int, error) {
	if f.from == nil {
		if err := f.open(); err == io.EOF { // so a header says that is cut
			return 0, io.ErrUnexpectedEOF
		} else if err != nil {
			return 0, err
		}
	}
	n, err := f.from.Read(p)
	if f.out += int64(n); f.out > ratioFrom && f.out/maxRatio > f.wire.n {
		return n, errBomb
	}
	if err == io.EOF {
		err = f.tail()
	}
	return n, err
}

// open looks at the first byte and picks the format.
func (f *inflater) open() (err error) {
	first, err := f.in.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == 0x1f {
		return f.openGzip()
	}
	if f.zlib == nil {
		f.zlib, err = zlib.NewReader(f.in)
	} else {
		err = f.zlib.(zlib.Resetter).Reset(f.in, nil)
	}
	f.from = f.zlib
	return err
}

func (f *inflater) openGzip() (err error) {
	if f.gzip == nil {
		f.gzip, err = gzip.NewReader(f.in)
	} else {
		err = f.gzip.Reset(f.in)
	}
	if err == nil {
		f.gzip.Multistream(false)
		f.from = f.gzip
	}
	return err
}

// tail makes sure that nothing follows the stream but the peer's end.
func (f *inflater) tail() error {
	if _, err := f.in.ReadByte(); err == nil {
		return errGarbage
	}
	return io.EOF
}
