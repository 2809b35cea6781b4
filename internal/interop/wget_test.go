//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"strings"
)

// wget only downloads.
type wget struct {
	lacking
	srv   *server
	setup setup
}

func openWget(srv *server, s setup) (client, error) { return &wget{srv: srv, setup: s}, nil }

func (w *wget) run(dir string, args ...string) error {
	base := []string{
		"--no-config", "--no-verbose", "--tries=1", "--timeout=20", "--no-hsts",
		"--user=" + user, "--password=" + password,
	}
	if w.setup.mode != plain {
		base = append(base, "--ca-certificate="+w.srv.ca, "--ciphers="+gnutlsPriority(w.setup.tls))
	}
	if w.setup.mode == implicit {
		base = append(base, "--ftps-implicit")
	}
	if w.setup.mode != plain && w.setup.prot == "C" {
		base = append(base, "--ftps-clear-data-connection")
	}
	_, err := proc{name: "wget", args: append(base, args...), dir: dir}.run()
	return err
}

func (w *wget) url(remote string) string {
	scheme := "ftps"
	if w.setup.mode == plain {
		scheme = "ftp"
	}
	return scheme + "://" + w.srv.addr(w.setup.mode) + escapePath(remote)
}

func (w *wget) get(remote, local string) error {
	return w.run("", "-O", local, w.url(remote))
}

func (w *wget) resumeGet(remote, local string) error {
	return w.run("", "-c", "-O", local, w.url(remote))
}

// list lets wget keep the raw listing. It asks for LIST, whose lines end in
// the name.
func (w *wget) list(dir string) ([]string, error) {
	tmp, err := os.MkdirTemp(scratch.dir, "wget-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := w.run(tmp, "--no-remove-listing", w.url(dir+"/")); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(tmp, ".listing"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		names = append(names, listName(strings.TrimSuffix(line, "\r")))
	}
	return dotless(names), nil
}

// listName cuts the name from a line of LIST: what follows the eighth field
// and one space.
func listName(line string) string {
	for range 8 {
		line = strings.TrimLeft(line, " ")
		if i := strings.IndexByte(line, ' '); i >= 0 {
			line = line[i:]
		}
	}
	return strings.TrimPrefix(line, " ")
}
