package tlsconn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"
)

const (
	gcmTag      = 16
	gcmNonce    = 12
	gcmSalt     = 4 // TLS 1.2: what of the nonce is secret (RFC 5288 section 3)
	gcmExplicit = gcmNonce - gcmSalt
	maxSecret   = sha512.Size384
	masterLen   = 48 // RFC 5246 section 8.1
	randomLen   = 32
)

// gcmSuite is a cipher suite that the fast engine can seal and open with.
type gcmSuite struct {
	keyLen int
	hash   func() hash.Hash
	size   int // of hash
}

// gcmSuiteOf returns the parts of a suite; false for those of other ciphers.
func gcmSuiteOf(id uint16) (gcmSuite, bool) {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		return gcmSuite{16, sha256.New, sha256.Size}, true
	case tls.TLS_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		return gcmSuite{32, sha512.New384, sha512.Size384}, true
	}
	return gcmSuite{}, false
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 section 7.1) for
// what no hash is too short for: one block of HKDF-Expand (RFC 5869 section 2.3).
// mac is HMAC under the secret.
func expandLabel(mac hash.Hash, label string, n int) []byte {
	info := make([]byte, 0, 64+maxSecret)
	info = append(info, byte(n>>8), byte(n), byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	mac.Reset()
	mac.Write(append(info, 0, 1))
	return mac.Sum(info[:0])[:n]
}

// keyBlock is the first n bytes of the key block of TLS 1.2: the PRF over both
// randoms (RFC 5246 sections 5 and 6.3).
func (s gcmSuite) keyBlock(master []byte, client, server [randomLen]byte, n int) []byte {
	seed := append([]byte("key expansion"), server[:]...)
	seed = append(seed, client[:]...)
	mac := hmac.New(s.hash, master)
	sum := func(dst []byte, parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(dst)
	}
	out := make([]byte, 0, n+mac.Size()) // never moves: the caller wipes it
	for a := sum(nil, seed); len(out) < n; a = sum(nil, a) {
		out = sum(out, a, seed)
	}
	return out[:n]
}

// half is one direction of a connection: its key, and how many records have
// gone by under it.
type half struct {
	suite  gcmSuite
	tls13  bool
	aead   cipher.AEAD     // nil while asleep: it is five times as large as all the rest
	key    [32]byte        // suite.keyLen bytes
	secret [maxSecret]byte // TLS 1.3: what the next key comes from
	iv     [gcmNonce]byte  // TLS 1.2: gcmSalt bytes
	seq    uint64          // of the next record

	// Arguments for the AEAD, here because what an interface method is
	// given must live on the heap.
	nonce [gcmNonce]byte
	extra [13]byte
}

// setKey starts a key at record 0.
func (h *half) setKey(key, iv []byte) (err error) {
	copy(h.key[:], key)
	copy(h.iv[:], iv)
	h.seq = 0
	h.aead, err = h.makeAEAD()
	return err
}

func (h *half) makeAEAD() (cipher.AEAD, error) {
	block, err := aes.NewCipher(h.key[:h.suite.keyLen])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block) // fails under GODEBUG=fips140=only
}

// awake makes the AEAD of the key again if it is needed. That cannot fail where
// setKey did not, but after wipe it must: there is no key.
func (h *half) awake() {
	if h.aead != nil {
		return
	}
	var err error
	if h.aead, err = h.makeAEAD(); err != nil {
		panic(fmt.Sprint("TLS record after the end of its key: ", err))
	}
}

// setSecret starts the key of a traffic secret (RFC 8446 section 7.3).
func (h *half) setSecret(secret []byte) error {
	mac := hmac.New(h.suite.hash, secret)
	key, iv := expandLabel(mac, "key", h.suite.keyLen), expandLabel(mac, "iv", gcmNonce)
	defer clear(key)
	defer clear(iv)
	copy(h.secret[:], secret)
	return h.setKey(key, iv)
}

// update moves on to the next traffic secret (RFC 8446 section 7.2).
func (h *half) update() error {
	n := h.suite.size
	next := expandLabel(hmac.New(h.suite.hash, h.secret[:n]), "traffic upd", n)
	defer clear(next)
	return h.setSecret(next)
}

// overhead is how much longer a record's payload is than its content without
// padding.
func (h *half) overhead() int {
	if h.tls13 {
		return 1 + gcmTag
	}
	return gcmExplicit + gcmTag
}

// front is how much of a record stands in front of its sealed content.
func (h *half) front() int {
	if h.tls13 {
		return headerLen
	}
	return headerLen + gcmExplicit
}

// nonce13 prepares the nonce of the next record (RFC 8446 section 5.3).
func (h *half) nonce13() {
	binary.BigEndian.PutUint64(h.nonce[gcmSalt:], h.seq)
	for i, b := range h.iv {
		if i < gcmSalt {
			h.nonce[i] = b
		} else {
			h.nonce[i] ^= b
		}
	}
}

// nonce12 prepares nonce and additional data of the next record, of n bytes of
// content (RFC 5288 section 3, RFC 5246 section 6.2.3.3).
func (h *half) nonce12(explicit []byte, typ byte, n int) {
	copy(h.nonce[:gcmSalt], h.iv[:])
	copy(h.nonce[gcmSalt:], explicit)
	binary.BigEndian.PutUint64(h.extra[:], h.seq)
	copy(h.extra[8:], []byte{typ, 3, 3, byte(n >> 8), byte(n)})
}

// wipe forgets the secrets, and that there was a key. What crypto/aes made of it is
// beyond reach.
func (h *half) wipe() {
	clear(h.key[:])
	clear(h.secret[:])
	clear(h.iv[:])
	h.aead, h.suite = nil, gcmSuite{}
}
