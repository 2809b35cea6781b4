//go:build interop

package interop

import (
	"fmt"
	"strings"
)

// lftp starts a process with a script for each call.
type lftp struct {
	srv   *server
	setup setup
	extra []string // settings
}

func openLftp(srv *server, s setup) (client, error) { return &lftp{srv: srv, setup: s}, nil }

// gnutlsPriority allows one TLS version, in the language of GnuTLS.
func gnutlsPriority(version string) string { return "NORMAL:-VERS-ALL:+VERS-TLS" + version }

// script returns commands with the settings and the login before them.
func (l *lftp) script(commands ...string) string {
	scheme := "ftp"
	set := []string{
		"net:max-retries 1", "net:timeout 20", "cmd:fail-exit yes", "cmd:interactive no", "bmk:save-passwords no",
		"ftp:ssl-allow " + yes(l.setup.mode != plain), "ftp:ssl-force " + yes(l.setup.mode != plain),
	}
	if l.setup.mode != plain {
		set = append(set, "ssl:verify-certificate yes", "ssl:ca-file "+lftpQuote(l.srv.ca),
			"ftp:ssl-protect-data "+yes(l.setup.prot == "P"), "ftp:ssl-protect-list "+yes(l.setup.prot == "P"),
			"ssl:priority "+lftpQuote(gnutlsPriority(l.setup.tls)))
	}
	if l.setup.mode == implicit {
		scheme = "ftps"
	}
	var b strings.Builder
	for _, line := range append(set, l.extra...) {
		fmt.Fprintf(&b, "set %s\n", line)
	}
	fmt.Fprintf(&b, "open --user %s --env-password %s://%s\n", user, scheme, l.srv.addr(l.setup.mode))
	for _, line := range commands {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// lftpQuote writes an argument of a command.
func lftpQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (l *lftp) run(commands ...string) (string, error) { return l.proc(commands...).run() }

func (l *lftp) proc(commands ...string) proc {
	return proc{
		name: "lftp", args: []string{"--norc"},
		env: []string{"LFTP_PASSWORD=" + password}, stdin: l.script(commands...),
	}
}

// debug also returns the dialogue.
func (l *lftp) debug(commands ...string) (string, error) {
	p := l.proc(commands...)
	p.args, p.merge = append(p.args, "-d"), true
	return p.run()
}

func (l *lftp) do(format string, args ...string) error {
	quoted := make([]any, len(args))
	for i, a := range args {
		quoted[i] = lftpQuote(a)
	}
	_, err := l.run(fmt.Sprintf(format, quoted...))
	return err
}

func (l *lftp) put(local, remote string) error       { return l.do("put %s -o %s", local, remote) }
func (l *lftp) get(remote, local string) error       { return l.do("get %s -o %s", remote, local) }
func (l *lftp) resumePut(local, remote string) error { return l.do("put -c %s -o %s", local, remote) }

func (l *lftp) resumeGet(remote, local string) error { return l.do("get -c %s -o %s", remote, local) }
func (l *lftp) rename(from, to string) error         { return l.do("mv %s %s", from, to) }
func (l *lftp) remove(remote string) error           { return l.do("rm %s", remote) }
func (l *lftp) mkdir(dir string) error               { return l.do("mkdir %s", dir) }
func (l *lftp) rmdir(dir string) error               { return l.do("rmdir %s", dir) }
func (l *lftp) close() error                         { return nil }

func (l *lftp) list(dir string) ([]string, error) {
	out, err := l.run("cd "+lftpQuote(dir), "cls -1 -a -B")
	return dotless(lines(out)), err
}

// dotless drops the entries of the folder itself and its parent.
func dotless(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "." && name != ".." && name != "./" && name != "../" {
			out = append(out, name)
		}
	}
	return out
}
