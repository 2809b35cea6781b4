//go:build linux

// Peers compares fastftps with the FTP servers that Debian ships: the same
// scenarios, one server after the other, round by round, and a page of ratios.
// It is run by `make bench-peers`, as root, in a network namespace of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"syscall"

	"fastftps/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	place
	rounds   int
	duration string
	only     *regexp.Regexp
	out      string

	runs int // of servers, for the next one's port
}

func parse() (*options, error) {
	var o options
	only := flag.String("only", "", "measure rows whose name matches this expression")
	flag.StringVar(&o.dir, "dir", "", "empty folder for everything, on a tmpfs")
	flag.StringVar(&o.peers, "peers", "", "folder of the unpacked peers, of scripts/install-peers.sh")
	flag.StringVar(&o.ours, "fastftps", "", "our binary; it is the load generator as well")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.StringVar(&o.duration, "duration", "4s", "measured time of each run")
	flag.StringVar(&o.out, "out", "", "page to write after each round; none: standard output")
	flag.Parse()
	if o.dir == "" || o.peers == "" || o.ours == "" || flag.NArg() > 0 {
		return nil, errors.New("-dir, -peers and -fastftps are needed, and nothing else")
	}
	o.tree = filepath.Join(o.dir, "tree")
	var err error
	o.only, err = regexp.Compile(*only)
	return &o, err
}

func run(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	scenarios := filepath.Join(o.dir, "scenarios")
	if err := errors.Join(os.MkdirAll(scenarios, 0o755), o.makeTree(), o.makeSecrets(), prepare(&o.place, scenarios)); err != nil {
		return err
	}
	all := rows(scenarios)
	peers := newTable(products, matching(all, o.only))
	own := newTable(engines, matching(all, o.only, engineRows))
	for round := range o.rounds {
		for _, t := range []*table{peers, own} {
			if err := o.measureAll(ctx, t, round); err != nil {
				return err
			}
		}
		var grid []*try
		last := round+1 == o.rounds
		if last && o.only.String() == "" {
			grid = o.tryAll(ctx)
		}
		if last || o.out != "" { // a run that is interrupted leaves its whole rounds
			if err := o.writePage(round+1, peers, own, grid); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// measureAll runs the rows of a round once on each server. Each round begins with another
// server, so that none always has the warm or the cold machine.
func (o *options) measureAll(ctx context.Context, t *table, round int) error {
	for i := range t.rows {
		if !t.rows[i].in(round) {
			continue
		}
		for j := range t.products {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o.measure(ctx, t, round, i, t.products[(round+j)%len(t.products)])
		}
	}
	return nil
}

// makeTree makes the folder that is served. Everybody may write to it, for the
// servers run as different users.
func (o *options) makeTree() error {
	if err := os.MkdirAll(o.tree, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(o.tree, 0o777); err != nil {
		return err
	}
	if u, err := osuser.Lookup(user); err == nil && u.HomeDir == o.tree {
		return nil
	}
	return exec.Command("usermod", "--home", o.tree, user).Run()
}

// makeSecrets makes the certificate and the password that all servers share.
func (o *options) makeSecrets() error {
	if _, err := o.write(filepath.Base(o.passwordFile()), password+"\n"); err != nil {
		return err
	}
	return exec.Command(o.ours, "cert", "self-signed", "--out", o.cert()).Run()
}

// Servers get ports from basePort on, each another: below those that the kernel
// gives to clients, see scripts/bench-peers.sh.
const (
	basePort = 10000
	ports    = 13000
)

// measure runs one row on one server and notes the value, or why there is none.
func (o *options) measure(ctx context.Context, t *table, round, i int, p product) {
	r := &t.rows[i]
	if !p.has(r.mode) {
		t.note(i, p.name, 0, errors.New("no implicit mode"))
		return
	}
	rep, err := o.once(ctx, r, p)
	var v float64
	if err == nil {
		err = failures(&rep.Targets[0])
	}
	if err == nil {
		v, err = r.value(&rep.Targets[0])
	}
	t.note(i, p.name, v, err)
	if err == nil {
		t.env = rep.Env
	}
	fmt.Fprintf(os.Stderr, "round %d  %-42s %-10s %10.3f %s %v\n", round+1, r.name, p.name, v, r.unit, orNothing(err))
}

func orNothing(err error) any {
	if err == nil {
		return ""
	}
	return err
}

// once runs the generator, which starts the server and ends it.
func (o *options) once(ctx context.Context, r *row, p product) (*report.Report, error) {
	port := basePort + o.runs*10%ports
	o.runs++
	spawn, err := p.command(&o.place, port, r.mode)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(o.dir, "report.json")
	args := []string{"bench", "-d", o.duration, "--warmup", "1s", "-q", "--json", file, "-u", user, "--password-file", o.passwordFile(), "--spawn", spawn}
	args = append(append(args, r.args...), string(r.mode)+"://"+addr(port))
	cmd := exec.CommandContext(ctx, o.ours, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == exitInvalid) {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	defer os.Remove(file)
	return report.ReadFile(file)
}

// exitInvalid is what fastftps bench says when the generator was the
// bottleneck: it is on a machine of two cores, and CPU a unit of work does not
// mind.
const exitInvalid = 4
