package engine

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/dataplane"
	"fastftps/internal/ftpclient"
	"fastftps/session"
	"fastftps/storage"
	"fastftps/storage/osfs"
	"fastftps/tlsconn"
)

// childEnv makes the test binary a server instead: what is measured or killed
// and the clients that load it must not share a process. Its value is a
// childOptions as JSON.
const childEnv = "FASTFTPS_TEST_CHILD"

// childOptions say what the child serves.
type childOptions struct {
	Root      string
	Reactor   string
	NamedTemp bool // see osfs.Options
	// Heap is a file for the profile of the heap, written at each "gc". Every
	// allocation is in it, so the process takes more memory than without.
	Heap string
}

// childBudget is the data plane's buffer memory in the child, in bytes.
const childBudget = 32 << 20

// childStats is what the child says of itself.
type childStats struct {
	Addrs      []string // of the explicit, implicit and plain listener
	Sessions   int
	Goroutines int
	Busy       int   // connections that somebody runs, or with input that nobody has read
	Awake      int   // those whose TLS is to sleep soon, or has something to do
	PSS        int64 // bytes, after a garbage collection
	RSS        int64 // bytes, as it is
}

// childServer serves until its standard input ends. Each line asks for stats,
// "gc" after a garbage collection.
func childServer() int {
	var o childOptions
	err := json.Unmarshal([]byte(os.Getenv(childEnv)), &o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	id, err := tlsconn.NewIdentity(tlsconn.Options{SelfSigned: filepath.Join(o.Root, "..", "child.pem")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if o.Heap != "" {
		runtime.MemProfileRate = 1
	}
	roots := osfs.NewRoots(osfs.Options{NamedTemp: o.NamedTemp})
	sc := sessionConfig(o.Root)
	sc.OpenFS = func(_ context.Context, u *auth.User) (storage.FS, error) { return roots.Open(u.Home) }
	e, err := New(Config{
		Listen: []Listen{
			{Addr: "127.0.0.1:0", Mode: session.Explicit, RequireTLS: true},
			{Addr: "127.0.0.1:0", Mode: session.Implicit},
			{Addr: "127.0.0.1:0", Mode: session.Plain},
		},
		Session: sc, Identity: id, MaxSessions: 20000, Reactor: o.Reactor,
		Data:             dataplane.Config{Budget: childBudget},
		HandshakeTimeout: 10 * time.Minute, LoginTimeout: 10 * time.Minute, WriteTimeout: time.Minute,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = e.Serve() }()
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		if in.Text() == "gc" {
			debug.FreeOSMemory()
			err = writeHeap(o.Heap)
		}
		st := childStats{Sessions: e.Sessions(), Goroutines: runtime.NumGoroutine(), PSS: memory("Pss:"), RSS: memory("Rss:")}
		soon := e.now() + 2*sleepAfter
		e.conns.each(func(c *conn) bool { return time.Duration(c.deadline.Load()) < soon }, func(*conn) { st.Awake++ })
		e.conns.each(busy, func(*conn) { st.Busy++ })
		for _, a := range e.Addrs() {
			st.Addrs = append(st.Addrs, a.String())
		}
		if err = errors.Join(err, out.Encode(st)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = e.Shutdown(ctx)
	return 0
}

// busy reports whether somebody runs the connection, or should.
func busy(c *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.wire.(*pollConn)
	return c.box.owned || ok && peek(p.fd) > 0
}

// writeHeap writes the profile of what is in use, if there is a file for it.
func writeHeap(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// memory reads a row of the process's own memory map, in bytes.
func memory(row string) int64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == row {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// child is a server in a process of its own.
type child struct {
	t    *testing.T
	ask  func(line string) childStats
	pid  int
	kill func() // SIGKILL, and waits for the process to be gone
}

// startChild starts it; it ends with the test.
func startChild(t *testing.T, o childOptions) *child {
	t.Helper()
	opt, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+string(opt))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	t.Cleanup(func() {
		in.Close()
		if killed {
			return
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("server process: %v", err)
		}
	})
	c := &child{t: t, pid: cmd.Process.Pid}
	c.kill = func() {
		t.Helper()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		killed = true
		_ = cmd.Wait() // "signal: killed"
	}
	dec := json.NewDecoder(out)
	c.ask = func(line string) (st childStats) {
		t.Helper()
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Fatal(err)
		}
		if err := dec.Decode(&st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	return c
}

// dialChild logs in to the server in the other process.
func dialChild(t *testing.T, addr string, sec ftpclient.Security) *ftpclient.Client {
	t.Helper()
	c, err := ftpclient.Dial(t.Context(), addr, ftpclient.Options{Security: sec, TLS: &tls.Config{InsecureSkipVerify: true}})
	if err == nil {
		err = errors.Join(c.Login("demo", "secret"), c.Type("I"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
