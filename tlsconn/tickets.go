package tlsconn

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"
)

// Session tickets are sealed under keys of our own: crypto/tls would make keys
// by itself, but those stay behind when a Config is cloned, and every
// connection here has a clone.
const (
	// TicketInterval is how long one ticket key seals new tickets.
	TicketInterval = 12 * time.Hour
	// TicketKeys is how many keys open tickets: the newest and those before it.
	TicketKeys = 3
)

// ticketRing holds the live ticket keys, the newest first.
type ticketRing struct {
	mu   sync.Mutex
	keys [][32]byte
	due  time.Time // when the next key is due; zero before the first Rotate
}

// rotate brings the ring up to now and installs it in cfg. It reports whether
// the keys changed.
func (r *ticketRing) rotate(now time.Time, cfg *tls.Config) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due.IsZero() {
		r.due = now.Add(TicketInterval)
		return false
	}
	if now.Before(r.due) {
		return false
	}
	// Whoever slept through several intervals owes as many keys.
	owed := int(now.Sub(r.due)/TicketInterval) + 1
	for range min(owed, TicketKeys) {
		r.addLocked()
	}
	r.due = r.due.Add(time.Duration(owed) * TicketInterval)
	cfg.SetSessionTicketKeys(r.keys)
	return true
}

// init makes the first key.
func (r *ticketRing) init(cfg *tls.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked()
	cfg.SetSessionTicketKeys(r.keys)
}

func (r *ticketRing) addLocked() {
	var key [32]byte
	rand.Read(key[:]) // never fails: crypto/rand aborts the program instead
	old := r.keys
	r.keys = append([][32]byte{key}, old[:min(len(old), TicketKeys-1)]...)
	clear(old)
}
