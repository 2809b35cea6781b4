package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fastftps/bench/report"
	"fastftps/internal/ftpclient"
)

// Config is what to do.
type Config struct {
	Targets  []Target // one, or two to compare
	Users    []User   // for targets whose URL names none
	Scenario Scenario

	Clients     int      // sessions of a closed loop, and of an open one whose arrivals are operations
	Rate        Rate     // of an open loop; the zero value is a closed one
	Poisson     bool     // else arrivals are evenly spaced
	MaxInflight int      // open loop: arrivals in work or waiting; more are dropped
	FindMax     bool     // look for the highest rate that holds the SLO, from Rate on
	SLO         []string // as Thresholds, for FindMax

	Duration time.Duration // measured, of each round
	Warmup   time.Duration
	Rounds   int
	Slice    time.Duration // A/B: of one turn
	Timeout  time.Duration // of each step of the protocol

	Sizes  Sizes
	Files  int
	Remote []string // files on the server to download, instead of making our own
	Seed   uint64
	Verify Verify

	TLSVersion    uint16 // tls.VersionTLS12 or 13; 0 leaves it to both sides
	PostQuantum   bool   // offer X25519MLKEM768
	ResumeControl Resume
	ResumeData    Resume
	Clear         bool // PROT C
	Deflate       bool // MODE Z
	Endpoint      Endpoint
	Sources       Sources
	Relogin       int // operations of a session; 0 is no limit

	Hold int // sessions of the idle and stalled scenarios

	ServerCPU, ClientCPU []int // to run on; empty leaves it to the system

	Thresholds []string
	MaxErrors  int64 // -1 is no limit
	// MaxLag is how late the schedule may be served, at the 99th percentile,
	// before the figures say more of the generator than of the server.
	MaxLag time.Duration

	Observe  func(report.Snapshot) // called once a second; may be nil
	Log      func(string)          // what the user should know while it runs; may be nil
	Command  string                // for the report
	Version  string
	Revision string
}

// Endpoint is how data connections come about.
type Endpoint = ftpclient.Endpoint

// The ways there are.
const (
	EPSV = ftpclient.EPSV
	PASV = ftpclient.PASV
	PORT = ftpclient.PORT
	EPRT = ftpclient.EPRT
)

// Verify says how content is checked.
type Verify uint8

// The ways: every file, some, or nothing but what the protocol says.
const (
	VerifySample Verify = iota
	VerifyFull
	VerifyOff
)

// Resume says when a TLS handshake offers a session.
type Resume uint8

// ResumeAuto is what clients do: data connections resume the session of their
// control connection, a new control connection is a new client.
const (
	ResumeAuto Resume = iota
	ResumeAlways
	ResumeNever
)

var (
	verifyNames = []string{VerifySample: "sample", VerifyFull: "full", VerifyOff: "off"}
	resumeNames = []string{ResumeAuto: "auto", ResumeAlways: "always", ResumeNever: "never"}
)

// ParseVerify reads sample, full or off.
func ParseVerify(s string) (Verify, error) {
	v, err := word(s, verifyNames)
	return Verify(v), err
}

// ParseResume reads always, never or auto.
func ParseResume(s string) (Resume, error) {
	v, err := word(s, resumeNames)
	return Resume(v), err
}

