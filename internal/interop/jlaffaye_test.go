//go:build interop

package interop

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"time"

	"github.com/jlaffaye/ftp"
)

// jlaffaye runs in this process: the library that rclone is built on.
type jlaffaye struct{ c *ftp.ServerConn }

func openJlaffaye(srv *server, s setup) (client, error) {
	c, err := dialJlaffaye(srv, s, nil)
	if err != nil {
		return nil, err
	}
	return jlaffaye{c}, nil
}

// dialJlaffaye logs in; cache is the TLS session cache, nil for none.
func dialJlaffaye(srv *server, s setup, cache tls.ClientSessionCache) (*ftp.ServerConn, error) {
	opts := []ftp.DialOption{ftp.DialWithTimeout(20 * time.Second), ftp.DialWithShutTimeout(20 * time.Second)}
	if s.mode != plain {
		cfg, err := clientTLS(srv, s.tls)
		if err != nil {
			return nil, err
		}
		cfg.ClientSessionCache = cache
		if s.mode == explicit {
			opts = append(opts, ftp.DialWithExplicitTLS(cfg))
		} else {
			opts = append(opts, ftp.DialWithTLS(cfg))
		}
	}
	c, err := ftp.Dial(srv.addr(s.mode), opts...)
	if err != nil {
		return nil, err
	}
	if err := c.Login(user, password); err != nil {
		return nil, errors.Join(err, c.Quit())
	}
	return c, nil
}

// clientTLS trusts the server's certificate and speaks one version.
func clientTLS(srv *server, version string) (*tls.Config, error) {
	pem, err := os.ReadFile(srv.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	v := uint16(tls.VersionTLS13)
	if version == "1.2" {
		v = tls.VersionTLS12
	}
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: v, MaxVersion: v}, nil
}

func (j jlaffaye) put(local, remote string) error { return j.store(local, remote, 0) }

func (j jlaffaye) store(local, remote string, at int64) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	return j.c.StorFrom(remote, f, uint64(at))
}

func (j jlaffaye) resumePut(local, remote string) error {
	at, err := j.c.FileSize(remote)
	if err != nil {
		return err
	}
	return j.store(local, remote, at)
}

func (j jlaffaye) get(remote, local string) error { return j.retrieve(remote, local, os.O_TRUNC) }
func (j jlaffaye) resumeGet(remote, local string) error {
	return j.retrieve(remote, local, os.O_APPEND)
}

func (j jlaffaye) retrieve(remote, local string, flag int) (err error) {
	f, err := os.OpenFile(local, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	r, err := j.c.RetrFrom(remote, uint64(at))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, r.Close())
}

func (j jlaffaye) list(dir string) ([]string, error) {
	entries, err := j.c.List(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return dotless(names), err
}

func (j jlaffaye) rename(from, to string) error { return j.c.Rename(from, to) }
func (j jlaffaye) remove(remote string) error   { return j.c.Delete(remote) }
func (j jlaffaye) mkdir(dir string) error       { return j.c.MakeDir(dir) }
func (j jlaffaye) rmdir(dir string) error       { return j.c.RemoveDir(dir) }
func (j jlaffaye) close() error                 { return j.c.Quit() }
