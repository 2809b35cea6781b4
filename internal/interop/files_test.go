//go:build interop

package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// makeFile writes size bytes that depend on the path alone.
func makeFile(t *testing.T, path string, size int64) {
	t.Helper()
	seed := fnv.New64()
	_, _ = io.WriteString(seed, filepath.Base(path))
	var key [32]byte
	copy(key[:], seed.Sum(nil))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(f, rand.NewChaCha8(key), size)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// copyPart makes to hold the first size bytes of from.
func copyPart(t *testing.T, from, to string, size int64) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(out, in, size)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// sum is the SHA-256 of a file and its size.
func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fmt.Sprintf("%s (%d bytes)", hex.EncodeToString(h.Sum(nil)), n), err
}

// same compares two files by SHA-256.
func same(got, want string) error {
	g, err := sum(got)
	if err != nil {
		return err
	}
	w, err := sum(want)
	if err != nil {
		return err
	}
	if g != w {
		return fmt.Errorf("%s: got %s, want %s", filepath.Base(got), g, w)
	}
	return nil
}

// gone returns an error if the path exists.
func gone(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s is still there", filepath.Base(path))
	}
	return err
}

// tree describes each file below dir: its path, hash and size, and with times
// its time of modification in whole seconds.
func tree(dir string, times bool) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := sum(path)
		if err != nil {
			return err
		}
		if times {
			info, err := d.Info()
			if err != nil {
				return err
			}
			text += " " + info.ModTime().UTC().Format(time.DateTime)
		}
		out[rel] = text
		return nil
	})
	return out, err
}

// sameTree compares two folders.
func sameTree(t *testing.T, got, want string, times bool) {
	t.Helper()
	g, err := tree(got, times)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tree(want, times)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range w {
		if g[name] != text {
			t.Errorf("%q: got %q, want %q", name, g[name], text)
		}
		delete(g, name)
	}
	for name := range g {
		t.Errorf("%q should not be there", name)
	}
}
