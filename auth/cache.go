package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// credentialCache remembers for a short time that a password was right, so that
// a client that opens many sessions pays for one hash. It holds no password,
// only HMAC-SHA-256 values under a key that the process makes at its start and
// never shows. Wrong passwords are not remembered. Safe for concurrent use.
type credentialCache struct {
	ttl time.Duration
	now func() time.Time
	key []byte

	mu      sync.Mutex // guards expiry
	expires *lru[credential, time.Time]
}

// credential is the HMAC over a record's version, a name and a password. The
// version changes with everything in the user's record, so what was remembered
// of the old record can never match again.
type credential [sha256.Size]byte

func newCredentialCache(ttl time.Duration, entries int, now func() time.Time) *credentialCache {
	return &credentialCache{ttl: ttl, now: now, key: randomBytes(sha256.Size), expires: newLRU[credential, time.Time](entries)}
}

func (c *credentialCache) credential(version [sha256.Size]byte, name string, password []byte) (id credential) {
	mac := hmac.New(sha256.New, c.key)
	mac.Write(version[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name)))) // so that no two pairs make one text
	mac.Write([]byte(name))
	mac.Write(password)
	mac.Sum(id[:0])
	return id
}

func (c *credentialCache) has(id credential) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.expires.get(id)
	if at == nil {
		return false
	}
	if c.now().Before(*at) {
		return true
	}
	c.expires.remove(id)
	return false
}

func (c *credentialCache) add(id credential) {
	if c.ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.expires.put(id) = c.now().Add(c.ttl)
}
