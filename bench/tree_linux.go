package bench

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/*/stat: USER_HZ, 100 everywhere.
const tick = time.Second / 100

// tree is a process and all that descend from it. It is asked again and again;
// what processes used that have ended since stays counted.
type tree struct {
	root int
	seen map[int]process
	lost usage // of processes that nobody waited for
	ctx  usage // context switches, summed up from call to call

	members map[int]bool // by the last look at all processes
	next    time.Time    // for such a look
}

// process is what /proc says of one.
type process struct {
	parent                 int
	born                   uint64 // tells apart processes of one number
	self, children         usage
	voluntary, involuntary int64
}

func newTree(pid int) tree { return tree{root: pid, seen: map[int]process{}} }

// usage returns what the tree has used since it began. A process that has ended
// counts by what its parent got from wait; if the parent did not wait, by what we
// saw last.
func (t *tree) usage() usage {
	now := t.scan()
	for pid, p := range now {
		p.voluntary, p.involuntary = switchesOf(pid)
		now[pid] = p
	}
	vanished := map[int]time.Duration{} // by parent
	for pid, p := range t.seen {
		if q, ok := now[pid]; !ok || q.born != p.born {
			vanished[p.parent] += p.self.cpu() + p.children.cpu()
		}
	}
	for parent, used := range vanished {
		q, alive := now[parent]
		if !alive {
			continue // its own end counts, with all that it waited for
		}
		if got := q.children.cpu() - t.seen[parent].children.cpu(); used > got {
			t.lost.user += used - got // which part was the system's is not known any more
		}
	}
	u := t.lost
	for pid, p := range now {
		u.merge(p.self)
		u.merge(p.children)
		before := t.seen[pid]
		if before.born != p.born {
			before = process{}
		}
		t.ctx.voluntary += max(0, p.voluntary-before.voluntary)
		t.ctx.involuntary += max(0, p.involuntary-before.involuntary)
	}
	if len(now) > 0 { // else the whole server is gone; what it used stays
		t.seen = now
	} else {
		for _, p := range t.seen {
			u.merge(p.self)
			u.merge(p.children)
		}
	}
	u.voluntary, u.involuntary, u.known = t.ctx.voluntary, t.ctx.involuntary, true
	return u
}

// memory returns what the tree holds now, newborn processes included: it looks at all.
func (t *tree) memory() (m memory) {
	t.next = time.Time{}
	for pid := range t.scan() {
		m.processes++
		m.pss += pssOf(pid)
		m.fds += fdsOf(pid)
	}
	return m
}

// scan reads the tree. Who belongs to it can be found out only by looking at all
// processes of the machine; where there are many, usage does not do it every time.
func (t *tree) scan() map[int]process {
	now := time.Now()
	if now.Before(t.next) {
		return read(t.members)
	}
	all := readAll()
	in := map[int]process{}
	t.members = map[int]bool{}
	for pid, p := range all {
		if t.holds(all, pid) {
			in[pid], t.members[pid] = p, true
		}
	}
	t.next = time.Now().Add(20 * time.Since(now))
	return in
}

func readAll() map[int]process {
	names, _ := readNames("/proc")
	pids := map[int]bool{}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids[pid] = true
		}
	}
	return read(pids)
}

// read reads those that are still there.
func read(pids map[int]bool) map[int]process {
	all := map[int]process{}
	for pid := range pids {
		if p, err := readStat(pid); err == nil {
			all[pid] = p
		}
	}
	return all
}

// holds reports whether pid is the root or below it.
func (t *tree) holds(all map[int]process, pid int) bool {
	for range len(all) {
		if pid == t.root {
			return true
		}
		p, ok := all[pid]
		if !ok || pid <= 1 {
			return false
		}
		pid = p.parent
	}
	return false
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// readStat reads /proc/PID/stat (proc(5)).
func readStat(pid int) (process, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, err
	}
	return parseStat(string(data))
}

func parseStat(s string) (p process, err error) {
	// The name, in parentheses, may hold anything.
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return p, errors.New("short stat")
	}
	var n [20]uint64
	for _, i := range []int{1, 11, 12, 13, 14, 19} {
		if n[i], err = strconv.ParseUint(f[i], 10, 64); err != nil {
			return p, err
		}
	}
	p.parent, p.born = int(n[1]), n[19]
	p.self = usage{user: time.Duration(n[11]) * tick, sys: time.Duration(n[12]) * tick}
	p.children = usage{user: time.Duration(n[13]) * tick, sys: time.Duration(n[14]) * tick}
	return p, nil
}

// switchesOf counts the context switches of all threads.
func switchesOf(pid int) (voluntary, involuntary int64) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, _ := readNames(dir)
	for _, task := range tasks {
		data, err := os.ReadFile(filepath.Join(dir, task, "status"))
		if err != nil {
			continue // ended
		}
		voluntary += field(data, "voluntary_ctxt_switches:")
		involuntary += field(data, "nonvoluntary_ctxt_switches:")
	}
	return voluntary, involuntary
}

// field finds the number after a name at the start of a line.
func field(data []byte, name string) int64 {
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				n, _ := strconv.ParseInt(string(f[0]), 10, 64)
				return n
			}
		}
	}
	return 0
}

// pssOf returns a process's proportional share of memory, in bytes.
func pssOf(pid int) int64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	return field(data, "Pss:") << 10
}

func fdsOf(pid int) int64 {
	names, _ := readNames("/proc/" + strconv.Itoa(pid) + "/fd")
	return int64(len(names))
}
