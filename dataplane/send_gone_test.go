package dataplane

import (
	"io"
	"net"
	"testing"
)

// resetConn returns the server's end of a connection that its peer has reset.
func resetConn(t *testing.T) *net.TCPConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatalf("read: got %v, want a reset", err)
	}
	return conn.(*net.TCPConn)
}

// A client that has all bytes may be gone before the end is sent. curl is,
// after a RETR of an empty file.
func TestSendEndToNobody(t *testing.T) {
	if err := (&transfer{conn: resetConn(t)}).send(nil, true); err != nil {
		t.Errorf("end after the last byte: got %v, want nil", err)
	}
	if err := (&transfer{conn: resetConn(t)}).send([]byte("last"), true); err == nil {
		t.Error("last bytes to nobody: got nil, want an error")
	}
	gone := resetConn(t)
	gone.Close()
	if err := (&transfer{conn: gone}).send(nil, true); err == nil {
		t.Error("connection closed by us: got nil, want an error")
	}
}
