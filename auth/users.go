package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// UsersOptions configure Users. Zero values stand for the defaults.
type UsersOptions struct {
	// Pool computes the hashes; needed. It is the caller's to close.
	Pool *Pool
	// Root is the home of users without one; {user} in it is replaced by the
	// user's name.
	Root string
	// CacheTTL is for how long a right password is remembered; 0 means never.
	CacheTTL time.Duration
	// CacheEntries bounds the cache; 10,000.
	CacheEntries int
	// Now is the clock of the cache; time.Now.
	Now func() time.Time
}

// Users authenticates the users of a file. Safe for use by many goroutines,
// Reload included.
type Users struct {
	path    string
	root    string
	pool    *Pool
	cache   *credentialCache
	current atomic.Pointer[userSet]

	// verify computes a hash; tests count its calls.
	verify func(h hash, password []byte) bool
}

// userSet is one reading of the file; never changed.
type userSet struct {
	users map[string]*account
	// unknown is what everybody is checked against who may not log in. It
	// costs what most users' hashes cost.
	unknown account
}

// account is what a login needs of a record.
type account struct {
	user    *User // nil: may not log in
	hash    hash
	version [sha256.Size]byte
}

// OpenUsers reads the users file at path.
func OpenUsers(path string, o UsersOptions) (*Users, error) {
	if o.CacheEntries <= 0 {
		o.CacheEntries = 10_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	u := &Users{
		path: path, root: o.Root, pool: o.Pool,
		cache:  newCredentialCache(o.CacheTTL, o.CacheEntries, o.Now),
		verify: func(h hash, password []byte) bool { return h.verify(password) },
	}
	if err := u.Reload(); err != nil {
		return nil, err
	}
	return u, nil
}

// Reload reads the file again. When that fails the users stay as they were and
// the error says in which line the fault is. Sessions that are logged in keep
// their User. What the credential cache knows of unchanged users stays good.
func (u *Users) Reload() error {
	data, err := readUsersFile(u.path)
	if err != nil {
		return err
	}
	entries, err := parseUsers(u.path, data)
	if err != nil {
		return err
	}
	u.current.Store(newUserSet(entries, u.root))
	return nil
}

// Homes returns the home of each user that may log in and store files.
func (u *Users) Homes() []string {
	var homes []string
	for _, acc := range u.current.Load().users {
		if acc.user != nil && acc.user.Perms&(PermWrite|PermModify) != 0 {
			homes = append(homes, acc.user.Home)
		}
	}
	return homes
}

// Len returns how many users the file has, disabled ones included.
func (u *Users) Len() int { return len(u.current.Load().users) }

// Authenticate implements Authenticator. It returns ErrDenied, ErrBusy, or the
// context's error. A name that no user could have is denied at once; every
// other refusal comes after one hash. Users whose hash is of another cost than
// most can be told from unknown ones by time: use one kind of hash.
func (u *Users) Authenticate(ctx context.Context, name, password string) (*User, error) {
	if !ValidName(name) {
		return nil, ErrDenied
	}
	set := u.current.Load()
	acc := set.find(name)
	if len(password) > MaxPassword {
		acc, password = &set.unknown, password[:MaxPassword]
	}
	pw := []byte(password)
	id := u.cache.credential(acc.version, name, pw)
	if u.cache.has(id) && acc.user != nil {
		return acc.user, nil
	}
	right := make(chan bool, 1)
	if err := u.pool.Do(ctx, func() { right <- u.verify(acc.hash, pw) }); err != nil {
		return nil, err
	}
	if !<-right || acc.user == nil {
		return nil, ErrDenied
	}
	u.cache.add(id)
	return acc.user, nil
}

func (s *userSet) find(name string) *account {
	if acc := s.users[name]; acc != nil && acc.user != nil {
		return acc
	}
	return &s.unknown
}

func newUserSet(entries []entry, root string) *userSet {
	s := &userSet{users: make(map[string]*account, len(entries)), unknown: account{hash: decoyFor(entries)}}
	for i := range entries {
		e := &entries[i]
		acc := &account{hash: e.hash, version: e.version()}
		if !e.Disabled {
			acc.user = &User{Name: e.Name, Home: e.home(root), Perms: e.Perms, UploadClose: e.UploadClose}
		}
		s.users[e.Name] = acc
	}
	return s
}

func (e *entry) home(root string) string {
	return cmp.Or(e.Home, strings.ReplaceAll(root, "{user}", e.Name))
}

// decoyFor returns a decoy of the cost that most users have.
func decoyFor(entries []entry) hash {
	if len(entries) == 0 {
		return defaultDecoy()
	}
	count := make(map[string]int)
	for i := range entries {
		count[entries[i].hash.cost()]++
	}
	most := slices.MaxFunc(entries, func(a, b entry) int {
		ac, bc := a.hash.cost(), b.hash.cost()
		return cmp.Or(cmp.Compare(count[ac], count[bc]), cmp.Compare(ac, bc))
	})
	return most.hash.decoy()
}
