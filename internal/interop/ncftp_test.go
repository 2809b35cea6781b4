//go:build interop

package interop

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
)

// ncftp starts one of its four programs for each call. It has no TLS.
type ncftp struct{ srv *server }

// prepareNcftp tells ncftp that this is not its first run, for which it asks
// questions and looks for firewalls.
func prepareNcftp() error {
	dir := filepath.Join(scratch.home, ".ncftp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "prefs_v3"), []byte("auto-resume=no\nconfirm-close=no\nsave-passwords=no\n"), 0o600)
}

func openNcftp(srv *server, _ setup) (client, error) { return ncftp{srv}, nil }

func (n ncftp) run(name string, args ...string) (string, error) {
	base := []string{"-u", user, "-p", password, "-P", strconv.Itoa(n.srv.ports[plain]), "-t", "20", "-V"}
	return proc{name: name, args: append(base, args...)}.run()
}

func (n ncftp) put(local, remote string) error {
	_, err := n.run("ncftpput", "-C", host, local, remote)
	return err
}

func (n ncftp) get(remote, local string) error {
	_, err := n.run("ncftpget", "-C", host, remote, local)
	return err
}

// resumePut uploads from a file of the remote's name, for ncftpput resumes only
// where it may choose the name. Without -s ncftpput 3.2.6 sends the whole file
// after REST: its sendfile forgets where it was.
func (n ncftp) resumePut(local, remote string) error {
	tmp, err := os.MkdirTemp(scratch.dir, "ncftp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	same := filepath.Join(tmp, path.Base(remote))
	if err := os.Link(local, same); err != nil {
		return err
	}
	_, err = n.run("ncftpput", "-s", "-z", host, path.Dir(remote), same)
	return err
}

func (n ncftp) resumeGet(remote, local string) error {
	tmp, err := os.MkdirTemp(scratch.dir, "ncftp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	same := filepath.Join(tmp, path.Base(remote))
	if err := os.Link(local, same); err != nil {
		return err
	}
	if _, err := n.run("ncftpget", "-z", host, tmp, remote); err != nil {
		return err
	}
	return os.Rename(same, local)
}

func (n ncftp) list(dir string) ([]string, error) {
	out, err := proc{name: "ncftpls", args: []string{
		"-1", "-u", user, "-p", password, "-P", strconv.Itoa(n.srv.ports[plain]), "-t", "20",
		"ftp://" + host + "/" + dir + "/",
	}}.run()
	return lines(out), err
}

func (n ncftp) rename(from, to string) error { return n.shell("rename", from, to) }
func (n ncftp) remove(remote string) error   { return n.shell("rm", remote) }
func (n ncftp) mkdir(dir string) error       { return n.shell("mkdir", dir) }
func (n ncftp) rmdir(dir string) error       { return n.shell("rmdir", dir) }
func (n ncftp) close() error                 { return nil }

// shell gives one command to ncftp's shell, which hands "\\" inside quotation
// marks on as it is, but takes one character after each "\" outside of them.
func (n ncftp) shell(verb string, args ...string) error {
	line := verb
	for _, a := range args {
		line += " " + shellSpecial.ReplaceAllString(a, `\$0`)
	}
	_, err := proc{
		name: "ncftp", stdin: line + "\nquit\n",
		args: []string{"-u", user, "-p", password, "-P", strconv.Itoa(n.srv.ports[plain]), host},
	}.run()
	return err
}

var shellSpecial = regexp.MustCompile(`[ "'\\;&|<>#]`)
