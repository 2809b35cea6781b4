package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fastftps/auth"
	"fastftps/config"
	"fastftps/dataplane"
	"fastftps/engine"
	"fastftps/metrics"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/tlsconn"
)

// server is what serve runs: an engine and what it is made of.
type server struct {
	cfg      atomic.Pointer[config.Config]  // in force
	started  *config.Config                 // as it was at the start
	load     func() (*config.Config, error) // reads it again; nil in tests
	auth     auth.Authenticator
	log      *logger
	metrics  *metrics.Server
	identity *tlsconn.Identity // nil when every listener is plain
	pool     *auth.Pool
	users    *auth.Users // nil for a share
	slowdown *auth.Slowdown
	roots    *osfs.Roots
	kernel   bool // downloads under TLS are sealed by the kernel
	engine   *engine.Engine
	http     *http.Server // nil when metrics.addr is empty
}

// serve runs the server until SIGTERM or SIGINT, then drains it. SIGHUP reads
// configuration, users and certificates again and reopens the log; sessions
// that stand are not touched.
func serve(ctx context.Context, cfg *config.Config, o serveOptions) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	limitMemory()
	// storage.umask alone decides the modes of what users store: the shell's
	// umask could only take more. All that the server makes for itself names its
	// mode: state folder and certificate are its own, its group may read the log.
	syscall.Umask(0)
	s, err := newServer(cfg, o)
	if err != nil {
		return err
	}
	defer s.close()
	served := make(chan error, 1)
	go func() { served <- s.engine.Serve() }()
	s.announce(o)
	defer s.sweep(ctx, s.homes(o))()
	for {
		select {
		case err := <-served:
			return err
		case <-hup:
			s.reload()
		case <-ctx.Done():
			stop() // a second signal ends the program at once
			return s.drain(served)
		}
	}
}

// newServer builds everything and binds the listeners.
func newServer(cfg *config.Config, o serveOptions) (_ *server, err error) {
	s := &server{roots: osfs.NewRoots(osfs.Options{}), started: cfg, load: o.load, metrics: metrics.NewServer(version().Version, version().Revision, runtime.Version())}
	s.cfg.Store(cfg)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.log, err = newLogger(cfg.Log, o.errOut, o.out, &s.metrics.LogErrors); err != nil {
		return nil, err
	}
	if s.identity, err = newIdentity(cfg); err != nil {
		return nil, err
	}
	if err = s.probeKernel(cfg); err != nil {
		return nil, err
	}
	if s.pool, err = auth.NewPool(auth.PoolOptions{Workers: cfg.Limits.HashWorkers, Queue: cfg.Limits.HashQueue, Wait: cfg.Limits.HashWait}); err != nil {
		return nil, err
	}
	if s.auth, err = s.authenticator(o.share); err != nil {
		return nil, err
	}
	s.slowdown = auth.NewSlowdown(slowdownOptions(&cfg.Auth))
	if s.engine, err = engine.New(s.engineConfig()); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	s.noteExpiry()
	return s, s.serveMetrics()
}

func newIdentity(cfg *config.Config) (*tlsconn.Identity, error) {
	if !wantsTLS(cfg) {
		return nil, nil
	}
	o := tlsconn.Options{MinVersion: tlsVersion(cfg.TLS.Min), MaxVersion: tlsVersion(cfg.TLS.Max)}
	for i := range cfg.TLS.Cert {
		o.Pairs = append(o.Pairs, tlsconn.Pair{Cert: cfg.TLS.Cert[i], Key: cfg.TLS.Key[i]})
	}
	if len(o.Pairs) == 0 {
		o.SelfSigned = selfSignedFile(cfg)
		if err := os.MkdirAll(filepath.Dir(o.SelfSigned), 0o700); err != nil {
			return nil, fmt.Errorf("state folder: %w", err)
		}
	}
	return tlsconn.NewIdentity(o)
}

func wantsTLS(cfg *config.Config) bool {
	for _, l := range cfg.Listen {
		if modeOf(l.Mode) != session.Plain {
			return true
		}
	}
	return false
}

