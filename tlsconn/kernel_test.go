package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"fastftps/tlsconn/ktls"
)

// eachKey runs a test with a peer of each suite; "ticket" is with a ticket in our
// last flight, which on TLS 1.3 is the first record of the key.
func eachKey(t *testing.T, test func(t *testing.T, d *DataConn, tc *tls.Conn)) {
	for _, v := range gcmLayers {
		for name, resumed := range map[string]bool{"full": false, "ticket": true} {
			t.Run(v.name+" "+name, func(t *testing.T) {
				id, b, cfg := newIdentity(t), NewBinding(), clientConfig(v.v)
				useSuite(t, cfg, v.suite)
				if resumed {
					secured(t, id, b, cfg)
				}
				d, tc, err := dataPair(t, id, DataOptions{Binding: b, Direction: Send}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if i := d.Info(); !i.Fast || i.Resumed != resumed {
					t.Fatalf("got %+v", i)
				}
				test(t, d, tc)
			})
		}
	}
}

// The key that the kernel gets seals what the client opens next, by another's code,
// and ours seals nothing any more.
func TestKeyForKernel(t *testing.T) {
	eachKey(t, func(t *testing.T, d *DataConn, tc *tls.Conn) {
		if _, err := d.Write([]byte("ours ")); err != nil {
			t.Fatal(err)
		}
		f := forgerHalf{t: t, version: d.info.Version}
		_, err := d.fast.out.toKernel(func(k ktls.Key) (*ktls.Sender, error) {
			f.setKey(bytes.Clone(k.Key), bytes.Clone(k.IV))
			f.seq = k.Seq
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		records := [][]byte{f.seal(typeApplicationData, []byte("and ")), f.seal(typeApplicationData, []byte("the kernel's")), f.seal(typeAlert, []byte{1, 0})}
		if _, err := d.link.conn.Write(bytes.Join(records, nil)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(tc); string(got) != "ours and the kernel's" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := d.Write([]byte("x")); !errors.Is(err, errInKernel) {
			t.Errorf("a write: got %v", err)
		}
		if err := d.CloseWrite(nil); !errors.Is(err, errInKernel) {
			t.Errorf("the end: got %v", err)
		}
		if _, err := d.fast.out.toKernel(nil); err == nil {
			t.Error("the key went twice")
		}
		if alert := d.fast.end(nil, errBadMAC); len(alert) > 0 {
			t.Error("an alert was sealed")
		}
		if d.fast.out.key != [32]byte{} {
			t.Error("the key is still there")
		}
	})
}

// After a kernel that refuses our own records go on.
func TestKernelRefusesKey(t *testing.T) {
	eachKey(t, func(t *testing.T, d *DataConn, tc *tls.Conn) {
		no := errors.New("no")
		if _, err := d.fast.out.toKernel(func(ktls.Key) (*ktls.Sender, error) { return nil, no }); !errors.Is(err, no) {
			t.Fatalf("got %v", err)
		}
		bothWays(t, d, tc)
	})
}

// What is not for the kernel: records of crypto/tls, and a sealer that owes a
// KeyUpdate, or has ended.
func TestNotForKernel(t *testing.T) {
	d, tc, err := dataPair(t, newIdentity(t), DataOptions{Engine: EngineStd}, clientConfig(tls.VersionTLS13))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ToKernel(); !errors.Is(err, errors.ErrUnsupported) || d.Info().Kernel {
		t.Errorf("crypto/tls: got %v", err)
	}
	bothWays(t, d, tc)
	for _, s := range []sealer{{owed: true}, {shut: true}, {err: io.EOF}} {
		if _, err := s.toKernel(nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
}
