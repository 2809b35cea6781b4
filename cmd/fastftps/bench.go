package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fastftps/bench"
	"fastftps/bench/report"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	scenario string

	clients     int
	rate, ramp  string
	poisson     bool
	maxInflight int
	findMax     bool
	slo         []string

	duration, warmup, slice, timeout time.Duration
	repeat                           int

	size   string
	files  int
	remote []string
	seed   uint64
	verify string

	tls, resume, resumeControl, resumeData string
	postQuantum                            bool
	prot, mode                             string
	epsv, pasv, active                     bool
	relogin                                int

	user, passwordFile, users string

	pid, pidB            int
	spawn, spawnB        string
	serverCPU, clientCPU string
	hold                 int
	src                  []string
	thresholds           []string
	maxLag               time.Duration
	maxErrors            int64

	out benchOutput
}

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [flags] TARGET [TARGET_B]",
		Short: "Measure an FTPS server, or compare two",
		Long: "Load any FTP or FTPS server and report what it did and what it cost.\n\n" +
			"Targets: ftps://host:990 (implicit TLS), ftpes://host:21 (explicit TLS), ftp://host:21 (clear).\n" +
			"Certificates are not checked.\n\n" +
			"Exit codes: 0 ok, 1 failure, 2 wrong usage, 3 a threshold did not hold or the server was wrong,\n" +
			"4 the run is invalid (the generator was the bottleneck), 130 interrupted (the report is complete).",
		Example: "  fastftps bench -u demo --password-file pw ftps://127.0.0.1:2990\n" +
			"  fastftps bench -s login --rate 200/s --poisson --threshold 'login.response.p99<50ms' ftpes://demo:secret@127.0.0.1:2121\n" +
			"  fastftps bench -s retr --size 1G --spawn './fastftps serve share' ftps://... ftpes://other",
		Args: benchTargets,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd)
	f.out.register(cmd)
	cmd.AddCommand(benchReportCommand())
	return cmd
}

func benchTargets(_ *cobra.Command, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usagef("bench: want one target, or two to compare; got %d; see --help", len(args))
	}
	return nil
}

func (f *benchFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.scenario, "scenario", "s", "mixed", "retr, stor, mixed, login, handshake, idle, stalled, list, smallfiles or FILE.toml")
	flags.IntVarP(&f.clients, "clients", "c", 0, "sessions at once (default 16)")
	flags.StringVar(&f.rate, "rate", "", "open loop: arrivals a second, as 500/s")
	flags.StringVar(&f.ramp, "ramp", "", "open loop whose rate grows, as 0:1000/s:60s")
	flags.BoolVar(&f.poisson, "poisson", false, "open loop: random arrivals (default: evenly spaced)")
	flags.IntVar(&f.maxInflight, "max-inflight", 0, "open loop: arrivals in work or waiting; more are dropped (default 1000)")
	flags.BoolVar(&f.findMax, "find-max", false, "look for the highest rate that holds --slo, from --rate on")
	flags.StringArrayVar(&f.slo, "slo", nil, "what --find-max shall hold, as 'retr.ttfb.p99<50ms'; repeatable")
	flags.DurationVarP(&f.duration, "duration", "d", 0, "measured time of a round, of each target (default 30s)")
	flags.DurationVar(&f.warmup, "warmup", 5*time.Second, "time before that is not measured")
	flags.IntVar(&f.repeat, "repeat", 1, "rounds; the report has median, least and largest")
	flags.DurationVar(&f.slice, "slice", 5*time.Second, "two targets: length of one turn")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "limit of each step of the protocol")
	flags.StringVar(&f.size, "size", "", "of files: 64k, 1G or lognormal:64k:2.0 (default 64k; smallfiles 1k)")
	flags.IntVar(&f.files, "files", 0, "files to download (default 100)")
	flags.StringArrayVar(&f.remote, "remote", nil, "download this file of the server instead of files of ours; repeatable")
	flags.Uint64Var(&f.seed, "seed", 1, "of everything that is drawn")
	flags.StringVar(&f.verify, "verify", "sample", "check content: sample, full or off (off forgives a missing close_notify, too)")
	flags.StringVar(&f.tls, "tls", "", "1.2 or 1.3 only")
	flags.BoolVar(&f.postQuantum, "pq", false, "offer post-quantum key exchange (X25519MLKEM768), too")
	flags.StringVar(&f.resume, "resume", "auto", "TLS resumption: always, never or auto (data connections resume, new sessions do not)")
	flags.StringVar(&f.resumeControl, "resume-control", "", "--resume of control connections only")
	flags.StringVar(&f.resumeData, "resume-data", "", "--resume of data connections only")
	flags.StringVar(&f.prot, "prot", "P", "protection of data connections: P or C")
	flags.StringVar(&f.mode, "mode", "S", "transfer mode: S or Z")
	flags.BoolVar(&f.epsv, "epsv", false, "data connections by EPSV (the default)")
	flags.BoolVar(&f.pasv, "pasv", false, "data connections by PASV")
	flags.BoolVar(&f.active, "active", false, "data connections by EPRT: the server connects")
	flags.IntVar(&f.relogin, "relogin", 0, "new session after this many operations")
	flags.StringVarP(&f.user, "user", "u", "", "user")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password in its first line; - is standard input")
	flags.StringVar(&f.users, "users", "", "file of lines \"name,password\"")
	flags.IntVar(&f.pid, "pid", 0, "the server's process: what it costs is reported, its children included")
	flags.IntVar(&f.pidB, "pid-b", 0, "the same for TARGET_B")
	flags.StringVar(&f.spawn, "spawn", "", "start the server with this command, in the foreground, and end it")
	flags.StringVar(&f.spawnB, "spawn-b", "", "the same for TARGET_B")
	flags.StringVar(&f.serverCPU, "cpu", "", "CPUs for what --spawn starts, as 0 or 0,2")
	flags.StringVar(&f.clientCPU, "client-cpu", "", "CPUs for the generator")
	flags.IntVar(&f.hold, "hold", 0, "connections of the scenarios idle and stalled (default 1000)")
	flags.StringArrayVar(&f.src, "src", nil, "connect from these addresses, as 127.0.0.0/8; repeatable")
	flags.StringArrayVar(&f.thresholds, "threshold", nil, "fail unless it holds, as 'retr.response.p99<50ms' or 'errors.rate<0.1%'; repeatable")
	flags.DurationVar(&f.maxLag, "max-lag", 5*time.Millisecond, "open loop: the run is invalid if the generator is later than this (p99)")
	flags.Int64Var(&f.maxErrors, "max-errors", -1, "end the run and fail at more errors than this; -1 is no limit")
}