func tlsVersion(s string) uint16 {
	if s == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

func (s *server) authenticator(sh *share) (auth.Authenticator, error) {
	if sh != nil {
		return auth.Single(sh.user, sh.password, sh.dir, sh.perms), nil
	}
	a := &s.started.Auth
	users, err := auth.OpenUsers(a.Users, auth.UsersOptions{
		Pool: s.pool, Root: s.started.Storage.Root, CacheTTL: a.CredentialCache, CacheEntries: a.CredentialEntries,
	})
	if err != nil {
		return nil, err
	}
	s.users = users
	if a.Anonymous != "" {
		return auth.Anonymous(a.Anonymous, users), nil
	}
	return users, nil
}

func slowdownOptions(a *config.Auth) auth.SlowdownOptions {
	return auth.SlowdownOptions{
		First: a.FailureDelay, Max: a.FailureDelayMax, Decay: a.FailureDecay, Entries: a.FailureEntries,
		BanAfter: a.BanAfter, BanWindow: a.BanWindow, BanTime: a.BanTime,
	}
}

// engineConfig makes the engine's configuration of the one in force.
func (s *server) engineConfig() engine.Config {
	cfg := s.cfg.Load()
	l := &cfg.Limits
	sessions, transfers := s.fit(l)
	conf := engine.Config{
		Session: s.sessionConfig(cfg), Data: s.dataConfig(cfg, transfers), Identity: s.identity,
		Reuse: reuseOf(cfg.TLS.DataReuse), Log: s.log.Logger, Metrics: s.metrics, Advertise: s.advertise, Banned: s.slowdown.Banned,
		MaxSessions: sessions, MaxSessionsPerIP: l.MaxSessionsPerIP, AcceptRatePerIP: l.AcceptRatePerIP,
		MaxHandshakes: l.MaxHandshakes, MaxPendingInput: int(l.MaxPendingInput), FSWorkers: l.FSWorkers, DigestWorkers: l.DigestWorkers,
		LoginWorkers: loginWorkers(l), CPUWorkers: l.CPUWorkers, HandshakeTimeout: l.HandshakeTimeout,
		LoginTimeout: l.LoginTimeout, IdleTimeout: l.IdleTimeout, WriteTimeout: l.WriteTimeout,
	}
	for _, ln := range cfg.Listen {
		conf.Listen = append(conf.Listen, engine.Listen{Addr: ln.Addr, Mode: modeOf(ln.Mode), RequireTLS: ln.RequireTLS})
	}
	return conf
}

// loginWorkers are more than the hash pool takes, so that the pool is what
// refuses a login too many, at once, and not a line in front of it.
func loginWorkers(l *config.Limits) int {
	const refusing = 8
	return l.HashQueue + cmp.Or(l.HashWorkers, runtime.GOMAXPROCS(0)) + refusing
}

func (s *server) sessionConfig(cfg *config.Config) session.Config {
	l, t, st := &cfg.Limits, &cfg.TLS, &cfg.Storage
	conf := session.Config{
		RequireProt: t.ProtC == "deny", CCC: t.CCC, LenientPBSZ: t.LenientPBSZ, ModeZ: st.ModeZ, HideDot: st.HideDotfiles,
		Greeting: "fastftps ready", Version: version().Version, Auth: s.auth, OpenFS: s.openHome,
		Now: time.Now, Umask: st.Umask, Durable: st.Durability == "fsync", UploadClose: closeRuleOf(t.UploadClose),
		MaxUpload: l.MaxUpload, MaxIdle: l.MaxIdle, IdleTimeout: l.IdleTimeout, MaxAttempts: l.MaxLoginAttempts,
		MaxBadCommands: l.MaxBadCommands, MaxPendingCommands: l.MaxPendingCommands, MaxPendingBytes: int(l.MaxPendingInput),
		MaxGlob: l.MaxGlob, MaxTextSize: l.MaxTextSize, MaxDigest: l.MaxDigest,
	}
	conf.LoginFailed, conf.LoginOK = s.slowdown.Failed, s.slowdown.Succeeded
	if cfg.Auth.FailureDelay > 0 { // else failures are only counted for bans
		conf.LoginTurn = s.slowdown.Turn
	}
	return conf
}

func (s *server) dataConfig(cfg *config.Config, transfers int) dataplane.Config {
	l, p := &cfg.Limits, &cfg.Passive
	conf := dataplane.Config{
		PortLow: p.Ports.Low, PortHigh: p.Ports.High, MaxTransfers: transfers, MaxEarly: l.MaxEarlyHandshakes, Budget: l.MemoryBudget(),
		ConnectWait: p.ConnectTimeout, DialTimeout: cfg.Active.ConnectTimeout, TLSTimeout: l.DataHandshakeTimeout,
		Stall: l.StallTimeout, LeaseTTL: l.LeaseTimeout, Engine: engineOf(cfg.TLS.Engine), KernelTLS: s.kernel,
	}
	if cfg.Active.Source989 {
		conf.SourcePort = 989
	}
	return conf
}

// openHome opens the jail of a user. The host's path never leaves the server.
func (s *server) openHome(_ context.Context, u *auth.User) (storage.FS, error) {
	return s.roots.Open(u.Home)
}

// advertise returns the address for 227.
func (s *server) advertise(remote, local netip.Addr) netip.Addr {
	if to := s.cfg.Load().Passive.Advertise.For(remote); to.IsValid() {
		return to
	}
	return local
}

// fit lowers limits.max_sessions and limits.max_transfers to what RLIMIT_NOFILE
// allows.
func (s *server) fit(l *config.Limits) (sessions, transfers int) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return l.MaxSessions, l.MaxTransfers
	}
	all := int(min(r.Cur, 1<<30))
	sessions, transfers = share4to1(all, l.MaxSessions, l.MaxTransfers)
	if sessions < l.MaxSessions || transfers < l.MaxTransfers {
		s.log.Warn("less than configured: the descriptor limit is low", "max_sessions", sessions, "max_transfers", transfers, "nofile", all)
	}
	return sessions, transfers
}

