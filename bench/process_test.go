//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	p, err := parseStat("42 (a b) c) S 7 42 42 0 -1 0 1 2 3 4 150 50 30 20 20 0 1 0 99 1000 1 2 3\n")
	if err != nil || p.parent != 7 || p.born != 99 || p.self.user != 1500*time.Millisecond || p.self.sys != 500*time.Millisecond || p.children.cpu() != 500*time.Millisecond {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, bad := range []string{"", "42 (a) S 7", "1 (a) S x 42 42 0 -1 0 1 2 3 4 150 50 30 20 20 0 1 0 99 1000"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// burn is a shell that uses CPU in a child which ends, and waits.
const burn = `sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo done; read x || true`

// shell starts a script and returns its pipes.
func shell(t *testing.T, script string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	cmd = exec.Command("sh", "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(r)
}

// TestTree: what children used counts after they have ended.
func TestTree(t *testing.T) {
	cmd, in, out := shell(t, burn)
	tree := newTree(cmd.Process.Pid)
	before := tree.usage()
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	used := tree.usage().minus(before)
	if used.cpu() <= 0 {
		t.Errorf("got %v of a child that has ended, want some", used)
	}
	if m := tree.memory(); m.processes != 1 || m.pss <= 0 || m.fds < 3 {
		t.Errorf("got %+v, want the shell alone", m)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if after := tree.usage().minus(before); after.cpu() < used.cpu() {
		t.Errorf("got %v after the end, %v before: it must not shrink", after, used)
	}
}

// TestTreeNewborn: memory counts processes born since the last look at all, however soon
// after it they are asked for.
func TestTreeNewborn(t *testing.T) {
	cmd, in, out := shell(t, `read x; sh -c 'echo born; read x' ; true`)
	tree := newTree(cmd.Process.Pid)
	tree.usage()
	tree.next = time.Now().Add(time.Hour) // as if a look took minutes
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if m := tree.memory(); m.processes != 2 {
		t.Errorf("got %+v, want the child too", m)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestTreeUnwaited: children that nobody waits for do not get lost.
func TestTreeUnwaited(t *testing.T) {
	tree := newTree(1 << 30)
	tree.seen = map[int]process{
		1 << 30: {born: 1},
		2:       {parent: 1 << 30, born: 2, self: usage{user: time.Second}},
	}
	if u := tree.usage(); u.user != time.Second {
		t.Errorf("got %v of a tree that is gone, want what was seen", u.user)
	}
}

func TestCgroupBase(t *testing.T) {
	for in, want := range map[string]string{
		"0::/user.slice/a\n":                    "/sys/fs/cgroup/user.slice/a",
		"4:memory:/m\n3:cpu,cpuacct:/b\n0::/\n": "/sys/fs/cgroup/cpu,cpuacct/b",
		"2:cpuacct:/\n":                         "/sys/fs/cgroup/cpuacct",
	} {
		if dir, _, err := cgroupBase(in); err != nil || dir != want {
			t.Errorf("%q: got %s, %v, want %s", in, dir, err, want)
		}
	}
	if _, _, err := cgroupBase("4:memory:/m\n"); err == nil {
		t.Error("a group without CPU time was taken")
	}
}

// TestSpawn: a server that ends at once says why; one that listens is ended with
// the run, its children too.
func TestSpawn(t *testing.T) {
	f := newFake(t, false, nil)
	c := config(t, "list", f.url())
	c.Targets[0].Addr = "127.0.0.1:1"
	c.Targets[0].Spawn = "sh -c 'echo no such option >&2; exit 7'"
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no such option") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v, want what the server printed", err)
	}

	c = config(t, "list", f.url())
	c.Targets[0].Spawn = "sh -c 'setsid sleep 20 & sleep 1000 & echo $! >" + t.TempDir() + "/pid; wait'"
	s, err := spawn(c.Targets[0].Spawn, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), f.ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if s.group != nil {
		if _, err := os.Stat(s.group.dir); err == nil {
			t.Errorf("the control group %s stays there", s.group.dir)
		}
	}
	if group := s.cmd.Process.Pid; groupLives(group) {
		t.Errorf("processes of group %d live on", group)
	}
}

// groupLives reports whether a process of the group is there, once those that
// were killed have had time to go.
func groupLives(group int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		names, _ := readNames("/proc")
		found := false
		for _, name := range names {
			data, err := os.ReadFile("/proc/" + name + "/stat")
			if err != nil {
				continue
			}
			f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
			found = found || len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(group)
		}
		if !found {
			return false
		}
	}
	return true
}

// TestHeldMemory: what a held session takes is what it took when it was held, whatever
// memory is looked at afterwards.
func TestHeldMemory(t *testing.T) {
	p := newProbe(os.Getpid(), nil)
	p.hold()
	const more = 64 << 20
	p.next = time.Time{} // look again
	woken := bytes.Repeat([]byte{1}, more)
	if _, pss := p.sample(); pss < more {
		t.Fatalf("got %d bytes, want what was just written to be in it", pss)
	}
	runtime.KeepAlive(woken)
	if k := p.cost(newAggregate(), &Scenario{}, 1).KiBPerIdle; k > more/2>>10 {
		t.Errorf("got %.0f KiB a session, want none of the %d that came after", k, more>>10)
	}
}

// TestCost: what the server's processes use is in the report. The server is this
// process.
func TestCost(t *testing.T) {
	f := newFake(t, true, nil)
	c := config(t, "mixed", f.url())
	c.Targets[0].PID = os.Getpid()
	c.Targets = append(c.Targets, c.Targets[0])
	r := measureUntil(t, c, compares("cpu_ms_per_file"))
	for _, target := range r.Targets {
		k := target.Cost
		if k == nil || k.CPUSeconds <= 0 || k.CPUPerGB <= 0 || k.CPUMsPerFile <= 0 || k.PSSPeak <= 0 || k.FDsPeak <= 0 || k.Processes < 1 || k.Voluntary <= 0 {
			t.Errorf("%s: got %+v", target.Name, k)
		}
	}
	if a := ratioOf(t, r, "cpu_ms_per_file"); a.A <= 0 || a.B <= 0 {
		t.Errorf("got %+v", a)
	}
}
