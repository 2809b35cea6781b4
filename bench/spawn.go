package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// spawned is a server that we started.
type spawned struct {
	cmd   *exec.Cmd
	group *cgroup
	ended chan struct{} // closed when the process is gone
	err   error         // how it ended
	out   *tail
}

// spawnedList is all servers that we started.
type spawnedList []*spawned

// stop ends them all.
func (l spawnedList) stop() {
	for _, s := range l {
		s.stop()
	}
}

// startServers starts what is to be started and looks for the processes of the
// rest.
func (b *bench) startServers() (list spawnedList, err error) {
	for _, s := range b.servers {
		switch {
		case s.Spawn != "":
			p, err := spawn(s.Spawn, b.cfg.ServerCPU)
			if err != nil {
				return list, err
			}
			list = append(list, p)
			if err := p.await(b.ctx, s.Addr); err != nil {
				return list, err
			}
			s.probe = newProbe(p.cmd.Process.Pid, p.group)
		case s.PID != 0:
			if err := syscall.Kill(s.PID, 0); err != nil && !errors.Is(err, syscall.EPERM) {
				return list, fmt.Errorf("--pid %d: %w", s.PID, err)
			}
			s.probe = newProbe(s.PID, nil)
		}
	}
	return list, nil
}

// spawn starts a server by a shell command, in a process group and, where we may,
// a control group of its own. The shell waits until it is in there.
func spawn(command string, cpus []int) (*spawned, error) {
	cmd := exec.Command("/bin/sh", "-c", "read -r _; exec </dev/null; exec "+command)
	s := &spawned{cmd: cmd, ended: make(chan struct{}), out: &tail{}}
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	gate, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %w", command, err)
	}
	go func() { defer close(s.ended); s.err = cmd.Wait() }()
	s.enclose()
	if len(cpus) > 0 {
		if err := pin(cmd.Process.Pid, cpus); err != nil {
			s.stop()
			return nil, fmt.Errorf("--cpu: %w", err)
		}
	}
	if _, err := gate.Write([]byte("\n")); err != nil {
		s.stop()
		return nil, fmt.Errorf("start %q: %w", command, err)
	}
	return s, gate.Close()
}

// enclose puts the server into a control group; without one /proc has to do.
func (s *spawned) enclose() {
	g, err := newCgroup(fmt.Sprintf("fastftps-bench-%d-%d", os.Getpid(), s.cmd.Process.Pid))
	if err != nil {
		return
	}
	if err := g.add(s.cmd.Process.Pid); err != nil {
		g.remove()
		return
	}
	s.group = g
}

// startWithin is how long a server may take to listen.
const startWithin = 20 * time.Second

// await waits until somebody listens at addr.
func (s *spawned) await(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		retry := time.NewTimer(20 * time.Millisecond)
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended at once: %v\n%s", s.err, s.out)
		case <-ctx.Done():
			return fmt.Errorf("the server does not listen at %s: %w\n%s", addr, err, s.out)
		case <-retry.C:
		}
	}
}

// stop ends the server's process group: SIGTERM, then SIGKILL.
func (s *spawned) stop() {
	signalGroup(s.cmd, syscall.SIGTERM)
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	select {
	case <-s.ended:
	case <-patience.C:
	}
	signalGroup(s.cmd, syscall.SIGKILL)
	<-s.ended
	if s.group != nil {
		s.group.remove()
	}
}
