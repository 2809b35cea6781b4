//go:build interop

package interop

import (
	"strings"
	"testing"
	"time"
)

// TestCommonsNetImplicit is the program that never calls execPBSZ and execPROT.
// On an implicit listener data connections are protected from the start
// ([MS-FTPS] section 3.2.5.1), but commons-net then opens a clear one and waits
// for the server. It must soon read why that fails, and the session must live.
func TestCommonsNetImplicit(t *testing.T) {
	needProgram(t, "commons-net")
	for _, version := range []string{"1.2", "1.3"} {
		t.Run("TLS"+version, func(t *testing.T) {
			t.Parallel()
			d, err := startCommonsNet(scratch.srv, setup{implicit, version, ""})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := d.end(); err != nil {
					t.Error(err)
				}
			}()
			dir := scratch.srv.dir(t)
			makeFile(t, scratch.srv.path(dir+"/file"), 10)
			const quick = 20 * time.Second // limits.data_handshake_timeout is 15s
			began := time.Now()
			_, err = d.call("list", dir)
			if err == nil || !strings.Contains(err.Error(), "522") || !strings.Contains(err.Error(), "send PROT C") {
				t.Errorf("list without PROT: got %v, want 522 and what to do", err)
			}
			if took := time.Since(began); took > quick {
				t.Errorf("522 came after %v, want it within %v", took, quick)
			}
			if err := d.do("noop"); err != nil {
				t.Errorf("session after 522: %v", err)
			}
			if err := d.do("protect", "P"); err != nil {
				t.Fatal(err)
			}
			if names, err := d.list(dir); err != nil || len(names) != 1 {
				t.Errorf("list after PROT P: got %q, %v", names, err)
			}
			if err := d.do("protect", "C"); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, scratch.srv, d, dir+"/clear", 10_000)
		})
	}
}
