package dataplane

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"fastftps/storage"
)

// feeder yields what a download sends. feed fills dst, at least in part, and
// returns io.EOF with the last bytes. Each layer may use blocks of w.
type feeder interface {
	feed(w *window, dst []byte) (int, error)
}

var (
	errShort   = errors.New("the file became shorter during its download")
	errStopped = errors.New("stopped while waiting for memory")
	errHangUp  = errors.New("the peer ended the connection during a download")
)

// osFile returns the host's file below a File or Upload, nil if there is none.
func osFile(v any) *os.File {
	if f, ok := v.(storage.OSFile); ok {
		return f.OSFile()
	}
	return nil
}

// sendFile sends job.File: by sendfile where the kernel can do all, else
// through user memory.
func (t *transfer) sendFile() (Cause, error) {
	j := &t.job
	if f := osFile(j.File); f != nil && !j.ASCII && j.Deflate == 0 && (!j.Private || t.toKernel()) {
		if cause, err, ok := t.sendfile(f); ok {
			return cause, err
		}
	}
	if _, err := j.File.Seek(j.Offset, io.SeekStart); err != nil {
		return CauseRead, err
	}
	var f feeder = &fileFeed{t: t, left: j.Length}
	blocks := 1
	if j.ASCII {
		f = &asciiFeed{from: f, block: blocks}
		blocks++
	}
	path := &t.plane.stats.SentCopied
	if j.Private {
		path = &t.plane.stats.SentSealed
	}
	return t.pump(f, blocks, path)
}

// What is given to the kernel to seal. Below kernelMin a block of ours costs less
// than the system calls around it. Up to kernelMax one key is good for all: a record
// holds a page at least, so they are 2^24, and RFC 8446 section 5.5 allows 2^24.5;
// the kernel cannot move on to the next key.
const (
	kernelMin = 64 << 10
	kernelMax = 64 << 30
)

// toKernel has the kernel seal the download, if it is one for that.
func (t *transfer) toKernel() bool {
	n := t.job.Length
	if !t.plane.cfg().KernelTLS || !t.info.Fast || n < kernelMin || n > kernelMax {
		return false
	}
	if t.sec.ToKernel() != nil {
		t.plane.stats.KernelRefused.Add(1)
		return false
	}
	t.info = t.sec.Info()
	return true
}

// sendListing sends job.Listing, as it is made.
func (t *transfer) sendListing() (Cause, error) {
	t.window.fixed = t.job.Listing.Memory()
	path := &t.plane.stats.SentListings
	if t.job.Private {
		path = &t.plane.stats.SentListingsP
	}
	return t.pump(&listingFeed{t: t, turn: time.Now()}, 1, path)
}

// pump sends what the feeder yields, through MODE Z if asked for. It reads
// only when it has memory to read into, and holds no more than the peer's pace
// asks for.
func (t *transfer) pump(f feeder, blocks int, path *atomic.Int64) (Cause, error) {
	if t.job.Deflate > 0 {
		z := t.newDeflateFeed(f, blocks)
		defer z.release()
		f = z
		blocks++
		t.window.extra++
	}
	t.sealedToo()
	up := newHangUp(t.conn)
	for class := 0; ; {
		if !t.obtain(class, blocks) {
			return t.why(CauseAborted), errStopped
		}
		p := t.window.first()
		n, err := f.feed(&t.window, p)
		last := err == io.EOF
		switch {
		case err != nil && !last:
			return feedCause(err), err
		case !last && up.seen(): // what is left would be sent to nobody
			return t.why(CauseCut), errHangUp
		}
		began := time.Now()
		if err := t.send(p[:n], last); err != nil && (!last || t.fed > 0) {
			// Of nothing nothing can be lost: curl closes at once when it
			// was told that the file is empty.
			return t.why(CauseCut), err
		}
		t.through(t.fed-t.moved.Load(), path)
		if last {
			return CauseOK, nil
		}
		if t.quick() {
			keepMore(t.conn, notSentQuick)
		}
		class = pace(t.window.class, n == len(p), time.Since(began))
	}
}

// A peer is quick when its first quickBytes took no longer than quickTime. Few can be
// that at a time; one that stalls later keeps what it was given until the stall limit,
// and an address has no more of them than sessions.
const (
	quickBytes = 4 << 20
	quickTime  = 500 * time.Millisecond
)

// quick reports, once, that the peer is quick: it is worth more memory of the kernel
// to be woken for it less often.
func (t *transfer) quick() bool {
	if t.judged || t.moved.Load() < quickBytes {
		return false
	}
	t.judged = true
	return time.Since(t.started)-t.first <= quickTime
}

// maxPages is how many quick downloads in clear may have notSentPages at a time.
const maxPages = 64

// takePages reports whether this is one of them; finish gives its place back.
func (t *transfer) takePages() bool {
	if t.plane.pages.Add(1) > maxPages {
		t.plane.pages.Add(-1)
		return false
	}
	t.paged = true
	return true
}

func feedCause(err error) Cause {
	if errors.Is(err, errShort) {
		return CauseShort
	}
	return CauseRead
}

// A block that was taken within fast makes the next one larger; one that took
// longer than slow makes it small again.
const (
	fast = 10 * time.Millisecond
	slow = 50 * time.Millisecond
)

// pace returns the class of the next block.
func pace(class int, full bool, took time.Duration) int {
	switch {
	case took >= slow:
		return 0
	case took <= fast && full && class < len(classes)-1:
		return class + 1
	}
	return class
}

// send hands bytes to the kernel; the last ones with close_notify, followed by
// our FIN (RFC 4217 section 12.5, RFC 959 section 5.2).
func (t *transfer) send(p []byte, last bool) (err error) {
	switch {
	case t.sec != nil && last:
		err = t.sec.CloseWrite(p)
	case t.sec != nil && len(p) > 0:
		_, err = t.sec.Write(p)
	case len(p) > 0:
		_, err = t.conn.Write(p)
	}
	switch {
	case !last:
		return err
	case err == nil:
		return withoutPeer(t.conn.CloseWrite())
	case len(p) == 0:
		return withoutPeer(err)
	}
	return err
}

// withoutPeer drops the error of an end that finds nobody: all bytes were sent
// before. curl resets the connection once it has as many as SIZE promised, at
// once if that is none.
func withoutPeer(err error) error {
	if isReset(err) && !errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// fileFeed yields left bytes of the file: no more if it has grown, and
// errShort if it has shrunk.
type fileFeed struct {
	t    *transfer
	left int64
}

func (f *fileFeed) feed(_ *window, dst []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.EOF
	}
	n, err := f.t.job.File.Read(dst[:min(int64(len(dst)), f.left)])
	f.left -= int64(n)
	f.t.fed += int64(n)
	switch {
	case f.left == 0:
		return n, io.EOF
	case n > 0 && (err == nil || err == io.EOF):
		return n, nil
	case err == io.EOF:
		return 0, errShort
	case err == nil:
		return 0, io.ErrNoProgress
	}
	return n, err
}

// asciiFeed yields another feeder's bytes with CRLF line ends.
type asciiFeed struct {
	from  feeder
	block int // which block of the window is its own
	exp   expander
}

func (f *asciiFeed) feed(w *window, dst []byte) (int, error) {
	n, err := f.from.feed(w, w.block(f.block)[:len(dst)/2])
	return len(f.exp.appendTo(dst[:0], w.block(f.block)[:n])), err
}
