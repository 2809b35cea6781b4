//go:build interop

package interop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The one user of the run. The password holds what URLs, shells and command
// lines of clients treat specially.
const (
	user     = "interop"
	password = "pa#s %41w/rd"
)

const host = "127.0.0.1"

// server is the binary under test, as a child process.
type server struct {
	cmd   *exec.Cmd
	root  string       // the folder that the user sees as /
	ca    string       // PEM file of the certificate, which is its own issuer
	ports map[mode]int // of the control listeners
	ended chan error   // the result of Wait, once
	log   *serverLog

	passive int // the first of passivePorts ports
}

const configText = `version = 1
state_dir = %[1]q
[[listen]]
addr = "127.0.0.1:%[2]d"
mode = "plain"
[[listen]]
addr = "127.0.0.1:%[3]d"
mode = "explicit"
[[listen]]
addr = "127.0.0.1:%[4]d"
mode = "implicit"
[tls]
cert = %[5]q
key = %[6]q
%[11]s
[passive]
ports = "%[7]d-%[8]d"
[limits]
max_sessions_per_ip = 0
accept_rate_per_ip = 0
[auth]
users = %[9]q
[storage]
root = %[10]q
mode_z = true
[log]
level = "info"
format = "json"
`

// passivePorts is the size of the passive range. All clients have one address,
// so it bounds their pending transfers.
const passivePorts = 64

// variant is what one server has different from the others.
type variant struct {
	tls     string // more lines of the section tls
	passive int    // how many passive ports; 0: passivePorts
}

// startServer writes a configuration below dir, starts the binary with it and
// waits until every listener accepts.
func startServer(bin, dir string, v variant) (*server, error) {
	s := &server{
		root: filepath.Join(dir, "root"), ca: filepath.Join(dir, "cert.pem"),
		ports: map[mode]int{}, ended: make(chan error, 1),
	}
	if err := os.Mkdir(s.root, 0o755); err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "key.pem")
	if err := writeCertificate(s.ca, key); err != nil {
		return nil, err
	}
	users := filepath.Join(dir, "users.toml")
	if err := addUser(bin, users); err != nil {
		return nil, err
	}
	first, err := freePorts(len(modes) + passivePorts)
	if err != nil {
		return nil, err
	}
	for i, m := range modes {
		s.ports[m] = first + i
	}
	s.passive = first + len(modes)
	config := filepath.Join(dir, "fastftps.toml")
	text := fmt.Sprintf(configText, filepath.Join(dir, "state"), s.ports[plain], s.ports[explicit], s.ports[implicit],
		s.ca, key, s.passive, s.passive+cmp.Or(v.passive, passivePorts)-1, users, s.root, v.tls+engineLine())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.start(bin, config, filepath.Join(dir, "server.log")); err != nil {
		return nil, err
	}
	return s, s.waitListening()
}

// engineLine chooses who seals and opens records, as FASTFTPS_TLS_ENGINE says.
func engineLine() string {
	if e := os.Getenv("FASTFTPS_TLS_ENGINE"); e != "" {
		return fmt.Sprintf("\nengine = %q", e)
	}
	return ""
}

func addUser(bin, users string) error {
	cmd := exec.Command(bin, "user", "add", "--file", users, "--write", "--password-file", "-", user)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

func (s *server) start(bin, config, logFile string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	if s.log, err = newServerLog(r, logFile); err != nil {
		return err
	}
	s.cmd = exec.Command(bin, "serve", "-c", config)
	s.cmd.Stderr = w
	s.cmd.Env = neutralEnv(filepath.Dir(config))
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	return nil
}

// waitListening connects to each control port until it accepts.
func (s *server) waitListening() error {
	for m, port := range s.ports {
		err := poll(func() error {
			select {
			case err := <-s.ended:
				s.ended <- err
				return final{fmt.Errorf("server ended at its start: %v", err)}
			default:
			}
			c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err == nil {
				c.Close()
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s listener: %w", m, err)
		}
	}
	return nil
}

// stop ends the server with SIGTERM and returns what Wait says about it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return err
	case <-time.After(45 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return errors.New("did not end after SIGTERM")
	}
}

// addr is the address of a listener.
func (s *server) addr(m mode) string { return net.JoinHostPort(host, strconv.Itoa(s.ports[m])) }

// path is where the remote file lies on this machine.
func (s *server) path(remote string) string { return s.root + remote }

// dir makes a folder for one test in the user's home and returns its remote
// path.
func (s *server) dir(t *testing.T) string {
	t.Helper()
	name, err := os.MkdirTemp(s.root, "t-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o755); err != nil {
		t.Fatal(err)
	}
	return "/" + filepath.Base(name)
}

// final is an error that poll does not try again.
type final struct{ error }

// poll calls f until it returns nil, for what has no event to wait for: another
// process's listeners and descriptors. It returns f's last error.
func poll(f func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for {
		err := f()
		if _, fatal := err.(final); err == nil || fatal {
			return err
		}
		select {
		case <-tick.C:
		case <-timeout:
			return err
		}
	}
}

// freePorts finds n ports in a row, below the range that the kernel takes for
// outgoing connections, so that no client's socket can be in the way.
func freePorts(n int) (int, error) {
	const low, high = 15000, 32000
	at := low + os.Getpid()*n%(high-low-n)
	for range (high - low) / n {
		if portsFree(at, n) {
			return at, nil
		}
		if at += n; at+n > high {
			at = low
		}
	}
	return 0, errors.New("no free range of ports")
}

func portsFree(first, n int) bool {
	for p := first; p < first+n; p++ {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
