package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/internal/ftpclient"
)

// site is the folder of a server: configuration, users, root.
type site struct {
	t    *testing.T
	dir  string
	http string // address of the metrics
}

// The user of a site.
const (
	siteUser     = "alice"
	sitePassword = "correct horse"
)

func newSite(t *testing.T) *site {
	t.Helper()
	hash, err := auth.HashPassword(sitePassword)
	if err != nil {
		t.Fatal(err)
	}
	return newSiteOf(t, hash)
}

// newSiteOf is newSite with another hash of the user's password.
func newSiteOf(t *testing.T, hash string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if err := os.Mkdir(s.path("root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := auth.AddUser(s.path("users.toml"), auth.Record{Name: siteUser, Password: hash, Perms: auth.ReadWrite}); err != nil {
		t.Fatal(err)
	}
	s.configure("")
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// configure writes the configuration, with more lines at its end.
func (s *site) configure(more string) {
	s.t.Helper()
	text := fmt.Sprintf(`version = 1
state_dir = %[1]q
auth.users = "%[1]s/users.toml"
storage.root = "%[1]s/root"
metrics.addr = "127.0.0.1:0"
passive.ports = "auto"
[[listen]]
addr = "127.0.0.1:0"
mode = "implicit"
[limits]
accept_rate_per_ip = 0
%[2]s
`, s.dir, more)
	if err := os.WriteFile(s.path("fastftps.toml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// metric reads a series, 0 when it is not there.
func (s *site) metric(name string) string {
	s.t.Helper()
	_, body := s.get("/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, "fastftps_"+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *site) get(path string) (status int, body string) {
	s.t.Helper()
	r, err := http.Get("http://" + s.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// watched is a buffer in which a test waits for text.
type watched struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// await waits for something that another process, or the server, brings about.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// process is a server in a process of its own.
type process struct {
	*site
	cmd  *exec.Cmd
	log  *watched
	addr string
}

// child makes the command of this program in a process of its own; the test
// binary is the server too, see testscript.Main.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "fastftps"
	return cmd
}

// start runs the server; it is ended with the test, and must end well.
func (s *site) start() *process {
	s.t.Helper()
	p := &process{site: s, cmd: child(s.t, "serve", "-c", s.path("fastftps.toml")), log: &watched{}}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil {
			s.t.Errorf("server: %v\n%s", err, p.log)
		}
	})
	await(s.t, "the server listens", func() bool { return listening.MatchString(p.log.String()) })
	p.addr = s.addresses(p.log.String())
	return p
}

var (
	listening = regexp.MustCompile(`msg=listening addr=(\S+)`)
	scraping  = regexp.MustCompile(`msg=metrics addr=(\S+)`)
)

// addresses reads from the log where the server is.
func (s *site) addresses(log string) (addr string) {
	s.http = scraping.FindStringSubmatch(log)[1]
	return listening.FindStringSubmatch(log)[1]
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Error(err)
	}
}

// login opens a session.
func login(addr string) (*ftpclient.Client, error) {
	c, err := ftpclient.Dial(context.Background(), addr, ftpclient.Options{
		Security: ftpclient.Implicit, TLS: &tls.Config{InsecureSkipVerify: true}, Timeout: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.Login(siteUser, sitePassword), c.Type("I"))
}

// TestReloadUnderLoad: 30 reloads in a row, while four clients log in and move
// files without a pause, harm none of them.
func TestReloadUnderLoad(t *testing.T) {
	s := newSite(t)
	p := s.start()
	old, err := login(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var failed [4]error
	var done [4]int
	for i := range failed {
		wg.Go(func() {
			for ctx.Err() == nil && failed[i] == nil {
				failed[i] = roundTrip(p.addr, fmt.Sprintf("file%d", i))
				done[i]++
			}
		})
	}
	reloads := func() int {
		var n int
		fmt.Sscan(s.metric(`config_reloads_total{result="ok"}`), &n)
		return n
	}
	for i := range 30 {
		s.configure(fmt.Sprintf("max_sessions = %d\nmax_upload = \"%dMiB\"\nstall_timeout = \"%ds\"", 100+i, 10+i, 60+i))
		p.signal(syscall.SIGHUP)
		await(t, "the reload", func() bool { return reloads() > i })
	}
	cancel()
	wg.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		t.Errorf("%v\n%s", err, p.log)
	}
	t.Logf("round trips: %v", done)
	if _, err := old.Do("NOOP", 200); err != nil {
		t.Errorf("the session from before: %v", err)
	}
}

// roundTrip logs in, uploads, downloads and compares.
func roundTrip(addr, name string) error {
	c, err := login(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	want := bytes.Repeat([]byte(name), 50_000)
	var got bytes.Buffer
	if _, err := c.Stor(name, 0, bytes.NewReader(want)); err != nil {
		return err
	}
	if _, err := c.Retr(name, 0, &got); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), want) {
		return fmt.Errorf("%s: got %d other bytes than the %d that were sent", name, got.Len(), len(want))
	}
	return c.Quit()
}

// TestMetricsFamily: 0.0.0.0 is IPv4 alone, for the metrics as for the clients.
func TestMetricsFamily(t *testing.T) {
	t.Setenv("FASTFTPS_METRICS__ADDR", "0.0.0.0:0")
	s := newSite(t)
	s.start()
	if !strings.HasPrefix(s.http, "0.0.0.0:") {
		t.Errorf("listens on %s", s.http)
	}
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
}

// TestReloadOfAFile: what changed is taken, what needs a restart is named, what
// is broken changes nothing and is shown with its line.
func TestReloadOfAFile(t *testing.T) {
	s := newSite(t)
	p := s.start()
	hup := func(want string) {
		t.Helper()
		before := len(p.log.String())
		p.signal(syscall.SIGHUP)
		await(t, want, func() bool { return strings.Contains(p.log.String()[before:], want) })
	}
	full := func() bool {
		c, err := login(p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	}
	s.configure("max_sessions = 1\nmax_sessions_per_ip = 1")
	hup("msg=reloaded")
	c, err := login(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !full() {
		t.Error("the new max_sessions does not hold")
	}
	if status, body := s.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "max_sessions") {
		t.Errorf("/readyz of a full server: %d %q", status, body)
	}
	if status, _ := s.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}

	s.configure("max_sessions = 2\nmax_sessions_per_ip = 2\nfs_workers = 3\nmax_upload = 1KiB")
	hup("reload failed")
	for _, want := range []string{"fastftps.toml:15:15", "max_upload = 1KiB", "^"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("%q is not in the log\n%s", want, p.log)
		}
	}
	if !full() {
		t.Error("a broken file was taken")
	}
	if n := s.metric(`config_reloads_total{result="failed"}`); n != "1" {
		t.Errorf("failed reloads: %s, want 1", n)
	}

	s.configure("max_sessions = 2\nmax_sessions_per_ip = 2\nfs_workers = 3")
	hup("msg=reloaded")
	if want := `msg="changed keys need a restart" keys=limits.fs_workers`; strings.Count(p.log.String(), want) != 1 {
		t.Errorf("%q is not in the log once\n%s", want, p.log)
	}
	await(t, "room for a second session", func() bool { return !full() })
}

// TestLogPipeIsGone: a server whose log nobody reads any more serves on, with
// every line that it cannot write.
func TestLogPipeIsGone(t *testing.T) {
	s := newSite(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "serve", "-c", s.path("fastftps.toml"), "--set", "log.level=debug")
	cmd.Stderr, cmd.Stdout = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var log []byte
	for buf := make([]byte, 4096); !listening.Match(log); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %s", err, log)
		}
		log = append(log, buf[:n]...)
	}
	r.Close() // as head -1 does
	addr := s.addresses(string(log))
	for range 3 {
		if err := roundTrip(addr, "file"); err != nil {
			t.Error(err)
		}
	}
	if n := s.metric("log_errors_total"); n == "" || n == "0" {
		t.Errorf("lines that were lost: %q, want some", n)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server: %v, want a good end", err)
	}
}
