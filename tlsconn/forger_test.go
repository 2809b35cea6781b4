package tlsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// forger seals records of any type with the keys of a client that has finished
// its handshake, so that tests can send what crypto/tls never would, and opens
// those of the server. AES-GCM only. Once it has sealed a record the client's own
// tls.Conn must not write any more. It shares no code with what it tests.
type forger struct {
	forgerHalf
	conn   net.Conn
	tc     *tls.Conn  // the client's, for reading
	server forgerHalf // the server's direction, see open
}

// forgerHalf is one direction.
type forgerHalf struct {
	t       testing.TB
	version uint16
	hash    func() hash.Hash
	secret  []byte // TLS 1.3: traffic secret
	keyLen  int
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

// newForger takes over a client's side with AES-128-GCM. serverRandom is used on
// TLS 1.2 only.
func newForger(t testing.TB, conn net.Conn, v uint16, log *keyLog, serverRandom []byte) *forger {
	t.Helper()
	return newForgerOf(t, conn, v, tls.TLS_AES_128_GCM_SHA256, log, serverRandom)
}

// newForgerOf takes over a client's side. No ticket was sent on TLS 1.3, else
// server.seq is 1.
func newForgerOf(t testing.TB, conn net.Conn, v, suite uint16, log *keyLog, serverRandom []byte) *forger {
	t.Helper()
	h := forgerHalf{t: t, version: v, hash: sha256.New, keyLen: 16}
	if suite == tls.TLS_AES_256_GCM_SHA384 || suite == tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		h.hash, h.keyLen = sha512.New384, 32
	}
	f := &forger{forgerHalf: h, server: h, conn: conn}
	if v == tls.VersionTLS13 {
		_, f.secret = log.find(t, "CLIENT_TRAFFIC_SECRET_0")
		_, f.server.secret = log.find(t, "SERVER_TRAFFIC_SECRET_0")
		f.rekey()
		f.server.rekey()
		return f
	}
	random, master := log.find(t, "CLIENT_RANDOM")
	n := h.keyLen
	block := prf12(h.hash, master, "key expansion", append(bytes.Clone(serverRandom), random...), 2*n+8)
	f.setKey(block[:n], block[2*n:][:4])
	f.server.setKey(block[n:2*n], block[2*n+4:][:4])
	f.seq, f.server.seq = 1, 1 // Finished was 0
	return f
}

// rekey derives the record keys from secret (RFC 8446 section 7.3).
func (f *forgerHalf) rekey() {
	f.setKey(f.expand("key", f.keyLen), f.expand("iv", 12))
	f.seq = 0
}

// update moves on to the next secret, as after a KeyUpdate.
func (f *forgerHalf) update() {
	f.secret = f.expand("traffic upd", len(f.secret))
	f.rekey()
}

func (f *forgerHalf) setKey(key, iv []byte) {
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
func (f *forgerHalf) seal(typ byte, payload []byte) []byte { return f.sealPadded(typ, payload, 0) }

// sealPadded returns one record with n zeros behind its type, on TLS 1.3.
func (f *forgerHalf) sealPadded(typ byte, payload []byte, n int) []byte {
	if f.version == tls.VersionTLS13 {
		inner := append(bytes.Clone(payload), typ)
		return f.sealInner(append(inner, make([]byte, n)...))
	}
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], f.seq)
	return f.sealUnder(seq, typ, payload)
}

// sealUnder returns one record of TLS 1.2 with any explicit nonce.
func (f *forgerHalf) sealUnder(nonce [8]byte, typ byte, payload []byte) []byte {
	extra := append(binary.BigEndian.AppendUint64(nil, f.seq), recordHeader(typ, len(payload))...)
	f.seq++
	head := append(recordHeader(typ, 8+len(payload)+16), nonce[:]...)
	return f.aead.Seal(head, append(bytes.Clone(f.iv), nonce[:]...), payload, extra)
}

// sealInner returns one record of TLS 1.3 with any TLSInnerPlaintext.
func (f *forgerHalf) sealInner(inner []byte) []byte {
	head := recordHeader(typeApplicationData, len(inner)+16)
	nonce := f.nonce13()
	f.seq++
	return f.aead.Seal(head, nonce, inner, head)
}

func (f *forgerHalf) nonce13() []byte {
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], f.seq)
	nonce := bytes.Clone(f.iv)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	return nonce
}

// open reads the next record of the server and returns its type and content.
func (f *forger) open() (byte, []byte) {
	f.t.Helper()
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(f.conn, head); err != nil {
		f.t.Fatal("no record: ", err)
	}
	body := make([]byte, recordLen(head)-headerLen)
	if _, err := io.ReadFull(f.conn, body); err != nil {
		f.t.Fatal("no whole record: ", err)
	}
	s := &f.server
	defer func() { s.seq++ }()
	if s.version == tls.VersionTLS13 {
		inner, err := s.aead.Open(nil, s.nonce13(), body, head)
		if err != nil {
			f.t.Fatalf("record %d: %v", s.seq, err)
		}
		inner = bytes.TrimRight(inner, "\x00")
		return inner[len(inner)-1], inner[:len(inner)-1]
	}
	extra := binary.BigEndian.AppendUint64(nil, s.seq)
	extra = append(extra, recordHeader(head[0], len(body)-24)...)
	p, err := s.aead.Open(nil, append(bytes.Clone(s.iv), body[:8]...), body[8:], extra)
	if err != nil {
		f.t.Fatalf("record %d: %v", s.seq, err)
	}
	return head[0], p
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

func (f *forgerHalf) expand(label string, n int) []byte {
	f.t.Helper()
	info := []byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}
	info = append(append(info, "tls13 "+label...), 0)
	key, err := hkdf.Expand(f.hash, f.secret, string(info), n)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// prf12 is the PRF of TLS 1.2 (RFC 5246 section 5).
func prf12(hash func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	mac := func(p ...[]byte) []byte {
		h := hmac.New(hash, secret)
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
	tc := tls.Client(tap, cfg)
	go func() { done <- tc.Handshake() }()
	if err := c.handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f := newForger(t, cli, v, log, tap.serverRandom())
	if f.tc = tc; v == tls.VersionTLS13 {
		f.server.seq = 1 // behind the ticket
	}
	if want := engine == EngineFast; c.Info().Fast != want || (c.tc == nil) != want || (c.rec != nil) != want {
		t.Fatalf("got %+v, tls.Conn %v", c.Info(), c.tc)
	}
	return c, f
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
