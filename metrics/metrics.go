// Package metrics counts what a server does and writes the counts in the
// Prometheus text format.
//
// There is no registry and no label map: each series is a field, or an element
// of an array that an enumeration indexes, so counting is one atomic addition
// and no client can make a new series. Everything here may be called from any
// goroutine.
package metrics

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Counter only grows. The zero value is ready.
type Counter struct{ v atomic.Int64 }

// Inc adds one.
func (c *Counter) Inc() { c.v.Add(1) }

// Add adds n, which is not negative.
func (c *Counter) Add(n int64) { c.v.Add(n) }

// Load returns the count.
func (c *Counter) Load() int64 { return c.v.Load() }

// Gauge goes up and down. The zero value is ready.
type Gauge struct{ v atomic.Int64 }

// Inc adds one.
func (g *Gauge) Inc() { g.v.Add(1) }

// Dec takes one away.
func (g *Gauge) Dec() { g.v.Add(-1) }

// Add adds n, which may be negative.
func (g *Gauge) Add(n int64) { g.v.Add(n) }

// Set replaces the value.
func (g *Gauge) Set(n int64) { g.v.Store(n) }

// Load returns the value.
func (g *Gauge) Load() int64 { return g.v.Load() }

// bounds are the upper edges of a Histogram's buckets, in seconds. They span a
// resumed handshake (0.3 ms) and a long transfer (minutes).
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

// Histogram counts durations in fixed buckets. The zero value is ready.
type Histogram struct {
	buckets [len(bounds) + 1]atomic.Int64 // not cumulative; the last is +Inf
	nanos   atomic.Int64
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i, s := 0, d.Seconds()
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// Count returns how many durations were observed.
func (h *Histogram) Count() (n int64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// Server holds every series of one server. Make it once with NewServer and
// count in its fields; a copy would count for itself, so pass the pointer.
type Server struct {
	Sessions    [NumSessionStates]Gauge // sessions open now
	Connections [NumModes]Counter       // control connections accepted
	Rejected    [NumRejects]Counter     // control connections refused or closed before a session
	Limits      [NumLimits]Counter      // limits that bit
	Panics      Counter                 // recovered faults of ours

	Handshakes       [NumChannels][NumTLSVersions][2]Counter // last index: 1 when resumed; see Handshake
	HandshakeErrors  [NumHandshakeErrors]Counter
	HandshakeSeconds [NumChannels]Histogram
	HandshakesNow    Gauge               // handshakes under way
	Engines          [NumEngines]Counter // private data connections, by who sealed and opened their records
	ControlEngines   [NumEngines]Counter // control connections under TLS, by the same
	KernelRefused    Counter             // downloads that the kernel should have sealed and did not take
	ReuseRefused     Counter             // data connections that data_tls_reuse = "required" would refuse

	Logins    [NumLoginResults]Counter
	HashQueue Gauge     // logins waiting for a password hash
	HashWait  Histogram // from a login's arrival to the end of its hash

	Commands [NumVerbs][NumClasses]Counter // see Command

	Transfers       [NumDirections][NumProts][NumTransferResults]Counter
	Bytes           [NumDirections][NumProts]Counter // file bytes moved
	TransfersNow    Gauge
	TransferSeconds [NumDirections]Histogram
	FirstByte       [NumDirections]Histogram // from the command to the first byte

	PassivePending Gauge // passive endpoints that wait for their client
	Strangers      Counter
	BufferBytes    Gauge // bytes of the transfer budget in use

	LogErrors  Counter // lines of the log that could not be written
	Reloads    [NumReloadResults]Counter
	CertExpiry Gauge // Unix seconds; the certificate that expires first

	build   buildInfo
	started time.Time

	mu      sync.Mutex // guards scraped, and is held while it runs
	scraped []func()
}

type buildInfo struct{ version, revision, goVersion string }

// NewServer makes the series of a server that starts now. The build's version,
// revision and Go version become labels of fastftps_build_info.
func NewServer(version, revision, goVersion string) *Server {
	return &Server{build: buildInfo{version, revision, goVersion}, started: time.Now()}
}

// OnScrape has f called before each WriteTo, to bring up to date what is counted
// elsewhere. No two such functions run at a time.
func (s *Server) OnScrape(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scraped = append(s.scraped, f)
}

// scrape calls what OnScrape was given.
func (s *Server) scrape() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.scraped {
		f()
	}
}

// Command counts a command by its verb and the first digit of its completion
// reply; other digits count as ClassNone.
func (s *Server) Command(v Verb, replyCode int) {
	s.Commands[v][ClassOf(replyCode)].Inc()
}

// Handshake counts a finished handshake; version is the one of crypto/tls
// (0x0303, 0x0304).
func (s *Server) Handshake(ch Channel, version uint16, resumed bool, took time.Duration) {
	r := 0
	if resumed {
		r = 1
	}
	s.Handshakes[ch][TLSVersionOf(version)][r].Inc()
	s.HandshakeSeconds[ch].Observe(took)
}

// Transfer counts a finished transfer. Its bytes are counted while they move.
func (s *Server) Transfer(d Direction, p Prot, r TransferResult, took time.Duration) {
	s.Transfers[d][p][r].Inc()
	s.TransferSeconds[d].Observe(took)
}

// seconds turns a sum of nanoseconds into seconds without losing the fraction.
func seconds(nanos int64) float64 { return float64(nanos) / math.Pow10(9) }
