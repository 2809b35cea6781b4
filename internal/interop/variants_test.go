//go:build interop

package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ownServer starts a server for one test, and looks at its log at the end.
func ownServer(t *testing.T, v variant) *server {
	t.Helper()
	srv, err := startServer(os.Getenv("FASTFTPS_BIN"), t.TempDir(), v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.stop(); err != nil {
			t.Errorf("server after SIGTERM: %v", err)
		}
		if err := srv.faults(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// TestRequiredResumption has a server that takes only data connections that
// resume the session of their control connection. lftp always does. ftplib
// never does: its data connection breaks, 522 says why, and the session goes on.
func TestRequiredResumption(t *testing.T) {
	srv := ownServer(t, variant{tls: `data_tls_reuse = "required"`})
	for _, s := range []setup{{explicit, "1.2", "P"}, {explicit, "1.3", "P"}, {implicit, "1.2", "P"}, {implicit, "1.3", "P"}} {
		t.Run("lftp/"+s.String(), func(t *testing.T) {
			roundTrip(t, srv, needAt(t, srv, "lftp", s), srv.dir(t)+"/file", 200_000)
		})
		t.Run("ftplib/"+s.String(), func(t *testing.T) {
			c, dir := needAt(t, srv, "ftplib", s), srv.dir(t)
			if names, err := c.list(dir); err == nil {
				t.Errorf("list: got %q, want an error", names)
			}
			reply, err := c.(*driver).call("reply")
			if err != nil || !strings.HasPrefix(reply[0], "522 ") {
				t.Errorf("after the list: got %q, %v, want 522", reply, err)
			}
			if err := c.mkdir(dir + "/still here"); err != nil {
				t.Errorf("session after 522: %v", err)
			}
		})
	}
	for _, m := range []mode{explicit, implicit} {
		t.Run("curl/"+string(m), func(t *testing.T) {
			s := setup{m, "1.3", "P"}
			roundTrip(t, srv, needAt(t, srv, "curl", s), srv.dir(t)+"/file", 200_000)
		})
	}
}

// TestOnePassivePort mirrors over five connections of one address through a
// single passive port: the session tickets say whose connection is whose.
func TestOnePassivePort(t *testing.T) {
	srv := ownServer(t, variant{passive: 1})
	src := makeTree(t, 100)
	l := needAt(t, srv, "lftp", setup{implicit, "1.3", "P"}).(*lftp)
	remote := srv.dir(t)
	if _, err := l.run("mirror -R --parallel=5 " + lftpQuote(src) + " " + lftpQuote(remote)); err != nil {
		t.Fatal(err)
	}
	sameTree(t, srv.path(remote), src, true)
}

// TestCurlCCCAllowed leaves TLS on the control connection after the login, where
// the server allows it. Data connections stay sealed (RFC 4217 section 5).
func TestCurlCCCAllowed(t *testing.T) {
	srv := ownServer(t, variant{tls: "ccc = true"})
	for _, version := range []string{"1.2", "1.3"} {
		for _, ccc := range []string{"passive", "active"} {
			t.Run("TLS"+version+"/"+ccc, func(t *testing.T) {
				c := needAt(t, srv, "curl", setup{explicit, version, "P"}).(*curl)
				c.extra = []string{"--ftp-ssl-ccc-mode", ccc}
				roundTrip(t, srv, c, srv.dir(t)+"/file", 50_000)
				out, err := c.verbose("--list-only", c.url("/"))
				if err != nil {
					t.Fatal(err)
				}
				wantDialogue(t, out, "> CCC", "< 200", "> PWD", "< 257", "< 226")
			})
		}
	}
}

// TestTooOldTLS offers TLS 1.2 to a server that wants 1.3: curl must say that
// the handshake failed, and not hang.
func TestTooOldTLS(t *testing.T) {
	srv := ownServer(t, variant{tls: `min = "1.3"`})
	for _, m := range []mode{explicit, implicit} {
		t.Run(string(m), func(t *testing.T) {
			c := needAt(t, srv, "curl", setup{m, "1.2", "P"}).(*curl)
			const sslConnectError = 35
			_, err := c.list("/")
			if err == nil || !strings.Contains(err.Error(), "exit status "+strconv.Itoa(sslConnectError)) {
				t.Errorf("got %v, want exit code %d", err, sslConnectError)
			}
		})
	}
}

// TestZeroConfig starts `serve DIR` with nothing configured and runs the lines
// that it prints for users to copy.
func TestZeroConfig(t *testing.T) {
	needProgram(t, "curl")
	needProgram(t, "lftp")
	dir, home := t.TempDir(), t.TempDir()
	makeFile(t, filepath.Join(dir, "hello there.txt"), 10)
	port, err := freePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	at := func(p int) string { return host + ":" + strconv.Itoa(p) }
	cmd := exec.Command(os.Getenv("FASTFTPS_BIN"), "serve", dir, "-l", at(port), "-l", "ftps://"+at(port+1))
	cmd.Env = neutralEnv(home)
	out, err := os.Create(filepath.Join(home, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	srv := &server{cmd: cmd, ports: map[mode]int{explicit: port, implicit: port + 1}, ended: ended}
	if err := srv.waitListening(); err != nil {
		t.Error(err)
	} else {
		runPrinted(t, out.Name())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("server after SIGTERM: %v\n%s", err, &errs)
	}
}

var printedLine = regexp.MustCompile(`(?m)^ +((?:curl|lftp) .*)$`)

// runPrinted runs each client line of the file and wants the shared file listed.
func runPrinted(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := printedLine.FindAllStringSubmatch(string(text), -1)
	if len(found) != 4 {
		t.Fatalf("%d lines to copy, want curl and lftp for two listeners:\n%s", len(found), text)
	}
	for _, line := range found {
		// lftp reads commands from its standard input after -e.
		got, err := proc{name: "sh", args: []string{"-c", line[1]}, stdin: "cls -1\n"}.run()
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(got, "hello there.txt") {
			t.Errorf("%s: the file is not listed: %q", line[1], got)
		}
	}
}
