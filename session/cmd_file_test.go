package session

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"fastftps/storage"
)

func TestRegular(t *testing.T) {
	tests := map[fs.FileMode]error{
		0o644:                             nil,
		fs.ModeDir | 0o755:                storage.ErrIsDir,
		fs.ModeNamedPipe:                  storage.ErrNotRegular,
		fs.ModeSocket:                     storage.ErrNotRegular,
		fs.ModeDevice | fs.ModeCharDevice: storage.ErrNotRegular,
		fs.ModeSymlink:                    storage.ErrNotRegular,
	}
	for mode, want := range tests {
		if got := regular(storage.Info{Mode: mode}); !errors.Is(got, want) {
			t.Errorf("mode %v: got %v, want %v", mode, got, want)
		}
	}
}

// TestUnique: the names that STOU makes when no setting makes them differ.
func TestUnique(t *testing.T) {
	s := &Session{cfg: &Config{}}
	seen := make(map[string]bool)
	for range 1000 {
		name := s.unique()
		if seen[name] || name == "" {
			t.Fatalf("name %q: seen before, or empty", name)
		}
		seen[name] = true
	}
}

func TestLooksTimed(t *testing.T) {
	tests := []struct {
		arg  string
		want bool
	}{
		{"20240102030405 a.txt", true},
		{"20240102030405.123 a.txt", true},
		{"20240102030405 ", true},
		{"20240102030405", false},
		{"2024010203040 a.txt", false},
		{"202401020304055 a.txt", false},
		{"20240102030405. a.txt", false},
		{"20240102030405.x a.txt", false},
		{"2024010203040x a.txt", false},
		{" 20240102030405 a.txt", false},
		{"a.txt", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := looksTimed(tt.arg); got != tt.want {
			t.Errorf("looksTimed(%q): got %v, want %v", tt.arg, got, tt.want)
		}
	}
}

// FuzzTextCounter: however the text is cut, the count is the length of the text
// with the line ends that TYPE A sends.
func FuzzTextCounter(f *testing.F) {
	f.Add([]byte("a\nb\r\nc\r\r\n\n"), uint8(3))
	f.Fuzz(func(t *testing.T, p []byte, cut uint8) {
		n := min(int(cut), len(p))
		var got textCounter
		got.Write(p[:n])
		got.Write(p[n:])
		want := bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		if got.n != int64(len(want)) {
			t.Errorf("text %q cut at %d: got %d bytes, want %d", p, n, got.n, len(want))
		}
	})
}
