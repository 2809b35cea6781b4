//go:build interop

package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// childLimit is the longest that one run of a client may take. It ends a
// client that hangs; no client comes near it.
const childLimit = 60 * time.Second

// proc is one run of a client program.
type proc struct {
	name  string
	args  []string
	env   []string // in addition to a neutral environment
	dir   string
	stdin string
	merge bool // run returns the standard error too, where it came
}

// neutralEnv keeps the caller's configuration files and proxies away from the
// clients. HOME is set by the caller of a program that writes there.
func neutralEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TERM=dumb",
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "no_proxy=*",
	}
}

// run starts the program, waits for its end and returns its standard output.
// An exit code other than 0 is a *procError, which holds the standard error too.
func (p proc) run() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.name, p.args...)
	cmd.WaitDelay = time.Second
	cmd.Dir = p.dir
	cmd.Env = append(neutralEnv(scratch.home), p.env...)
	cmd.Stdin = strings.NewReader(p.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if p.merge {
		cmd.Stderr = &out
	}
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("did not end within %v: %w", childLimit, err)
	}
	return out.String(), &procError{cmd: cmd, out: out.String() + errs.String(), err: err}
}

// procError tells which command failed and what it printed.
type procError struct {
	cmd *exec.Cmd
	out string
	err error
}

func (e *procError) Error() string {
	const tail = 4000
	out := e.out
	if len(out) > tail {
		out = "..." + out[len(out)-tail:]
	}
	return fmt.Sprintf("%q: %v\n%s", e.cmd.Args, e.err, out)
}

func (e *procError) Unwrap() error { return e.err }
