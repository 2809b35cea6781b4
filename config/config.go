// Package config turns a file, the environment and flags into checked values.
//
// Every key stands once, in table.go, with its default, its unit, its bounds
// and its description; the sample file, the reference page and the messages
// are made from that table. What is set later wins: defaults, what a command
// presets, the file, the environment, flags.
package config

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Config is the whole configuration. Its fields are described in table.go, and
// for readers in docs/config.md. It is not changed once Load has returned it.
type Config struct {
	Version  int
	StateDir string

	Listen  []Listen
	TLS     TLS
	Passive Passive
	Active  Active
	Limits  Limits
	Auth    Auth
	Storage Storage
	Log     Log
	Metrics Metrics

	origins map[string]Origin // of the keys that were set
}

// Listen is one [[listen]]: an address for control connections.
type Listen struct {
	Addr       string // host:port; the host may be empty or an IP address
	Mode       string // explicit, implicit, plain
	RequireTLS bool   // explicit only
}

// TLS is [tls].
type TLS struct {
	Cert, Key   []string // PEM files; Cert[i] belongs to Key[i]
	Min, Max    string   // 1.2, 1.3
	DataReuse   string   // bound, required, off
	UploadClose string   // strict, warn, off
	ProtC       string   // allow, deny
	Engine      string   // fast, std
	KTLS        string   // auto, on, off
	CCC         bool
	LenientPBSZ bool
}

// Passive is [passive].
type Passive struct {
	Ports          Ports
	Advertise      Advertise
	ConnectTimeout time.Duration
}

// Active is [active].
type Active struct {
	ConnectTimeout time.Duration
	Source989      bool
}

// Limits is [limits]. Sizes are in bytes; 0 means what the key's description
// says, mostly "no bound" or "chosen by the machine".
type Limits struct {
	MaxSessions        int
	MaxSessionsPerIP   int
	AcceptRatePerIP    int // a second
	MaxHandshakes      int
	MaxEarlyHandshakes int
	MaxTransfers       int

	HandshakeTimeout     time.Duration
	LoginTimeout         time.Duration
	IdleTimeout          time.Duration
	MaxIdle              time.Duration
	DataHandshakeTimeout time.Duration
	StallTimeout         time.Duration
	LeaseTimeout         time.Duration
	DrainTimeout         time.Duration
	WriteTimeout         time.Duration

	MaxLoginAttempts   int
	MaxBadCommands     int
	MaxPendingInput    int64
	MaxPendingCommands int
	MaxGlob            int
	MaxTextSize        int64
	MaxDigest          int64
	MaxUpload          int64

	Memory        int64 // 0: auto; see MemoryBudget
	FSWorkers     int
	DigestWorkers int
	CPUWorkers    int
	HashWorkers   int
	HashQueue     int
	HashWait      time.Duration
}

// Auth is [auth].
type Auth struct {
	Users             string
	CredentialCache   time.Duration
	CredentialEntries int
	FailureDelay      time.Duration
	FailureDelayMax   time.Duration
	FailureDecay      time.Duration
	FailureEntries    int
	BanAfter          int
	BanWindow         time.Duration
	BanTime           time.Duration
	Anonymous         string
}

// Storage is [storage].
type Storage struct {
	Root         string
	Umask        uint16
	Durability   string // none, fsync
	ModeZ        bool
	HideDotfiles bool
}

// Log is [log].
type Log struct {
	Level  string // debug, info, warn, error
	Format string // json, text
	Output string // stderr, stdout or a file
}

// Metrics is [metrics].
type Metrics struct {
	Addr string // "": off
}

// Ports is a range of ports, both ends in it. {0, 0} lets the kernel choose.
type Ports struct{ Low, High uint16 }

// Contains reports whether p is in the range.
func (r Ports) Contains(p uint16) bool { return r.High > 0 && p >= r.Low && p <= r.High }

// Advertise is the address that 227 names to a client, by the client's network.
// The zero value names the control connection's local address.
type Advertise struct {
	nets map[netip.Prefix]netip.Addr
}

// For returns the address for a client, by the longest prefix that holds it;
// the zero Addr means the control connection's local address.
func (a Advertise) For(client netip.Addr) netip.Addr {
	client = client.Unmap()
	best, addr := -1, netip.Addr{}
	for p, to := range a.nets {
		if p.Contains(client) && p.Bits() > best {
			best, addr = p.Bits(), to
		}
	}
	return addr
}

// sorted returns the networks, the largest first.
func (a Advertise) sorted() []netip.Prefix {
	return slices.SortedFunc(maps.Keys(a.nets), func(p, q netip.Prefix) int {
		return cmp.Or(cmp.Compare(p.Bits(), q.Bits()), p.Addr().Compare(q.Addr()))
	})
}
