//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// openssl is a bare FTP client of ours whose connections are all made by
// openssl s_client: one process for the control connection, one more for each
// data connection.
type openssl struct {
	srv   *server
	setup setup
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	errs  *bytes.Buffer
}

// sClient returns the arguments of openssl for a connection to port.
func sClient(srv *server, s setup, port int, extra ...string) []string {
	args := []string{
		"s_client", "-quiet", "-nocommands", "-connect", net.JoinHostPort(host, strconv.Itoa(port)),
		"-CAfile", srv.ca, "-verify_return_error", "-verify_ip", host, "-tls" + strings.ReplaceAll(s.tls, ".", "_"),
	}
	return append(args, extra...)
}

func openOpenSSL(srv *server, s setup) (client, error) {
	o := &openssl{srv: srv, setup: s, errs: new(bytes.Buffer)}
	var starttls []string
	if s.mode == explicit {
		starttls = []string{"-starttls", "ftp"}
	}
	o.cmd = exec.Command("openssl", sClient(srv, s, srv.ports[s.mode], starttls...)...)
	o.cmd.Env = neutralEnv(scratch.home)
	o.cmd.Stderr = o.errs
	o.cmd.WaitDelay = time.Second
	var err error
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	o.out = bufio.NewReader(out)
	if err := o.cmd.Start(); err != nil {
		return nil, err
	}
	if err := o.login(); err != nil {
		return nil, errors.Join(err, o.kill())
	}
	return o, nil
}

// login sends what a client with protected data connections sends. Only the
// implicit listener has a greeting left: s_client has read the explicit one's.
func (o *openssl) login() error {
	if o.setup.mode == implicit {
		if err := o.expect("220"); err != nil {
			return err
		}
	}
	if err := o.ask("331", "USER "+user); err != nil {
		return err
	}
	if err := o.ask("230", "PASS "+password); err != nil {
		return err
	}
	if err := o.ask("200", "PBSZ 0"); err != nil {
		return err
	}
	if err := o.ask("200", "PROT P"); err != nil {
		return err
	}
	return o.ask("200", "TYPE I")
}

func (o *openssl) kill() error {
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
	return fmt.Errorf("s_client printed: %s", o.errs)
}

// ask sends a command and wants the code.
func (o *openssl) ask(code, line string) error {
	if _, err := io.WriteString(o.in, line+"\r\n"); err != nil {
		return err
	}
	if err := o.expect(code); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	return nil
}

func (o *openssl) expect(code string) error {
	_, err := o.reply(code)
	return err
}

// reply reads a reply and returns the text of its last line.
func (o *openssl) reply(code string) (string, error) {
	watch := time.AfterFunc(childLimit, func() { _ = o.cmd.Process.Kill() })
	defer watch.Stop()
	for {
		line, err := o.out.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 4 || line[3] != ' ' || line[0] == ' ' {
			continue // an inner line of a longer reply
		}
		if line[:3] != code {
			return "", fmt.Errorf("got reply %q, want %s", line, code)
		}
		return line[4:], nil
	}
}

// transfer runs one transfer command over a data connection of its own.
// Without input s_client keeps its side open until the server has ended; with
// input it closes at its end.
func (o *openssl) transfer(line string, in io.Reader, out io.Writer) error {
	if _, err := io.WriteString(o.in, "EPSV\r\n"); err != nil {
		return err
	}
	text, err := o.reply("229")
	if err != nil {
		return err
	}
	port, err := epsvPort(text)
	if err != nil {
		return err
	}
	eof := "-ign_eof"
	if in != nil {
		eof = "-no_ign_eof"
	}
	cmd := exec.Command("openssl", sClient(o.srv, o.setup, port, eof)...)
	var errs bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = neutralEnv(scratch.home), in, out, &errs
	cmd.WaitDelay = time.Second
	if _, err := io.WriteString(o.in, line+"\r\n"); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	watch := time.AfterFunc(childLimit, func() { _ = cmd.Process.Kill() })
	defer watch.Stop()
	err = o.expect("150")
	if err == nil {
		err = o.expect("226")
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return errors.Join(fmt.Errorf("%q: %w", line, err), cmd.Wait())
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("data connection of %q: %w\n%s", line, err, &errs)
	}
	return nil
}

// epsvPort reads "... (|||port|)".
func epsvPort(text string) (int, error) {
	_, rest, ok := strings.Cut(text, "(|||")
	digits, _, end := strings.Cut(rest, "|)")
	if !ok || !end {
		return 0, fmt.Errorf("no port in %q", text)
	}
	return strconv.Atoi(digits)
}

func (o *openssl) put(local, remote string) error { return o.store("STOR "+remote, local, 0) }

func (o *openssl) store(line, local string, at int64) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	return o.transfer(line, f, io.Discard)
}

func (o *openssl) resumePut(local, remote string) error {
	if _, err := io.WriteString(o.in, "SIZE "+remote+"\r\n"); err != nil {
		return err
	}
	text, err := o.reply("213")
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	return o.store("APPE "+remote, local, at)
}

func (o *openssl) get(remote, local string) error {
	f, err := os.Create(local)
	if err != nil {
		return err
	}
	defer f.Close()
	return o.transfer("RETR "+remote, nil, f)
}

func (o *openssl) resumeGet(remote, local string) error {
	f, err := os.OpenFile(local, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := o.ask("350", "REST "+strconv.FormatInt(at, 10)); err != nil {
		return err
	}
	return o.transfer("RETR "+remote, nil, f)
}

func (o *openssl) list(dir string) ([]string, error) {
	var out bytes.Buffer
	err := o.transfer("NLST "+dir, nil, &out)
	return lines(out.String()), err
}

func (o *openssl) rename(from, to string) error {
	if err := o.ask("350", "RNFR "+from); err != nil {
		return err
	}
	return o.ask("250", "RNTO "+to)
}

func (o *openssl) remove(remote string) error { return o.ask("250", "DELE "+remote) }
func (o *openssl) mkdir(dir string) error     { return o.ask("257", "MKD "+dir) }
func (o *openssl) rmdir(dir string) error     { return o.ask("250", "RMD "+dir) }

// close quits. s_client's exit code says how the server closed.
func (o *openssl) close() error {
	err := o.ask("221", "QUIT")
	_ = o.in.Close()
	watch := time.AfterFunc(childLimit, func() { _ = o.cmd.Process.Kill() })
	defer watch.Stop()
	if wait := o.cmd.Wait(); wait != nil {
		err = errors.Join(err, fmt.Errorf("%q: %w\n%s", o.cmd.Args, wait, o.errs))
	}
	return err
}
