//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// driver is a client library behind a small program of ours in testdata. The
// program logs in, then obeys lines on its standard input: a verb and its
// arguments, escaped as in a URL and separated by spaces. It answers each with
// "ok" and results, or "err" and a reason, escaped in the same way.
type driver struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *bytes.Buffer
}

// startDriver starts the program and waits until it has logged in.
func startDriver(name string, args ...string) (*driver, error) {
	d := &driver{cmd: exec.Command(name, args...), stderr: new(bytes.Buffer)}
	d.cmd.Env = neutralEnv(scratch.home)
	d.cmd.Stderr = d.stderr
	d.cmd.WaitDelay = time.Second
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.out = bufio.NewReader(out)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := d.answer("login"); err != nil {
		return nil, errors.Join(err, d.end())
	}
	return d, nil
}

// call sends one line and returns the results.
func (d *driver) call(verb string, args ...string) ([]string, error) {
	words := []string{verb}
	for _, a := range args {
		words = append(words, url.QueryEscape(a))
	}
	if _, err := io.WriteString(d.in, strings.Join(words, " ")+"\n"); err != nil {
		return nil, err
	}
	return d.answer(strings.Join(words, " "))
}

// answer reads one line. A program that does not answer in time is killed,
// which ends the read.
func (d *driver) answer(to string) ([]string, error) {
	watch := time.AfterFunc(childLimit, func() { _ = d.cmd.Process.Kill() })
	defer watch.Stop()
	line, err := d.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%q: %s: no answer: %w\n%s", d.cmd.Args, to, err, d.stderr)
	}
	words := strings.Fields(line)
	for i := range words {
		if words[i], err = url.QueryUnescape(words[i]); err != nil {
			return nil, fmt.Errorf("%s: answer %q: %w", to, line, err)
		}
	}
	if len(words) == 0 || words[0] != "ok" {
		return nil, fmt.Errorf("%s: %s", to, strings.Join(words, " "))
	}
	return words[1:], nil
}

// end closes the program's input, at which it quits, and waits for it.
func (d *driver) end() error {
	_ = d.in.Close()
	watch := time.AfterFunc(childLimit, func() { _ = d.cmd.Process.Kill() })
	defer watch.Stop()
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("%q: %w\n%s", d.cmd.Args, err, d.stderr)
	}
	return nil
}

func (d *driver) do(verb string, args ...string) error {
	_, err := d.call(verb, args...)
	return err
}

func (d *driver) put(local, remote string) error       { return d.do("put", local, remote) }
func (d *driver) get(remote, local string) error       { return d.do("get", remote, local) }
func (d *driver) resumePut(local, remote string) error { return d.do("resumeput", local, remote) }
func (d *driver) resumeGet(remote, local string) error { return d.do("resumeget", remote, local) }
func (d *driver) list(dir string) ([]string, error)    { return d.call("list", dir) }
func (d *driver) rename(from, to string) error         { return d.do("rename", from, to) }
func (d *driver) remove(remote string) error           { return d.do("remove", remote) }
func (d *driver) mkdir(dir string) error               { return d.do("mkdir", dir) }
func (d *driver) rmdir(dir string) error               { return d.do("rmdir", dir) }
func (d *driver) close() error                         { return d.end() }
