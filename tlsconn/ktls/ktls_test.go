package ktls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// kinds are the keys that the kernel can have.
var kinds = []struct {
	tls13  bool
	keyLen int
}{{false, 16}, {false, 32}, {true, 16}, {true, 32}}

func eachKind(t *testing.T, f func(t *testing.T, k Key)) {
	for _, v := range kinds {
		k := Key{TLS13: v.tls13, Key: count(1, v.keyLen), IV: count(200, saltLen), Seq: 0x0102030405060708}
		name := "TLS 1.2"
		if v.tls13 {
			k.IV, name = count(200, saltLen+explicitLen), "TLS 1.3"
		}
		t.Run(fmt.Sprintf("%s, AES-%d", name, 8*v.keyLen), func(t *testing.T) { f(t, k) })
	}
}

// count returns n bytes that count on from the first.
func count(first byte, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = first + byte(i)
	}
	return p
}

// cryptoInfo is struct tls12_crypto_info_aes_gcm_128 or _256 as linux/tls.h has it.
type cryptoInfo struct {
	version, cipher uint16
	iv              [8]byte
	key             []byte
	salt            [4]byte
	seq             [8]byte
}

func parse(b []byte) (c cryptoInfo) {
	c.version, c.cipher = binary.NativeEndian.Uint16(b), binary.NativeEndian.Uint16(b[2:])
	b = b[4+copy(c.iv[:], b[4:]):]
	n := len(b) - len(c.salt) - len(c.seq)
	c.key, b = b[:n], b[n:]
	copy(c.seq[:], b[copy(c.salt[:], b):])
	return c
}

// seal makes the next record as the kernel does.
func (c *cryptoInfo) seal(t *testing.T, typ byte, p []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(c.key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	defer next(c.seq[:])
	nonce := append(bytes.Clone(c.salt[:]), c.iv[:]...)
	if c.version == 0x0304 {
		for i, b := range c.seq {
			nonce[4+i] ^= b
		}
		head := []byte{23, 3, 3, 0, byte(len(p) + 17)}
		return aead.Seal(head, nonce, append(bytes.Clone(p), typ), head)
	}
	defer next(c.iv[:])
	extra := append(bytes.Clone(c.seq[:]), typ, 3, 3, 0, byte(len(p)))
	head := append([]byte{typ, 3, 3, 0, byte(len(p) + 24)}, c.iv[:]...)
	return aead.Seal(head, nonce, p, extra)
}

func next(number []byte) {
	binary.BigEndian.PutUint64(number, binary.BigEndian.Uint64(number)+1)
}

// What the kernel is given has the sizes and places of linux/tls.h, and a kernel
// that seals by it seals what the key opens, at the right number.
func TestInfo(t *testing.T) {
	eachKind(t, func(t *testing.T, k Key) {
		b, err := k.info()
		if err != nil {
			t.Fatal(err)
		}
		c := parse(b)
		want := map[bool]cryptoInfo{false: {version: 0x0303, cipher: 51}, true: {version: 0x0303, cipher: 52}}[len(k.Key) == 32]
		if k.TLS13 {
			want.version = 0x0304
		}
		if size := map[uint16]int{51: 40, 52: 56}[want.cipher]; len(b) != size || c.version != want.version || c.cipher != want.cipher {
			t.Errorf("got %d bytes, version %#x, cipher %d, want %d, %#x, %d", len(b), c.version, c.cipher, size, want.version, want.cipher)
		}
		if seqOf(b) != k.Seq {
			t.Errorf("number: got %#x, want %#x", seqOf(b), k.Seq)
		}
		sealed := c.seal(t, 23, []byte("first"))
		sealed = append(sealed, c.seal(t, 23, []byte(", second"))...)
		sealed = append(sealed, c.seal(t, typeAlert, []byte{1, 0})...)
		got, notified, err := openAll(k, sealed)
		if string(got) != "first, second" || !notified || err != nil {
			t.Errorf("got %q, %v, %v", got, notified, err)
		}
		if n := uint64(len(sealed)); n != 3*k.overhead()+uint64(len(got))+2 {
			t.Errorf("%d bytes in three records: overhead of %d is wrong", n, k.overhead())
		}
		sealed[len(sealed)-1] ^= 1
		if _, _, err := openAll(k, sealed); err == nil {
			t.Error("a changed record was opened")
		}
	})
}

func TestInfoOfNoKey(t *testing.T) {
	for _, k := range []Key{
		{},
		{Key: make([]byte, 24), IV: make([]byte, 4)},
		{Key: make([]byte, 16), IV: make([]byte, 12)},
		{Key: make([]byte, 16), IV: make([]byte, 4), TLS13: true},
	} {
		if b, err := k.info(); !errors.Is(err, errKey) {
			t.Errorf("%+v: got %v, %v", k, b, err)
		}
	}
}
