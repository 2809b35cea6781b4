package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// testUsers is Users with a moved clock that records the cost of each hash.
type testUsers struct {
	*Users
	path  string
	clock *clock
	mu    sync.Mutex
	costs []string
}

func openTestUsers(t testing.TB, text string) *testUsers {
	t.Helper()
	tu := &testUsers{path: filepath.Join(t.TempDir(), "users.toml"), clock: newClock()}
	writeFile(t, tu.path, text)
	u, err := OpenUsers(tu.path, UsersOptions{
		Pool: newTestPool(t, PoolOptions{Workers: 2, Wait: patience}), Root: "/srv/{user}/x",
		CacheTTL: 2 * time.Minute, Now: tu.clock.now,
	})
	if err != nil {
		t.Fatalf("OpenUsers: %v", err)
	}
	real := u.verify
	u.verify = func(h hash, password []byte) bool {
		tu.mu.Lock()
		defer tu.mu.Unlock()
		tu.costs = append(tu.costs, h.cost())
		return real(h, password)
	}
	tu.Users = u
	return tu
}

// hashed returns the costs of the hashes since the last call.
func (tu *testUsers) hashed() []string {
	tu.mu.Lock()
	defer tu.mu.Unlock()
	costs := tu.costs
	tu.costs = nil
	return costs
}

func user(name, hash, more string) string {
	return fmt.Sprintf("[[user]]\nname = %q\npassword = %q\n%s\n", name, hash, more)
}

func TestAuthenticate(t *testing.T) {
	u := openTestUsers(t,
		user("alice", tinyHash(t, "secret"), `home = "/home/alice"`+"\nperms = \"rw\"\nupload_close = \"warn\"")+
			user("bob", tinyHash(t, "other"), "disabled = true")+
			user("carol", foreignHashes[1].hash, "")+
			user("dave", tinyHash(t, strings.Repeat("x", MaxPassword)), `perms = ["list", "write"]`))
	const tiny = "argon2id m=8,t=1,p=1"
	for _, tt := range []struct {
		name, user, password string
		want                 *User
		cost                 []string // of the hashes computed
	}{
		{"right", "alice", "secret", &User{Name: "alice", Home: "/home/alice", Perms: ReadWrite, UploadClose: "warn"}, []string{tiny}},
		{"wrong", "alice", "Secret", nil, []string{tiny}},
		{"empty", "alice", "", nil, []string{tiny}},
		{"disabled, right", "bob", "other", nil, []string{tiny}},
		{"unknown", "nobody", "secret", nil, []string{tiny}},
		{"name in other case", "Alice", "secret", nil, []string{tiny}},
		{"bcrypt", "carol", "correct horse", &User{Name: "carol", Home: "/srv/carol/x", Perms: ReadOnly}, []string{"bcrypt 4"}},
		{"longest password", "dave", strings.Repeat("x", MaxPassword), &User{Name: "dave", Home: "/srv/dave/x", Perms: PermList | PermWrite}, []string{tiny}},
		{"over-long password", "dave", strings.Repeat("x", MaxPassword+1), nil, []string{tiny}},
		{"over-long password of unknown", "nobody", strings.Repeat("x", 8000), nil, []string{tiny}},
		{"no name", "", "secret", nil, nil},
		{"name with NUL", "alice\x00", "secret", nil, nil},
		{"name with CR LF", "alice\r\nx", "secret", nil, nil},
		{"name too long", strings.Repeat("a", MaxName+1), "secret", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u.hashed()
			got, err := u.Authenticate(context.Background(), tt.user, tt.password)
			if tt.want == nil {
				if got != nil || !errors.Is(err, ErrDenied) {
					t.Errorf("got %v, %v; want ErrDenied", got, err)
				}
			} else if err != nil || *got != *tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
			if costs := u.hashed(); !slices.Equal(costs, tt.cost) {
				t.Errorf("hashes: got %q, want %q", costs, tt.cost)
			}
		})
	}
}

