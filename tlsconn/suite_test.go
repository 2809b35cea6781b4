package tlsconn

import (
	"crypto/tls"
	"testing"
	_ "unsafe" // for linkname
)

// The suites of TLS 1.3 and their order are not configurable. crypto/tls keeps
// these names open to others.

//go:linkname suitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var suitesTLS13 []uint16

//go:linkname suitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var suitesTLS13NoAES []uint16

// suiteOf12 are the suites of TLS 1.2 with the same cipher and hash.
var suiteOf12 = map[uint16]uint16{
	tls.TLS_AES_128_GCM_SHA256:       tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_AES_256_GCM_SHA384:       tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_CHACHA20_POLY1305_SHA256: tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// useSuite makes a client that offers one suite only, and on TLS 1.3 everybody in
// this process, until the test ends.
func useSuite(t testing.TB, cfg *tls.Config, suite uint16) {
	cfg.CipherSuites = []uint16{suiteOf12[suite]}
	aes, no := suitesTLS13, suitesTLS13NoAES
	t.Cleanup(func() { suitesTLS13, suitesTLS13NoAES = aes, no })
	suitesTLS13, suitesTLS13NoAES = []uint16{suite}, []uint16{suite}
}
