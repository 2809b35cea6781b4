package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"fastftps/dataplane"
	"fastftps/internal/bufpool"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/tlsconn"
)

// Config is what an Engine is made of. The zero value of a limit means its
// default.
type Config struct {
	Listen   []Listen
	Session  session.Config // Mode and RequireTLS are set a listener
	Data     dataplane.Config
	Identity *tlsconn.Identity // nil only when every listener is plain
	Reuse    tlsconn.Reuse     // data_tls_reuse
	Reactor  string            // "netpoll" or "net"; "" is netpoll where there is one
	Log      *slog.Logger
	Metrics  *metrics.Server

	// Advertise gives the address that 227 names, for a client at remote on
	// a control connection to local. nil means local.
	Advertise func(remote, local netip.Addr) netip.Addr
	// Banned says whether connections of an address are refused. It is asked
	// on the event loop.
	Banned func(netip.Addr) bool

	MaxSessions      int // control connections at once; default 10000
	MaxSessionsPerIP int // and of one address; default 0, without bound
	AcceptRatePerIP  int // new ones a second and address; default 0, without bound
	MaxHandshakes    int // TLS handshakes under way; default 2048
	MaxPendingInput  int // bytes kept of a client whose command is being worked on; default 16 KiB
	FSWorkers        int // blocking storage commands at once; default 64
	DigestWorkers    int // commands that read a whole file, at once; default GOMAXPROCS
	LoginWorkers     int // logins that wait for a password hash; default 256
	CPUWorkers       int // handshake steps at once; default 2 x GOMAXPROCS

	HandshakeTimeout time.Duration // default 15 s
	LoginTimeout     time.Duration // from accept to 230; default 60 s
	IdleTimeout      time.Duration // default 5 min
	WriteTimeout     time.Duration // a client that does not read replies; default 10 s
	LingerTimeout    time.Duration // from our last byte to the peer's close; default 5 s
}

// withDefaults fills the limits in.
func (c Config) withDefaults() Config {
	def(&c.MaxSessions, 10000)
	def(&c.MaxHandshakes, 2048)
	def(&c.MaxPendingInput, 16<<10)
	def(&c.FSWorkers, 64)
	def(&c.DigestWorkers, runtime.GOMAXPROCS(0))
	def(&c.LoginWorkers, 256)
	def(&c.CPUWorkers, 2*runtime.GOMAXPROCS(0))
	def(&c.HandshakeTimeout, 15*time.Second)
	def(&c.LoginTimeout, time.Minute)
	def(&c.IdleTimeout, 5*time.Minute)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.LingerTimeout, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = metrics.NewServer("", "", runtime.Version())
	}
	return c
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Engine is one server: any number of listeners, one data plane.
type Engine struct {
	conf      Config                 // as New got it
	live      atomic.Pointer[Config] // of new connections; see Reload
	log       *slog.Logger
	metrics   *metrics.Server
	clock     coarseClock
	conns     *registry
	admission *admission
	slots     slots
	plane     *dataplane.Plane
	mirrors   []*mirror // scrape only

	workers *ants.Pool // goroutines of the pools below
	cpu     *pool      // handshake steps, turns that have no goroutine of their own
	fs      *pool      // commands that touch storage
	readers *pool      // those that read a whole file: none of the above waits behind them
	logins  *pool      // commands that wait for a password hash

	nextID    atomic.Uint64
	draining  atomic.Bool
	acceptLog acceptLog
	stopped   chan struct{} // closed when everything has ended

	reactor   reactor
	listeners []*listener
}