// TestUnknownCostsWhatMostUsersCost is the guard against finding out names by
// time (what is counted is the work, for time cannot be asserted).
func TestUnknownCostsWhatMostUsersCost(t *testing.T) {
	bcrypt4, sha := foreignHashes[1].hash, foreignHashes[4].hash
	for _, tt := range []struct {
		name, file, want string
	}{
		{"empty file", "", "argon2id m=19456,t=2,p=1"},
		{"one kind", user("a", bcrypt4, ""), "bcrypt 4"},
		{"majority", user("a", bcrypt4, "") + user("b", sha, "") + user("c", sha, ""), "sha512-crypt rounds=1000"},
		{"disabled count too", user("a", bcrypt4, "disabled = true"), "bcrypt 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := openTestUsers(t, tt.file)
			if _, err := u.Authenticate(context.Background(), "nobody", "x"); !errors.Is(err, ErrDenied) {
				t.Errorf("got %v, want ErrDenied", err)
			}
			if got := u.hashed(); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("hashes: got %q, want one of %q", got, tt.want)
			}
		})
	}
}

func TestCredentialCache(t *testing.T) {
	alice, bob := tinyHash(t, "secret"), tinyHash(t, "secret")
	text := user("alice", alice, "") + user("bob", bob, "")
	u := openTestUsers(t, text)
	login := func(name, password string, hashes int, want error) {
		t.Helper()
		if _, err := u.Authenticate(context.Background(), name, password); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		if got := len(u.hashed()); got != hashes {
			t.Errorf("%s: got %d hashes, want %d", name, got, hashes)
		}
	}
	reload := func(text string) {
		t.Helper()
		writeFile(t, u.path, text)
		if err := u.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	login("alice", "secret", 1, nil)
	login("alice", "secret", 0, nil)
	login("bob", "secret", 1, nil)
	login("alice", "wrong", 1, ErrDenied)
	login("alice", "wrong", 1, ErrDenied)

	u.clock.add(2*time.Minute - 1)
	login("alice", "secret", 0, nil)
	u.clock.add(1)
	login("alice", "secret", 1, nil)

	reload("# a comment\n" + text)
	login("alice", "secret", 0, nil)
	reload(user("alice", alice, `perms = "rw"`) + user("bob", bob, ""))
	login("alice", "secret", 1, nil)
	reload(user("alice", alice, "disabled = true") + user("bob", bob, ""))
	login("alice", "secret", 1, ErrDenied)
	reload(user("bob", bob, ""))
	login("alice", "secret", 1, ErrDenied)
}

func TestCredentialCacheIsBoundedAndHoldsNoPassword(t *testing.T) {
	c := newCredentialCache(time.Minute, 10, newClock().now)
	for i := range 100 {
		c.add(c.credential([32]byte{}, "alice", fmt.Append(nil, i)))
	}
	if got := c.expires.len(); got != 10 {
		t.Errorf("entries: got %d, want 10", got)
	}
	if c.credential([32]byte{}, "ab", []byte("c")) == c.credential([32]byte{}, "a", []byte("bc")) {
		t.Error("two pairs of name and password make one credential")
	}
	d := newCredentialCache(time.Minute, 10, newClock().now)
	if c.credential([32]byte{}, "a", []byte("b")) == d.credential([32]byte{}, "a", []byte("b")) {
		t.Error("two processes share their key")
	}
	off := newCredentialCache(0, 10, newClock().now)
	off.add(credential{})
	if off.has(credential{}) {
		t.Error("a cache with no TTL remembers")
	}
}

func TestReloadKeepsTheOldUsers(t *testing.T) {
	text := user("alice", tinyHash(t, "secret"), "")
	u := openTestUsers(t, text)
	writeFile(t, u.path, text+"[[user]]\nname = \"bob\"\npasword = \"x\"\n")
	err := u.Reload()
	var pe *ParseError
	if !errors.As(err, &pe) || pe.Line != 7 || pe.File != u.path {
		t.Errorf("got %v, want a ParseError in line 7 of %s", err, u.path)
	}
	if _, err := u.Authenticate(context.Background(), "alice", "secret"); err != nil {
		t.Errorf("the old user is lost: %v", err)
	}
	if err := os.Remove(u.path); err != nil {
		t.Fatal(err)
	}
	if err := u.Reload(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: got %v, want ErrNotExist", err)
	}
	if u.Len() != 1 {
		t.Errorf("users: got %d, want 1", u.Len())
	}
}

func TestAuthenticateBusyAndCancelled(t *testing.T) {
	u := openTestUsers(t, user("alice", tinyHash(t, "secret"), ""))
	u.pool = newTestPool(t, PoolOptions{Workers: 1, Queue: 1, Wait: time.Millisecond})
	defer occupy(t, u.pool, 1)()
	if _, err := u.Authenticate(context.Background(), "alice", "secret"); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := u.Authenticate(ctx, "alice", "secret"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestReloadUnderLoad runs logins beside reloads; the race detector watches.
func TestReloadUnderLoad(t *testing.T) {
	alice := tinyHash(t, "secret")
	u := openTestUsers(t, user("alice", alice, ""))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, err := u.Authenticate(context.Background(), "alice", "secret"); err != nil {
					t.Errorf("login: %v", err)
				}
			}
		})
	}
	for i := range 50 {
		if err := UpdateUser(u.path, "alice", func(r *Record) { r.Perms = []Perm{ReadOnly, ReadWrite}[i%2] }); err != nil {
			t.Error(err)
		}
		if err := u.Reload(); err != nil {
			t.Errorf("reload: %v", err)
		}
	}
	wg.Wait()
}

