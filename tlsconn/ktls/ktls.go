// Package ktls has the kernel seal what a TLS connection sends: then sendfile works
// under TLS too, and no byte of a file passes through user memory. Linux only
// (Documentation/networking/tls.rst), AES-GCM only, and sending only: a KeyUpdate of
// the peer would end the receiving side on kernels that cannot change its key.
//
// The handshake is not here, nor is a way back: who has started a Sender seals
// nothing more by itself.
package ktls

import (
	"encoding/binary"
	"errors"
	"syscall"
)

// Key is what the next record shall be sealed with.
type Key struct {
	TLS13 bool   // else TLS 1.2
	Key   []byte // 16 or 32 bytes
	IV    []byte // TLS 1.3: 12 bytes; TLS 1.2: the 4 that are secret (RFC 5288 section 3)
	Seq   uint64 // the number of the record
}

// Of linux/tls.h.
const (
	version12 = 0x0303
	version13 = 0x0304
	cipher128 = 51 // TLS_CIPHER_AES_GCM_128
	cipher256 = 52 // TLS_CIPHER_AES_GCM_256
)

const (
	headerLen   = 5
	tagLen      = 16
	saltLen     = 4
	explicitLen = 8

	typeAlert = 21
)

var errKey = errors.New("not a key of AES-GCM")

// info returns the struct tls12_crypto_info_aes_gcm_128, or _256, of linux/tls.h:
// version, cipher, iv, key, salt, number of the record. The kernel makes the nonce of
// TLS 1.3 of salt and iv; that of TLS 1.2 of salt and iv too, where iv is what the
// record shows. There it counts on with the records, as ours does.
func (k Key) info() ([]byte, error) {
	version, cipher, ivLen := uint16(version12), uint16(cipher128), saltLen
	if k.TLS13 {
		version, ivLen = version13, saltLen+explicitLen
	}
	switch {
	case len(k.IV) != ivLen, len(k.Key) != 16 && len(k.Key) != 32:
		return nil, errKey
	case len(k.Key) == 32:
		cipher = cipher256
	}
	b := make([]byte, 0, 24+len(k.Key))
	b = binary.NativeEndian.AppendUint16(b, version)
	b = binary.NativeEndian.AppendUint16(b, cipher)
	if k.TLS13 {
		b = append(b, k.IV[saltLen:]...)
	} else {
		b = binary.BigEndian.AppendUint64(b, k.Seq)
	}
	b = append(append(b, k.Key...), k.IV[:saltLen]...)
	return binary.BigEndian.AppendUint64(b, k.Seq), nil
}

// seqOf returns the number of the record in what info returned, or the kernel did.
func seqOf(info []byte) uint64 { return binary.BigEndian.Uint64(info[len(info)-8:]) }

// overhead is how much longer a record is than its content.
func (k Key) overhead() uint64 {
	if k.TLS13 {
		return headerLen + 1 + tagLen
	}
	return headerLen + explicitLen + tagLen
}

// Sender is the sending side of a connection whose records the kernel seals.
// Whatever is written to the socket, by sendfile too, is content of records. The
// goroutine that sends owns it.
type Sender struct {
	conn     syscall.RawConn
	infoLen  int
	overhead uint64 // of a record
	seq      uint64 // of the first record
	base     uint64 // bytes in the hands of TCP before it
	content  uint64 // bytes given to the socket since
	flushed  uint64 // content that was seen in the hands of TCP
}

// Sent counts bytes that the socket took.
func (s *Sender) Sent(n int) { s.content += uint64(n) }
