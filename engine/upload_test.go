package engine

import (
	"bytes"
	"compress/zlib"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fastftps/internal/ftpclient"
	"fastftps/session"
)

// TestCutUploads: an upload that does not end in order is answered 4xx, leaves
// the old file as it was and nothing new behind (RFC 4217 section 12.5).
func TestCutUploads(t *testing.T) {
	cuts := map[string]struct {
		mode session.Mode
		end  func(c *ftpclient.Client, d *ftpclient.Conn) error
		code int
	}{
		"FIN on a record border": {session.Implicit, func(_ *ftpclient.Client, d *ftpclient.Conn) error { return d.CloseWriteBare() }, 426},
		"FIN inside a record":    {session.Implicit, func(_ *ftpclient.Client, d *ftpclient.Conn) error { return d.CloseWriteInRecord() }, 426},
		"RST under TLS":          {session.Implicit, func(_ *ftpclient.Client, d *ftpclient.Conn) error { return d.Reset() }, 426},
		"RST in clear":           {session.Plain, func(_ *ftpclient.Client, d *ftpclient.Conn) error { return d.Reset() }, 426},
		"ABOR under TLS":         {session.Implicit, func(c *ftpclient.Client, _ *ftpclient.Conn) error { return c.Send("ABOR\r\n") }, 426},
		"ABOR in clear":          {session.Plain, func(c *ftpclient.Client, _ *ftpclient.Conn) error { return c.Send("ABOR\r\n") }, 426},
		"ABOR as lftp sends it":  {session.Implicit, func(c *ftpclient.Client, _ *ftpclient.Conn) error { return c.Send("\xff\xf4\xff\xf2ABOR\r\n") }, 426},
	}
	eachReactor(t, nil, func(t *testing.T, s *server) {
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) { cutUpload(t, s, cut.mode, "S", cut.end, cut.code) })
			t.Run(name+" in MODE Z", func(t *testing.T) { cutUpload(t, s, cut.mode, "Z", cut.end, cut.code) })
		}
	})
}

// halves are what a cut upload has sent: bytes, and the same in an unfinished
// zlib stream.
var halves = func() map[string][]byte {
	var z bytes.Buffer
	body := bytes.Repeat([]byte("x"), 100_000)
	w := zlib.NewWriter(&z)
	_, werr := w.Write(body)
	if err := errors.Join(werr, w.Flush()); err != nil {
		panic(err)
	}
	return map[string][]byte{"S": body, "Z": z.Bytes()}
}()

func cutUpload(t *testing.T, s *server, mode session.Mode, how string, end func(*ftpclient.Client, *ftpclient.Conn) error, code int) {
	t.Helper()
	old := filepath.Join(s.root, "old.txt")
	if err := os.WriteFile(old, []byte("old content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"STOR old.txt", "STOR new.txt", "APPE new.txt", "STOU"} {
		c := s.login(mode, nil)
		if err := c.Mode(how); err != nil {
			t.Fatal(err)
		}
		d, err := c.Begin(line, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(halves[how]); err != nil {
			t.Fatal(err)
		}
		if err := end(c, d); err != nil {
			t.Fatal(err)
		}
		_, err = c.Complete()
		var re *ftpclient.ReplyError
		if !errors.As(err, &re) || re.Code != code {
			t.Errorf("%s: got %v, want %d", line, err, code)
		}
		d.Close()
		c.Close()
	}
	if got, err := os.ReadFile(old); err != nil || string(got) != "old content" {
		t.Errorf("old.txt: got %.20q, %v; want the old content", got, err)
	}
	if left := names(t, s.root); strings.Join(left, " ") != "old.txt" {
		t.Errorf("left in the folder: %q", left)
	}
}

// names lists a folder of the host.
func names(t testing.TB, dir string) (n []string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		n = append(n, e.Name())
	}
	return n
}

// TestStorWithoutDataConnection: a STOR whose data connection never comes
// touches nothing.
func TestStorWithoutDataConnection(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		old := filepath.Join(s.root, "old.txt")
		if err := os.WriteFile(old, []byte("old content"), 0o644); err != nil {
			t.Fatal(err)
		}
		c := s.login(session.Implicit, nil)
		if _, err := c.Passive(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do("STOR old.txt", 150); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do("ABOR", 426); err != nil {
			t.Fatal(err)
		}
		if r, err := c.ReadReply(); err != nil || r.Code != 226 {
			t.Errorf("ABOR: got %v, %v; want 226", r, err)
		}
		if got, err := os.ReadFile(old); err != nil || string(got) != "old content" {
			t.Errorf("old.txt: got %q, %v", got, err)
		}
	})
}

// TestEmptyDownloadByHastyClient: a client that was told "0 bytes" and resets
// the data connection right behind its handshake, as curl does when a ticket
// lies unread, has all there is: 226.
func TestEmptyDownloadByHastyClient(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		if err := os.WriteFile(filepath.Join(s.root, "empty"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			c := s.login(session.Implicit, nil)
			d, err := c.Begin("RETR empty", 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := d.Reset(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Complete(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
