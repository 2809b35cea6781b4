//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Every server listens on loopback, knows one user, and serves the same tree.
const (
	user     = "ftpbench"
	password = "bench"
	crypted  = "$1$bench$IDaFocGqo.f39hZ5dc3P7." // the same, for servers that read a password file
)

// place is where everything lies, on a tmpfs.
type place struct {
	dir   string // configurations, certificate, logs
	tree  string // what is served
	peers string // unpacked packages of the peers
	ours  string // the fastftps binary
}

// cert is the certificate and key that all servers use, in one file.
func (p *place) cert() string { return filepath.Join(p.dir, "cert.pem") }

// makeCert makes one ECDSA P-256 certificate: what a server costs must not
// depend on who made its key.
func (p *place) makeCert() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	return os.WriteFile(p.cert(), text, 0o600)
}

// mode is how sessions begin. A peer's explicit listener takes clear ones, too.
type mode string

const (
	explicit mode = "ftpes"
	implicit mode = "ftps"
	clear    mode = "ftp"
)

// server is one running product.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
	log  *os.File
}

// product is what can be started, on one port, in one mode.
type product struct {
	name     string
	pkg      string // Debian's name, for the version
	implicit bool   // it has that mode
	start    func(p *place, port int, m mode) (*server, error)
}

// products in the order of the report; ours is the first.
var products = []product{
	{"fastftps", "", true, startOurs},
	{"vsftpd", "vsftpd", true, startVsftpd},
	{"ProFTPD", "proftpd-core", true, startProftpd},
	{"Pure-FTPd", "pure-ftpd", false, startPure}, // Debian builds it without
	{"pyftpdlib", "python3-pyftpdlib", false, startPyftpdlib},
}

// addr is a port on loopback.
func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// run starts a program in the foreground, in a process group of its own, and
// waits until it listens.
func (p *place) run(s *server, env []string, name string, args ...string) (*server, error) {
	log, err := os.Create(filepath.Join(p.dir, s.name+".log"))
	if err != nil {
		return nil, err
	}
	s.log = log
	s.cmd = exec.Command(name, args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := awaitListener(s.addr); err != nil {
		s.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s: %w\n%s", s.name, err, text)
	}
	return s, nil
}

// awaitListener returns when a connection can be made.
func awaitListener(a string) (err error) {
	for range 200 {
		var c net.Conn
		if c, err = net.Dial("tcp", a); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// stop ends the server and all its children.
func (s *server) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-done
	_ = s.log.Close()
}

// file is the name of a file of the server on that port.
func file(port int, name string) string { return fmt.Sprintf("%d-%s", port, name) }

// write writes a configuration file.
func (p *place) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600)
}

// startOurs: limits that would end a load test are lifted, nothing else.
func startOurs(p *place, port int, m mode) (*server, error) {
	pw, err := p.write("password", password+"\n")
	if err != nil {
		return nil, err
	}
	s := &server{name: "fastftps", addr: addr(port)}
	listen := "ftp://" + s.addr
	switch m {
	case implicit:
		listen = "ftps://" + s.addr
	case clear:
		listen = "plain://" + s.addr
	}
	return p.run(s, []string{"XDG_STATE_HOME=" + p.dir}, p.ours, "serve", p.tree, "-w", "-u", user, "--password-file", pw,
		"-l", listen, "--cert", p.cert(), "--key", p.cert(),
		"--set", "limits.max_sessions_per_ip=0", "--set", "limits.max_sessions=100000")
}

// yes is how vsftpd writes a boolean.
func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func startVsftpd(p *place, port int, m mode) (*server, error) {
	empty := filepath.Join(p.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return nil, err
	}
	conf, err := p.write(file(port, "vsftpd.conf"), fmt.Sprintf(`
listen=YES
listen_address=127.0.0.1
listen_port=%d
background=NO
local_enable=YES
guest_enable=YES
guest_username=%s
virtual_use_local_privs=YES
pam_service_name=fastftps-bench
local_root=%s
chroot_local_user=YES
allow_writeable_chroot=YES
write_enable=YES
anonymous_enable=NO
secure_chroot_dir=%s
isolate=NO
isolate_network=NO
tcp_wrappers=NO
session_support=NO
xferlog_enable=NO
use_sendfile=YES
max_clients=0
max_per_ip=0
ssl_enable=YES
ssl_tlsv1=YES
ssl_sslv2=NO
ssl_sslv3=NO
ssl_ciphers=HIGH
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file=%s
rsa_private_key_file=%s
idle_session_timeout=3600
data_connection_timeout=3600
implicit_ssl=%s
`, port, user, p.tree, empty, p.cert(), p.cert(), yes(m == implicit)))
	if err != nil {
		return nil, err
	}
	s := &server{name: "vsftpd", addr: addr(port)}
	return p.run(s, nil, filepath.Join(p.peers, "usr/sbin/vsftpd"), conf)
}

