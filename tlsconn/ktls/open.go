package ktls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// openAll opens records up to close_notify, and returns their content and whether
// that came, as the last one. It shares nothing with the opener of tlsconn, which
// stands above this package: the probe and the tests judge the kernel by the RFCs.
func openAll(k Key, sealed []byte) (content []byte, notified bool, err error) {
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, false, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, false, err
	}
	for seq := k.Seq; len(sealed) > 0; seq++ {
		if notified || len(sealed) < headerLen {
			return nil, false, fmt.Errorf("%d bytes too many", len(sealed))
		}
		n := headerLen + int(binary.BigEndian.Uint16(sealed[3:]))
		if n > len(sealed) {
			return nil, false, io.ErrUnexpectedEOF
		}
		typ, p, err := k.open(aead, seq, sealed[:n])
		switch {
		case err != nil:
			return nil, false, fmt.Errorf("record %d: %w", seq, err)
		case typ == typeAlert:
			notified = bytes.Equal(p, []byte{1, 0})
		default:
			content = append(content, p...)
		}
		sealed = sealed[n:]
	}
	return content, notified, nil
}

// open opens one record.
func (k Key) open(aead cipher.AEAD, seq uint64, rec []byte) (typ byte, content []byte, err error) {
	head, body := rec[:headerLen], rec[headerLen:]
	number := binary.BigEndian.AppendUint64(nil, seq)
	if k.TLS13 {
		nonce := bytes.Clone(k.IV)
		for i, b := range number {
			nonce[saltLen+i] ^= b
		}
		content, err = aead.Open(nil, nonce, body, head)
		if err != nil || len(content) == 0 {
			return 0, nil, errors.Join(err, errRecord)
		}
		last := len(content) - 1
		return content[last], content[:last], nil
	}
	n := len(body) - explicitLen - tagLen
	if n < 0 {
		return 0, nil, errRecord
	}
	extra := append(number, head[0], head[1], head[2], byte(n>>8), byte(n))
	nonce := append(bytes.Clone(k.IV), body[:explicitLen]...)
	content, err = aead.Open(nil, nonce, body[explicitLen:], extra)
	return head[0], content, err
}

var errRecord = errors.New("not a record")
