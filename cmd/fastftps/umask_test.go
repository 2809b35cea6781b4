package main

import (
	"bytes"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestUmask: storage.umask alone decides what new files and folders look like,
// and the certificate that the server makes is nobody else's.
func TestUmask(t *testing.T) {
	s := newSite(t)
	t.Setenv("FASTFTPS_STORAGE__UMASK", "002")
	before := syscall.Umask(0o077) // the server's too, as it begins
	defer syscall.Umask(before)
	c, err := login(s.start().addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do("MKD folder", 257); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []string{"STOR stored", "APPE folder/appended"} {
		if _, err := c.Upload(cmd, 0, bytes.NewReader([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]fs.FileMode{
		"root/stored": 0o664, "root/folder/appended": 0o664, "root/folder": fs.ModeDir | 0o775, "self-signed.pem": 0o600,
	} {
		if info, err := os.Stat(s.path(name)); err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s: got %v, want %v", name, info.Mode(), want)
		}
	}
}
