package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"

	"fastftps/tlsconn/ktls"
)

// TestKernelSeals: what is written after ToKernel arrives whole and ends well, and the
// other direction is as before.
func TestKernelSeals(t *testing.T) {
	if err := ktls.Probe(); err != nil {
		if os.Getenv("KTLS") == "required" {
			t.Fatal(err)
		}
		t.Skip("make ktls runs this: ", err)
	}
	body := make([]byte, 3<<20+17)
	rand.Read(body)
	eachKey(t, func(t *testing.T, d *DataConn, tc *tls.Conn) {
		if _, err := d.Write([]byte("ours ")); err != nil {
			t.Fatal(err)
		}
		if err := d.ToKernel(); err != nil {
			t.Fatal(err)
		}
		if d.Info().Engine() != "kernel" {
			t.Errorf("got %+v", d.Info())
		}
		go tc.Write([]byte("up"))
		up := make([]byte, 10)
		if n, err := d.Read(up); string(up[:n]) != "up" || err != nil {
			t.Errorf("got %q, %v", up[:n], err)
		}
		got := transfer(t, d, tc, body, 100_000)
		if !bytes.Equal(got, append([]byte("ours "), body...)) {
			t.Errorf("got %d bytes that differ", len(got))
		}
	})
	eachKey(t, func(t *testing.T, d *DataConn, tc *tls.Conn) { // only the end
		if err := errors.Join(d.ToKernel(), d.CloseWrite(nil), d.link.conn.(*net.TCPConn).CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if n, err := tc.Read(make([]byte, 1)); n != 0 || err == nil || err.Error() != "EOF" {
			t.Errorf("got %d, %v", n, err)
		}
	})
}
