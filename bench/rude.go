package bench

import (
	"errors"
	"fmt"
	"io"
	"time"

	"fastftps/internal/ftpclient"
)

// abort begins a download and says ABOR while it runs; got is how many bytes came
// before. A transfer that was over by then is not a failure.
func (w *worker) abort(c *ftpclient.Client, f *file, after time.Duration) (got int64, err error) {
	data, _, err := w.begin(c, opAbort, "RETR "+f.path)
	if err != nil {
		return 0, err
	}
	defer w.hold(1, nil)
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	for until := w.b.now() + after; w.b.now() < until; {
		n, err := data.Read(buf[:])
		got += int64(n)
		if err != nil {
			w.endData(data)
			if err == io.EOF {
				err = nil
			}
			return got, w.complete(c, opAbort, w.b.now(), err)
		}
	}
	transfer, abor, err := c.Abort(data)
	switch {
	case err != nil:
		return got, err
	case transfer.Code/100 == 2 && abor.Code/100 == 2, transfer.Code == 426 && abor.Code == 226:
		return got, nil
	case transfer.Code == 426:
		return got, abor.Expect(2)
	}
	return got, transfer.Expect(426)
}

// retrSlowly downloads at a bounded rate, so that the server has to wait for us.
func (w *worker) retrSlowly(c *ftpclient.Client, f *file, rate float64) error {
	check := checker{content: w.b.content, body: f.body, compare: w.checked(sampleRetr)}
	data, from, err := w.begin(c, opSlow, "RETR "+f.path)
	if err != nil {
		return err
	}
	// What the kernel takes on our behalf is not slow.
	if err := data.TCP().SetReadBuffer(16 << 10); err != nil {
		w.endData(data)
		return err
	}
	err = w.drip(data, from, rate, &check)
	at := w.b.now()
	w.endData(data)
	if errors.Is(err, ftpclient.ErrTruncated) && w.b.cfg.Verify == VerifyOff {
		err = nil
	}
	if err := w.complete(c, opSlow, at, err); err != nil || f.foreign {
		return err
	}
	return asWrong(check.end())
}

// drip reads a little, then waits until that much is due.
func (w *worker) drip(data *ftpclient.Conn, from time.Duration, rate float64, sink io.Writer) error {
	buf := make([]byte, 4<<10)
	for got := 0; ; {
		n, err := data.Read(buf)
		if n > 0 {
			_, _ = sink.Write(buf[:n]) // a checker never fails
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
		got += n
		due := from + time.Duration(float64(got)/rate*float64(time.Second))
		think(w.ctx, due-w.b.now())
	}
}
