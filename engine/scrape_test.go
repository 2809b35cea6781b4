package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
	"fastftps/metrics"
	"fastftps/session"
)

// series is one scrape: values by name with labels, as written.
type series map[string]float64

// scrapePage reads the metrics as Prometheus does.
func (s *server) scrapePage() series {
	s.t.Helper()
	up := func() error { return nil }
	w := httptest.NewRecorder()
	s.metrics.Handler(up, up).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	page := series{}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == "#" {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.t.Fatalf("line %q: %v", lines.Text(), err)
		}
		page[strings.TrimPrefix(name, "fastftps_")] = v
	}
	return page
}

// grew checks that series have grown by so much since before; -1 stands for
// any growth.
func (s *server) grew(before series, by map[string]float64) {
	s.t.Helper()
	now := s.scrapePage()
	for name, want := range by {
		v, ok := now[name]
		switch got := v - before[name]; {
		case !ok:
			s.t.Errorf("no series %s", name)
		case want == -1 && got <= 0, want >= 0 && got != want:
			s.t.Errorf("%s grew by %v, want %v", name, got, want)
		}
	}
}

// awaitSeries waits until a gauge has a value.
func (s *server) awaitSeries(t *testing.T, name string, want float64) {
	t.Helper()
	await(t, name+" is "+strconv.Itoa(int(want)), func() bool { return s.scrapePage()[name] == want })
}

// TestEverySeriesMoves drives a server and looks at its metrics: each series
// that a client can move does.
func TestEverySeriesMoves(t *testing.T) {
	eachReactor(t, func(c *Config) { c.Data.Stall, c.LingerTimeout = time.Hour, time.Millisecond }, func(t *testing.T, s *server) {
		s.t = t
		want := s.secretFile()
		size := float64(len(want))
		t.Run("logins and transfers", func(t *testing.T) {
			s.t = t
			before := s.scrapePage()
			for _, mode := range []session.Mode{session.Explicit, session.Implicit, session.Plain} {
				c := s.login(mode, nil)
				s.exchange(c, want)
				if mode == session.Explicit {
					if err := c.Protect("C"); err != nil {
						t.Fatal(err)
					}
					s.exchange(c, want)
				}
			}
			full := s.login(session.Implicit, func(o *ftpclient.Options) { o.NoResume = true })
			s.exchange(full, want)
			s.awaitSeries(t, `sessions{state="idle"}`, 4)
			s.grew(before, map[string]float64{
				`connections_total{mode="explicit"}`:                                    1,
				`connections_total{mode="implicit"}`:                                    2,
				`connections_total{mode="plain"}`:                                       1,
				`logins_total{result="ok"}`:                                             4,
				`login_hash_seconds_count`:                                              4,
				`commands_total{verb="RETR",class="2xx"}`:                               5,
				`transfers_total{dir="download",prot="P",result="ok"}`:                  3,
				`transfers_total{dir="upload",prot="P",result="ok"}`:                    3,
				`transfers_total{dir="list",prot="P",result="ok"}`:                      3,
				`transfers_total{dir="download",prot="C",result="ok"}`:                  2,
				`transfers_total{dir="upload",prot="C",result="ok"}`:                    2,
				`transfers_total{dir="list",prot="C",result="ok"}`:                      2,
				`transfer_bytes_total{dir="download",prot="P"}`:                         3 * size,
				`transfer_bytes_total{dir="upload",prot="P"}`:                           3 * size,
				`transfer_bytes_total{dir="list",prot="P"}`:                             -1,
				`transfer_bytes_total{dir="download",prot="C"}`:                         2 * size,
				`transfer_bytes_total{dir="upload",prot="C"}`:                           2 * size,
				`transfer_bytes_total{dir="list",prot="C"}`:                             -1,
				`transfer_seconds_count{dir="download"}`:                                5,
				`ttfb_seconds_count{dir="upload"}`:                                      5,
				`tls_handshakes_total{channel="control",version="1.3",resumed="false"}`: 3,
				`tls_handshakes_total{channel="data",version="1.3",resumed="true"}`:     6,
				`tls_handshakes_total{channel="data",version="1.3",resumed="false"}`:    3,
				`tls_handshake_seconds_count{channel="control"}`:                        3,
				`tls_handshake_seconds_count{channel="data"}`:                           9,
				`tls_reuse_missing_total`:                                               3,
			})
		})
		t.Run("while bytes move", func(t *testing.T) { s.t = t; s.watchTransfer(t) })
		t.Run("passive", func(t *testing.T) { s.t = t; s.watchPassive(t) })
		t.Run("handshakes", func(t *testing.T) { s.t = t; s.watchHandshakes(t) })
		t.Run("refused", func(t *testing.T) { s.t = t; s.watchRefused(t) })
	})
}

