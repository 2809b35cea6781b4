package tlsconn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// selfSignedYears is how long a self-signed certificate is valid. Clients pin
// it by its fingerprint, so nothing is won by changing it often.
const selfSignedYears = 10

// load reads the pair, checks that key and certificate belong together and,
// unless loose, that nobody else can read or change the key.
func (p Pair) load(loose bool) (tls.Certificate, error) {
	chain, err := os.ReadFile(p.Cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	key, err := readKey(p.Key, loose)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("private key: %w", err)
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %q with key %q: %w", p.Cert, p.Key, err)
	}
	return cert, nil
}

// readKey reads a key file. Mode and content are those of one open file.
func readKey(name string, loose bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkKeyMode(st, os.Geteuid()); err != nil && !loose {
		return nil, fmt.Errorf("%q %w", name, err)
	}
	key := make([]byte, st.Size())
	n, err := f.ReadAt(key, 0)
	if n < len(key) {
		return nil, err
	}
	return key, nil
}

// CheckKey says why NewIdentity and Reload would not use the file of a private key:
// it cannot be read, or others can get at it.
func CheckKey(name string) error {
	_, err := readKey(name, false)
	return err
}

// checkKeyMode refuses a key file that others may read or change, or that
// belongs to somebody who is neither root nor euid. Reading by the group is
// allowed: that is how a distribution shares keys (ssl-cert).
func checkKeyMode(st fs.FileInfo, euid int) error {
	if !st.Mode().IsRegular() {
		return errors.New("is no regular file")
	}
	if mode := st.Mode().Perm(); mode&0o027 != 0 {
		return fmt.Errorf("has mode %04o: others may use it; want 0640 or less", mode)
	}
	if owner, ok := ownerOf(st); ok && owner != 0 && owner != euid {
		return fmt.Errorf("belongs to uid %d, neither to root nor to uid %d", owner, euid)
	}
	return nil
}

// SelfSigned makes sure that the file name holds a certificate and its key. When
// there is none, or one that has expired, it makes an ECDSA P-256 pair for this
// machine's name, loopback and hosts, valid for ten years, with mode 0600. The
// file appears whole or not at all.
func SelfSigned(name string, hosts []string) error {
	old, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeSelfSigned(name, hosts)
	case err != nil:
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	// A file that is broken is not ours to overwrite: loading it says why.
	if c, err := tls.X509KeyPair(old, old); err == nil && time.Now().After(c.Leaf.NotAfter) {
		return makeSelfSigned(name, hosts)
	}
	return nil
}

func makeSelfSigned(name string, hosts []string) error {
	text, err := newSelfSigned(hosts, time.Now())
	if err == nil {
		err = writeWhole(name, text)
	}
	if err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	return nil
}

func newSelfSigned(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	t, err := template(hosts, now)
	if err != nil {
		return nil, err
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

func template(hosts []string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "fastftps self-signed"},
		NotBefore:    now.Add(-time.Hour), // a client's clock may be behind
		NotAfter:     now.AddDate(selfSignedYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	names := append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return t, nil
}

// writeWhole writes a file with mode 0600 through a temporary one in the same folder.
func writeWhole(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".fastftps-*.pem") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it was renamed
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