func startProftpd(p *place, port int, m mode) (*server, error) {
	owner, err := osuser.Lookup(user)
	if err != nil {
		return nil, err
	}
	users, err := p.write(file(port, "proftpd.users"), fmt.Sprintf("%s:%s:%s:%s::%s:/bin/sh\n", user, crypted, owner.Uid, owner.Gid, p.tree))
	if err != nil {
		return nil, err
	}
	options := "NoSessionReuseRequired"
	if m == implicit {
		options += " UseImplicitSSL"
	}
	conf, err := p.write(file(port, "proftpd.conf"), fmt.Sprintf(`
ModulePath %s
LoadModule mod_tls.c
ServerName bench
ServerType standalone
DefaultAddress 127.0.0.1
Port %d
SocketBindTight on
User %s
Group nogroup
MaxInstances none
UseReverseDNS off
UseIPv6 off
WtmpLog off
TransferLog NONE
SystemLog NONE
ScoreboardFile %s
DelayTable none
PidFile %s
AuthOrder mod_auth_file.c
AuthUserFile %s
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
TimeoutIdle 3600
TimeoutLogin 600
TimeoutNoTransfer 3600
TimeoutStalled 3600
ListOptions "" maxfiles 10000000
UseSendfile on
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
TLSEngine on
TLSRequired off
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile %s
TLSECCertificateKeyFile %s
TLSVerifyClient off
TLSRenegotiate none
TLSOptions %s
TLSTimeoutHandshake 600
`, filepath.Join(p.peers, "usr/lib/proftpd"), port, user, filepath.Join(p.dir, file(port, "scoreboard")), filepath.Join(p.dir, file(port, "proftpd.pid")), users, p.cert(), p.cert(), options))
	if err != nil {
		return nil, err
	}
	s := &server{name: "ProFTPD", addr: addr(port)}
	return p.run(s, nil, filepath.Join(p.peers, "usr/sbin/proftpd"), "--nodaemon", "--config", conf)
}

// startPure uses the system user, for want of a cheaper way; its home is the tree.
func startPure(p *place, port int, _ mode) (*server, error) {
	s := &server{name: "Pure-FTPd", addr: addr(port)}
	return p.run(s, nil, filepath.Join(p.peers, "usr/sbin/pure-ftpd"), "-S", fmt.Sprintf("127.0.0.1,%d", port),
		"-l", "unix", "-A", "-E", "-H", "-Y", "1", "-2", p.cert(), "-c", "20000", "-C", "20000", "-L", "1000000:1", "-I", "60", "-u", "1", "-G", "-f", "none")
}

func startPyftpdlib(p *place, port int, _ mode) (*server, error) {
	script, err := p.write(file(port, "pyftpd.py"), fmt.Sprintf(`
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler, DTPHandler, TLS_DTPHandler
from pyftpdlib.servers import FTPServer
import logging
logging.basicConfig(level=logging.ERROR)
a = DummyAuthorizer()
a.add_user(%q, %q, %q, perm="elradfmwMT")
h = TLS_FTPHandler
h.certfile = %q
h.authorizer = a
h.tls_control_required = False
h.tls_data_required = False
h.timeout = 3600
h.auth_failed_timeout = 0
TLS_DTPHandler.timeout = DTPHandler.timeout = 3600
TLS_DTPHandler.ac_out_buffer_size = DTPHandler.ac_out_buffer_size = 262144
TLS_DTPHandler.ac_in_buffer_size = DTPHandler.ac_in_buffer_size = 262144
s = FTPServer(("127.0.0.1", %d), h, backlog=4096)
s.max_cons = 30000
s.max_cons_per_ip = 0
s.serve_forever()
`, user, password, p.tree, p.cert(), port))
	if err != nil {
		return nil, err
	}
	s := &server{name: "pyftpdlib", addr: addr(port)}
	return p.run(s, []string{"PYTHONPATH=" + filepath.Join(p.peers, "usr/lib/python3/dist-packages")}, "/usr/bin/python3", script)
}

// version is what Debian calls the product's version.
func (p *place) version(pkg string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.peers, "versions"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == pkg {
			return v, nil
		}
	}
	return "", errors.New("no version of " + pkg)
}
