package session

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"fastftps/listing"
	"fastftps/storage"
	"fastftps/storage/memfs"
)

// TestStatLines: STAT sends whole lines, and no more bytes than it may.
func TestStatLines(t *testing.T) {
	tree := memfs.New(memfs.Options{})
	s := &Session{cfg: &Config{Now: time.Now}, fs: tree, cwd: storage.Root}
	for n := 0; ; n++ {
		lines, whole, err := s.statLines("", listing.Words{})
		if err != nil {
			t.Fatal(err)
		}
		got := bytes.Count(lines, []byte("\r\n"))
		if len(lines) > maxStatListing || len(lines) > 0 && !bytes.HasSuffix(lines, []byte(" file\r\n")) {
			t.Fatalf("%d bytes, the last of them %q", len(lines), lines[max(0, len(lines)-20):])
		}
		if !whole {
			if got >= n*100 || got < 500 {
				t.Errorf("%d lines of %d, and there is more", got, n*100)
			}
			return
		}
		if got != n*100 {
			t.Fatalf("%d lines of %d", got, n*100)
		}
		for i := range 100 {
			if err := tree.WriteFile(storage.Root.Join(fmt.Sprintf("%d %d file", n, i)), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
