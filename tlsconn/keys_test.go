package tlsconn

import (
	"bytes"
	"crypto/tls"
	"hash"
	"testing"
	"time"
)

// spyHash keeps what its sums were appended to.
type spyHash struct {
	hash.Hash
	sums *[][]byte
}

// Sum implements hash.Hash.
func (h spyHash) Sum(b []byte) []byte {
	b = h.Hash.Sum(b)
	*h.sums = append(*h.sums, b)
	return b
}

// TestKeyBlockWiped: who clears the key block of TLS 1.2 clears all that was ever of it.
func TestKeyBlockWiped(t *testing.T) {
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} {
		s, ok := gcmSuiteOf(suite)
		if !ok {
			t.Fatalf("%s is none of ours", tls.CipherSuiteName(suite))
		}
		var sums [][]byte
		plain := s.hash
		s.hash = func() hash.Hash { return spyHash{plain(), &sums} }
		block := s.keyBlock([]byte("master"), [randomLen]byte{1}, [randomLen]byte{2}, 2*s.keyLen+2*gcmSalt)
		key := bytes.Clone(block[:s.keyLen])
		clear(block)
		for i, sum := range sums {
			if bytes.Contains(sum, key[:16]) {
				t.Errorf("%s: sum %d of %d still holds the key", tls.CipherSuiteName(suite), i+1, len(sums))
			}
		}
		if len(sums) == 0 {
			t.Error("the hash was not used")
		}
	}
}

// TestTicketKeysWiped: a ticket key that is over is nowhere in the ring's memory.
func TestTicketKeysWiped(t *testing.T) {
	var r ticketRing
	cfg := new(tls.Config)
	r.init(cfg)
	r.rotate(time.Now(), cfg) // from here on keys are due
	var rings [][][32]byte
	for range TicketKeys + 2 {
		rings = append(rings, r.keys)
		r.rotate(r.due.Add(time.Second), cfg)
	}
	live := map[[32]byte]bool{{}: true}
	for _, k := range r.keys {
		live[k] = true
	}
	if len(r.keys) != TicketKeys || len(live) != TicketKeys+1 {
		t.Fatalf("%d keys, %d of them different", len(r.keys), len(live)-1)
	}
	for i, old := range rings {
		for _, k := range old[:cap(old)] {
			if !live[k] {
				t.Errorf("a key of ring %d is still there", i)
			}
		}
	}
}
