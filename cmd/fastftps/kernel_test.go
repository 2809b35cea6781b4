package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"fastftps/config"
	"fastftps/internal/ftpclient"
	"fastftps/tlsconn/ktls"
)

// Whether tls.ktls = "on" is a fault is up to the kernel; what "off" and a server
// without keys mean is not.
func TestKTLS(t *testing.T) {
	no := ktls.Probe()
	for _, tt := range []struct {
		set   []string
		uses  bool
		fault bool
	}{
		{[]string{"tls.ktls=auto"}, no == nil, false},
		{[]string{"tls.ktls=on"}, no == nil, no != nil},
		{[]string{"tls.ktls=off"}, false, false},
		{[]string{"tls.ktls=auto", "tls.engine=std"}, false, false},
		{[]string{"tls.ktls=auto", "listen=plain://:2"}, false, false},
		{[]string{"tls.ktls=on", "listen=plain://:2"}, false, true},
	} {
		t.Run(strings.Join(tt.set, " "), func(t *testing.T) {
			var in config.Input
			for _, s := range tt.set {
				key, value, _ := strings.Cut(s, "=")
				in.Preset = append(in.Preset, config.Setting{Key: key, Value: value, From: "t"})
			}
			cfg, err := config.Load(in)
			if err != nil {
				t.Fatal(err)
			}
			why := kernelTLS(cfg)
			err = kernelFault(cfg, why)
			if (why == nil) != tt.uses || (err != nil) != tt.fault {
				t.Errorf("got %v, fault %v", why, err)
			}
			var usage usageError
			if err != nil && !errors.As(err, &usage) {
				t.Errorf("%v is no fault of the configuration", err)
			}
		})
	}
}

// quickHash is of sitePassword; argon2id would take a minute where TestKernelServer runs.
const quickHash = "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"

// TestKernelServer: the server as it is run seals downloads by the kernel, explicit
// and implicit, and log and metrics say so.
func TestKernelServer(t *testing.T) {
	if err := ktls.Probe(); err != nil {
		if os.Getenv("KTLS") == "required" {
			t.Fatal(err)
		}
		t.Skip("make ktls runs this: ", err)
	}
	s := newSiteOf(t, quickHash)
	explicit := freeAddr(t)
	s.configure("[[listen]]\naddr = \"" + explicit + "\"\nmode = \"explicit\"\n[tls]\nktls = \"on\"")
	p := s.start()
	if !strings.Contains(p.log.String(), "kernel TLS seals downloads") {
		t.Errorf("the log does not tell:\n%s", p.log)
	}
	body := make([]byte, 3<<20+17)
	rand.NewChaCha8([32]byte{1}).Read(body)
	for _, to := range []struct {
		addr     string
		security ftpclient.Security
	}{{p.addr, ftpclient.Implicit}, {explicit, ftpclient.Explicit}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c, err := ftpclient.Dial(context.Background(), to.addr, ftpclient.Options{
				Security: to.security, TLS: &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}, Timeout: 30 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := errors.Join(c.Login(siteUser, sitePassword), c.Protect("P"), c.Type("I")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Stor("file", 0, bytes.NewReader(body)); err != nil {
				t.Fatal(err)
			}
			for _, restart := range []int64{0, 1<<20 + 5} {
				h := sha256.New()
				if _, err := c.Retr("file", restart, h); err != nil || [32]byte(h.Sum(nil)) != sha256.Sum256(body[restart:]) {
					t.Errorf("%s from %d: %v, or other bytes", tls.VersionName(version), restart, err)
				}
			}
			if _, err := c.List(""); err != nil {
				t.Error(err)
			}
			if _, err := c.Retr("file", int64(len(body)-100), io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
	for series, want := range map[string]string{
		`tls_data_engine_total{engine="kernel"}`: "8", `tls_data_engine_total{engine="fast"}`: "12", `tls_kernel_refused_total`: "0",
	} {
		if got := s.metric(series); got != want {
			t.Errorf("%s: got %s, want %s", series, got, want)
		}
	}
	if n := strings.Count(p.log.String(), "engine=kernel"); n != 8 {
		t.Errorf("got %d lines of the log with engine=kernel, want 8\n%s", n, p.log)
	}
}
