//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mode is how a listener speaks TLS.
type mode string

const (
	plain    mode = "plain"
	explicit mode = "explicit"
	implicit mode = "implicit"
)

var modes = []mode{plain, explicit, implicit}

// setup is one way to talk to the server.
type setup struct {
	mode mode
	tls  string // "1.2", "1.3"; "" on the plain listener
	prot string // "C", "P"; C on the plain listener
}

func (s setup) String() string {
	if s.mode == plain {
		return string(plain)
	}
	return fmt.Sprintf("%s TLS%s %s", s.mode, s.tls, s.prot)
}

// setups are the columns of the matrix.
var setups = func() []setup {
	all := []setup{{plain, "", "C"}}
	for _, m := range []mode{explicit, implicit} {
		for _, tls := range []string{"1.2", "1.3"} {
			for _, prot := range []string{"C", "P"} {
				all = append(all, setup{m, tls, prot})
			}
		}
	}
	return all
}()

// client is one program and how it reaches the server. Remote paths are
// absolute, local ones are files of this machine. A method that the program
// has no way to do is listed in the table limits and never called.
type client interface {
	put(local, remote string) error
	get(remote, local string) error
	resumePut(local, remote string) error // remote holds the first part of local
	resumeGet(remote, local string) error // local holds the first part of remote
	list(dir string) ([]string, error)    // names only
	rename(from, to string) error
	remove(path string) error
	mkdir(dir string) error
	rmdir(dir string) error
	close() error
}

// lacking is embedded by clients that cannot do everything.
type lacking struct{}

func (lacking) put(_, _ string) error           { return errNotListed }
func (lacking) get(_, _ string) error           { return errNotListed }
func (lacking) resumePut(_, _ string) error     { return errNotListed }
func (lacking) resumeGet(_, _ string) error     { return errNotListed }
func (lacking) list(_ string) ([]string, error) { return nil, errNotListed }
func (lacking) rename(_, _ string) error        { return errNotListed }
func (lacking) remove(_ string) error           { return errNotListed }
func (lacking) mkdir(_ string) error            { return errNotListed }
func (lacking) rmdir(_ string) error            { return errNotListed }
func (lacking) close() error                    { return nil }

var errNotListed = fmt.Errorf("the client cannot do this, but the table limits does not say so")

// program is one row of the matrix.
type program struct {
	name    string
	pkg     string   // the Debian package that holds it
	needs   []string // commands, or files when they hold a slash
	prepare func() error
	open    func(*server, setup) (client, error)
}

// programs are filled in by the file of each client.
var programs = []program{
	{"curl", "curl", []string{"curl"}, nil, openCurl},
	{"lftp", "lftp", []string{"lftp"}, nil, openLftp},
	{"wget", "wget", []string{"wget"}, nil, openWget},
	{"rclone", "rclone", []string{"rclone"}, prepareRclone, openRclone},
	{"ncftp", "ncftp", []string{"ncftp", "ncftpput", "ncftpget", "ncftpls"}, prepareNcftp, openNcftp},
	{"ftplib", "python3", []string{"python3"}, preparePython, openPython},
	{"s_client", "openssl", []string{"openssl"}, nil, openOpenSSL},
	{"jlaffaye", "", nil, nil, openJlaffaye},
	{"commons-net", "libcommons-net-java and default-jdk-headless", []string{"java", "javac", commonsNetJar}, prepareCommonsNet, openCommonsNet},
}

// install makes the program ready, and fails with the package's name if it is
// not there.
func (p *program) install() error {
	for _, need := range p.needs {
		if !installed(need) {
			return fmt.Errorf("%s is not installed: it needs %s of the Debian package %s; run scripts/install-clients.sh", p.name, need, p.pkg)
		}
	}
	if p.prepare == nil {
		return nil
	}
	return p.prepare()
}

func installed(need string) bool {
	if strings.Contains(need, "/") {
		_, err := os.Stat(need)
		return err == nil
	}
	_, err := exec.LookPath(need)
	return err == nil
}

// needProgram finds a program and fails the test if it is not installed.
func needProgram(t *testing.T, name string) *program {
	t.Helper()
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("no program %q", name)
	}
	if err := scratch.installed[i]; err != nil {
		t.Fatal(err)
	}
	return &programs[i]
}

// need opens a client of the named program; the test's end closes it.
func need(t *testing.T, name string, s setup) client {
	t.Helper()
	return needAt(t, scratch.srv, name, s)
}

// needAt is need for another server than the one of the whole run.
func needAt(t *testing.T, srv *server, name string, s setup) client {
	t.Helper()
	c, err := needProgram(t, name).open(srv, s)
	if err != nil {
		t.Fatalf("%s, %s: %v", name, s, err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Errorf("%s, %s: quit: %v", name, s, err)
		}
	})
	return c
}

// testdata is the absolute path of a file in testdata.
func testdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}
