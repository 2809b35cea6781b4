//go:build interop

package interop

import "testing"

// TestActive lets the server connect to the client: EPRT and PORT, in clear and
// with TLS, in which the server that connects is still the TLS server (RFC 4217
// section 7).
func TestActive(t *testing.T) {
	for _, s := range setups {
		for _, a := range []struct {
			program, verb string
			open          func(*testing.T, setup) client
		}{
			{"curl", "EPRT", func(t *testing.T, s setup) client { return curlIn(t, s, "--ftp-port", host, "--eprt") }},
			{"curl", "PORT", func(t *testing.T, s setup) client { return curlIn(t, s, "--ftp-port", host, "--disable-eprt") }},
			{"lftp", "PORT", func(t *testing.T, s setup) client { return lftpIn(t, s, "ftp:passive-mode no") }},
		} {
			t.Run(a.program+"/"+a.verb+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				needProgram(t, a.program)
				if matrix.lacks(a.program, s, opActive, "") != "" {
					return
				}
				roundTrip(t, scratch.srv, a.open(t, s), scratch.srv.dir(t)+"/active", 100_000)
			})
		}
	}
}
