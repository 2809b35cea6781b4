package ftpclient

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// Begin sets a data connection up as Endpoint says, sends REST when restart is
// not 0, then the command, and waits for the mark (1yz). TLS has not begun on
// the data connection: it does with the first Read or Write. The caller ends the
// connection and fetches the completion reply with Complete.
func (c *Client) Begin(line string, restart int64) (*Conn, error) {
	if c.Endpoint == PORT || c.Endpoint == EPRT {
		return c.beginActive(line, restart)
	}
	addr, err := c.Passive()
	if err != nil {
		return nil, err
	}
	data, err := c.DialData(addr)
	if err != nil {
		return nil, err
	}
	if err := c.start(line, restart); err != nil {
		data.Close()
		return nil, err
	}
	return data, nil
}

func (c *Client) beginActive(line string, restart int64) (*Conn, error) {
	ln, err := c.Listen()
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	if err := c.start(line, restart); err != nil {
		return nil, err
	}
	return c.accept(ln)
}

// accept is Accept for a transfer that runs: when the server does not come, its
// reply says why.
func (c *Client) accept(ln *net.TCPListener) (*Conn, error) {
	data, err := c.Accept(ln)
	if err != nil {
		return nil, c.outcome(err)
	}
	return data, nil
}

func (c *Client) start(line string, restart int64) error {
	if restart != 0 {
		if _, err := c.Do(fmt.Sprintf("REST %d", restart), 350); err != nil {
			return err
		}
	}
	_, err := c.Do(line, 1)
	return err
}

// Complete reads the completion reply of a transfer; other than 2yz it is a
// *ReplyError.
func (c *Client) Complete() (Reply, error) {
	reply, err := c.ReadReply()
	if err == nil {
		err = reply.Expect(2)
	}
	return reply, err
}

// outcome reads the completion reply of a transfer whose data connection ended
// with err. Where both failed the reply comes first: it is the cause more often
// than not.
func (c *Client) outcome(err error) error {
	_, replyErr := c.Complete()
	switch {
	case replyErr == nil:
		return err
	case err == nil:
		return replyErr
	}
	return fmt.Errorf("%w (data connection: %w)", replyErr, err)
}

// Download runs a command that sends data to us and writes the data to w. It
// returns the number of bytes written. An end without close_notify is an error.
func (c *Client) Download(line string, restart int64, w io.Writer) (int64, error) {
	data, err := c.Begin(line, restart)
	if err != nil {
		return 0, err
	}
	n, err := c.Receive(w, data)
	data.Close()
	return n, verbError(line, c.outcome(err))
}

// Receive reads the data of a transfer from its data connection, inflated in MODE
// Z, and writes it to w. It returns the number of bytes written.
func (c *Client) Receive(w io.Writer, data *Conn) (int64, error) {
	if !c.Deflate {
		return copyAll(w, data)
	}
	r := bufio.NewReader(data) // of our own: zlib's would swallow what follows the stream
	z, err := zlib.NewReader(r)
	if err != nil {
		return 0, fmt.Errorf("inflate: %w", err)
	}
	defer z.Close()
	n, err := copyAll(w, z)
	if err != nil {
		return n, fmt.Errorf("inflate: %w", err)
	}
	switch extra, err := copyAll(io.Discard, r); {
	case err != nil:
		return n, err
	case extra > 0:
		return n, fmt.Errorf("%d bytes after the zlib stream", extra)
	}
	return n, nil
}

// Upload runs a command that takes data from us and sends all of r. It ends the
// data in order, waits for the completion reply, and returns the number of bytes
// read from r.
func (c *Client) Upload(line string, restart int64, r io.Reader) (int64, error) {
	data, err := c.Begin(line, restart)
	if err != nil {
		return 0, err
	}
	defer data.Close()
	n, err := c.send(data, r)
	return n, verbError(line, c.outcome(err))
}

// send sends all of r and ends our direction. On failure it cuts the connection,
// so that the server does not wait for more.
func (c *Client) send(data *Conn, r io.Reader) (n int64, err error) {
	defer func() {
		if err != nil {
			_ = data.Reset() // the first error is the one that counts
		}
	}()
	if err := data.Handshake(); err != nil { // an empty file needs it too
		return 0, err
	}
	if n, err = c.SendBody(data, r); err != nil {
		return n, err
	}
	return n, data.CloseWrite()
}

// SendBody sends all of r on a data connection, deflated in MODE Z, and leaves
// it open. It returns the number of bytes read from r.
func (c *Client) SendBody(data *Conn, r io.Reader) (int64, error) {
	if !c.Deflate {
		return copyAll(data, r)
	}
	z, err := zlib.NewWriterLevel(data, zlib.BestSpeed)
	if err != nil {
		return 0, err
	}
	n, err := copyAll(z, r)
	if err != nil {
		return n, err
	}
	return n, z.Close()
}

