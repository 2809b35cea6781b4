package main

import (
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
	cfg      *config.Config
	log      *logger
	metrics  *metrics.Server
	identity *tlsconn.Identity // nil when every listener is plain
	pool     *auth.Pool
	users    *auth.Users // nil for a share
	slowdown *auth.Slowdown
	engine   *engine.Engine
	http     *http.Server // nil when metrics.addr is empty
}

// serve runs the server until SIGTERM or SIGINT, then drains it. SIGHUP reads
// the users file and the certificates again and reopens the log; sessions that
// stand are not touched.
func serve(ctx context.Context, cfg *config.Config, o serveOptions) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	limitMemory()
	s, err := newServer(cfg, o)
	if err != nil {
		return err
	}
	defer s.close()
	served := make(chan error, 1)
	go func() { served <- s.engine.Serve() }()
	s.announce(o)
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
	s := &server{cfg: cfg, metrics: metrics.NewServer(version().Version, version().Revision, runtime.Version())}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.log, err = newLogger(cfg.Log, o.errOut, o.out); err != nil {
		return nil, err
	}
	if s.identity, err = newIdentity(cfg); err != nil {
		return nil, err
	}
	if s.pool, err = auth.NewPool(auth.PoolOptions{Workers: cfg.Limits.HashWorkers, Queue: cfg.Limits.HashQueue, Wait: cfg.Limits.HashWait}); err != nil {
		return nil, err
	}
	authenticator, err := s.authenticator(o.share)
	if err != nil {
		return nil, err
	}
	s.slowdown = newSlowdown(&cfg.Auth)
	if s.engine, err = engine.New(s.engineConfig(authenticator)); err != nil {
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
	a := &s.cfg.Auth
	users, err := auth.OpenUsers(a.Users, auth.UsersOptions{
		Pool: s.pool, Root: s.cfg.Storage.Root, CacheTTL: a.CredentialCache, CacheEntries: a.CredentialEntries,
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

// newSlowdown returns nil when failed logins shall not slow down the next.
func newSlowdown(a *config.Auth) *auth.Slowdown {
	if a.FailureDelay == 0 && a.BanAfter == 0 {
		return nil
	}
	return auth.NewSlowdown(auth.SlowdownOptions{
		First: a.FailureDelay, Max: a.FailureDelayMax, Decay: a.FailureDecay, Entries: a.FailureEntries,
		BanAfter: a.BanAfter, BanWindow: a.BanWindow, BanTime: a.BanTime,
	})
}

func (s *server) engineConfig(authenticator auth.Authenticator) engine.Config {
	l := &s.cfg.Limits
	conf := engine.Config{
		Session: s.sessionConfig(authenticator), Data: s.dataConfig(), Identity: s.identity,
		Reuse: reuseOf(s.cfg.TLS.DataReuse), Log: s.log.Logger, Metrics: s.metrics, Advertise: s.advertise,
		MaxSessions: s.maxSessions(), MaxSessionsPerIP: l.MaxSessionsPerIP, AcceptRatePerIP: l.AcceptRatePerIP,
		MaxHandshakes: l.MaxHandshakes, MaxPendingInput: int(l.MaxPendingInput), FSWorkers: l.FSWorkers,
		LoginWorkers: l.HashQueue, CPUWorkers: l.CPUWorkers, HandshakeTimeout: l.HandshakeTimeout,
		LoginTimeout: l.LoginTimeout, IdleTimeout: l.IdleTimeout, WriteTimeout: l.WriteTimeout,
	}
	if s.slowdown != nil {
		conf.Banned = s.slowdown.Banned
	}
	for _, ln := range s.cfg.Listen {
		conf.Listen = append(conf.Listen, engine.Listen{Addr: ln.Addr, Mode: modeOf(ln.Mode), RequireTLS: ln.RequireTLS})
	}
	return conf
}

func (s *server) sessionConfig(authenticator auth.Authenticator) session.Config {
	l, t, st := &s.cfg.Limits, &s.cfg.TLS, &s.cfg.Storage
	conf := session.Config{
		RequireProt: t.ProtC == "deny", CCC: t.CCC, LenientPBSZ: t.LenientPBSZ, ModeZ: st.ModeZ, HideDot: st.HideDotfiles,
		Greeting: "fastftps ready", Version: version().Version, Auth: authenticator, OpenFS: openHome,
		Now: time.Now, Umask: st.Umask, Durable: st.Durability == "fsync", UploadClose: closeRuleOf(t.UploadClose),
		MaxUpload: l.MaxUpload, MaxIdle: l.MaxIdle, IdleTimeout: l.IdleTimeout, MaxAttempts: l.MaxLoginAttempts,
		MaxBadCommands: l.MaxBadCommands, MaxPendingCommands: l.MaxPendingCommands, MaxPendingBytes: int(l.MaxPendingInput),
		MaxGlob: l.MaxGlob, MaxTextSize: l.MaxTextSize, MaxDigest: l.MaxDigest,
	}
	if s.slowdown != nil {
		conf.FailureDelay, conf.LoginOK = s.failed, s.slowdown.Succeeded
	}
	return conf
}

// failed counts a failed login and returns its delay, 0 when failures are only
// counted for bans.
func (s *server) failed(addr netip.Addr, user string) time.Duration {
	delay := s.slowdown.Failed(addr, user)
	if s.cfg.Auth.FailureDelay == 0 {
		return 0
	}
	return delay
}

func (s *server) dataConfig() dataplane.Config {
	l, p := &s.cfg.Limits, &s.cfg.Passive
	conf := dataplane.Config{
		PortLow: p.Ports.Low, PortHigh: p.Ports.High, MaxTransfers: l.MaxTransfers, Budget: l.MemoryBudget(),
		ConnectWait: p.ConnectTimeout, DialTimeout: s.cfg.Active.ConnectTimeout, TLSTimeout: l.DataHandshakeTimeout,
		Stall: l.StallTimeout, LeaseTTL: l.LeaseTimeout, Engine: engineOf(s.cfg.TLS.Engine),
	}
	if s.cfg.Active.Source989 {
		conf.SourcePort = 989
	}
	return conf
}

// openHome opens the jail of a user. The host's path never leaves the server.
func openHome(_ context.Context, u *auth.User) (storage.FS, error) {
	return osfs.New(u.Home, osfs.Options{})
}

// advertise returns the address for 227.
func (s *server) advertise(remote, local netip.Addr) netip.Addr {
	if to := s.cfg.Passive.Advertise.For(remote); to.IsValid() {
		return to
	}
	return local
}

// maxSessions is limits.max_sessions, or less when there are not three
// descriptors for each: a control connection, a data connection and a file.
func (s *server) maxSessions() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return s.cfg.Limits.MaxSessions
	}
	fit := int(min(r.Cur, 1<<30) / 3)
	if fit < s.cfg.Limits.MaxSessions {
		s.log.Warn("fewer sessions than configured: the descriptor limit is low", "max_sessions", fit, "nofile", r.Cur)
	}
	return max(1, min(fit, s.cfg.Limits.MaxSessions))
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
	if s.cfg.Metrics.Addr == "" {
		return nil
	}
	ln, err := net.Listen("tcp", s.cfg.Metrics.Addr)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	up := func() error { return nil }
	handler := s.metrics.Handler(up, up)
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.metrics.HashQueue.Set(int64(s.pool.Waiting()))
			handler.ServeHTTP(w, r)
		}),
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
		s.log.Info("listening", "addr", a.String(), "mode", s.cfg.Listen[i].Mode)
	}
	if o.share == nil {
		return
	}
	fingerprint := "none"
	if s.identity != nil {
		fingerprint = s.identity.Fingerprint()
	}
	o.share.banner(o.out, s.cfg, addrs, fingerprint)
}

// reload takes what changed in files. What is broken keeps its old state.
func (s *server) reload() {
	errs := []error{s.log.reopen()}
	if s.users != nil {
		errs = append(errs, s.users.Reload())
	}
	if s.identity != nil {
		errs = append(errs, s.identity.Reload())
	}
	if err := errors.Join(errs...); err != nil {
		s.metrics.Reloads[metrics.ReloadFailed].Inc()
		s.log.Error("reload failed, the old state stays", "err", err)
		return
	}
	s.noteExpiry()
	s.metrics.Reloads[metrics.ReloadOK].Inc()
	s.log.Info("reloaded")
}

func (s *server) noteExpiry() {
	if s.identity != nil {
		s.metrics.CertExpiry.Set(s.identity.Expires().Unix())
	}
}

// drain lets transfers end for limits.drain_timeout.
func (s *server) drain(served <-chan error) error {
	s.log.Info("draining", "sessions", s.engine.Sessions())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Limits.DrainTimeout)
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
