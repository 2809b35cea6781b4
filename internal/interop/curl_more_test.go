//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// curlIn is a curl with more arguments in every call.
func curlIn(t *testing.T, s setup, extra ...string) *curl {
	t.Helper()
	c := need(t, "curl", s).(*curl)
	c.extra = extra
	return c
}

// roundTrip uploads and downloads below remote and compares.
func roundTrip(t *testing.T, srv *server, c client, remote string, size int64) {
	t.Helper()
	src := filepath.Join(t.TempDir(), "round trip.bin")
	makeFile(t, src, size)
	if err := c.put(src, remote); err != nil {
		t.Fatal(err)
	}
	if err := same(srv.path(remote), src); err != nil {
		t.Fatal(err)
	}
	if err := c.get(remote, src+".back"); err != nil {
		t.Fatal(err)
	}
	if err := same(src+".back", src); err != nil {
		t.Fatal(err)
	}
}

// TestCurlFtpMethods goes to files in the three ways that curl knows: CWD for
// each folder, one CWD, none. Only the first makes folders level by level.
func TestCurlFtpMethods(t *testing.T) {
	for _, method := range []string{"multicwd", "singlecwd", "nocwd"} {
		for _, s := range []setup{{plain, "", "C"}, {explicit, "1.3", "P"}, {implicit, "1.2", "P"}} {
			t.Run(method+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				c := curlIn(t, s, "--ftp-method", method, "--ftp-create-dirs")
				dir := scratch.srv.dir(t)
				if method != "multicwd" {
					if err := os.MkdirAll(scratch.srv.path(dir+"/deep/er and/déeper"), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				roundTrip(t, scratch.srv, c, dir+"/deep/er and/déeper/-x", 5000)
				names, err := c.list(dir + "/deep/er and")
				if err != nil || len(names) != 1 || names[0] != "déeper" {
					t.Errorf("list: got %q, %v", names, err)
				}
			})
		}
	}
}

// verbose runs curl and returns its output with the dialogue.
func (c *curl) verbose(args ...string) (string, error) {
	p := proc{name: "curl", args: append(append(c.base(), "-v"), args...), merge: true}
	return p.run()
}

// TestCurlAuthSSL checks the order of --ftp-ssl: AUTH SSL comes first and is
// good for TLS (RFC 4217 section 4, [MS-FTPS] section 3.2.5.4).
func TestCurlAuthSSL(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		t.Run("TLS"+version, func(t *testing.T) {
			c := curlIn(t, setup{explicit, version, "P"}, "--ftp-ssl")
			out, err := c.verbose("--list-only", c.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			wantDialogue(t, out, "> AUTH SSL", "< 234", "> USER", "> PBSZ 0", "< 200", "> PROT P", "< 200", "< 226")
			if strings.Contains(out, "> AUTH TLS") {
				t.Errorf("AUTH SSL was not enough:\n%s", out)
			}
		})
	}
}

// wantDialogue looks for lines that begin with each of want, in this order.
func wantDialogue(t *testing.T, dialogue string, want ...string) {
	t.Helper()
	rest := want
	for line := range strings.Lines(dialogue) {
		if len(rest) > 0 && strings.HasPrefix(line, rest[0]) {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		t.Errorf("no line %q after %q in:\n%s", rest[0], want[:len(want)-len(rest)], dialogue)
	}
}

// TestCurlCCC asks for a clear control connection, which is off: the refusal
// ends nothing, and the transfer takes place inside TLS.
func TestCurlCCC(t *testing.T) {
	for _, m := range []mode{explicit, implicit} {
		t.Run(string(m), func(t *testing.T) {
			c := curlIn(t, setup{m, "1.3", "P"}, "--ftp-ssl-ccc")
			out, err := c.verbose("--list-only", c.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			wantDialogue(t, out, "> CCC", "< 534", "> PWD", "< 226")
		})
	}
}

// TestCurlRange takes a part from the middle. curl closes the data connection
// when it has enough, and goes on with the session.
func TestCurlRange(t *testing.T) {
	for _, s := range []setup{{plain, "", "C"}, {implicit, "1.3", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			c := curlIn(t, s)
			dir := scratch.srv.dir(t)
			makeFile(t, scratch.srv.path(dir+"/big"), 3_000_000)
			got := filepath.Join(t.TempDir(), "part")
			if _, err := c.run("--range", "1000-1999", "-o", got, c.url(dir+"/big"), "-o", got+"2", c.url(dir+"/big")); err != nil {
				t.Fatal(err)
			}
			all, err := os.ReadFile(scratch.srv.path(dir + "/big"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{got, got + "2"} {
				part, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if string(part) != string(all[1000:2000]) {
					t.Errorf("got %d bytes, want bytes 1000 to 1999", len(part))
				}
			}
		})
	}
}

// TestCurlEmptyFile downloads an empty file again and again in one session. curl
// closes the data connection at once, for SIZE has told it that nothing comes:
// the server's close_notify and FIN find nobody, and that is no error.
func TestCurlEmptyFile(t *testing.T) {
	for _, s := range []setup{{plain, "", "C"}, {explicit, "1.2", "P"}, {implicit, "1.3", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := curlIn(t, s)
			dir := scratch.srv.dir(t)
			makeFile(t, scratch.srv.path(dir+"/empty"), 0)
			var args []string
			for range 20 {
				args = append(args, "-o", filepath.Join(t.TempDir(), "empty"), c.url(dir+"/empty"))
			}
			if _, err := c.run(args...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCurlManyFiles uploads and downloads several files in one session.
func TestCurlManyFiles(t *testing.T) {
	for _, s := range []setup{{explicit, "1.2", "P"}, {implicit, "1.3", "P"}} {
		t.Run(s.String(), func(t *testing.T) {
			c := curlIn(t, s)
			dir, local := scratch.srv.dir(t), t.TempDir()
			var up, down []string
			for _, name := range []string{"a", "b", "c", "d"} {
				makeFile(t, filepath.Join(local, name), 70_000)
				up = append(up, "-T", filepath.Join(local, name), c.url(dir+"/"+name))
				down = append(down, "-o", filepath.Join(local, name+".back"), c.url(dir+"/"+name))
			}
			if _, err := c.run(up...); err != nil {
				t.Fatal(err)
			}
			if _, err := c.run(down...); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b", "c", "d"} {
				if err := same(filepath.Join(local, name+".back"), filepath.Join(local, name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
