package tlsconn

import (
	"encoding/binary"
	"errors"
)

// How many records one key seals. RFC 8446 section 5.5 allows 2^24.5 full ones for
// AES-GCM. Before that a TLS 1.3 connection moves on to its next key; a TLS 1.2
// connection, which has none, ends there, at 362 GiB.
const (
	keyLimit12 = 23_726_566
	keyLimit13 = 1 << 24
)

// errKeyLimit ends a TLS 1.2 connection at keyLimit12.
var errKeyLimit = errors.New("too many bytes for one key of TLS 1.2: TLS 1.3 has no such limit")

// errShut is the error of writes behind close_notify.
var errShut = errors.New("write after close_notify")

// sealer makes the records that we send.
type sealer struct {
	half
	limit uint64 // keyLimit12 or keyLimit13
	owed  bool   // the peer asked for a KeyUpdate in return (RFC 8446 section 4.6.3)
	shut  bool   // close_notify was sealed
	err   error  // nothing can be sent any more
}

// data appends the records of p, as few as there can be. It may change the byte
// that follows a record's share of p, within p, and changes it back.
func (s *sealer) data(dst, p []byte) ([]byte, error) {
	if len(p) > 0 && s.shut && s.err == nil {
		return dst, errShut
	}
	for len(p) > 0 && s.err == nil {
		if dst, s.err = s.renew(dst); s.err != nil {
			break
		}
		n := min(len(p), maxPlaintext)
		dst = s.record(dst, typeApplicationData, p[:n:len(p)])
		p = p[n:]
	}
	return dst, s.err
}

// renew puts a KeyUpdate in front of the next record if one is due: because the
// peer asked for it, or because the key has done enough.
func (s *sealer) renew(dst []byte) ([]byte, error) {
	switch {
	case s.tls13 && (s.owed || s.seq >= s.limit):
		s.owed = false
		dst = s.record(dst, typeHandshake, []byte{msgKeyUpdate, 0, 0, 1, 0})
		return dst, s.update()
	case s.seq >= s.limit:
		return dst, errKeyLimit
	}
	return dst, nil
}

// answer appends the KeyUpdate that is owed.
func (s *sealer) answer(dst []byte) ([]byte, error) {
	if s.owed && s.err == nil {
		dst, s.err = s.renew(dst)
	}
	return dst, s.err
}

// closeNotify appends the last record, once.
func (s *sealer) closeNotify(dst []byte) ([]byte, error) {
	if s.shut || s.err != nil {
		return dst, s.err
	}
	if dst, s.err = s.answer(dst); s.err != nil {
		return dst, s.err
	}
	s.shut = true
	return s.record(dst, typeAlert, []byte{levelWarning, alertCloseNotify}), nil
}

// record appends one record with p as its content, at most maxPlaintext bytes.
func (s *sealer) record(dst []byte, typ byte, p []byte) []byte {
	s.awake()
	n := len(p) + s.overhead()
	if s.tls13 {
		dst = s.record13(append(dst, typeApplicationData, 3, 3, byte(n>>8), byte(n)), typ, p)
	} else {
		dst = binary.BigEndian.AppendUint64(append(dst, typ, 3, 3, byte(n>>8), byte(n)), s.seq)
		s.nonce12(dst[len(dst)-gcmExplicit:], typ, len(p))
		dst = s.aead.Seal(dst, s.nonce[:], p, s.extra[:])
	}
	s.seq++
	return dst
}

// record13 appends the sealed TLSInnerPlaintext: p and its type. dst ends with
// the header. The type has to stand behind p. Where p is a piece of something
// longer it does so for a moment, which spares the copy of p.
func (s *sealer) record13(dst []byte, typ byte, p []byte) []byte {
	s.nonce13()
	extra := s.extra[:headerLen]
	copy(extra, dst[len(dst)-headerLen:])
	if n := len(p); cap(p) > n {
		inner := p[:n+1]
		next := inner[n]
		inner[n] = typ
		dst = s.aead.Seal(dst, s.nonce[:], inner, extra)
		inner[n] = next
		return dst
	}
	at := len(dst)
	dst = append(append(dst, p...), typ)
	return s.aead.Seal(dst[:at], s.nonce[:], dst[at:], extra)
}
