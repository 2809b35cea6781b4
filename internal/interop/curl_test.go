//go:build interop

package interop

import (
	"net/url"
	"path"
	"strings"
)

// curl starts a process for each call.
type curl struct {
	srv   *server
	setup setup
	extra []string
}

func openCurl(srv *server, s setup) (client, error) { return &curl{srv: srv, setup: s}, nil }

// base are the arguments that every call needs.
func (c *curl) base() []string {
	args := []string{"-q", "-sS", "--user", user + ":" + password, "--connect-timeout", "10"}
	if c.setup.mode != plain {
		args = append(args, "--cacert", c.srv.ca)
	}
	switch {
	case c.setup.mode != plain && c.setup.prot == "C":
		args = append(args, "--ftp-ssl-control")
	case c.setup.mode == explicit:
		args = append(args, "--ssl-reqd")
	}
	switch c.setup.tls {
	case "1.2":
		args = append(args, "--tls-max", "1.2")
	case "1.3":
		args = append(args, "--tlsv1.3")
	}
	return append(args, c.extra...)
}

// url is the address of a remote file, or of a folder if remote ends in "/".
func (c *curl) url(remote string) string {
	scheme := "ftp"
	if c.setup.mode == implicit {
		scheme = "ftps"
	}
	return scheme + "://" + c.srv.addr(c.setup.mode) + escapePath(remote)
}

// escapePath writes each element of a path as a URL wants it.
func escapePath(remote string) string {
	parts := strings.Split(remote, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func (c *curl) run(args ...string) (string, error) {
	return proc{name: "curl", args: append(c.base(), args...)}.run()
}

// quote sends raw commands and transfers nothing.
func (c *curl) quote(lines ...string) error {
	args := []string{"--head"}
	for _, line := range lines {
		args = append(args, "--quote", line)
	}
	_, err := c.run(append(args, c.url("/"))...)
	return err
}

func (c *curl) put(local, remote string) error {
	_, err := c.run("-T", local, c.url(remote))
	return err
}

func (c *curl) get(remote, local string) error {
	_, err := c.run("-o", local, c.url(remote))
	return err
}

func (c *curl) resumePut(local, remote string) error {
	_, err := c.run("-C", "-", "-T", local, c.url(remote))
	return err
}

func (c *curl) resumeGet(remote, local string) error {
	_, err := c.run("-C", "-", "-o", local, c.url(remote))
	return err
}

func (c *curl) list(dir string) ([]string, error) {
	out, err := c.run("--list-only", c.url(dir+"/"))
	return lines(out), err
}

func (c *curl) rename(from, to string) error { return c.quote("RNFR "+from, "RNTO "+to) }
func (c *curl) remove(remote string) error   { return c.quote("DELE " + remote) }
func (c *curl) mkdir(dir string) error       { return c.quote("MKD " + dir) }
func (c *curl) rmdir(dir string) error       { return c.quote("RMD " + dir) }
func (c *curl) close() error                 { return nil }

// lines splits a list of names; names may begin and end with spaces.
func lines(out string) []string {
	var names []string
	for line := range strings.Lines(out) {
		if name := strings.TrimRight(line, "\r\n"); name != "" {
			names = append(names, path.Base(name))
		}
	}
	return names
}
