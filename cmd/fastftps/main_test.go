package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"fastftps/auth"
	"fastftps/config"
	"fastftps/internal/leaktest"
	"fastftps/metrics"
)

func TestMain(m *testing.M) {
	testscript.Main(leakCheck{m}, map[string]func(){"fastftps": main})
}

// leakCheck fails tests that leave a goroutine behind.
type leakCheck struct{ *testing.M }

// Run implements testscript.TestingM.
func (c leakCheck) Run() int {
	code := c.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(leaktest.Processwide()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestScripts runs the command lines in testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("HOME", env.WorkDir)
			addr := freeAddr(t)
			env.Setenv("ADDR", addr)
			env.Setenv("SERVE", "fastftps serve share -w -u demo --password-file pw -l ftps://"+addr)
			return os.Chmod(filepath.Join(env.WorkDir), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "mode": mode},
	})
}

// freeAddr returns an address on loopback that nobody listens at now. Another
// test may be given its port at any moment, but where all of 127.0.0.0/8 is
// loopback it is one of a host that nobody else uses.
func freeAddr(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// exits runs a command and checks its exit code: exits 2 fastftps check.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGUMENTS")
	}
	want, got := args[0], "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != want {
		ts.Fatalf("exit code: got %s, want %s", got, want)
	}
}

// mode checks the permission bits of a file: mode 0600 users.toml.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := "0" + strings.TrimLeft(modeText(info.Mode().Perm()), "0"); got != args[0] {
		ts.Fatalf("mode of %s: got %s, want %s", args[1], got, args[0])
	}
}

func modeText(m os.FileMode) string {
	digits := []byte{'0' + byte(m>>6&7), '0' + byte(m>>3&7), '0' + byte(m&7)}
	return string(digits)
}

// notify is a buffer that tells when a text has been written to it.
type notify struct {
	want string
	seen chan struct{}

	mu  sync.Mutex // guards the fields below
	buf bytes.Buffer
	hit bool
}

func (n *notify) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buf.Write(p)
	if !n.hit && strings.Contains(n.buf.String(), n.want) {
		n.hit = true
		close(n.seen)
	}
	return len(p), nil
}

func (n *notify) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

// TestServeShare starts a share, talks to its explicit listener and ends it.
func TestServeShare(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &notify{want: "read-only", seen: make(chan struct{})}
	root := rootCommand()
	root.SetArgs([]string{"serve", t.TempDir(), "-l", "127.0.0.1:0", "-l", "ftps://127.0.0.1:0"})
	root.SetOut(out)
	root.SetErr(io.Discard)
	served := make(chan error, 1)
	go func() { served <- root.ExecuteContext(ctx) }()
	select {
	case <-out.seen:
	case err := <-served:
		t.Fatalf("serve ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatalf("no banner within 10 s, only %q", out)
	}
	text := out.String()
	for _, want := range []string{"curl -k --ssl-reqd -u demo:", "curl -k -u demo:", "lftp -e", "SHA-256 "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the banner\n%s", want, text)
		}
	}
	_, rest, _ := strings.Cut(text, "explicit TLS: ftp://")
	addr, _, _ := strings.Cut(rest, "\n")
	if greeting := readLine(t, addr); !strings.HasPrefix(greeting, "220 ") {
		t.Errorf("greeting: got %q, want 220", greeting)
	}
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("serve did not end")
	}
}

func readLine(t *testing.T, addr string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestBanner(t *testing.T) {
	cfg, err := config.Load(config.Input{Preset: []config.Setting{{Key: "listen", Value: "0.0.0.0:21,ftps://[::1]:990,plain://:2", From: "t"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	s := &share{dir: "/d", user: "o'neil", password: "p", perms: auth.ReadWrite}
	s.banner(&b, cfg, []string{"0.0.0.0:21", "[::1]:990", "[::]:2"}, "AA:BB")
	for _, want := range []string{
		`curl -k --ssl-reqd -u 'o'\''neil:p' ftp://127.0.0.1:21/`,
		`curl -k -u 'o'\''neil:p' ftps://[::1]:990/`,
		"no TLS: ftp://127.0.0.1:2\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "read-only") {
		t.Error("a writable share is called read-only")
	}
	b.Reset()
	s.ownPassword, s.password = true, "topsecret"
	s.banner(&b, cfg, nil, "")
	if strings.Contains(b.String(), "topsecret") {
		t.Error("a password that was given is printed")
	}
}

// TestLogEscapes: what a client sends cannot make a line of its own, nor
// change the terminal of who reads the log.
func TestLogEscapes(t *testing.T) {
	evil := "a\r\nlevel=ERROR msg=forged\x1b[2J\x00\x7f\u202e\u2028\u009b\U000e0001 \xff\"="
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			l, err := newLogger(config.Log{Level: "info", Format: format, Output: "stderr"}, &b, io.Discard, new(metrics.Counter))
			if err != nil {
				t.Fatal(err)
			}
			l.Info("command", "user", evil, "path", []byte(evil), "ip", netip.MustParseAddr("192.0.2.1"), evil, evil)
			l.queue.flush()
			line := b.String()
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Errorf("got %d lines: %q", strings.Count(line, "\n"), line)
			}
			for _, r := range strings.TrimSuffix(line, "\n") {
				if !unicode.IsPrint(r) {
					t.Errorf("raw %U in %q", r, line)
				}
			}
			if format == "json" {
				var got struct{ User string }
				if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.User != strings.ToValidUTF8(evil, "\ufffd") {
					t.Errorf("got %q, %v of %q", got.User, err, line)
				}
			}
			l.Debug("x")
			if err := l.close(); err != nil {
				t.Error(err)
			}
			if b.String() != line {
				t.Error("a debug line at level info")
			}
		})
	}
}

func TestLogReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	l, err := newLogger(config.Log{Level: "info", Format: "text", Output: path}, io.Discard, io.Discard, new(metrics.Counter))
	if err != nil {
		t.Fatal(err)
	}
	l.Info("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Info("two")
	if err := l.reopen(); err != nil {
		t.Fatal(err)
	}
	l.Log(context.Background(), slog.LevelInfo, "three")
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	old, err1 := os.ReadFile(path + ".1")
	now, err2 := os.ReadFile(path)
	if err1 != nil || err2 != nil || !strings.Contains(string(old), "msg=two") || !strings.Contains(string(now), "msg=three") || strings.Contains(string(now), "two") {
		t.Errorf("got %q and %q, %v %v", old, now, err1, err2)
	}
}

// TestDescriptors: what sessions, transfers and the reserve may hold at once is
// never more than there is.
func TestDescriptors(t *testing.T) {
	for _, tt := range []struct{ all, sessions, transfers, wantSessions, wantTransfers int }{
		{1 << 20, 10_000, 10_000, 10_000, 10_000},
		{20_000, 10_000, 10_000, 10_000, 1868},
		{20_000, 100_000, 10_000, 16_000, 668},
		{1024, 10_000, 10_000, 816, 28},
		{1024, 10, 5, 10, 5},
		{64, 10_000, 10_000, 48, 1},
	} {
		sessions, transfers := share4to1(tt.all, tt.sessions, tt.transfers)
		if sessions != tt.wantSessions || transfers != tt.wantTransfers {
			t.Errorf("%d descriptors for %d sessions and %d transfers: got %d and %d, want %d and %d",
				tt.all, tt.sessions, tt.transfers, sessions, transfers, tt.wantSessions, tt.wantTransfers)
		}
	}
}
