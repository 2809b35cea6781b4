package engine

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"fastftps/session"
)

// TestTransfers moves files both ways in every mode and on both reactors.
func TestTransfers(t *testing.T) {
	eachReactor(t, nil, func(t *testing.T, s *server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) { upAndDown(t, s, mode) })
		}
	})
}

func upAndDown(t *testing.T, s *server, mode session.Mode) {
	c := s.login(mode, nil)
	want := make([]byte, 3<<20+17)
	rand.Read(want)
	if _, err := c.Stor("/a.bin", 0, bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := c.Retr("/a.bin", 0, &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("downloaded %d bytes, not the %d that were uploaded", got.Len(), len(want))
	}
	lines, err := c.List("")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || !strings.HasSuffix(lines[0], " a.bin") {
		t.Errorf("LIST: got %q", lines)
	}
	if err := c.Quit(); err != nil {
		t.Errorf("QUIT: %v", err)
	}
}
