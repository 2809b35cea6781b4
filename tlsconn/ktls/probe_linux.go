package ktls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeTime bounds the probe of one kind of key.
const probeTime = 5 * time.Second

// Probe tells whether kernel TLS can be relied upon; nil is yes. For every kind of
// key it has the kernel seal a file over loopback, and opens what arrives.
func Probe() error {
	for _, tls13 := range []bool{false, true} {
		for _, n := range []int{16, 32} {
			if err := probe(newKey(tls13, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// newKey makes a key that nobody else has.
func newKey(tls13 bool, n int) Key {
	k := Key{TLS13: tls13, Key: make([]byte, n), IV: make([]byte, saltLen), Seq: 1}
	if tls13 {
		k.IV = make([]byte, saltLen+explicitLen)
	}
	rand.Read(k.Key) // never fails
	rand.Read(k.IV)
	return k
}

// probe sends more than a record by one key.
func probe(k Key) error {
	near, far, err := loopback()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	raw, err := near.SyscallConn()
	if err != nil {
		return err
	}
	s, err := Start(raw, k)
	if err != nil {
		return err
	}
	want := bytes.Repeat([]byte("probe"), 5000)
	if err := errors.Join(probeFile(raw, s, want), s.CloseNotify(), near.CloseWrite()); err != nil {
		return err
	}
	sealed, err := io.ReadAll(far)
	if err != nil {
		return err
	}
	got, notified, err := openAll(k, sealed)
	if err == nil && (!notified || !bytes.Equal(got, want)) {
		err = errors.New("the kernel sealed something else")
	}
	return err
}

// loopback makes a connection from this machine to itself.
func loopback() (near, far *net.TCPConn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp", l.Addr().String(), probeTime)
	if err != nil {
		return nil, nil, err
	}
	far = c.(*net.TCPConn)
	if c, err = l.Accept(); err != nil {
		far.Close()
		return nil, nil, err
	}
	near = c.(*net.TCPConn)
	end := time.Now().Add(probeTime)
	return near, far, errors.Join(near.SetDeadline(end), far.SetDeadline(end))
}

// probeFile sends p by sendfile.
func probeFile(conn syscall.RawConn, s *Sender, p []byte) error {
	file, err := unix.MemfdCreate("ktls", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(file)
	if _, err := unix.Pwrite(file, p, 0); err != nil {
		return os.NewSyscallError("pwrite", err)
	}
	for off := int64(0); off < int64(len(p)); {
		var n int
		var serr error
		err := conn.Write(func(fd uintptr) bool {
			n, serr = unix.Sendfile(int(fd), file, &off, len(p)-int(off))
			return serr != unix.EAGAIN
		})
		if err = errors.Join(err, os.NewSyscallError("sendfile", serr)); err != nil {
			return err
		}
		s.Sent(n)
	}
	return nil
}