func word(s string, words []string) (int, error) {
	for i, w := range words {
		if s == w {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is none of %v", s, words)
}

// Sources are the addresses that we connect from.
type Sources []netip.Prefix

// ParseSource reads an address or a network: 127.0.0.0/8, 192.0.2.7.
func ParseSource(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither address nor network: write it as 127.0.0.0/8 or 192.0.2.7", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// sourcePool is how many addresses of a network are used: each holds some 28,000
// connections to one port.
const sourcePool = 250

// pick returns the address of the nth connection; the zero Addr when none is
// chosen.
func (s Sources) pick(n int) netip.Addr {
	if len(s) == 0 {
		return netip.Addr{}
	}
	p := s[n%len(s)]
	addr := p.Addr()
	if p.IsSingleIP() {
		return addr
	}
	usable := sourcePool
	if free := addr.BitLen() - p.Bits(); free < 8 {
		usable = min(usable, max(1, 1<<free-2)) // without network and broadcast
	}
	for range 1 + n/len(s)%usable {
		addr = addr.Next()
	}
	return addr
}

// Defaults.
const (
	defaultInflight = 1000
	defaultTimeout  = 30 * time.Second
	defaultHold     = 1000
	defaultMaxLag   = 5 * time.Millisecond
)

// Check completes c and says what cannot be. Run does it too.
func (c *Config) Check() error {
	c.Clients = orDefault(c.Clients, 1)
	c.MaxInflight = orDefault(c.MaxInflight, defaultInflight)
	c.Rounds = orDefault(c.Rounds, 1)
	c.Files = orDefault(c.Files, 1)
	c.Hold = orDefault(c.Hold, defaultHold)
	c.Timeout = orDefault(c.Timeout, defaultTimeout)
	c.MaxLag = orDefault(c.MaxLag, defaultMaxLag)
	switch {
	case len(c.Targets) == 0 || len(c.Targets) > 2:
		return errors.New("want one target, or two to compare")
	case c.Duration <= 0:
		return errors.New("the measured time must be more than 0")
	case len(c.Scenario.steps) == 0 && c.Scenario.hold == holdNone:
		return errors.New("the scenario has no operations")
	case c.Scenario.hold != holdNone && (c.open() || c.FindMax):
		return fmt.Errorf("scenario %s holds sessions; it has no rate", c.Scenario.Name)
	case c.FindMax && len(c.SLO) == 0:
		return errors.New("--find-max needs --slo: what the server shall hold")
	case c.FindMax && len(c.Targets) > 1:
		return errors.New("--find-max takes one target")
	case c.FindMax && !c.open():
		return errors.New("--find-max needs --rate: where to begin")
	case len(c.Targets) == 2 && c.Slice <= 0:
		return errors.New("two targets need slices of some length")
	case len(c.Targets) == 2 && c.Scenario.hold != holdNone:
		return fmt.Errorf("scenario %s takes one target", c.Scenario.Name)
	}
	for _, exprs := range [][]string{c.Thresholds, c.SLO} {
		for _, e := range exprs {
			if _, err := parseThreshold(e); err != nil {
				return err
			}
		}
	}
	return c.name()
}

// name gives targets their names and users.
func (c *Config) name() error {
	for i := range c.Targets {
		t := &c.Targets[i]
		if len(c.Targets) == 2 {
			t.Name = string(rune('A' + i))
		}
		if t.User.Name == "" && len(c.Users) == 0 {
			return fmt.Errorf("%s: no user: give -u NAME and --password-file, --users or put it in the URL", t.URL())
		}
		if t.Spawn != "" && t.PID != 0 {
			return errors.New("--pid and --spawn exclude each other")
		}
	}
	return nil
}

// open reports whether the loop is open.
func (c *Config) open() bool { return c.Rate.To > 0 || c.Rate.From > 0 }

// users returns the logins for a target.
func (c *Config) users(t Target) []User {
	if t.User.Name != "" {
		return []User{t.User}
	}
	return c.Users
}

// tls is what all connections to a target are made with. Certificates are not
// checked: what is measured are servers at hand, most of them self-signed.
//
// The groups are those that FTP clients offer today. With the hybrid ones two
// servers of which one knows them would not do the same work, and the generator
// itself would spend a third of its time on them.
func (c *Config) tls() *tls.Config {
	t := &tls.Config{InsecureSkipVerify: true, MinVersion: max(c.TLSVersion, tls.VersionTLS12), MaxVersion: c.TLSVersion}
	if !c.PostQuantum {
		t.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return t
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}
