//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strings"
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

// cert is the certificate and key that all servers use, in one file: what a server
// costs must not depend on who made its key.
func (p *place) cert() string { return filepath.Join(p.dir, "cert.pem") }

// passwordFile holds the password in its first line.
func (p *place) passwordFile() string { return filepath.Join(p.dir, "password") }

// mode is how sessions begin. A peer's explicit listener takes clear ones, too.
type mode string

const (
	explicit mode = "ftpes"
	implicit mode = "ftps"
	clear    mode = "ftp"
)

// product is what can be started.
type product struct {
	name     string
	pkg      string // Debian's name, for the version
	implicit bool   // it has that mode
	// command returns the shell command that runs it in the foreground, on one
	// port, in one mode.
	command func(p *place, port int, m mode) (string, error)
}

func (p *product) has(m mode) bool { return m != implicit || p.implicit }

// products in the order of the report; ours is the first.
var products = []product{
	{"fastftps", "", true, ours},
	{"vsftpd", "vsftpd", true, vsftpd},
	{"ProFTPD", "proftpd-core", true, proftpd},
	{"Pure-FTPd", "pure-ftpd", false, pureftpd}, // Debian builds it without
	{"pyftpdlib", "python3-pyftpdlib", false, pyftpdlib},
}

// engines are our server with each record layer.
var engines = []product{
	products[0],
	{"fastftps, std", "", true, oursStd},
}

// addr is a port on loopback.
func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// line is a shell command of these words.
func line(words ...string) string {
	for i, w := range words {
		words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// file is the name of a file of the server on that port.
func file(port int, name string) string { return fmt.Sprintf("%d-%s", port, name) }

// write writes a configuration file.
func (p *place) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600)
}

// ours has the limits lifted that would end a load test, and nothing else changed.
func ours(p *place, port int, m mode) (string, error) {
	schemes := map[mode]string{explicit: "ftp://", implicit: "ftps://", clear: "plain://"}
	return line(p.ours, "serve", p.tree, "-w", "-u", user, "--password-file", p.passwordFile(),
		"-l", schemes[m]+addr(port), "--cert", p.cert(), "--key", p.cert(), "--set", "state_dir="+p.dir,
		"--set", "limits.max_sessions_per_ip=0", "--set", "limits.max_sessions=100000"), nil
}

// oursStd leaves all of TLS to crypto/tls.
func oursStd(p *place, port int, m mode) (string, error) {
	command, err := ours(p, port, m)
	return command + " " + line("--set", "tls.engine=std"), err
}

// yes is how vsftpd writes a boolean.
func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func vsftpd(p *place, port int, m mode) (string, error) {
	empty := filepath.Join(p.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return "", err
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
		return "", err
	}
	return line(filepath.Join(p.peers, "usr/sbin/vsftpd"), conf), nil
}

func proftpd(p *place, port int, m mode) (string, error) {
	owner, err := osuser.Lookup(user)
	if err != nil {
		return "", err
	}
	users, err := p.write(file(port, "proftpd.users"), fmt.Sprintf("%s:%s:%s:%s::%s:/bin/sh\n", user, crypted, owner.Uid, owner.Gid, p.tree))
	if err != nil {
		return "", err
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
		return "", err
	}
	return line(filepath.Join(p.peers, "usr/sbin/proftpd"), "--nodaemon", "--config", conf), nil
}

// pureftpd asks for the system user, for want of a cheaper way; its home is the tree.
func pureftpd(p *place, port int, _ mode) (string, error) {
	return line(filepath.Join(p.peers, "usr/sbin/pure-ftpd"), "-S", fmt.Sprintf("127.0.0.1,%d", port),
		"-l", "unix", "-A", "-E", "-H", "-Y", "1", "-2", p.cert(), "-c", "20000", "-C", "20000", "-L", "1000000:1", "-I", "60", "-u", "1", "-G", "-f", "none"), nil
}

func pyftpdlib(p *place, port int, _ mode) (string, error) {
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
		return "", err
	}
	return line("/usr/bin/env", "PYTHONPATH="+filepath.Join(p.peers, "usr/lib/python3/dist-packages"), "/usr/bin/python3", script), nil
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
