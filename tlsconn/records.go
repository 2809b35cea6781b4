package tlsconn

import (
	"crypto/tls"
	"errors"
)

// records is the record layer of a connection from the end of its handshake on:
// our own sealing and opening in place of crypto/tls. AES-GCM only; on the wire
// there is no difference. It does not know where bytes come from or go to.
type records struct {
	out sealer
	in  opener
	err error // how reading ended
}

// take opens and judges one record. Its data is in dst, then n says how much; or,
// where that has no room, in its place in rec.
func (r *records) take(dst, rec []byte) (n int, inPlace []byte, err error) {
	typ, content, err := r.in.open(dst, rec)
	if err != nil {
		return 0, nil, err
	}
	data, err := r.in.judge(typ, content)
	if r.in.asks {
		r.out.owed = true
	}
	if err == nil && len(data) > 0 && len(dst) > 0 && &dst[0] == &data[0] {
		return len(data), nil, nil
	}
	return 0, data, err
}

// end remembers what ended reading. A breach is answered: its alert is appended to
// dst. Then no more is sent, nor after a fatal alert.
func (r *records) end(dst []byte, err error) []byte {
	r.err = err
	var b *breach
	var alert tls.AlertError
	switch {
	case errors.As(err, &b):
		if !r.out.shut && r.out.err == nil {
			dst = r.out.record(dst, typeAlert, []byte{b.level(), b.alert})
		}
	case !errors.As(err, &alert):
		return dst
	}
	if r.out.err == nil {
		r.out.err = err
	}
	return dst
}

// sleep lets go of what can be made of the keys again.
func (r *records) sleep() { r.in.aead, r.out.aead = nil, nil }

// wipe forgets the secrets.
func (r *records) wipe() {
	r.in.wipe()
	r.out.wipe()
}