// New makes an engine and binds its listeners and its passive ports; nothing is
// accepted before Serve.
func New(conf Config) (*Engine, error) {
	conf = conf.withDefaults()
	workers, err := ants.NewPool(conf.CPUWorkers+conf.FSWorkers+conf.DigestWorkers+conf.LoginWorkers, ants.WithNonblocking(true))
	if err != nil {
		return nil, err
	}
	e := &Engine{
		conf: conf, log: conf.Log, metrics: conf.Metrics, conns: newRegistry(), workers: workers,
		admission: newAdmission(conf.MaxSessions, conf.MaxSessionsPerIP, conf.AcceptRatePerIP),
		slots:     slots{free: conf.MaxHandshakes, all: conf.MaxHandshakes},
		cpu:       newPool(conf.CPUWorkers, workers, &conf.Metrics.Limits[metrics.LimitCPUWorkers]),
		fs:        newPool(conf.FSWorkers, workers, &conf.Metrics.Limits[metrics.LimitFSWorkers]),
		readers:   newPool(conf.DigestWorkers, workers, &conf.Metrics.Limits[metrics.LimitDigestWorkers]),
		logins:    newPool(conf.LoginWorkers, workers, &conf.Metrics.Limits[metrics.LimitHashQueue]),
		stopped:   make(chan struct{}),
	}
	e.live.Store(&conf)
	e.clock.start = time.Now()
	conf.Data.Handshake = e.dataHandshake
	if e.plane, err = dataplane.New(conf.Data); err != nil {
		return nil, errors.Join(err, workers.ReleaseTimeout(time.Second))
	}
	e.mirrors = mirrors(e.plane.Stats(), e.metrics)
	if e.reactor, err = newReactor(e); err == nil {
		err = e.bind()
	}
	if err != nil {
		e.release()
		return nil, err
	}
	e.metrics.OnScrape(e.scrape)
	return e, nil
}

// newReactor makes the reactor that the configuration names.
func newReactor(e *Engine) (reactor, error) {
	switch e.conf.Reactor {
	case "net":
		return newNetReactor(e)
	case "netpoll", "":
		return newNetpollReactor(e)
	}
	return nil, fmt.Errorf("unknown reactor %q", e.conf.Reactor)
}

// bind opens all listeners, or none.
func (e *Engine) bind() error {
	for _, l := range e.conf.Listen {
		if l.Mode != session.Plain && e.conf.Identity == nil {
			return fmt.Errorf("listener %s needs a certificate", l.Addr)
		}
		ln, err := e.listen(l)
		if err != nil {
			return err
		}
		ln.conf.Store(e.sessionConfig(l, e.conf.Session))
		e.listeners = append(e.listeners, ln)
	}
	return nil
}

// sessionConfig makes the configuration of a listener's sessions.
func (e *Engine) sessionConfig(l Listen, sc session.Config) *session.Config {
	sc.Mode, sc.RequireTLS = l.Mode, l.RequireTLS && l.Mode == session.Explicit
	sc.Now = e.wall
	sc.Auth = timedAuth{sc.Auth, e.metrics}
	sc.Events = sessionEvents{e}
	return &sc
}

// Reload takes what next has for connections and decisions to come: the
// session's configuration, limits and time limits, Reuse, Advertise and
// Banned. Connections that stand keep what they came under. Listeners,
// certificates, who seals records, reactor, workers, log and metrics stay as New got them.
func (e *Engine) Reload(next Config) error {
	next = next.withDefaults()
	was := e.live.Load()
	next.Data.Engine, next.Data.KernelTLS = was.Data.Engine, was.Data.KernelTLS
	if err := e.plane.Reload(next.Data); err != nil {
		return err
	}
	for _, ln := range e.listeners {
		ln.conf.Store(e.sessionConfig(ln.Listen, next.Session))
	}
	next.Identity = e.conf.Identity
	e.live.Store(&next)
	e.admission.limit(next.MaxSessions, next.MaxSessionsPerIP, next.AcceptRatePerIP)
	e.slots.resize(next.MaxHandshakes)
	return nil
}

// Addrs are the addresses that the engine listens on, in the order of the
// configuration.
func (e *Engine) Addrs() []netip.AddrPort {
	var a []netip.AddrPort
	for _, ln := range e.listeners {
		a = append(a, ln.addrPort())
	}
	return a
}

// Serve accepts connections until Shutdown. It may be called once.
func (e *Engine) Serve() error {
	go e.sweepEvery(tickEvery)
	errs := make(chan error, len(e.listeners))
	for _, ln := range e.listeners {
		go func() { errs <- e.reactor.serve(ln) }()
	}
	var all error
	for range e.listeners {
		err := <-errs
		if e.draining.Load() {
			err = nil
		}
		all = errors.Join(all, err)
	}
	if all != nil {
		return all
	}
	<-e.stopped
	return nil
}

