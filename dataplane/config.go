package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fastftps/tlsconn"
)

// Config holds the limits of a Plane. The zero value of each field means its
// default, so Config{} serves.
type Config struct {
	// PortLow and PortHigh are the passive port range, both ends in it. Both
	// 0: ports that the kernel chooses, opened as they are needed and kept,
	// at most AutoPorts a local address.
	PortLow, PortHigh uint16
	AutoPorts         int // default 256

	// Listen is the local address of passive listeners. The default is the
	// local address of each control connection.
	Listen netip.Addr

	// SourcePort is what active data connections of implicit listeners come
	// from, when it can be bound ([MS-FTPS] section 1.9: 989). 0: no wish.
	SourcePort uint16

	MaxTransfers int // transfers at once, from their start to their result; default 10000
	MaxDials     int // active connects under way at once, of one client a quarter; default 256
	MaxDrains    int // finished downloads waiting for the peer's FIN; default 1024
	MaxEarly     int // handshakes before the transfer command, of one client a quarter; default 512

	// Budget bounds the bytes of transfer buffers of all transfers together.
	// A transfer that gets none waits before it reads. Default 256 MiB.
	Budget int64
	// MaxDeflaters bounds the live compressors with a window (0.8-1.2 MiB
	// each); transfers beyond it compress without state. Default 64.
	MaxDeflaters int

	// Handshake is told of each TLS handshake that has ended, from whichever
	// goroutine made it; it must not block. It may be nil.
	Handshake func(info tlsconn.Info, took time.Duration, err error)

	// Engine seals and opens TLS records, in package engine those of control
	// connections too.
	Engine tlsconn.Engine

	// KernelTLS has the kernel seal large downloads under TLS, where it takes
	// them; it needs EngineFast.
	KernelTLS bool

	ConnectWait time.Duration // passive: from Start to the peer's connection; default 30 s
	DialTimeout time.Duration // active; default 15 s
	TLSTimeout  time.Duration // data handshake; default 15 s
	Stall       time.Duration // no byte either way; default 120 s
	LeaseTTL    time.Duration // passive endpoint unused; default 60 s
	DrainTime   time.Duration // from our FIN to the peer's; default 5 s
	DrainBytes  int64         // bytes read and dropped meanwhile; default 1 MiB
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// withDefaults returns c with each zero field set to its default.
func (c Config) withDefaults() (Config, error) {
	if c.PortLow > c.PortHigh || (c.PortLow == 0) != (c.PortHigh == 0) {
		return c, fmt.Errorf("passive ports %d-%d: %w", c.PortLow, c.PortHigh, errRange)
	}
	c.AutoPorts = or(c.AutoPorts, 256)
	c.MaxTransfers = or(c.MaxTransfers, 10000)
	c.MaxDials = or(c.MaxDials, 256)
	c.MaxDrains = or(c.MaxDrains, 1024)
	c.MaxEarly = or(c.MaxEarly, 512)
	c.Budget = or(c.Budget, 256<<20)
	c.MaxDeflaters = or(c.MaxDeflaters, 64)
	c.ConnectWait = or(c.ConnectWait, 30*time.Second)
	c.DialTimeout = or(c.DialTimeout, 15*time.Second)
	c.TLSTimeout = or(c.TLSTimeout, 15*time.Second)
	c.Stall = or(c.Stall, 120*time.Second)
	c.LeaseTTL = or(c.LeaseTTL, 60*time.Second)
	c.DrainTime = or(c.DrainTime, 5*time.Second)
	c.DrainBytes = or(c.DrainBytes, 1<<20)
	if c.Budget < minBudget {
		return c, fmt.Errorf("budget of %d bytes: less than one transfer needs (%d)", c.Budget, minBudget)
	}
	return c, nil
}

var errRange = errors.New("not a range")

// The errors of Channel.
var (
	ErrNoPort     = errors.New("no passive port is free for this address")
	ErrOverload   = errors.New("too many transfers")
	ErrNoEndpoint = errors.New("no data endpoint")
	ErrBusy       = errors.New("a transfer is running")
	ErrClosed     = errors.New("the data plane is closed")
)

// workers is how many goroutines are kept for transfers: those that run, and those that
// are over and wait for the peer's FIN.
func (c *Config) workers() int { return c.MaxTransfers + c.MaxDrains }
