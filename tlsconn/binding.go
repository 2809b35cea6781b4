package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
)

// ID names one control session. It is random, secret to the server (it travels
// only inside sealed tickets) and never used twice.
type ID [16]byte

// extraTag begins our entry in tls.SessionState.Extra, which other layers may
// share.
const extraTag = "fastftps/1 "

// Binding is the identity of one control session in its tickets. After REIN the
// session needs a new one: old tickets must not open its data connections
// (RFC 4217 section 13).
type Binding struct{ id ID }

// NewBinding draws a fresh id.
func NewBinding() *Binding {
	b := new(Binding)
	rand.Read(b.id[:]) // never fails: crypto/rand aborts the program instead
	return b
}

// ID returns the id, to look a session up by.
func (b *Binding) ID() ID { return b.id }

// bind puts id into the state of a new ticket.
func bind(ss *tls.SessionState, id ID) {
	ss.Extra = append(ss.Extra, append([]byte(extraTag), id[:]...))
}

// boundTo returns the id in a ticket's state.
func boundTo(ss *tls.SessionState) (id ID, ok bool) {
	for _, e := range ss.Extra {
		if rest, found := bytes.CutPrefix(e, []byte(extraTag)); found && len(rest) == len(id) {
			return ID(rest), true
		}
	}
	return ID{}, false
}

// controlConfig returns the configuration of one control connection. Any ticket
// of ours resumes; the ticket that it issues names b alone. t, which may be nil,
// hears the secrets.
func (id *Identity) controlConfig(b *Binding, t *tap) *tls.Config {
	cfg := id.base.Clone()
	cfg.NextProtos = controlProtos
	cfg.UnwrapSession = id.base.DecryptTicket
	if t != nil {
		cfg.KeyLogWriter = t
		cfg.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
			ss, err := id.base.DecryptTicket(ticket, cs)
			if ss != nil && cs.Version == tls.VersionTLS12 {
				t.ticket(ss)
			}
			return ss, err
		}
	}
	cfg.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		bind(ss, b.id)
		return id.base.EncryptTicket(cs, ss)
	}
	return cfg
}