func verbError(line string, err error) error {
	if err == nil {
		return nil
	}
	verb, _, _ := strings.Cut(line, " ")
	return fmt.Errorf("%s: %w", verb, err)
}

// Retr downloads a file from byte restart on.
func (c *Client) Retr(path string, restart int64, w io.Writer) (int64, error) {
	return c.Download("RETR "+path, restart, w)
}

// Stor uploads a file, or writes to it from byte restart on.
func (c *Client) Stor(path string, restart int64, r io.Reader) (int64, error) {
	return c.Upload("STOR "+path, restart, r)
}

// Appe appends to a file, or writes to it from byte restart on (RFC 3659 section
// 5.3).
func (c *Client) Appe(path string, restart int64, r io.Reader) (int64, error) {
	return c.Upload("APPE "+path, restart, r)
}

// List returns the lines of LIST; arg may be empty, and hold options.
func (c *Client) List(arg string) ([]string, error) { return c.lines("LIST", arg) }

// NLST returns the names that NLST lists.
func (c *Client) NLST(arg string) ([]string, error) { return c.lines("NLST", arg) }

// Entry is a line of MLSD (RFC 3659 section 7.2).
type Entry struct {
	Name  string
	Facts map[string]string // by the fact's name in lower case
}

// MLSD lists a directory. It is strict about the form of the lines.
func (c *Client) MLSD(path string) ([]Entry, error) {
	lines, err := c.lines("MLSD", path)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(lines))
	for _, line := range lines {
		e, err := ParseEntry(line)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// ParseEntry reads a line of MLSD, or the inner line of MLST without its first
// space:
//
//	*( fact "=" value ";" ) SP name
func ParseEntry(line string) (Entry, error) {
	facts, name, ok := strings.Cut(line, " ")
	if !ok || name == "" {
		return Entry{}, fmt.Errorf("no name in %q", line)
	}
	e := Entry{name, make(map[string]string)}
	for facts != "" {
		var fact string
		if fact, facts, ok = strings.Cut(facts, ";"); !ok {
			return Entry{}, fmt.Errorf("no semicolon after the last fact of %q", line)
		}
		key, value, ok := strings.Cut(fact, "=")
		if !ok || key == "" {
			return Entry{}, fmt.Errorf("%q is no fact, in %q", fact, line)
		}
		e.Facts[strings.ToLower(key)] = value
	}
	return e, nil
}

// lines downloads a listing and splits it. Each line must end in CRLF.
func (c *Client) lines(verb, arg string) ([]string, error) {
	line := verb
	if arg != "" {
		line += " " + arg
	}
	var b bytes.Buffer
	if _, err := c.Download(line, 0, &b); err != nil {
		return nil, err
	}
	if b.Len() == 0 {
		return nil, nil
	}
	text, ok := strings.CutSuffix(b.String(), "\r\n")
	if !ok {
		return nil, fmt.Errorf("%s: the last line has no end: %q", verb, text[max(0, len(text)-80):])
	}
	return strings.Split(text, "\r\n"), nil
}

// Abort says ABOR while a transfer runs, reads the two replies that follow (the
// transfer's, then that of ABOR; RFC 959 section 4.1.3) and closes the data
// connection. With data nil no transfer runs and the first reply is empty.
func (c *Client) Abort(data *Conn) (transfer, abort Reply, err error) {
	if err := c.Send("ABOR\r\n"); err != nil {
		return transfer, abort, fmt.Errorf("ABOR: %w", err)
	}
	if data != nil {
		defer data.Close()
		if transfer, err = c.ReadReply(); err != nil {
			return transfer, abort, fmt.Errorf("ABOR: %w", err)
		}
	}
	if abort, err = c.ReadReply(); err != nil {
		return transfer, abort, fmt.Errorf("ABOR: %w", err)
	}
	return transfer, abort, nil
}

// blocks are the buffers of copyAll.
var blocks = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyAll copies until the end of src in large blocks. io.Copy would let
// io.Discard and the like choose small ones.
func copyAll(dst io.Writer, src io.Reader) (n int64, err error) {
	block := blocks.Get().(*[64 << 10]byte)
	defer blocks.Put(block)
	for {
		got, readErr := src.Read(block[:])
		if got > 0 {
			put, err := dst.Write(block[:got])
			n += int64(put)
			if err != nil {
				return n, err
			}
		}
		switch {
		case readErr == io.EOF:
			return n, nil
		case readErr != nil:
			return n, readErr
		}
	}
}
