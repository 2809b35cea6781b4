package config

import (
	"slices"
	"strings"
)

// atStart are the keys, or the sections with a dot behind them, that are read
// at the start alone. All others are taken at SIGHUP.
var atStart = []string{
	"version", "state_dir", "listen.",
	"tls.cert", "tls.key", "tls.min", "tls.max", "tls.engine", "tls.ktls",
	"passive.ports",
	"limits.fs_workers", "limits.digest_workers", "limits.cpu_workers", "limits.hash_workers", "limits.hash_queue", "limits.hash_wait",
	"auth.users", "auth.credential_cache", "auth.credential_entries", "auth.failure_entries", "auth.anonymous",
	"storage.root", "log.format", "log.output", "metrics.addr",
}

// readAtStart reports whether a change of the key needs a restart.
func readAtStart(key string) bool {
	return slices.ContainsFunc(atStart, func(k string) bool { return key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k) })
}

// NeedRestart returns the keys whose value next changes, but that are read at
// the start alone, in the order of the table.
func (c *Config) NeedRestart(next *Config) (keys []string) {
	was := c.fixedValues()
	now := next.fixedValues()
	for _, k := range slices.Concat(c.keys(), next.keys()) {
		if readAtStart(k.name) && was[k.name] != now[k.name] && !slices.Contains(keys, k.name) {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// fixedValues are the values of the keys that are read at the start.
func (c *Config) fixedValues() map[string]string {
	values := make(map[string]string)
	for _, k := range c.keys() {
		if readAtStart(k.name) {
			values[k.name] = k.value.text()
		}
	}
	return values
}
