//go:build interop

package interop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// scratch is what the whole run shares.
var scratch struct {
	srv       *server
	dir       string  // temporary; kept when the run fails
	home      string  // HOME of the clients
	installed []error // by program
}

// cells is how many clients work at once: more than cores, for a client waits
// more than it computes (curl 7.88 up to 0.4 s a transfer, in its own poll).
const cells = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", cells); err != nil {
		panic(err)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	if code != 0 && scratch.dir != "" {
		fmt.Fprintln(os.Stderr, "the server's log and the clients' files are in", scratch.dir)
	} else {
		_ = os.RemoveAll(scratch.dir)
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	bin := os.Getenv("FASTFTPS_BIN")
	if bin == "" {
		return 1, errors.New("FASTFTPS_BIN does not name the binary under test; use make interop")
	}
	var err error
	if scratch.dir, err = os.MkdirTemp("", "interop-"); err != nil {
		return 1, err
	}
	scratch.home = filepath.Join(scratch.dir, "home")
	if err := os.Mkdir(scratch.home, 0o700); err != nil {
		return 1, err
	}
	if scratch.srv, err = startServer(bin, scratch.dir, variant{}); err != nil {
		return 1, err
	}
	installAll()
	return runServed(m)
}

// installAll prepares the programs, side by side: one of them compiles.
func installAll() {
	scratch.installed = make([]error, len(programs))
	var wg sync.WaitGroup
	for i := range programs {
		wg.Go(func() { scratch.installed[i] = programs[i].install() })
	}
	wg.Wait()
}

// runServed runs the tests, then looks at what they left of the server.
func runServed(m *testing.M) (int, error) {
	before, err := warmDescriptors(scratch.srv)
	if err != nil {
		return 1, errors.Join(err, scratch.srv.stop())
	}
	code := m.Run()
	matrix.print(os.Stdout)
	whole := flag.Lookup("test.run").Value.String() == ""
	if whole {
		err = matrix.unused()
	}
	err = errors.Join(err, sameDescriptors(scratch.srv, before))
	if stopped := scratch.srv.stop(); stopped != nil {
		err = errors.Join(err, fmt.Errorf("server after SIGTERM: %w", stopped))
	}
	return code, errors.Join(err, scratch.srv.faults(), scratch.srv.leftovers(), goleak.Find())
}
