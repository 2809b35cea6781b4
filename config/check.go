package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// check finds what is wrong with values that are each well formed: files that
// are not there, and values that do not go together.
func (c *Config) check(checkKey func(file string) error) Faults {
	var faults Faults
	for _, part := range []func() Faults{c.checkListen, c.checkTLS, c.checkLimits, c.checkAuth, c.checkPaths} {
		faults = append(faults, part()...)
	}
	return append(faults, c.checkPairs(checkKey)...)
}

func (c *Config) checkListen() (faults Faults) {
	if len(c.Listen) == 0 {
		return Faults{c.Fault("listen", "there is no [[listen]]: nothing would be served")}
	}
	seen := make(map[string]string) // address to key
	for i, l := range c.Listen {
		key := fmt.Sprintf("listen.%d.", i)
		if first, twice := seen[l.Addr]; twice && portOf(l.Addr) != 0 {
			faults = append(faults, c.Fault(key+"addr", "%s is taken already by %s", l.Addr, first))
		}
		seen[l.Addr] = key + "addr"
		faults = append(faults, c.checkRequireTLS(key+"require_tls", l)...)
		faults = append(faults, c.checkNotPassive(key+"addr", l.Addr)...)
	}
	if first, twice := seen[c.Metrics.Addr]; twice && portOf(c.Metrics.Addr) != 0 {
		faults = append(faults, c.Fault("metrics.addr", "%s is taken already by %s", c.Metrics.Addr, first))
	}
	return append(faults, c.checkNotPassive("metrics.addr", c.Metrics.Addr)...)
}

func (c *Config) checkRequireTLS(key string, l Listen) Faults {
	switch {
	case c.origins[key].From == "":
	case l.Mode == modeImplicit && !l.RequireTLS:
		return Faults{c.Fault(key, "an implicit listener is never without TLS")}
	case l.Mode == modePlain && l.RequireTLS:
		return Faults{c.Fault(key, "a plain listener offers no TLS that could be required")}
	}
	return nil
}

func (c *Config) checkNotPassive(key, addr string) Faults {
	if p := portOf(addr); c.Passive.Ports.Contains(p) {
		return Faults{c.Fault(key, "port %d is in passive.ports", p)}
	}
	return nil
}

func portOf(addr string) uint16 {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.ParseUint(port, 10, 16) // 0 for no port, which is in no range
	return uint16(n)
}

func (c *Config) checkTLS() (faults Faults) {
	t := &c.TLS
	if t.Min > t.Max {
		faults = append(faults, c.Fault("tls.max", "TLS %s is below tls.min, %s", t.Max, t.Min))
	}
	if t.KTLS == "on" && t.Engine == "std" {
		faults = append(faults, c.Fault("tls.ktls", "needs tls.engine = \"fast\": crypto/tls keeps its keys"))
	}
	if t.ProtC == "deny" {
		for i, l := range c.Listen {
			if l.Mode == modePlain {
				faults = append(faults, c.Fault("tls.prot_c", "listen.%d is plain: with \"deny\" no transfer is possible there", i))
			}
		}
	}
	return faults
}

func (c *Config) checkPairs(checkKey func(file string) error) (faults Faults) {
	t := &c.TLS
	if len(t.Cert) != len(t.Key) {
		key := "tls.cert"
		if len(t.Key) > len(t.Cert) {
			key = "tls.key"
		}
		return Faults{c.Fault(key, "%d certificates and %d keys: each certificate needs its key", len(t.Cert), len(t.Key))}
	}
	for i := range t.Cert {
		faults = append(faults, c.checkPair(t.Cert[i], t.Key[i], checkKey)...)
	}
	return faults
}

func (c *Config) checkPair(cert, private string, checkKey func(file string) error) Faults {
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		return Faults{c.Fault("tls.cert", "%v", err)}
	}
	keyPEM, err := os.ReadFile(private)
	if err != nil {
		return Faults{c.Fault("tls.key", "%v", err)}
	}
	if checkKey != nil {
		if err := checkKey(private); err != nil {
			return Faults{c.Fault("tls.key", "%v", err)}
		}
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return Faults{c.Fault("tls.cert", "%s with %s: %s", cert, private, strings.TrimPrefix(err.Error(), "tls: "))}
	}
	return nil
}

func (c *Config) checkLimits() (faults Faults) {
	l := &c.Limits
	atLeast := func(ok bool, key, what string) {
		if !ok {
			faults = append(faults, c.Fault(key, "must not be less than %s", what))
		}
	}
	atLeast(l.LeaseTimeout >= c.Passive.ConnectTimeout, "limits.lease_timeout", "passive.connect_timeout, "+shortDuration(c.Passive.ConnectTimeout))
	atLeast(l.MaxSessions >= l.MaxSessionsPerIP, "limits.max_sessions", fmt.Sprintf("limits.max_sessions_per_ip, %d", l.MaxSessionsPerIP))
	atLeast(l.LoginTimeout >= l.HandshakeTimeout, "limits.login_timeout", "limits.handshake_timeout, "+shortDuration(l.HandshakeTimeout))
	atLeast(l.LoginTimeout >= l.HashWait, "limits.login_timeout", "limits.hash_wait, "+shortDuration(l.HashWait))
	atLeast(l.MaxIdle >= l.IdleTimeout, "limits.max_idle", "limits.idle_timeout, "+shortDuration(l.IdleTimeout))
	return faults
}

func (c *Config) checkAuth() (faults Faults) {
	a := &c.Auth
	if a.FailureDelayMax < a.FailureDelay {
		faults = append(faults, c.Fault("auth.failure_delay_max", "must not be less than auth.failure_delay, %s", shortDuration(a.FailureDelay)))
	}
	if c.Limits.LoginTimeout < a.FailureDelayMax {
		faults = append(faults, c.Fault("auth.failure_delay_max", "must not be more than limits.login_timeout, %s", shortDuration(c.Limits.LoginTimeout)))
	}
	if a.Anonymous != "" {
		faults = append(faults, c.checkFolder("auth.anonymous", a.Anonymous)...)
	}
	return faults
}

// checkPaths looks for folders. The default of storage.root is not looked for:
// where every user has a home of his own nobody misses it.
func (c *Config) checkPaths() (faults Faults) {
	if c.origins["storage.root"].From != "" {
		faults = append(faults, c.checkFolder("storage.root", fixedPart(c.Storage.Root))...)
	}
	if c.Log.Output != "stderr" && c.Log.Output != "stdout" {
		faults = append(faults, c.checkFolder("log.output", filepath.Dir(c.Log.Output))...)
	}
	return faults
}

// fixedPart returns the folders of a template that have nothing of the user in
// their names: /srv/ftp for /srv/ftp/u-{user}/files.
func fixedPart(template string) string {
	before, _, found := strings.Cut(template, "{user}")
	if !found {
		return template
	}
	return filepath.Dir(before + "x")
}

func (c *Config) checkFolder(key, path string) Faults {
	info, err := os.Stat(path)
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe):
		return Faults{c.Fault(key, "%s: %v", path, pe.Err)}
	case err != nil:
		return Faults{c.Fault(key, "%v", err)}
	case !info.IsDir():
		return Faults{c.Fault(key, "%s is not a folder", path)}
	}
	return nil
}
