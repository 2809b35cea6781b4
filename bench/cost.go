package bench

import (
	"sync"
	"time"

	"fastftps/bench/report"
)

// usage is what processes have used.
type usage struct {
	user, sys              time.Duration
	voluntary, involuntary int64
	wall                   time.Duration // in which they did
	known                  bool
}

func (u usage) cpu() time.Duration { return u.user + u.sys }

func (u usage) minus(o usage) usage {
	return usage{u.user - o.user, u.sys - o.sys, u.voluntary - o.voluntary, u.involuntary - o.involuntary, u.wall - o.wall, u.known}
}

func (u *usage) merge(o usage) {
	u.user, u.sys = u.user+o.user, u.sys+o.sys
	u.voluntary, u.involuntary = u.voluntary+o.voluntary, u.involuntary+o.involuntary
	u.wall, u.known = u.wall+o.wall, u.known || o.known
}

// memory is what processes hold.
type memory struct {
	pss, fds, processes int64
}

// probe watches a server's processes. A nil probe knows nothing.
type probe struct {
	group *cgroup // nil: /proc alone
	begun time.Time

	mu     sync.Mutex // guards the fields below
	tree   tree
	before memory
	peak   memory
	last   memory
	held   memory    // when sessions were held
	next   time.Time // for memory: looking at many processes costs much itself
	cpu    time.Duration
	looked time.Time
	cores  float64 // lately
}

func newProbe(pid int, group *cgroup) *probe {
	p := &probe{group: group, begun: time.Now(), tree: newTree(pid)}
	p.used()
	p.rest()
	return p
}

// used returns what the processes have used so far.
func (p *probe) used() usage {
	if p == nil {
		return usage{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.tree.usage()
	if p.group != nil {
		if user, sys, err := p.group.usage(); err == nil {
			u.user, u.sys = user, sys
		}
	}
	u.wall = time.Since(p.begun)
	return u
}

// rest takes the present memory for what the server holds when it has nothing to
// do.
func (p *probe) rest() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = p.tree.memory()
	p.peak, p.last = p.before, p.before
}

// hold takes the present memory for what the server holds with the sessions that are
// there. Looks that follow do not change it: the closing NOOPs wake every session.
func (p *probe) hold() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookLocked()
	p.held = p.last
}

func (p *probe) lookLocked() {
	begun := time.Now()
	p.last = p.tree.memory()
	p.peak.pss, p.peak.fds = max(p.peak.pss, p.last.pss), max(p.peak.fds, p.last.fds)
	p.peak.processes = max(p.peak.processes, p.last.processes)
	p.next = time.Now().Add(20 * time.Since(begun))
}

// sample is the look once a second.
func (p *probe) sample() (cores float64, pss int64) {
	if p == nil {
		return 0, 0
	}
	cpu := p.used().cpu()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.looked.IsZero() {
		p.cores = perTime((cpu - p.cpu).Seconds(), now.Sub(p.looked).Seconds())
	}
	p.cpu, p.looked = cpu, now
	if now.After(p.next) {
		p.lookLocked()
	}
	return p.cores, p.last.pss
}

// cost says what the server used for what it did.
func (p *probe) cost(a *aggregate, scenario *Scenario, held int64) *report.Cost {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := a.used
	c := &report.Cost{
		CPUSeconds: u.cpu().Seconds(), UserSeconds: u.user.Seconds(), SysSeconds: u.sys.Seconds(),
		CPUPerGB: a.cpuPerGB(), CPUMsPerFile: a.cpuPerFile(),
		PSSBefore: p.before.pss, PSSPeak: p.peak.pss, FDsBefore: p.before.fds, FDsPeak: p.peak.fds,
		Voluntary: u.voluntary, Involuntary: u.involuntary, Processes: p.peak.processes, Source: "proc",
	}
	if p.group != nil {
		c.Source = "cgroup"
	}
	if scenario.has(stepLogin) || scenario.has(stepHandshake) {
		c.CPUMsPerLog = a.cpuPerLogin()
	}
	if held > 0 {
		c.KiBPerIdle = float64(p.held.pss-p.before.pss) / 1024 / float64(held)
	}
	return c
}

// cpuPerGB is CPU seconds for 1e9 file bytes.
func (a *aggregate) cpuPerGB() float64 {
	return perTime(a.used.cpu().Seconds(), float64(a.bytes())/1e9)
}

// cpuPerFile is CPU milliseconds a transfer.
func (a *aggregate) cpuPerFile() float64 {
	return perTime(a.used.cpu().Seconds()*1e3, float64(a.files()))
}

// cpuPerLogin is CPU milliseconds a login, or a handshake.
func (a *aggregate) cpuPerLogin() float64 {
	return perTime(a.used.cpu().Seconds()*1e3, float64(a.ops[opLogin].ok+a.ops[opHandshake].ok))
}