func TestSingle(t *testing.T) {
	a := Single("demo", "s3cret", "/srv", ReadOnly)
	got, err := a.Authenticate(context.Background(), "demo", "s3cret")
	if want := (User{Name: "demo", Home: "/srv", Perms: ReadOnly}); err != nil || *got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, c := range [][2]string{{"demo", "S3cret"}, {"Demo", "s3cret"}, {"", ""}, {"demo", ""}, {"demos3cret", ""}} {
		if _, err := a.Authenticate(context.Background(), c[0], c[1]); !errors.Is(err, ErrDenied) {
			t.Errorf("%q: got %v, want ErrDenied", c, err)
		}
	}
}

func TestAnonymous(t *testing.T) {
	a := Anonymous("/pub", Single("demo", "s3cret", "/srv", ReadWrite))
	for _, name := range []string{"anonymous", "ftp"} {
		got, err := a.Authenticate(context.Background(), name, "me@example.net")
		if want := (User{Name: "anonymous", Home: "/pub", Perms: ReadOnly}); err != nil || *got != want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
	}
	if got, err := a.Authenticate(context.Background(), "demo", "s3cret"); err != nil || got.Home != "/srv" {
		t.Errorf("demo: got %+v, %v", got, err)
	}
	if _, err := a.Authenticate(context.Background(), "Anonymous", ""); !errors.Is(err, ErrDenied) {
		t.Errorf("Anonymous: got %v, want ErrDenied", err)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"alice": true, "a": true, "alice@example.net": true, "Müller": true, "a b": true, strings.Repeat("x", MaxName): true,
		"": false, strings.Repeat("x", MaxName+1): false, "a\x00": false, "a\r": false, "a\x1b[2J": false, "a\x7f": false,
		"a\xff": false, ".": false, "..": false, "a/b": false, `a\b`: false, "a\u202eb": false, "a\u2028b": false, "a\u0085b": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q): got %t, want %t", name, got, want)
		}
	}
}

func TestPerms(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  Perm
		text  string
	}{
		{[]string{"r"}, ReadOnly, "r"},
		{[]string{"rw"}, ReadWrite, "rw"},
		{[]string{"r", "write"}, ReadOnly | PermWrite, "list,read,write"},
		{[]string{"attr", "list"}, PermList | PermAttr, "list,attr"},
		{nil, 0, ""},
	} {
		got, err := ParsePerms(tt.words...)
		if err != nil || got != tt.want || got.String() != tt.text {
			t.Errorf("%q: got %b %q, %v; want %b %q", tt.words, got, got, err, tt.want, tt.text)
		}
		if again, err := ParsePerms(got.Words()...); err != nil || again != got {
			t.Errorf("%q: words make %b, %v", tt.words, again, err)
		}
	}
	if _, err := ParsePerms("wr"); err == nil || !strings.Contains(err.Error(), `"wr"`) {
		t.Errorf("got %v, want an error that names the word", err)
	}
}

func BenchmarkCachedLogin(b *testing.B) {
	u := openTestUsers(b, user("alice", tinyHash(b, "secret"), ""))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Authenticate(context.Background(), "alice", "secret"); err != nil {
			b.Fatal(err)
		}
	}
}