// Shutdown stops accepting, says 421 to sessions without a transfer, lets
// transfers end until ctx is done, aborts what is left, and returns when
// everything has ended that does not hang in a call to the disk.
func (e *Engine) Shutdown(ctx context.Context) error {
	if e.draining.Swap(true) {
		<-e.stopped
		return nil
	}
	var errs []error
	for _, ln := range e.listeners {
		errs = append(errs, e.reactor.quiet(ln))
	}
	e.conns.each(func(*conn) bool { return true }, func(c *conn) { c.postLater(evDrain) })
	err := e.conns.wait(ctx)
	if err != nil {
		e.metrics.Limits[metrics.LimitDrainTimeout].Inc()
	}
	errs = append(errs, err)
	e.plane.Stop()
	grace, cancel := context.WithTimeout(context.Background(), e.conf.LingerTimeout)
	defer cancel()
	_ = e.conns.wait(grace)
	errs = append(errs, e.reactor.stop())
	e.release()
	close(e.stopped)
	return errors.Join(errs...)
}

// diskPatience is how long commands and transfers that are in a call to the disk hold
// up the end: on a dead one such a call never returns.
const diskPatience = time.Second

// release lets go of what New made.
func (e *Engine) release() {
	for _, ln := range e.listeners {
		_ = ln.close()
	}
	if left := e.plane.Close(diskPatience); left > 0 {
		e.log.Warn("left behind: the disk does not answer", slog.Int("transfers", left))
	}
	_ = e.workers.ReleaseTimeout(diskPatience)
}

// maxLag is how long ago the last tick may be of a server that is alive.
const maxLag = 5 * tickEvery

// Alive returns nil while the clock of the control connections ticks, and with
// it every time limit. It is false before Serve and after Shutdown.
func (e *Engine) Alive() error {
	if lag := time.Since(e.clock.start) - e.now(); lag > maxLag {
		return fmt.Errorf("the last tick was %v ago", lag.Round(time.Millisecond))
	}
	return nil
}

// The reasons for which a server takes no new client.
var (
	errDraining = errors.New("draining")
	errFull     = errors.New("max_sessions is reached")
)

// Ready returns nil when a new client would be taken: not while the server goes
// down, and not while it is full, so that a balancer sends clients elsewhere.
func (e *Engine) Ready() error {
	switch {
	case e.draining.Load():
		return errDraining
	case e.admission.full():
		return errFull
	}
	return nil
}

// Sessions is the number of control connections.
func (e *Engine) Sessions() int { return e.conns.len() }

// refuse decides on a connection that was just accepted, before anything is
// made for it. A refused client of a listener that starts in clear is told so;
// under implicit TLS nothing can be said ([MS-FTPS] section 3.2.5.1).
func (e *Engine) refuse(ln *listener, addr netip.Addr, say func([]byte)) bool {
	why := e.admit(addr)
	if why == admitted {
		return false
	}
	e.rejected(why)
	e.log.Info("connection refused", slog.String("ip", addr.String()), slog.String("reason", refusals[why].name))
	if ln.Mode != session.Implicit {
		say([]byte("421 Too many connections, try again later\r\n"))
	}
	return true
}

func (e *Engine) admit(addr netip.Addr) refusal {
	switch {
	case e.draining.Load():
		return refusedDraining
	case e.banned(addr):
		return refusedBanned
	}
	return e.admission.enter(addr, e.wall())
}

func (e *Engine) banned(addr netip.Addr) bool {
	f := e.live.Load().Banned
	return f != nil && f(addr)
}

// left is called once for each connection that has ended.
func (e *Engine) left(c *conn) {
	e.conns.remove(c)
	e.admission.leave(c.remote.Addr(), e.wall())
}

// now is the time since the engine's start, of the coarse clock.
func (e *Engine) now() time.Duration { return e.clock.now() }

// wall is the same as a point in time.
func (e *Engine) wall() time.Time { return e.clock.wall() }

// rotateTickets draws new ticket keys when the old ones are due.
func (e *Engine) rotateTickets(t time.Time) {
	if e.conf.Identity != nil && e.conf.Identity.Rotate(t) {
		e.log.Info("ticket keys rotated")
	}
}

// plain lends the buffer that a control record is decrypted into.
var plain = bufpool.Plain16