func (f *benchFlags) run(cmd *cobra.Command, args []string) error {
	cfg, err := f.config(cmd, args)
	if err != nil {
		return usageError{err}
	}
	old, maxRegress, err := f.out.check()
	if err != nil {
		return usageError{err}
	}
	if cpus, err := parseCPUs(f.clientCPU); err != nil {
		return usagef("--client-cpu: %w", err)
	} else if len(cpus) > 0 {
		if err := bench.PinSelf(cpus); err != nil {
			return fmt.Errorf("--client-cpu: %w", err)
		}
	}
	// The first signal ends the run in order; a second one ends us.
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	shown := f.out.observe(ctx, cmd.ErrOrStderr(), cfg)
	r, err := bench.Run(ctx, *cfg)
	shown()
	if err != nil {
		if ctx.Err() != nil {
			return exitError{exitInterrupted, err}
		}
		return err
	}
	if err := f.out.write(cmd.OutOrStdout(), r); err != nil {
		return err
	}
	verdict := benchVerdict(r)
	if old == nil {
		return verdict
	}
	return cmp.Or(verdict, compareReports(f.out.text(cmd), old, r, maxRegress))
}

// benchVerdict turns a report into an exit code.
func benchVerdict(r *report.Report) error {
	var bad []string
	for _, v := range r.Verdict {
		if !v.OK {
			bad = append(bad, fmt.Sprintf("threshold %s: it is %.6g", v.Expr, v.Value))
		}
	}
	for _, t := range r.Targets {
		for _, fault := range t.Failed {
			bad = append(bad, fmt.Sprintf("the server %s was wrong: %s", t.Name, fault))
		}
	}
	switch text := strings.Join(bad, "; "); {
	case r.Interrupted:
		return exitError{exitInterrupted, errors.New("interrupted")}
	case text != "":
		return exitError{exitCheck, errors.New(text)}
	case len(r.Invalid) > 0:
		return exitError{exitInvalid, fmt.Errorf("this run is invalid: %s", strings.Join(r.Invalid, "; "))}
	}
	return nil
}

