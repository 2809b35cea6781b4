package auth

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Errors of the editing functions.
var (
	ErrExists = errors.New("user exists already")
	ErrNoUser = errors.New("no such user")
)

// AddUser appends a record to the users file, which is made, with mode 0600, if
// there is none. ErrExists when the name is taken.
func AddUser(path string, r Record) error {
	return editUsers(path, func(data []byte) ([]byte, error) { return addRecord(path, data, r) })
}

// UpdateUser changes the record of a user; its name must stay. All that is not
// changed keeps its text to the byte: other users, comments, the order. The new
// file replaces the old one in one step. ErrNoUser when there is none.
func UpdateUser(path, name string, change func(*Record)) error {
	return editUsers(path, func(data []byte) ([]byte, error) { return updateRecord(path, data, name, change) })
}

func addRecord(path string, data []byte, r Record) ([]byte, error) {
	entries, err := parseUsers(path, data)
	if err != nil {
		return nil, err
	}
	if findEntry(entries, r.Name) != nil {
		return nil, fmt.Errorf("%w: %q", ErrExists, r.Name)
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(data, '\n')
	}
	if len(data) > 0 {
		data = append(data, '\n')
	}
	data = append(data, "[[user]]\n"...)
	absent := Record{Perms: ReadOnly}
	for _, key := range userKeys {
		if key == "name" || key == "password" || r.value(key) != absent.value(key) {
			data = append(data, key+" = "+r.value(key)+"\n"...)
		}
	}
	_, err = parseUsers(path, data)
	return data, err
}

func updateRecord(path string, data []byte, name string, change func(*Record)) ([]byte, error) {
	entries, err := parseUsers(path, data)
	if err != nil {
		return nil, err
	}
	e := findEntry(entries, name)
	if e == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoUser, name)
	}
	changed := e.Record
	if change(&changed); changed.Name != name {
		return nil, fmt.Errorf("the name of %q cannot be changed", name)
	}
	data = e.rewrite(data, changed)
	_, err = parseUsers(path, data)
	return data, err
}

func findEntry(entries []entry, name string) *entry {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// rewrite returns data with the values of e that differ in r replaced, and
// those that had no line put below the header.
func (e *entry) rewrite(data []byte, r Record) []byte {
	type edit struct {
		span
		text string
	}
	var edits []edit
	for _, key := range userKeys {
		if r.value(key) == e.Record.value(key) {
			continue
		}
		at, ok := e.keys[key]
		text := key + " = " + r.value(key)
		if !ok {
			at, text = span{e.head.end, e.head.end}, text+"\n"
		}
		edits = append(edits, edit{at, text})
	}
	// From the end, so that offsets stay good; new keys, which all go to one
	// place, then keep the order of userKeys.
	slices.Reverse(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return b.start - a.start })
	for _, x := range edits {
		data = slices.Concat(data[:x.start], []byte(x.text), data[x.end:])
	}
	return data
}

// value returns a value of the record as TOML.
func (r *Record) value(key string) string {
	switch key {
	case "name":
		return quoteTOML(r.Name)
	case "password":
		return quoteTOML(r.Password)
	case "home":
		return quoteTOML(r.Home)
	case "perms":
		return permsTOML(r.Perms)
	case "disabled":
		return strconv.FormatBool(r.Disabled)
	}
	return quoteTOML(r.UploadClose)
}

func permsTOML(p Perm) string {
	words := p.Words()
	if p == ReadOnly || p == ReadWrite {
		return quoteTOML(words[0])
	}
	for i, w := range words {
		words[i] = quoteTOML(w)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// quoteTOML returns s as a basic string. Bytes that are no UTF-8 cannot stand
// in TOML; parsing the result again then tells.
func quoteTOML(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}

// editUsers replaces the file's text by what change makes of it, under a lock
// against other editors.
func editUsers(path string, change func([]byte) ([]byte, error)) error {
	path, err := realPath(path)
	if err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	lock, err := lockUsers(path)
	if err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	defer func() { _ = lock.Close() }() // gives the lock up
	data, err := readUsersFile(path)
	if err != nil {
		return err
	}
	changed, err := change(data)
	if err != nil || bytes.Equal(changed, data) {
		return err
	}
	if err := replaceFile(path, changed); err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	return nil
}

// realPath follows a symbolic link, which a rename would replace. A file that
// is not there yet has no other name.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// lockUsers opens path, makes it if needed, and locks it. Another editor may
// have replaced the file while we waited: then the lock is on a file without a
// name and the new one must be taken.
func lockUsers(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
		ours, err1 := f.Stat()
		named, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(ours, named) {
			return f, nil
		}
		_ = f.Close()
		if err1 != nil {
			return nil, err1
		}
	}
}

// replaceFile writes data to a new file beside path and renames it over path,
// so that a reader, or a power cut, sees the old text or the new. Owner and
// mode stay.
func replaceFile(path string, data []byte) error {
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fastftps-users-*")
	if err != nil {
		return err
	}
	err = fillFile(f, data, old)
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

func fillFile(f *os.File, data []byte, like os.FileInfo) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(like.Mode().Perm())
	}
	if st, ok := like.Sys().(*syscall.Stat_t); ok && err == nil && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
		err = f.Chown(int(st.Uid), int(st.Gid))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
