package codec

import (
	"bytes"
	"errors"
	"slices"
	"sync"
)

const (
	// MaxLine is the longest line taken, in bytes without its line end and
	// after Telnet decoding: twice the longest path that Linux knows.
	MaxLine = 8 << 10
	// MaxFlood is how many bytes may arrive without a line end before
	// ErrLineFlood.
	MaxFlood = 64 << 10
)

// What Command.Err may say.
var (
	// ErrLineTooLong: the line had more than MaxLine bytes and was skipped.
	// Decoding can go on. The reply is 500 (RFC 959 section 4.2.1).
	ErrLineTooLong = errors.New("command line too long")
	// ErrLineFlood: MaxFlood bytes came without a line end. It is reported
	// before the line has ended; the caller should close the connection.
	ErrLineFlood = errors.New("no line end in sight")
	// ErrNUL: a NUL that does not follow a CR. The reply is 501.
	ErrNUL = errors.New("NUL in command line")
	// ErrVerb: the line does not begin with a well-formed verb. The reply
	// is 500. Command.Arg is the whole line.
	ErrVerb = errors.New("no verb in command line")
)

// Command is one decoded line.
type Command struct {
	Verb Verb // 0 when Err is set
	// Arg is what follows the verb and exactly one SP, verbatim, spaces
	// included (RFC 2640 section 3.1, RFC 3659 section 2.2). It aliases the
	// input or the decoder's memory: it is valid until the next call of Next
	// or Reset and no longer than the input itself.
	Arg []byte
	Err error // one of the Err… of this package, or nil
}

// Decoder cuts the client's bytes into commands and takes the Telnet protocol
// out of them. The zero value is ready.
//
// A line ends at LF; CRs right before it belong to the line end. CR NUL is a
// CR (RFC 2640 section 3.1), any other CR stays in the line. Bytes of 0x80 and
// above before the verb are dropped: they are what is left of a Telnet urgent
// signal. Empty lines are skipped without a word.
//
// How the stream is cut into calls of Next changes nothing in what comes out.
// Between lines a Decoder holds no memory beyond itself.
type Decoder struct {
	buf     *[]byte // the line so far, from lineBufs; nil while it is empty
	answers []byte  // refusals of Telnet options

	raw    int32 // bytes of the line so far as they came in
	crs    int32 // CRs at its end, not yet known to be content
	telnet telnetState
	long   bool // more than MaxLine bytes: the rest is skipped
	nul    bool
}

// Next takes the bytes of p up to and including the first line end and returns
// the command there, n being the number of bytes taken. Without a line end it
// takes all of p, keeps what it must and reports ok false. Call it until it
// does: that also gives back the memory of the last line.
//
//	for {
//		cmd, n, ok := d.Next(p)
//		p = p[n:]
//		if !ok {
//			break
//		}
//		…
//	}
//
// A line that is whole in p and free of NUL and Telnet bytes is not copied.
func (d *Decoder) Next(p []byte) (cmd Command, n int, ok bool) {
	d.freeEnded()
	for n < len(p) {
		line, taken, err := d.cut(p[n:])
		n += taken
		if err != nil {
			return Command{Err: err}, n, true
		}
		if line = trimStray(line); len(line) > 0 {
			return parse(line), n, true
		}
		d.freeEnded()
	}
	return Command{}, n, false
}

// Partial reports whether an unfinished line, or an unfinished Telnet command,
// is held.
func (d *Decoder) Partial() bool { return d.raw > 0 }

// Reset drops an unfinished line and Telnet answers not yet fetched.
func (d *Decoder) Reset() {
	d.freeBuf()
	*d = Decoder{}
}

// parse splits a line. Control characters and the like need no check of their
// own here: they are in no verb, and arguments may hold them.
func parse(line []byte) Command {
	v, arg := CutVerb(line)
	if v == 0 {
		return Command{Arg: line, Err: ErrVerb}
	}
	return Command{Verb: v, Arg: arg}
}

