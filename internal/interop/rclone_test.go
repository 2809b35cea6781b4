//go:build interop

package interop

import (
	"path/filepath"
	"strconv"
	"strings"
)

// rclone starts a process for each call. Its remote is described by the
// environment.
type rclone struct {
	lacking
	srv      *server
	setup    setup
	encoding string
}

// obscured is the password as rclone wants it in its configuration.
var obscured string

func prepareRclone() error {
	out, err := proc{name: "rclone", args: []string{"obscure", "-"}, stdin: password}.run()
	obscured = strings.TrimSpace(out)
	return err
}

const (
	// rcloneDefault is what rclone 1.60 does unless told otherwise: it
	// writes a space at the end of a name as U+2420.
	rcloneDefault = "Slash,Del,Ctl,RightSpace,Dot"
	// rcloneVerbatim sends such names as they are, like rclone's profiles for
	// ProFTPD and vsftpd.
	rcloneVerbatim = "Slash,Del,Ctl,Dot"
)

func openRclone(srv *server, s setup) (client, error) {
	return &rclone{srv: srv, setup: s, encoding: rcloneVerbatim}, nil
}

func (r *rclone) env() []string {
	const key = "RCLONE_CONFIG_SRV_"
	return []string{
		"RCLONE_CONFIG=" + filepath.Join(scratch.home, "rclone.conf"), "SSL_CERT_FILE=" + r.srv.ca,
		key + "TYPE=ftp", key + "HOST=" + host, key + "PORT=" + strconv.Itoa(r.srv.ports[r.setup.mode]),
		key + "USER=" + user, key + "PASS=" + obscured,
		key + "TLS=" + strconv.FormatBool(r.setup.mode == implicit),
		key + "EXPLICIT_TLS=" + strconv.FormatBool(r.setup.mode == explicit),
		key + "DISABLE_TLS13=" + strconv.FormatBool(r.setup.tls == "1.2"),
		key + "ENCODING=" + r.encoding,
	}
}

// remote is a path in rclone's notation.
func (r *rclone) remote(path string) string { return "srv:" + path }

func (r *rclone) run(args ...string) (string, error) { return r.proc(args...).run() }

func (r *rclone) proc(args ...string) proc {
	base := []string{"--retries=1", "--low-level-retries=1", "--contimeout=20s", "--timeout=20s"}
	return proc{name: "rclone", args: append(base, args...), env: r.env()}
}

func (r *rclone) put(local, remote string) error {
	_, err := r.run("copyto", local, r.remote(remote))
	return err
}

func (r *rclone) get(remote, local string) error {
	_, err := r.run("copyto", r.remote(remote), local)
	return err
}

func (r *rclone) list(dir string) ([]string, error) {
	out, err := r.run("lsf", r.remote(dir))
	return lines(out), err
}

func (r *rclone) rename(from, to string) error {
	_, err := r.run("moveto", r.remote(from), r.remote(to))
	return err
}

func (r *rclone) remove(remote string) error {
	_, err := r.run("deletefile", r.remote(remote))
	return err
}

func (r *rclone) mkdir(dir string) error {
	_, err := r.run("mkdir", r.remote(dir))
	return err
}

func (r *rclone) rmdir(dir string) error {
	_, err := r.run("rmdir", r.remote(dir))
	return err
}
