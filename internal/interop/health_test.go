//go:build interop

package interop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// healthy logs in on the implicit listener and asks for a listing.
func (s *server) healthy() error {
	c, err := dialJlaffaye(s, setup{implicit, "1.3", "P"}, nil)
	if err != nil {
		return err
	}
	_, err = c.List("/")
	return errors.Join(err, c.Quit())
}

// faults returns what the server's log must not hold. It is called when the
// server has ended.
func (s *server) faults() error {
	<-s.log.ended
	var errs []error
	for _, line := range s.log.since(0, faulty) {
		errs = append(errs, fmt.Errorf("server log: %s", line.raw))
	}
	return errors.Join(errs...)
}

func faulty(line logLine) bool {
	return line.keys == nil || line.str("level") == "ERROR" || strings.Contains(line.raw, "panic") ||
		strings.Contains(line.raw, password)
}

// leftovers returns an error for each hidden file below the root: an upload
// that was neither published nor removed. No test leaves a hidden name itself.
func (s *server) leftovers() error {
	var errs []error
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != s.root && strings.HasPrefix(d.Name(), ".") {
			errs = append(errs, fmt.Errorf("left over: %s", path))
		}
		return err
	})
	return errors.Join(append(errs, err)...)
}

// warmDescriptors makes the server open what it keeps for ever (its pools, the
// user's root) and returns its descriptors.
func warmDescriptors(s *server) ([]string, error) {
	for range 2 {
		if err := s.healthy(); err != nil {
			return nil, fmt.Errorf("first login: %w", err)
		}
	}
	var last []string
	err := poll(func() error {
		now, err := s.descriptors()
		if err == nil && !slices.Equal(now, last) {
			last, err = now, errors.New("descriptors do not settle")
		}
		return err
	})
	return last, err
}

// crowd logs in many times at once.
func (s *server) crowd() error {
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.healthy() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sameDescriptors waits until the server's descriptors are those of before. It
// keeps the server busy meanwhile: Go caches the pipes that uploads are spliced
// through, and closes them when garbage has been collected three times.
func sameDescriptors(s *server, before []string) error {
	return poll(func() error {
		now, err := s.descriptors()
		if err != nil {
			return err
		}
		if !slices.Equal(now, before) {
			return errors.Join(fmt.Errorf("descriptors of the server: %d at the start, %d at the end\nstart: %q\nend:   %q",
				len(before), len(now), before, now), s.crowd())
		}
		return nil
	})
}

// descriptors returns what the server process has open, sorted. The listeners
// of the passive range are left out, for the pool opens a port when it is
// first needed and keeps it. Sockets and pipes stand without their inode: how
// many there are is what counts.
func (s *server) descriptors() ([]string, error) {
	listening, err := s.listeners()
	if err != nil {
		return nil, err
	}
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed between the two calls
		}
		if err != nil {
			return nil, err
		}
		if port := listening[target]; port >= s.passive && port < s.passive+passivePorts {
			continue
		}
		kind, _, _ := strings.Cut(target, ":[")
		out = append(out, kind)
	}
	slices.Sort(out)
	return out, nil
}

// listeners returns the ports of all listening TCP sockets of this machine, by
// the target of their /proc/PID/fd link.
func (s *server) listeners() (map[string]int, error) {
	out := map[string]int{}
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", s.cmd.Process.Pid, name))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const listen = "0A"
			if len(f) < 10 || f[3] != listen {
				continue
			}
			port, err := strconv.ParseInt(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 32)
			if err != nil {
				return nil, err
			}
			out["socket:["+f[9]+"]"] = int(port)
		}
	}
	return out, nil
}

// TestServerStaysHealthy is the check that other tests use, on its own.
func TestServerStaysHealthy(t *testing.T) {
	if err := scratch.srv.healthy(); err != nil {
		t.Fatal(err)
	}
}