// trimStray drops the bytes before the verb that are not ASCII.
func trimStray(line []byte) []byte {
	for len(line) > 0 && line[0] >= 0x80 {
		line = line[1:]
	}
	return line
}

// cut takes one line from p, or all of p, and no line, when none ends in it.
func (d *Decoder) cut(p []byte) (line []byte, taken int, err error) {
	if d.raw == 0 {
		if line, taken = cutPlain(p); taken > 0 {
			return line, taken, nil
		}
	}
	for i, c := range p {
		switch {
		case d.take(c):
			line, err = d.end()
			return line, i + 1, err
		case d.raw == MaxFlood+1:
			d.raw++ // reported once; the rest of the line is skipped
			return nil, i + 1, ErrLineFlood
		}
	}
	return nil, len(p), nil
}

// cutPlain is the fast way through cut: it takes the line at the start of p in
// place when nothing in it needs decoding, and nothing otherwise.
func cutPlain(p []byte) (line []byte, taken int) {
	i := bytes.IndexByte(p[:min(len(p), MaxLine+2)], '\n')
	if i < 0 {
		return nil, 0
	}
	line = p[:i]
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	if len(line) > MaxLine || bytes.IndexByte(line, iac) >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return nil, 0
	}
	return line, i + 1
}

// take decodes one byte as it came in and reports whether it ended the line.
func (d *Decoder) take(c byte) (end bool) {
	if d.raw <= MaxFlood {
		d.raw++
	}
	if d.telnet != telnetData || c == iac {
		if !d.takeTelnet(c) {
			return false
		}
	}
	return d.takeText(c)
}

// takeText decodes one byte of text, free of Telnet commands.
func (d *Decoder) takeText(c byte) (end bool) {
	switch c {
	case '\n':
		return true
	case '\r':
		d.crs++
		return false
	}
	held := d.crs > 0
	for ; d.crs > 0; d.crs-- {
		d.put('\r')
	}
	switch {
	case c != 0:
		d.put(c)
	case !held:
		d.nul = true
	}
	return false
}

// put appends one byte to the line.
func (d *Decoder) put(c byte) {
	switch {
	case d.long:
		return
	case d.buf == nil:
		d.buf = lineBufs.Get().(*[]byte)
	case len(*d.buf) == MaxLine:
		d.long = true
		d.freeBuf()
		return
	case len(*d.buf) == cap(*d.buf): // three sizes: 128 bytes, 1 KiB, 8 KiB
		*d.buf = slices.Grow(*d.buf, 7*len(*d.buf))
	}
	*d.buf = append(*d.buf, c)
}

// end returns the line that has just ended and makes ready for the next one.
// The line is d.buf's, which freeEnded gives back.
func (d *Decoder) end() (line []byte, err error) {
	switch {
	case d.raw > MaxFlood+1: // already reported
	case d.long:
		err = ErrLineTooLong
	case d.nul:
		err = ErrNUL
	case d.buf != nil:
		line = *d.buf
	}
	d.raw, d.crs, d.long, d.nul = 0, 0, false, false
	return line, err
}

// empty reports whether no text of the line has come yet.
func (d *Decoder) empty() bool {
	return d.buf == nil && d.crs == 0 && !d.nul && !d.long
}

// freeEnded gives the line's memory back once the line has ended.
func (d *Decoder) freeEnded() {
	if d.raw == 0 {
		d.freeBuf()
	}
}

// lineBufs holds buffers for lines that arrive in pieces or need decoding. Only
// small ones are kept, so that a peer which sends one byte and falls silent
// does not hold a large one.
var lineBufs = sync.Pool{New: func() any {
	b := make([]byte, 0, lineBufSize)
	return &b
}}

const (
	lineBufSize    = 128
	maxLineBufSize = 1 << 10
)

func (d *Decoder) freeBuf() {
	if d.buf == nil {
		return
	}
	if cap(*d.buf) <= maxLineBufSize {
		*d.buf = (*d.buf)[:0]
		lineBufs.Put(d.buf)
	}
	d.buf = nil
}
