package tlsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
)

// forger seals records of any type with the keys of a client that has finished
// its handshake, so that tests can send what crypto/tls never would. Only
// AES-128-GCM with SHA-256. Once it has sealed a record the client's own
// tls.Conn must not write any more.
type forger struct {
	t       testing.TB
	conn    net.Conn
	version uint16
	secret  []byte // TLS 1.3: client traffic secret
	aead    cipher.AEAD
	iv      []byte
	seq     uint64
}

// keyLog collects the lines of tls.Config.KeyLogWriter.
type keyLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (k *keyLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.Write(p)
}

// find returns client random and secret of the last line with a label.
func (k *keyLog) find(t testing.TB, label string) (random, secret []byte) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range strings.Lines(k.b.String()) {
		if f := strings.Fields(line); f[0] == label {
			random, _ = hex.DecodeString(f[1])
			secret, _ = hex.DecodeString(f[2])
		}
	}
	if secret == nil {
		t.Fatalf("no %s in the key log", label)
	}
	return random, secret
}

// forgeable returns a client configuration whose connections a forger can take over.
func forgeable(v uint16) (*tls.Config, *keyLog) {
	cfg, log := clientConfig(v), new(keyLog)
	cfg.KeyLogWriter = log
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	return cfg, log
}

// newForger takes over a client's side. serverRandom is used on TLS 1.2 only.
func newForger(t testing.TB, conn net.Conn, v uint16, log *keyLog, serverRandom []byte) *forger {
	t.Helper()
	f := &forger{t: t, conn: conn, version: v}
	if v == tls.VersionTLS13 {
		_, f.secret = log.find(t, "CLIENT_TRAFFIC_SECRET_0")
		f.rekey()
		return f
	}
	random, master := log.find(t, "CLIENT_RANDOM")
	block := prf12(master, "key expansion", append(bytes.Clone(serverRandom), random...), 40)
	f.setKey(block[:16], block[32:36])
	f.seq = 1 // Finished was 0
	return f
}

// rekey derives the record keys from secret (RFC 8446 section 7.3).
func (f *forger) rekey() {
	f.setKey(expandLabel(f.t, f.secret, "key", 16), expandLabel(f.t, f.secret, "iv", 12))
	f.seq = 0
}

// update moves on to the next secret, as after a KeyUpdate.
func (f *forger) update() {
	f.secret = expandLabel(f.t, f.secret, "traffic upd", 32)
	f.rekey()
}

func (f *forger) setKey(key, iv []byte) {
	f.t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.aead, err = cipher.NewGCM(block); err != nil {
		f.t.Fatal(err)
	}
	f.iv = iv
}

// seal returns one record.
func (f *forger) seal(typ byte, payload []byte) []byte {
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], f.seq)
	f.seq++
	if f.version == tls.VersionTLS13 {
		nonce := bytes.Clone(f.iv)
		for i, b := range seq {
			nonce[4+i] ^= b
		}
		inner := append(bytes.Clone(payload), typ)
		head := recordHeader(typeApplicationData, len(inner)+16)
		return f.aead.Seal(head, nonce, inner, head)
	}
	extra := append(seq[:], recordHeader(typ, len(payload))...)
	head := append(recordHeader(typ, 8+len(payload)+16), seq[:]...)
	return f.aead.Seal(head, append(bytes.Clone(f.iv), seq[:]...), payload, extra)
}

// send writes records in one segment.
func (f *forger) send(records ...[]byte) {
	f.t.Helper()
	if _, err := f.conn.Write(bytes.Join(records, nil)); err != nil {
		f.t.Fatal(err)
	}
}

func recordHeader(typ byte, n int) []byte {
	return []byte{typ, 3, 3, byte(n >> 8), byte(n)}
}

func expandLabel(t testing.TB, secret []byte, label string, n int) []byte {
	t.Helper()
	info := []byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}
	info = append(append(info, "tls13 "+label...), 0)
	key, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// prf12 is the PRF of TLS 1.2 with SHA-256 (RFC 5246 section 5).
func prf12(secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	mac := func(p ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, b := range p {
			h.Write(b)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// forged returns a control connection after its handshake with a forger in the
// client's place.
func forged(t testing.TB, v uint16) (*control, *forger) {
	t.Helper()
	srv, cli := tcpPair(t)
	cfg, log := forgeable(v)
	c := newControl(t, newIdentity(t), NewBinding(), srv)
	tap := &tapConn{Conn: cli}
	done := make(chan error, 1)
	go func() { done <- tls.Client(tap, cfg).Handshake() }()
	if err := c.handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c, newForger(t, cli, v, log, tap.serverRandom())
}

// tapConn remembers what the client read.
type tapConn struct {
	net.Conn
	got []byte
}

func (c *tapConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got = append(c.got, p[:n]...)
	return n, err
}

// serverRandom returns the random of the ServerHello, behind the record header,
// the message header and the version.
func (c *tapConn) serverRandom() []byte { return c.got[headerLen+4+2:][:32] }