// config makes the configuration out of the flags. A scenario file's settings
// hold where no flag was given.
func (f *benchFlags) config(cmd *cobra.Command, args []string) (*bench.Config, error) {
	scenario, err := bench.ParseScenario(f.scenario)
	if err != nil {
		return nil, err
	}
	file := scenario.File
	c := &bench.Config{
		Scenario: scenario, Clients: cmp.Or(f.clients, file.Clients, 16), MaxInflight: cmp.Or(f.maxInflight, file.MaxInflight),
		FindMax: f.findMax, SLO: f.slo, Poisson: f.poisson || file.Poisson && f.rate == "" && f.ramp == "",
		Duration: cmp.Or(f.duration, file.Duration, 30*time.Second), Warmup: f.warmup, Rounds: f.repeat, Slice: f.slice, Timeout: f.timeout,
		Files: cmp.Or(f.files, file.Files, 100), Remote: f.remote, Seed: f.seed, Relogin: f.relogin, Hold: f.hold, PostQuantum: f.postQuantum,
		Thresholds: append(file.Thresholds, f.thresholds...), MaxErrors: f.maxErrors, MaxLag: f.maxLag,
		Command: commandLine(os.Args[1:], args), Version: version().Version, Revision: version().Revision,
	}
	if file.Seed != 0 && !cmd.Flags().Changed("seed") {
		c.Seed = file.Seed
	}
	for _, step := range []func(*bench.Config) error{f.load, f.sizes, f.protocol, f.machine, f.login} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	for i, arg := range args {
		t, err := bench.ParseTarget(arg)
		if err != nil {
			return nil, err
		}
		if t.PID, t.Spawn = f.pid, f.spawn; i == 1 {
			t.PID, t.Spawn = f.pidB, f.spawnB
		}
		c.Targets = append(c.Targets, t)
	}
	return c, c.Check()
}

func (f *benchFlags) load(c *bench.Config) (err error) {
	c.Rate = c.Scenario.File.Rate
	switch {
	case f.rate != "" && f.ramp != "":
		return errors.New("--rate and --ramp exclude each other")
	case f.rate != "":
		c.Rate, err = bench.ParseRate(f.rate)
	case f.ramp != "":
		c.Rate, err = bench.ParseRamp(f.ramp)
	case f.clients != 0:
		c.Rate = bench.Rate{} // -c alone asks for a closed loop
	}
	return err
}

func (f *benchFlags) sizes(c *bench.Config) (err error) {
	c.Sizes = c.Scenario.DefaultSizes()
	if f.size != "" {
		c.Sizes, err = bench.ParseSizes(f.size)
	}
	return err
}

func (f *benchFlags) protocol(c *bench.Config) (err error) {
	if c.Verify, err = bench.ParseVerify(f.verify); err != nil {
		return fmt.Errorf("--verify: %w", err)
	}
	if c.ResumeControl, err = bench.ParseResume(cmp.Or(f.resumeControl, f.resume)); err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	if c.ResumeData, err = bench.ParseResume(cmp.Or(f.resumeData, f.resume)); err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	versions := map[string]uint16{"": 0, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	var ok bool
	if c.TLSVersion, ok = versions[f.tls]; !ok {
		return fmt.Errorf("--tls: %q is none of 1.2, 1.3", f.tls)
	}
	if f.prot != "P" && f.prot != "C" {
		return fmt.Errorf("--prot: %q is none of P, C", f.prot)
	}
	if f.mode != "S" && f.mode != "Z" {
		return fmt.Errorf("--mode: %q is none of S, Z", f.mode)
	}
	c.Clear, c.Deflate = f.prot == "C", f.mode == "Z"
	switch {
	case f.pasv && f.active, f.epsv && (f.pasv || f.active):
		return errors.New("--epsv, --pasv and --active exclude each other")
	case f.pasv:
		c.Endpoint = bench.PASV
	case f.active:
		c.Endpoint = bench.EPRT
	}
	return nil
}

func (f *benchFlags) machine(c *bench.Config) (err error) {
	if c.ServerCPU, err = parseCPUs(f.serverCPU); err != nil {
		return fmt.Errorf("--cpu: %w", err)
	}
	for _, s := range f.src {
		p, err := bench.ParseSource(s)
		if err != nil {
			return fmt.Errorf("--src: %w", err)
		}
		c.Sources = append(c.Sources, p)
	}
	return nil
}

func (f *benchFlags) login(c *bench.Config) (err error) {
	switch {
	case f.users != "" && f.user != "":
		return errors.New("--users and --user exclude each other")
	case f.users != "":
		c.Users, err = bench.ReadUsers(f.users)
	case f.user != "":
		u := bench.User{Name: f.user}
		if f.passwordFile != "" {
			u.Password, err = readPasswordFile(f.passwordFile, os.Stdin)
		}
		c.Users = []bench.User{u}
	}
	return err
}

func parseCPUs(s string) (cpus []int, err error) {
	if s == "" {
		return nil, nil
	}
	for item := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(item)
		if err != nil || n < 0 || n > 1023 {
			return nil, fmt.Errorf("%q is no list of CPUs: write it as 0 or 0,2", s)
		}
		cpus = append(cpus, n)
	}
	return cpus, nil
}

// commandLine is what was typed, to be pasted into a shell; passwords in targets
// are taken out.
func commandLine(typed, targets []string) string {
	words := []string{"fastftps"}
	for _, word := range typed {
		if u, err := url.Parse(word); err == nil && slices.Contains(targets, word) && u.User != nil {
			u.User = url.User(u.User.Username())
			word = u.String()
		}
		words = append(words, shellQuote(word))
	}
	return strings.Join(words, " ")
}
