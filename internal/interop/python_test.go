//go:build interop

package interop

import "strconv"

// preparePython looks for the modules: python3-minimal has neither.
func preparePython() error {
	_, err := proc{name: "python3", args: []string{"-c", "import ftplib, ssl"}}.run()
	return err
}

// openPython starts testdata/driver.py. ftplib has no implicit mode; the
// driver has the usual subclass that wraps the socket.
func openPython(srv *server, s setup) (client, error) {
	d, err := startDriver("python3", testdata("driver.py"), host, strconv.Itoa(srv.ports[s.mode]),
		user, password, srv.ca, string(s.mode), s.tls, s.prot)
	if err != nil {
		return nil, err
	}
	return d, nil
}