// exchange uploads, downloads and lists.
func (s *server) exchange(c *ftpclient.Client, data []byte) {
	s.t.Helper()
	if _, err := c.Stor("up.txt", 0, bytes.NewReader(data)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Retr("secret.txt", 0, io.Discard); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.List(""); err != nil {
		s.t.Fatal(err)
	}
}

// watchTransfer: bytes are counted and buffers are held while a transfer runs.
func (s *server) watchTransfer(t *testing.T) {
	if err := os.WriteFile(filepath.Join(s.root, "big"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, prot := range map[session.Mode]string{session.Implicit: "P", session.Plain: "C"} {
		s.awaitSeries(t, "transfers_running", 0)
		before := s.scrapePage()
		c := s.login(mode, nil)
		data, err := c.Begin("RETR big", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, data, 1<<20); err != nil {
			t.Fatal(err)
		}
		s.settle()
		moved := `transfer_bytes_total{dir="download",prot="` + prot + `"}`
		await(t, "what the client has read is counted", func() bool { return s.scrapePage()[moved] > before[moved] })
		s.grew(before, map[string]float64{`transfers_running`: 1, `sessions{state="transfer"}`: 1, moved: -1})
		if held := s.scrapePage()["buffers_bytes"]; (held > 0) != (prot == "P") {
			t.Errorf("PROT %s: %v bytes of buffers are held", prot, held)
		}
		data.Close()
		c.Close()
	}
	s.awaitSeries(t, "transfers_running", 0)
	s.awaitSeries(t, "buffers_bytes", 0)
	s.awaitSeries(t, `sessions{state="transfer"}`, 0)
}

// watchPassive: an endpoint, a stranger on it, and its end unused.
func (s *server) watchPassive(t *testing.T) {
	before := s.scrapePage()
	c := s.login(session.Plain, nil)
	addr, err := c.Passive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(dialFrom(t, local(9), addr)); err != nil {
		t.Fatal(err)
	}
	s.grew(before, map[string]float64{`passive_pending`: 1, `passive_strangers_total`: 1})
	s.plane.Sweep(time.Now().Add(time.Hour))
	s.grew(before, map[string]float64{`passive_pending`: 0, `limits_hit_total{limit="lease_timeout"}`: 1})
	if _, err := c.Passive(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do("RETR secret.txt", 150); err != nil {
		t.Fatal(err)
	}
	s.plane.Sweep(time.Now().Add(time.Minute))
	if _, err := c.Complete(); code(err) != 425 {
		t.Errorf("nobody connects: got %v, want 425", err)
	}
	s.grew(before, map[string]float64{
		`limits_hit_total{limit="data_connect_timeout"}`:                  1,
		`transfers_total{dir="download",prot="C",result="no_connection"}`: 1,
	})
}

// watchHandshakes: one under way, and each way for one to fail.
func (s *server) watchHandshakes(t *testing.T) {
	before := s.scrapePage()
	raw := dialFrom(t, local(1), s.Addrs()[session.Implicit])
	if _, err := raw.Write(fullHello); err != nil {
		t.Fatal(err)
	}
	s.awaitSeries(t, "tls_handshakes_running", 1)
	raw.Close()
	s.awaitSeries(t, "tls_handshakes_running", 0)
	for _, conf := range []*tls.Config{
		{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10},
		{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		{InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		{ServerName: "nobody.invalid"}, // does not trust our certificate
	} {
		raw := dialFrom(t, local(1), s.Addrs()[session.Implicit])
		if tls.Client(raw, conf).Handshake() == nil {
			t.Errorf("%+v: the handshake succeeds", conf)
		}
		_, _ = io.Copy(io.Discard, raw) // until the server has read the alert and closes
	}
	clear := dialFrom(t, local(1), s.Addrs()[session.Implicit])
	if _, err := clear.Write([]byte("USER demo\r\n")); err != nil {
		t.Fatal(err)
	}
	await(t, "all have failed", func() bool { return s.scrapePage()[`tls_handshake_errors_total{reason="not_tls"}`] > 0 })
	s.awaitSeries(t, `sessions{state="prelogin"}`, 0)
	s.grew(before, map[string]float64{
		`tls_handshake_errors_total{reason="not_tls"}`:        1,
		`tls_handshake_errors_total{reason="version"}`:        1,
		`tls_handshake_errors_total{reason="cipher"}`:         1,
		`tls_handshake_errors_total{reason="alpn"}`:           1,
		`tls_handshake_errors_total{reason="certificate"}`:    1,
		`tls_handshake_errors_total{reason="other"}`:          0,
		`connections_rejected_total{reason="wrong_protocol"}`: 1,
	})
}

// watchRefused: clients that get no session, or lose it.
func (s *server) watchRefused(t *testing.T) {
	before := s.scrapePage()
	c := s.dial(session.Plain, nil)
	for _, want := range []int{530, 530, 421} {
		if err := c.Login("demo", "wrong"); code(err) != want {
			t.Errorf("wrong password: got %v, want %d", err, want)
		}
	}
	for _, cut := range []struct {
		mode session.Mode
		text string
	}{
		{session.Plain, "GET / HTTP/1.1\r\n\r\n"},
		{session.Explicit, string(hello)},
		{session.Explicit, "AUTH TLS\r\nUSER demo\r\n"},
	} {
		raw := dialFrom(t, local(1), s.Addrs()[cut.mode])
		if _, err := io.WriteString(raw, cut.text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(raw); err != nil && !isReset(err) {
			t.Errorf("%q: %v", cut.text, err)
		}
	}
	s.grew(before, map[string]float64{
		`logins_total{result="denied"}`:                       3,
		`limits_hit_total{limit="max_login_attempts"}`:        1,
		`connections_rejected_total{reason="wrong_protocol"}`: 2,
		`connections_rejected_total{reason="injection"}`:      1,
	})
}

// isReset: a connection that is closed with input unread is reset.
func isReset(err error) bool { return strings.Contains(err.Error(), "reset by peer") }

// fullHello is a whole ClientHello record.
var fullHello = clientHello()

// clientHello is what a client of crypto/tls sends first.
func clientHello() []byte {
	a, b := net.Pipe()
	defer a.Close()
	go func() { _ = tls.Client(b, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	defer b.Close()
	buf := make([]byte, 4096)
	n, err := a.Read(buf)
	if err != nil {
		panic(err)
	}
	return buf[:n]
}

// TestBusyLogins: what the hash queue refuses counts under the limit that it
// met.
func TestBusyLogins(t *testing.T) {
	for err, limit := range map[error]metrics.Limit{auth.ErrBusy: metrics.LimitHashQueue, auth.ErrLate: metrics.LimitHashWait} {
		s := start(t, func(c *Config) { c.Session.Auth = refuser{err} })
		if err := s.dial(session.Plain, nil).Login("demo", "secret"); code(err) != 421 {
			t.Errorf("got %v, want 421", err)
		}
		if n := s.metrics.Limits[limit].Load(); n != 1 {
			t.Errorf("%v: %v counts %d", err, limit, n)
		}
	}
}

// refuser answers every login with an error.
type refuser struct{ err error }

// Authenticate implements auth.Authenticator.
func (r refuser) Authenticate(context.Context, string, string) (*auth.User, error) {
	return nil, r.err
}
