package tlsconn

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Pair names the files of one certificate chain and its private key, in PEM.
// Both may be the same file.
type Pair struct {
	Cert string
	Key  string
}

// Options describe an Identity.
type Options struct {
	// Pairs are the certificates. A client gets the first one that is
	// valid for the name it asked for (SNI) and that it can verify; without
	// such a name, or with an unknown one, the first that it can verify.
	// An ECDSA pair in front of an RSA pair for the same names saves 1 ms
	// of CPU a handshake.
	Pairs []Pair
	// SelfSigned is the file of a certificate of our own, made when Pairs
	// is empty and the file does not exist. See SelfSigned.
	SelfSigned string
	// Hosts are more names and addresses for a new self-signed
	// certificate, besides those of this machine and of loopback.
	Hosts []string
	// LooseKeys accepts key files that others may read, as on volumes that
	// know no modes.
	LooseKeys bool
	// MinVersion and MaxVersion bound the protocol version; 0 means TLS
	// 1.2 and TLS 1.3. Older versions are refused.
	MinVersion, MaxVersion uint16
}

// Identity is what all TLS connections of a server share: certificates, policy
// and ticket keys. All methods may be called from any goroutine.
type Identity struct {
	opts    Options
	base    *tls.Config // never changed but for its ticket keys; connections get clones
	certs   atomic.Pointer[[]tls.Certificate]
	tickets ticketRing
}

// suites are the TLS 1.2 suites: ECDHE and AEAD only. crypto/tls orders them by
// itself, AES-128-GCM first where the CPU has AES; its own default list still
// holds CBC suites. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// The protocol names that are selected when a client offers any (ALPN, RFC 7301);
// a list without them ends in alert 120, which keeps HTTPS of a browser away
// from FTP. x-filezilla-ftp is never selected: it would make resumption
// mandatory.
var (
	controlProtos = []string{"ftp"}
	dataProtos    = []string{"ftp", "ftp-data"}
)

// NewIdentity loads the certificates, or makes a self-signed one, and draws the
// first ticket key.
func NewIdentity(o Options) (*Identity, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	id := &Identity{opts: o}
	id.base = &tls.Config{
		MinVersion:                  max(o.MinVersion, tls.VersionTLS12),
		MaxVersion:                  o.MaxVersion,
		CipherSuites:                suites,
		GetCertificate:              id.certificate,
		DynamicRecordSizingDisabled: true,
	}
	if err := id.Reload(); err != nil {
		return nil, err
	}
	id.tickets.init(id.base)
	return id, nil
}

func (o Options) check() error {
	if len(o.Pairs) == 0 && o.SelfSigned == "" {
		return errors.New("no certificate and no file for a self-signed one")
	}
	for _, v := range []uint16{o.MinVersion, o.MaxVersion} {
		if v != 0 && v != tls.VersionTLS12 && v != tls.VersionTLS13 {
			return fmt.Errorf("%s is not offered", tls.VersionName(v))
		}
	}
	if o.MaxVersion != 0 && o.MaxVersion < o.MinVersion {
		return fmt.Errorf("no version from %s to %s", tls.VersionName(o.MinVersion), tls.VersionName(o.MaxVersion))
	}
	return nil
}

// Reload reads the certificates again. On an error all of the old ones stay.
// Connections that stand, their tickets and their resumption are not touched.
func (id *Identity) Reload() error {
	pairs := id.opts.Pairs
	if len(pairs) == 0 {
		if err := SelfSigned(id.opts.SelfSigned, id.opts.Hosts); err != nil {
			return err
		}
		pairs = []Pair{{id.opts.SelfSigned, id.opts.SelfSigned}}
	}
	certs := make([]tls.Certificate, 0, len(pairs))
	for _, p := range pairs {
		c, err := p.load(id.opts.LooseKeys)
		if err != nil {
			return err
		}
		certs = append(certs, c)
	}
	id.certs.Store(&certs)
	return nil
}

// Rotate replaces the ticket key when TicketInterval has passed since the last
// time, and reports whether it did. The engine's sweeper calls it; the first
// call starts the clock. Tickets live for two to three intervals.
func (id *Identity) Rotate(now time.Time) bool { return id.tickets.rotate(now, id.base) }

// Fingerprint returns the SHA-256 of the first certificate as upper-case hex
// with colons, as openssl x509 -fingerprint prints it.
func (id *Identity) Fingerprint() string {
	sum := sha256.Sum256((*id.certs.Load())[0].Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// Expires returns when the first of the certificates runs out.
func (id *Identity) Expires() time.Time {
	var first time.Time
	for _, c := range *id.certs.Load() {
		if first.IsZero() || c.Leaf.NotAfter.Before(first) {
			first = c.Leaf.NotAfter
		}
	}
	return first
}

// certificate is tls.Config.GetCertificate.
func (id *Identity) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certs := *id.certs.Load()
	if _, err := netip.ParseAddr(hello.ServerName); err == nil {
		// RFC 6066 section 3 forbids addresses; lftp sends them.
		return choose(certs, withoutName(hello)), nil
	}
	for i := range certs {
		if hello.ServerName != "" && hello.SupportsCertificate(&certs[i]) == nil {
			return &certs[i], nil
		}
	}
	return choose(certs, withoutName(hello)), nil
}

// choose returns the first certificate that the client can verify; when there
// is none the first at all, so that crypto/tls sends the fitting alert.
func choose(certs []tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	for i := range certs {
		if hello.SupportsCertificate(&certs[i]) == nil {
			return &certs[i]
		}
	}
	return &certs[0]
}

func withoutName(hello *tls.ClientHelloInfo) *tls.ClientHelloInfo {
	h := *hello
	h.ServerName = ""
	return &h
}
