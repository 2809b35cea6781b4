package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fastftps/bench"
	"fastftps/bench/report"
)

// benchOutput is where a report goes, and what is shown until it is there.
type benchOutput struct {
	json, html string
	tables     tableFiles
	compare    string
	maxRegress string
	quiet      bool
	live       string
}

func (o *benchOutput) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.json, "json", "", "write the report as JSON to this file; - is standard output")
	flags.StringVar(&o.html, "html", "", "write the report as a page to this file")
	o.tables.register(cmd)
	flags.StringVar(&o.compare, "compare", "", "compare with this report (JSON or page) of an earlier run")
	flags.StringVar(&o.maxRegress, "max-regress", "5%", "with --compare: fail if a metric is worse by more than this")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "nothing but errors")
	flags.StringVar(&o.live, "live", "auto", "while it runs: tty, lines, off or auto (tty on a terminal)")
}

// check finds mistakes before a run that may take hours.
func (o *benchOutput) check() (old *report.Report, maxRegress float64, err error) {
	if maxRegress, err = parseShare(o.maxRegress); err != nil {
		return nil, 0, fmt.Errorf("--max-regress: %w", err)
	}
	switch o.live {
	case "auto", "tty", "lines", "off":
	default:
		return nil, 0, fmt.Errorf("--live: %q is none of tty, lines, off, auto", o.live)
	}
	if o.compare != "" {
		if old, err = report.ReadFile(o.compare); err != nil {
			return nil, 0, fmt.Errorf("--compare: %w", err)
		}
	}
	return old, maxRegress, nil
}

// parseShare reads 5% or 0.05.
func parseShare(s string) (float64, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1e6) {
		return 0, fmt.Errorf("%q is no share: write it as 5%% or 0.05", s)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// write puts a report out: its files first, which nothing on the terminal can
// lose, then the text.
func (o *benchOutput) write(out io.Writer, r *report.Report) error {
	if o.json != "" && o.json != "-" {
		if err := writeFile(o.json, func(w io.Writer) error { return report.WriteJSON(w, r) }); err != nil {
			return err
		}
	}
	if o.html != "" {
		if err := writeFile(o.html, func(w io.Writer) error { return report.WriteHTML(w, r) }); err != nil {
			return err
		}
	}
	if err := o.tables.write(r); err != nil {
		return err
	}
	switch {
	case o.json == "-":
		return report.WriteJSON(out, r)
	case o.quiet:
		return nil
	}
	return report.WriteText(out, r)
}

// tableFiles are for other programs to draw.
type tableFiles struct{ csv, hdr string }

func (o *tableFiles) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.csv, "csv", "", "write a line for each second to this file, as CSV")
	cmd.Flags().StringVar(&o.hdr, "hdr", "", "write all histograms into this folder, as HdrHistogram's percentile tables (.hgrm)")
}

func (o *tableFiles) write(r *report.Report) error {
	if o.csv != "" {
		if err := writeFile(o.csv, func(w io.Writer) error { return report.WriteCSV(w, r) }); err != nil {
			return err
		}
	}
	if o.hdr != "" {
		return report.WriteHGRM(o.hdr, r)
	}
	return nil
}

// text is where text may go: not in between the JSON.
func (o *benchOutput) text(cmd *cobra.Command) io.Writer {
	switch {
	case o.quiet:
		return io.Discard
	case o.json == "-":
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// compareReports writes how two reports differ; a regression is an error.
func compareReports(out io.Writer, old, now *report.Report, maxRegress float64) error {
	c, err := report.Compare(old, now, maxRegress)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "\ncompared with the earlier run"); err != nil {
		return err
	}
	if err := c.WriteText(out); err != nil {
		return err
	}
	if n := len(c.Regressions()); n > 0 {
		worst := c.Regressions()[0]
		return exitError{exitCheck, fmt.Errorf("%d metrics are worse by more than %s, as %s", n, strconv.FormatFloat(100*maxRegress, 'g', 4, 64)+"%", worst.Metric)}
	}
	return nil
}

// observe shows the run while it lasts. What it returns ends that, and has to be
// called before anything else is written.
func (o *benchOutput) observe(ctx context.Context, errOut io.Writer, c *bench.Config) (stop func()) {
	file, isFile := errOut.(*os.File)
	tty := o.live == "tty" || o.live == "auto" && isFile && term.IsTerminal(int(file.Fd()))
	if o.quiet {
		return func() {}
	}
	log := &heldLog{out: errOut}
	c.Log = log.line
	if o.live == "off" {
		return func() {}
	}
	log.hold = tty
	s := report.Screen{W: errOut, TTY: tty, ASCII: !utf8Terminal(), MaxLag: c.MaxLag.Seconds()}
	s.Size = func() (int, int) {
		if !isFile {
			return 0, 0
		}
		cols, rows, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 0, 0
		}
		return cols, rows
	}
	live := report.NewLive(s)
	c.Observe = live.Update
	// A second signal ends the process at once; the terminal is given back at
	// the first.
	restore := context.AfterFunc(ctx, func() { live.Close(); log.release() })
	return func() {
		restore()
		live.Close()
		log.release()
	}
}

// heldLog writes lines, or keeps them while a live view has the terminal.
type heldLog struct {
	out  io.Writer
	mu   sync.Mutex // guards the fields below
	hold bool
	kept []string
}

func (l *heldLog) line(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hold {
		l.kept = append(l.kept, s)
		return
	}
	fmt.Fprintf(l.out, "bench: %s\n", s)
}

// release writes what was kept, and holds nothing from now on.
func (l *heldLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = false
	for _, s := range l.kept {
		fmt.Fprintf(l.out, "bench: %s\n", s)
	}
	l.kept = nil
}

// utf8Terminal reports whether the locale has block characters.
func utf8Terminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// benchReportCommand draws reports that were stored.
func benchReportCommand() *cobra.Command {
	var html, maxRegress string
	var tables tableFiles
	cmd := &cobra.Command{
		Use:   "report A.json [B.json]",
		Short: "Draw a stored report, or compare two",
		Long: "Draw a report that bench has written (JSON or page) without running anything.\n" +
			"With two, the targets of both stand side by side, and B is compared with A: exit code 3\n" +
			"says that a metric is worse by more than --max-regress.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("bench report: want one file or two, got %d; see --help", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			bound, err := parseShare(maxRegress)
			if err != nil {
				return usagef("--max-regress: %w", err)
			}
			return drawReports(cmd.OutOrStdout(), html, &tables, bound, args)
		},
	}
	cmd.Flags().StringVar(&html, "html", "", "write the page to this file (default: text to standard output)")
	tables.register(cmd)
	cmd.Flags().StringVar(&maxRegress, "max-regress", "5%", "with two reports: fail if a metric of B is worse by more than this")
	return cmd
}

func drawReports(out io.Writer, html string, tables *tableFiles, maxRegress float64, files []string) error {
	var rs []*report.Report
	for _, name := range files {
		r, err := report.ReadFile(name)
		if err != nil {
			return err
		}
		rs = append(rs, r)
	}
	if html != "" {
		if err := writeFile(html, func(w io.Writer) error { return report.Render(w, rs...) }); err != nil {
			return err
		}
	}
	if err := tables.write(rs[len(rs)-1]); err != nil {
		return err
	}
	if len(rs) == 2 {
		return compareReports(out, rs[0], rs[1], maxRegress)
	}
	if html == "" {
		return report.WriteText(out, rs[0])
	}
	return nil
}
