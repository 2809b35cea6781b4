package auth

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

const testHash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

func TestParseUsersErrors(t *testing.T) {
	good := user("alice", testHash, "")
	for _, tt := range []struct {
		name, text string
		line       int
		message    string
	}{
		{"syntax", good + "\n[[user\n", 6, "expected"},
		{"no value", "[[user]]\nname = \n", 2, ""},
		{"top-level key", "name = \"x\"\n" + good, 1, "before the first [[user]]"},
		{"another table", good + "[group]\n", 5, `unknown table "group"`},
		{"table for list", "[user]\nname = \"x\"\n", 1, `unknown table "user"`},
		{"unknown key", user("a", testHash, `permissions = "rw"`), 4, `unknown key "permissions"`},
		{"key twice", user("a", testHash, `name = "b"`), 4, `key "name" stands twice`},
		{"name is a number", "[[user]]\nname = 5\n", 2, "must be a string"},
		{"bad name", "[[user]]\nname = \"a/b\"\n", 2, "cannot be a user's name"},
		{"escaped control", "[[user]]\nname = \"a\\u0000\"\n", 2, "cannot be a user's name"},
		{"no name", "\n[[user]]\npassword = \"" + testHash + "\"\n", 2, "has no name"},
		{"no password", good + "\n[[user]]\nname = \"b\"\n\n" + good, 6, "has no password"},
		{"clear password", user("a", "hunter2", ""), 3, "not hashed"},
		{"bad perms", user("a", testHash, `perms = "rwx"`), 4, `unknown permission "rwx"`},
		{"bad perm in list", user("a", testHash, `perms = ["list", 5]`), 4, "must be a string"},
		{"perms a number", user("a", testHash, `perms = 7`), 4, "perms must be"},
		{"relative home", user("a", testHash, `home = "srv"`), 4, "no absolute path"},
		{"disabled a string", user("a", testHash, `disabled = "yes"`), 4, "true or false"},
		{"bad upload_close", user("a", testHash, `upload_close = "lax"`), 4, "want strict, warn or off"},
		{"name twice", good + good, 6, `"alice" stands twice, first in line 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseUsers("users.toml", []byte(tt.text))
			var pe *ParseError
			if !errors.As(err, &pe) || pe.Line != tt.line || !strings.Contains(pe.Msg, tt.message) {
				t.Errorf("got %v, want line %d and %q", err, tt.line, tt.message)
			}
		})
	}
}

func TestReadUsersMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	writeFile(t, path, user("alice", testHash, ""))
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o660: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadUsers(path); (err == nil) != ok {
			t.Errorf("mode %#o: got %v, want accepted: %t", mode, err, ok)
		}
	}
	if _, err := ReadUsers(filepath.Dir(path)); err == nil {
		t.Error("a folder was read as a users file")
	}
}

func TestAddUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	records := []Record{
		{Name: "alice", Password: testHash, Perms: ReadOnly},
		{Name: `b"ö`, Password: testHash, Home: "/srv/b \"q\"", Perms: PermList | PermRead | PermWrite, Disabled: true, UploadClose: "off"},
		{Name: "carol", Password: foreignHashes[1].hash, Perms: 0},
	}
	for _, r := range records {
		if err := AddUser(path, r); err != nil {
			t.Fatalf("AddUser(%q): %v", r.Name, err)
		}
	}
	got, err := ReadUsers(path)
	if err != nil || !reflect.DeepEqual(got, records) {
		t.Errorf("got %+v, %v; want %+v", got, err, records)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v; want 0600", info.Mode(), err)
	}
	if err := AddUser(path, records[0]); !errors.Is(err, ErrExists) {
		t.Errorf("second alice: got %v, want ErrExists", err)
	}
	for name, r := range map[string]Record{
		"name":     {Name: "a\nb", Password: testHash},
		"password": {Name: "dave", Password: "clear"},
		"home":     {Name: "dave", Password: testHash, Home: "relative"},
	} {
		if err := AddUser(path, r); err == nil {
			t.Errorf("bad %s: added", name)
		}
	}
	if again, _ := ReadUsers(path); !reflect.DeepEqual(again, records) {
		t.Errorf("a refused record changed the file: %+v", again)
	}
}

const handWritten = `# Users of the north office.   

[[user]]   # the boss
password = '` + testHash + `'   # set 2026-01-01
  name="alice"
perms = [
  "list", # all
  "read",
]

# leaves in May
[[user]]
name = "bob"
password = "` + testHash + `"
disabled = true # for now
[[user]]
name = "carol"
password = "` + testHash + `"`

func TestUpdateUserKeepsTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	newHash := foreignHashes[1].hash
	for _, tt := range []struct {
		name, user string
		change     func(*Record)
		old, new   string // text that changes, all else stays
	}{
		{"value", "bob", func(r *Record) { r.Disabled = false }, "disabled = true", "disabled = false"},
		{"odd spacing", "alice", func(r *Record) { r.Password = newHash }, "password = '" + testHash + "'", `password = "` + newHash + `"`},
		{"several lines", "alice", func(r *Record) { r.Perms = ReadWrite }, "perms = [\n  \"list\", # all\n  \"read\",\n]", `perms = "rw"`},
		{"new keys", "carol", func(r *Record) { r.Disabled, r.Home = true, "/c" }, "[[user]]\nname = \"carol\"", "[[user]]\nhome = \"/c\"\ndisabled = true\nname = \"carol\""},
		{"new key below a comment", "alice", func(r *Record) { r.Home = "/a" }, "# the boss\n", "# the boss\nhome = \"/a\"\n"},
		{"nothing", "alice", func(*Record) {}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writeFile(t, path, handWritten)
			if err := UpdateUser(path, tt.user, tt.change); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if want := strings.Replace(handWritten, tt.old, tt.new, 1); err != nil || string(got) != want {
				t.Errorf("got %q, %v\nwant %q", got, err, want)
			}
		})
	}
}

func TestUpdateUserRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	writeFile(t, path, handWritten)
	if err := UpdateUser(path, "nobody", func(*Record) {}); !errors.Is(err, ErrNoUser) {
		t.Errorf("unknown user: got %v, want ErrNoUser", err)
	}
	if err := UpdateUser(path, "alice", func(r *Record) { r.Name = "eve" }); err == nil {
		t.Error("the name was changed")
	}
	if err := UpdateUser(path, "alice", func(r *Record) { r.Password = "clear" }); err == nil {
		t.Error("a clear password was stored")
	}
	if got, _ := os.ReadFile(path); string(got) != handWritten {
		t.Errorf("a refused change wrote %q", got)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v; want the users file alone", left, err)
	}
}

func TestEditKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.toml"), filepath.Join(dir, "users.toml")
	writeFile(t, real, handWritten)
	if err := errors.Join(os.Chmod(real, 0o640), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if err := UpdateUser(link, "bob", func(r *Record) { r.Disabled = false }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode: got %v, %v; want 0640", info.Mode(), err)
	}
}

func TestConcurrentEdits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	names := strings.Split("abcdefghijklmnopqrst", "")
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			if err := AddUser(path, Record{Name: name, Password: testHash, Perms: ReadOnly}); err != nil {
				t.Errorf("add %s: %v", name, err)
			}
		})
	}
	wg.Wait()
	got, err := ReadUsers(path)
	if err != nil || len(got) != len(names) {
		t.Errorf("got %d users, %v; want %d: an edit was lost", len(got), err, len(names))
	}
}

// FuzzUsersFile checks that the parser never panics, and that an edit of any
// file that parses changes what it was asked to and nothing else.
func FuzzUsersFile(f *testing.F) {
	f.Add([]byte(handWritten))
	f.Add([]byte(user("a", testHash, "home = \"/x\"\nperms = []")))
	f.Add([]byte("[[user]]\r\nname='x'\r\npassword='" + testHash + "'\r\n"))
	f.Add([]byte("[[user]]\nname.x = 1"))
	f.Add([]byte("[[user]\n\x00\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := parseUsers("f", data)
		if err != nil || len(before) == 0 {
			return
		}
		target := before[len(before)/2]
		changed := target.Record
		changed.Disabled, changed.Home, changed.Perms = !changed.Disabled, "/new \"home\"", PermList
		edited, err := updateRecord("f", bytes.Clone(data), target.Name, func(r *Record) { *r = changed })
		if err != nil {
			t.Fatalf("edit: %v\nof %q", err, data)
		}
		added, err := addRecord("f", edited, Record{Name: "\U0010ffff new", Password: testHash, Perms: ReadWrite})
		if errors.Is(err, ErrExists) {
			return
		}
		if err != nil {
			t.Fatalf("add: %v\nto %q", err, edited)
		}
		after, err := parseUsers("f", added)
		if err != nil || len(after) != len(before)+1 {
			t.Fatalf("got %d users, %v; want %d", len(after), err, len(before)+1)
		}
		for i, e := range before {
			want := e.Record
			if e.Name == target.Name {
				want = changed
			}
			if after[i].Record != want {
				t.Errorf("user %d: got %+v, want %+v", i, after[i].Record, want)
			}
		}
	})
}
