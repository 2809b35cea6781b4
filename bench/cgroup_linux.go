package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroup is a control group of ours with one server in it. It counts all of the
// server's CPU time, that of processes which we never saw included.
type cgroup struct {
	dir string
	v2  bool
}

// newCgroup makes a group below our own; an error means that we may not.
func newCgroup(name string) (*cgroup, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	base, v2, err := cgroupBase(string(data))
	if err != nil {
		return nil, err
	}
	g := &cgroup{filepath.Join(base, name), v2}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if _, _, err := g.usage(); err != nil {
		_ = os.Remove(g.dir)
		return nil, err
	}
	return g, nil
}

// cgroupBase finds our own group: that of the cpuacct controller (version 1), or
// the one of version 2.
func cgroupBase(self string) (dir string, v2 bool, err error) {
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if strings.Contains(","+f[1]+",", ",cpuacct,") {
			return filepath.Join("/sys/fs/cgroup", f[1], f[2]), false, nil
		}
		if f[0] == "0" {
			dir = filepath.Join("/sys/fs/cgroup", f[2])
		}
	}
	if dir == "" {
		return "", false, fmt.Errorf("no control group that counts CPU time")
	}
	return dir, true, nil
}

// add moves a process into the group.
func (g *cgroup) add(pid int) error {
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// usage returns the CPU time of all that ran in the group.
func (g *cgroup) usage() (user, sys time.Duration, err error) {
	name, unit := "cpuacct.stat", tick
	if g.v2 {
		name, unit = "cpu.stat", time.Microsecond
	}
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return 0, 0, err
	}
	if g.v2 {
		return time.Duration(field(data, "user_usec ")) * unit, time.Duration(field(data, "system_usec ")) * unit, nil
	}
	return time.Duration(field(data, "user ")) * unit, time.Duration(field(data, "system ")) * unit, nil
}

// remove ends what is still in the group, children that left the server's process
// group included, and takes the group away.
func (g *cgroup) remove() {
	deadline := time.Now().Add(5 * time.Second)
	for os.Remove(g.dir) != nil && time.Now().Before(deadline) {
		data, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
		if err != nil {
			return // it is gone
		}
		for word := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(word); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone
			}
		}
		time.Sleep(5 * time.Millisecond) // the kernel tells nobody when it has
	}
}
