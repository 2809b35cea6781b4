package tlsconn

import (
	"errors"

	"fastftps/tlsconn/ktls"
)

// errInKernel is the error of sealing here what the kernel seals: one nonce would
// be used twice.
var errInKernel = errors.New("the kernel seals this connection's records")

// ToKernel has the kernel seal what is sent from now on. Then the owner may send by
// the bare connection, sendfile for one, and tells Sent; Write and CloseWrite go on
// to work. After an error all is as before.
//
// There is no way back, and no next key: what one key may seal bounds the rest.
func (d *DataConn) ToKernel() error {
	if d.fast == nil || d.link.raw == nil {
		return errors.ErrUnsupported
	}
	s, err := d.fast.out.toKernel(func(k ktls.Key) (*ktls.Sender, error) { return ktls.Start(d.link.raw, k) })
	if err != nil {
		return err
	}
	d.kernel, d.info.Kernel = s, true
	return nil
}

// toKernel hands on the key with the number of the next record, and seals nothing
// any more if that was taken.
func (s *sealer) toKernel(start func(ktls.Key) (*ktls.Sender, error)) (*ktls.Sender, error) {
	if s.err != nil || s.shut || s.owed {
		return nil, errors.ErrUnsupported
	}
	k := ktls.Key{TLS13: s.tls13, Key: s.key[:s.suite.keyLen], IV: s.iv[:gcmSalt], Seq: s.seq}
	if s.tls13 {
		k.IV = s.iv[:]
	}
	to, err := start(k)
	if err != nil {
		return nil, err
	}
	s.wipe()
	s.err = errInKernel
	return to, nil
}

// Sent counts bytes of content that the owner has sent by the bare connection.
func (d *DataConn) Sent(n int) { d.kernel.Sent(n) }

// Flush waits until nothing is left in the kernel that TCP does not have: what the
// bare connection took is not all there yet, and to shut it would lose the rest.
// CloseWrite does the same.
func (d *DataConn) Flush() error {
	if d.kernel == nil {
		return nil
	}
	return d.kernel.Flush()
}

// sendByKernel is send when the kernel seals.
func (d *DataConn) sendByKernel(chunk []byte, last bool) error {
	n, err := d.link.conn.Write(chunk)
	d.kernel.Sent(n)
	if err == nil && last {
		err = d.kernel.CloseNotify()
	}
	return err
}
