package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"fastftps/bench/report"
)

// summary is the report in short.
func summary(out io.Writer, r *report.Report) {
	for _, t := range r.Targets {
		fmt.Fprintf(out, "%s  %s  %s loop, %.1f s\n", t.Name, t.URL, r.Args.Loop, r.Seconds)
		w := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "\tok\tfailed\twrong\tdropped\t/s\tMB/s\tp50\tp90\tp99\tp99.9\tmax\t")
		for _, o := range t.Ops {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%s\n", o.Name, o.OK, o.N-o.OK-o.Wrong, o.Wrong, o.Dropped, o.Rate,
				float64(o.Bytes)/1e6/r.Seconds*float64(len(r.Targets)), times(o.Response))
		}
		for _, p := range t.Phases {
			fmt.Fprintf(w, "%s\t%d\t\t\t\t\t\t%s\n", p.Name, p.Dist.N, times(p.Dist))
		}
		w.Flush()
		if t.Idle != nil {
			fmt.Fprintf(out, "held %d of %d, answered %d\n", t.Idle.Held, t.Idle.Wanted, t.Idle.Answered)
		}
		if c := t.Cost; c != nil {
			fmt.Fprintf(out, "server: %.2f CPU s, %.3f s/GB, %.3f ms/file, %.3f ms/login, %.1f KiB/idle session, PSS %d MiB\n",
				c.CPUSeconds, c.CPUPerGB, c.CPUMsPerFile, c.CPUMsPerLog, c.KiBPerIdle, c.PSSPeak>>20)
		}
		for _, e := range t.Errors {
			fmt.Fprintf(out, "error: %s, %d times: %s\n", e.Op, e.N, e.Text)
			if e.Hint != "" {
				fmt.Fprintf(out, "  %s\n", e.Hint)
			}
		}
		for _, fault := range t.Failed {
			fmt.Fprintf(out, "WRONG: %s\n", fault)
		}
	}
	for _, a := range r.AB {
		fmt.Fprintf(out, "B/A %-28s %8.3f  [%.3f, %.3f]  %s\n", a.Metric, a.Ratio, a.Low, a.High, a.Better)
	}
	for _, p := range r.FindMax {
		fmt.Fprintf(out, "%8.1f/s  %v %s\n", p.Rate, p.OK, p.Why)
	}
	for _, v := range r.Verdict {
		fmt.Fprintf(out, "threshold %s: %.6g %v\n", v.Expr, v.Value, v.OK)
	}
	fmt.Fprintf(out, "generator: %.2f CPU s, lag p99 %.2f ms\n", r.Generator.CPUSeconds, r.Generator.Lag.P99*1e3)
	for _, why := range r.Invalid {
		fmt.Fprintf(out, "INVALID: %s\n", why)
	}
}

func times(d report.Dist) string {
	if d.N == 0 {
		return strings.Repeat("-\t", 5)
	}
	var b strings.Builder
	for _, v := range []float64{d.P50, d.P90, d.P99, d.P999, d.Max} {
		fmt.Fprintf(&b, "%s\t", time.Duration(v*float64(time.Second)).Round(time.Microsecond))
	}
	return b.String()
}

// liveLine is one line a second.
func liveLine(w io.Writer, s report.Snapshot) {
	var b strings.Builder
	fmt.Fprintf(&b, "%3.0fs %s", s.Elapsed, s.Stage)
	for _, r := range s.Rows {
		fmt.Fprintf(&b, "  %s %s %.0f/s %.1fMB/s p99 %.1fms", r.Target, r.Op, r.Ops, r.MB, r.P99*1e3)
		if r.Errors > 0 {
			fmt.Fprintf(&b, " %d errors", r.Errors)
		}
	}
	fmt.Fprintln(w, b.String())
}