// share4to1 divides descriptors. A session holds one, and with its neighbours of
// the same home another; a transfer holds two, and five if it is an upload in
// clear: the data connection, the file, its folder, and the pipe of splice.
// Sessions get four fifths at most, so that those that wait leave some to
// those that work, and listeners, homes, logs and commands have a reserve.
func share4to1(all, sessions, transfers int) (int, int) {
	reserve := 32 + all/32
	sessions = max(1, min(sessions, all/5*4))
	return sessions, max(1, min(transfers, (all-sessions-reserve)/5))
}

func modeOf(s string) session.Mode {
	switch s {
	case "implicit":
		return session.Implicit
	case "plain":
		return session.Plain
	}
	return session.Explicit
}

func reuseOf(s string) tlsconn.Reuse {
	switch s {
	case "required":
		return tlsconn.ReuseRequired
	case "off":
		return tlsconn.ReuseOff
	}
	return tlsconn.ReuseBound
}

func engineOf(s string) tlsconn.Engine {
	if s == "std" {
		return tlsconn.EngineStd
	}
	return tlsconn.EngineFast
}

func closeRuleOf(s string) session.CloseRule {
	switch s {
	case "warn":
		return session.CloseWarn
	case "off":
		return session.CloseOff
	}
	return session.CloseStrict
}

// serveMetrics opens the HTTP listener, if there shall be one.
func (s *server) serveMetrics() error {
	addr := s.started.Metrics.Addr
	if addr == "" {
		return nil
	}
	ln, err := net.Listen(engine.Network(addr), addr)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	s.log.Info("metrics", "addr", ln.Addr().String())
	s.metrics.OnScrape(func() { s.metrics.HashQueue.Set(int64(s.pool.Waiting())) })
	s.http = &http.Server{
		Handler:           s.metrics.Handler(s.engine.Alive, s.engine.Ready),
		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	go func() {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics", "err", err)
		}
	}()
	return nil
}

// announce says where the server can be reached.
func (s *server) announce(o serveOptions) {
	var addrs []string
	for i, a := range s.engine.Addrs() {
		addrs = append(addrs, a.String())
		s.log.Info("listening", "addr", a.String(), "mode", s.started.Listen[i].Mode)
	}
	if o.share == nil {
		return
	}
	fingerprint := "none"
	if s.identity != nil {
		fingerprint = s.identity.Fingerprint()
	}
	o.share.banner(o.out, s.started, addrs, fingerprint)
}

// reload reads the configuration, the users and the certificates again and
// reopens the log. What is broken keeps its old state, each for itself.
func (s *server) reload() {
	errs := []error{s.log.reopen(), s.reconfigure()}
	if s.users != nil {
		errs = append(errs, s.users.Reload())
	}
	if s.identity != nil {
		errs = append(errs, s.identity.Reload())
	}
	failed := false
	for _, err := range errs {
		if err != nil {
			failed = true
			s.logReload(err)
		}
	}
	if failed {
		s.metrics.Reloads[metrics.ReloadFailed].Inc()
		return
	}
	s.noteExpiry()
	s.metrics.Reloads[metrics.ReloadOK].Inc()
	s.log.Info("reloaded")
}

// reconfigure takes the keys that can change, for sessions and decisions to
// come. Of the others it warns once a reload.
func (s *server) reconfigure() error {
	if s.load == nil {
		return nil
	}
	cfg, err := s.load()
	if err != nil {
		return err
	}
	if keys := s.started.NeedRestart(cfg); len(keys) > 0 {
		s.log.Warn("changed keys need a restart", "keys", strings.Join(keys, " "))
	}
	s.cfg.Store(cfg)
	s.slowdown.Configure(slowdownOptions(&cfg.Auth))
	return errors.Join(s.log.setLevel(cfg.Log.Level), s.engine.Reload(s.engineConfig()))
}

// logReload logs why a reload failed, a configuration fault each with its line
// and a caret below the place.
func (s *server) logReload(err error) {
	const msg = "reload failed, the old state stays"
	var faults config.Faults
	if !errors.As(err, &faults) {
		s.log.Error(msg, "err", err)
		return
	}
	for _, f := range faults {
		s.log.Error(msg, "key", f.Key, "at", f.Origin.String(), "err", f.Detail())
	}
}

func (s *server) noteExpiry() {
	if s.identity != nil {
		s.metrics.CertExpiry.Set(s.identity.Expires().Unix())
	}
}

// drain lets transfers end for limits.drain_timeout.
func (s *server) drain(served <-chan error) error {
	s.log.Info("draining", "sessions", s.engine.Sessions())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Load().Limits.DrainTimeout)
	defer cancel()
	err := s.engine.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("drained at the deadline", "err", err)
		err = nil
	}
	return errors.Join(err, <-served)
}

// close lets go of what newServer made, but for the engine, which drain ended.
func (s *server) close() {
	if s.http != nil {
		_ = s.http.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.log != nil {
		_ = s.log.close()
	}
}

// limitMemory lets the collector work harder before the cgroup's limit is met,
// unless GOMEMLIMIT says otherwise.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if n := config.MemoryLimit(); n > 0 {
		debug.SetMemoryLimit(n / 10 * 9)
	}
}
