//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"fastftps/bench/report"
)

// try is a scenario on a server in one mode: whether it runs at all.
type try struct {
	scenario string
	mode     mode
	results  map[string]string // by product
}

// tries are all scenarios of the generator in each mode under TLS.
func tries() []*try {
	var all []*try
	for _, m := range []mode{explicit, implicit} {
		for _, s := range []string{"retr", "stor", "mixed", "smallfiles", "list", "login", "handshake", "idle", "stalled"} {
			all = append(all, &try{s, m, map[string]string{}})
		}
	}
	return all
}

// args of the generator. The rude ones hold a few connections only.
func (t *try) args() []string {
	args := []string{"-s", t.scenario, "-c", "4", "-d", "1s"}
	if t.scenario == "idle" || t.scenario == "stalled" {
		args = append(args, "--hold", "100")
	}
	return args
}

// tryAll runs each scenario once on each server; none is returned if it is interrupted.
func (o *options) tryAll(ctx context.Context) []*try {
	all := tries()
	for _, t := range all {
		for _, p := range products {
			if ctx.Err() != nil {
				return nil
			}
			t.results[p.name] = o.tryOne(ctx, t, p)
			fmt.Fprintf(os.Stderr, "%-10s %-6s %-10s %s\n", t.scenario, t.mode, p.name, t.results[p.name])
		}
	}
	return all
}

func (o *options) tryOne(ctx context.Context, t *try, p product) string {
	if !p.has(t.mode) {
		return "–"
	}
	rep, err := o.once(ctx, &row{name: t.scenario, mode: t.mode, args: t.args()}, p)
	if err == nil {
		err = failures(&rep.Targets[0])
	}
	if err != nil {
		return strings.Join(strings.Fields(err.Error()), " ")
	}
	return "yes"
}

// failures returns what went wrong in a run, nil for nothing. A server that was fast
// and wrong, or refused, has no figure.
func failures(t *report.Target) error {
	for _, op := range t.Ops {
		if op.Wrong > 0 {
			return fmt.Errorf("%s: %d of %d were wrong", op.Name, op.Wrong, op.OK+op.Wrong)
		}
	}
	if len(t.Failed) > 0 { // in the warm-up
		return errors.New(t.Failed[0])
	}
	if len(t.Errors) == 0 {
		return nil
	}
	e := &t.Errors[0]
	return fmt.Errorf("%s: %d times %s", e.Op, e.N, e.Text)
}

// writeTries writes which scenarios ran on which server.
func writeTries(b *strings.Builder, all []*try) {
	b.WriteString("\n## The scenarios\n\nEach scenario of `fastftps bench` on each server, for a second (– : the server has no such mode):\n\n")
	writeHead(b, products, "scenario", "mode")
	for _, t := range all {
		fmt.Fprintf(b, "| %s | %s |", t.scenario, t.mode)
		for _, p := range products {
			fmt.Fprintf(b, " %s |", t.results[p.name])
		}
		b.WriteString("\n")
	}
}
