package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/bench/report"
	"fastftps/dataplane"
	"fastftps/engine"
	"fastftps/metrics"
	proto "fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/tlsconn"
)

// startEngine starts our own server and returns the URLs of its listeners.
func startEngine(t *testing.T) (explicit, implicit, plain string) {
	t.Helper()
	root := t.TempDir()
	id, err := tlsconn.NewIdentity(tlsconn.Options{SelfSigned: filepath.Join(t.TempDir(), "cert.pem")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{
		Listen: []engine.Listen{
			{Addr: "127.0.0.1:0", Mode: proto.Explicit, RequireTLS: true},
			{Addr: "127.0.0.1:0", Mode: proto.Implicit},
			{Addr: "127.0.0.1:0", Mode: proto.Plain},
		},
		Session: proto.Config{
			Greeting: "fastftps ready", Auth: auth.Single("u", "p", root, auth.ReadWrite),
			OpenFS: func(_ context.Context, u *auth.User) (storage.FS, error) { return osfs.New(u.Home, osfs.Options{}) },
			ModeZ:  true, MaxAttempts: 3, MaxBadCommands: 10, MaxPendingCommands: 64, MaxPendingBytes: 16 << 10, MaxGlob: 10000,
			MaxIdle: time.Hour, IdleTimeout: 5 * time.Minute,
		},
		Data: dataplane.Config{}, Identity: id, Metrics: metrics.NewServer("test", "", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	addr := func(m proto.Mode) string { return "u:p@" + e.Addrs()[m].String() }
	return "ftpes://" + addr(proto.Explicit), "ftps://" + addr(proto.Implicit), "ftp://" + addr(proto.Plain)
}

// TestProtocols: every way to move data against a real server, each checked whole.
func TestProtocols(t *testing.T) {
	explicit, implicit, plain := startEngine(t)
	for _, test := range []struct {
		name, target string
		change       func(*Config)
		check        func(report.TLS) bool
	}{
		{"clear", plain, func(*Config) {}, func(s report.TLS) bool { return s.ControlFull == 0 && s.DataFull == 0 }},
		{"explicit", explicit, func(*Config) {}, func(s report.TLS) bool { return s.DataResumed > 0 && s.DataFull == 0 && s.Versions["TLS 1.3"] > 0 }},
		{"implicit, 1.2", implicit, func(c *Config) { c.TLSVersion = 0x0303 }, func(s report.TLS) bool { return s.DataResumed > 0 && s.Versions["TLS 1.3"] == 0 }},
		{"PROT C", implicit, func(c *Config) { c.Clear = true }, func(s report.TLS) bool { return s.DataResumed+s.DataFull == 0 }},
		{"MODE Z", explicit, func(c *Config) { c.Deflate = true }, nil},
		{"PASV", explicit, func(c *Config) { c.Endpoint = PASV }, nil},
		{"active", implicit, func(c *Config) { c.Endpoint = EPRT }, nil},
		{"never resumed", implicit, func(c *Config) { c.ResumeData, c.Relogin = ResumeNever, 2 }, func(s report.TLS) bool { return s.DataFull > 0 && s.DataResumed == 0 && s.ControlResumed == 0 }},
		{"control resumed", implicit, func(c *Config) { c.ResumeControl, c.Relogin = ResumeAlways, 2 }, func(s report.TLS) bool { return s.ControlResumed > 0 && s.DataResumed > 0 }},
		{"other sources", plain, func(c *Config) { p, _ := ParseSource("127.7.0.0/16"); c.Sources = Sources{p} }, nil},
		{"post-quantum", implicit, func(c *Config) { c.PostQuantum = true }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, "mixed", test.target)
			c.Verify, c.Sizes = VerifyFull, Sizes{Median: 40 << 10, Sigma: 1}
			test.change(&c)
			target := measureUntil(t, c, func(r *report.Report) bool {
				return did("retr", "stor")(r) && (test.check == nil || test.check(r.Targets[0].TLS))
			}).Targets[0]
			for _, o := range target.Ops {
				if o.N != o.OK {
					t.Errorf("%s: %d of %d ended well; errors %+v", o.Name, o.OK, o.N, target.Errors)
				}
			}
		})
	}
}

// TestAborts: ABOR in the middle of downloads is answered as it should be.
func TestAborts(t *testing.T) {
	_, implicit, _ := startEngine(t)
	c := config(t, "retr", implicit)
	c.Scenario.abort, c.Sizes = chance{of: 0.5, after: time.Millisecond}, Sizes{Median: 16 << 20}
	c.Files = 1
	target := measureUntil(t, c, did("abort")).Targets[0]
	if o := opOf(t, target, "abort"); o.OK == 0 || o.OK != o.N || len(target.Errors) > 0 {
		t.Errorf("got %+v, errors %+v", o, target.Errors)
	}
}
