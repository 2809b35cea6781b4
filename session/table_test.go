package session

import (
	"strings"
	"testing"

	"fastftps/codec"
	"fastftps/internal/ftptest"
)

// TestTable: every row is whole, and no verb has two.
func TestTable(t *testing.T) {
	seen := make(map[codec.Verb]bool)
	for _, row := range commands() {
		name := row.verb.String()
		switch {
		case row.verb == 0:
			t.Errorf("row with usage %q: no verb", row.usage)
		case seen[row.verb]:
			t.Errorf("%s: two rows", name)
		case row.run == nil:
			t.Errorf("%s: no handler", name)
		case row.usage != name && !strings.HasPrefix(row.usage, name+" "):
			t.Errorf("%s: usage is %q", name, row.usage)
		case row.rfc == "":
			t.Errorf("%s: no RFC", name)
		case (row.enabled == nil) != (row.disabled.code == 0):
			t.Errorf("%s: enabled and disabled go together", name)
		}
		seen[row.verb] = true
		checkFlags(t, name, row.flags)
	}
}

// checkFlags: some flags make sense in company only.
func checkFlags(t *testing.T, name string, f flags) {
	t.Helper()
	needs := []struct{ flag, other flags }{
		{hashes, mayBlock}, {readsFile, mayBlock}, {readsText, mayBlock}, {blockArg, mayBlock}, {opensData, mayBlock}, {namesNew, modifies}, {loginSecret, 0},
	}
	for _, n := range needs {
		if f&n.flag != 0 && f&n.other != n.other {
			t.Errorf("%s: flags %b lack %b", name, f, n.other)
		}
	}
	if f&argRequired != 0 && f&argNone != 0 {
		t.Errorf("%s: an argument is both required and refused", name)
	}
}

// setup is a transcript's head as a value.
func setup(t testing.TB, head string) *ftptest.Setup {
	t.Helper()
	script, err := ftptest.Parse([]byte(head + "-- a.txt --\nhello\n-- dir/b.txt --\nhello\n-- transcript --\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &script.Setup
}

// send writes one line and returns the replies to it.
func (m *memory) send(t testing.TB, line string) string {
	t.Helper()
	if err := m.Send([]byte(line + "\r\n")); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, ev := range m.events {
		b.WriteString(ev.Text + "\n")
	}
	m.events = nil
	return b.String()
}

// login logs in.
func (m *memory) login(t testing.TB) {
	t.Helper()
	m.send(t, "USER "+ftptest.User)
	if got := m.send(t, "PASS "+ftptest.Password); !strings.HasPrefix(got, "230 ") {
		t.Fatalf("login: got %q", got)
	}
}

// TestTableChecks: the flags are what the core goes by.
func TestTableChecks(t *testing.T) {
	for _, row := range commands() {
		name := row.verb.String()
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, setup(t, "csid: yes\nbad-commands: 100\n"))
			m.events = nil
			before := m.send(t, name+" x")
			if got, want := strings.HasPrefix(before, "530 Please"), row.flags&anytime == 0; got != want {
				t.Errorf("before login: got %q", before)
			}
			m = newMemory(t, setup(t, "csid: yes\n"))
			m.login(t)
			if row.flags&argRequired != 0 {
				if got, want := m.send(t, name), "501 Usage: "+row.usage+"\n"; got != want {
					t.Errorf("no argument: got %q, want %q", got, want)
				}
			}
			if row.flags&argNone != 0 {
				if got, want := m.send(t, name+" x"), "501 Usage: "+row.usage+"\n"; got != want {
					t.Errorf("argument: got %q, want %q", got, want)
				}
			}
			if row.flags&opensData != 0 {
				if got := m.send(t, name+" x"); !strings.HasPrefix(got, "425 ") {
					t.Errorf("no endpoint: got %q, want 425", got)
				}
			}
		})
	}
}

// TestRequireTLS: under the policy nothing that is not open to all, and no
// credentials, pass in clear.
func TestRequireTLS(t *testing.T) {
	for _, row := range commands() {
		m := newMemory(t, setup(t, "require-tls: yes\n"))
		m.events = nil
		got := m.send(t, row.verb.String()+" x")
		want := row.flags&anytime == 0 || row.flags&loginSecret != 0
		if refused := strings.HasPrefix(got, "530 TLS required"); refused != want {
			t.Errorf("%v: got %q, want refused %v", row.verb, got, want)
		}
	}
}

// TestFeatLists: FEAT names each feature once, and the same before and after
// the login.
func TestFeatLists(t *testing.T) {
	m := newMemory(t, setup(t, "csid: yes\nmode-z: yes\nccc: yes\n"))
	m.events = nil
	before := m.send(t, "FEAT")
	m.login(t)
	if after := m.send(t, "FEAT"); after != before {
		t.Errorf("after login: %s", ftptest.Diff(after, before))
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(before) {
		if seen[line] {
			t.Errorf("%q twice", line)
		}
		seen[line] = true
	}
}

// TestLabels: every command has metrics of its own.
func TestLabels(t *testing.T) {
	for i := range table().rows {
		if row := &table().rows[i]; row.label.String() != row.verb.String() {
			t.Errorf("%v counts as %v", row.verb, row.label)
		}
	}
}
