package auth

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxUsersFile bounds the users file: 64 MiB hold some 300,000 users.
const maxUsersFile = 64 << 20

// Record is one [[user]] of the users file:
//
//	[[user]]
//	name = "alice"
//	password = "$argon2id$v=19$m=19456,t=2,p=1$..."   # argon2id, bcrypt or sha512-crypt
//	home = "/srv/ftp/alice"                           # absent: the server's storage.root
//	perms = "rw"                                      # "r" (also when absent), "rw" or a list of words
//	disabled = false
//	upload_close = "warn"                             # "strict", "warn", "off"; absent: the server's
type Record struct {
	Name        string
	Password    string // the hash
	Home        string
	Perms       Perm
	Disabled    bool
	UploadClose string
}

// ParseError is a fault in a users file and where it stands.
type ParseError struct {
	File string
	Line int // from 1
	Msg  string
}

// Error returns "file:line: message".
func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// ReadUsers reads a users file. The error is a *ParseError when the text is at
// fault. A file that others may read, or that the group or others may write, is
// refused: it holds what is needed to guess passwords, or to be anybody.
func ReadUsers(path string) ([]Record, error) {
	data, err := readUsersFile(path)
	if err != nil {
		return nil, err
	}
	entries, err := parseUsers(path, data)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	return records, nil
}

func readUsersFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("users file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("users file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("users file %s: not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("users file %s: mode %#o lets others in: chmod 600 (or 640) %s", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err != nil {
		return nil, fmt.Errorf("users file: %w", err)
	}
	if len(data) > maxUsersFile {
		return nil, fmt.Errorf("users file %s: larger than %d MiB", path, maxUsersFile>>20)
	}
	return data, nil
}

// span is a piece of the file's text.
type span struct{ start, end int }

// entry is a record and where it stands.
type entry struct {
	Record
	hash hash
	head span            // the line [[user]]
	keys map[string]span // "key = value", without the line's end
}

// version names the record's content: it is another one after any change.
func (e *entry) version() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %t %q",
		e.Name, e.Password, e.Home, e.Perms, e.Disabled, e.UploadClose))
}

// parseUsers reads the text of a users file; path only names it in errors.
func parseUsers(path string, data []byte) ([]entry, error) {
	p := usersParser{path: path, data: data, names: make(map[string]int)}
	p.toml.Reset(data)
	for p.toml.NextExpression() {
		if err := p.expression(p.toml.Expression()); err != nil {
			return nil, err
		}
	}
	if err := p.toml.Error(); err != nil {
		return nil, p.syntaxError(err)
	}
	return p.entries, p.finish()
}

type usersParser struct {
	path    string
	data    []byte
	toml    unstable.Parser
	entries []entry
	names   map[string]int // to the index in entries
}

func (p *usersParser) errorf(offset int, format string, args ...any) error {
	line := 1 + bytes.Count(p.data[:offset], []byte{'\n'})
	return &ParseError{File: p.path, Line: line, Msg: fmt.Sprintf(format, args...)}
}

func (p *usersParser) syntaxError(err error) error {
	var syntax *unstable.ParserError
	if errors.As(err, &syntax) {
		return p.errorf(int(p.toml.Range(syntax.Highlight).Offset), "%s", syntax.Message)
	}
	return fmt.Errorf("users file %s: %w", p.path, err)
}

func (p *usersParser) expression(n *unstable.Node) error {
	key, at := p.key(n)
	switch {
	case n.Kind == unstable.ArrayTable && key == "user":
		if err := p.finish(); err != nil {
			return err
		}
		p.entries = append(p.entries, entry{head: p.line(at), keys: make(map[string]span), Record: Record{Perms: ReadOnly}})
		return nil
	case n.Kind != unstable.KeyValue:
		return p.errorf(at, "unknown table %q: the file holds [[user]] only", key)
	case len(p.entries) == 0:
		return p.errorf(at, "key %q stands before the first [[user]]", key)
	}
	e := &p.entries[len(p.entries)-1]
	if _, twice := e.keys[key]; twice {
		return p.errorf(at, "key %q stands twice", key)
	}
	e.keys[key] = span{int(n.Raw.Offset), int(n.Raw.Offset + n.Raw.Length)}
	if err := e.set(key, n.Value()); err != nil {
		return p.errorf(at, "%s", err)
	}
	return nil
}

// key returns the node's key, dotted, and its offset.
func (p *usersParser) key(n *unstable.Node) (string, int) {
	var parts []string
	at := -1
	for it := n.Key(); it.Next(); {
		if at < 0 {
			at = int(it.Node().Raw.Offset)
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), at
}

// line returns the line around offset, its end included.
func (p *usersParser) line(offset int) span {
	start := bytes.LastIndexByte(p.data[:offset], '\n') + 1
	end := bytes.IndexByte(p.data[offset:], '\n')
	if end < 0 {
		return span{start, len(p.data)}
	}
	return span{start, offset + end + 1}
}

// finish checks the record that the last lines made.
func (p *usersParser) finish() error {
	if len(p.entries) == 0 {
		return nil
	}
	e := &p.entries[len(p.entries)-1]
	for _, need := range []string{"name", "password"} {
		if _, ok := e.keys[need]; !ok {
			return p.errorf(e.head.start, "this [[user]] has no %s", need)
		}
	}
	if first, twice := p.names[e.Name]; twice {
		line := 1 + bytes.Count(p.data[:p.entries[first].head.start], []byte{'\n'})
		return p.errorf(e.keys["name"].start, "user %q stands twice, first in line %d", e.Name, line)
	}
	p.names[e.Name] = len(p.entries) - 1
	return nil
}

var userKeys = []string{"name", "password", "home", "perms", "disabled", "upload_close"}

// set takes one value into the record.
func (e *entry) set(key string, v *unstable.Node) (err error) {
	switch key {
	case "name":
		e.Name, err = stringOf(v)
		return cmp.Or(err, checkName(e.Name))
	case "password":
		if e.Password, err = stringOf(v); err != nil {
			return err
		}
		e.hash, err = parseHash(e.Password)
		return err
	case "home":
		e.Home, err = stringOf(v)
		return cmp.Or(err, checkHome(e.Home))
	case "perms":
		e.Perms, err = permsOf(v)
		return err
	case "disabled":
		if v.Kind != unstable.Bool {
			return errors.New("disabled must be true or false")
		}
		e.Disabled = string(v.Data) == "true"
		return nil
	case "upload_close":
		e.UploadClose, err = stringOf(v)
		return cmp.Or(err, checkUploadClose(e.UploadClose))
	}
	return fmt.Errorf("unknown key %q: want one of %s", key, strings.Join(userKeys, ", "))
}

func stringOf(v *unstable.Node) (string, error) {
	if v.Kind != unstable.String {
		return "", errors.New("the value must be a string")
	}
	return string(v.Data), nil
}

func permsOf(v *unstable.Node) (Perm, error) {
	if v.Kind == unstable.String {
		return ParsePerms(string(v.Data))
	}
	if v.Kind != unstable.Array {
		return 0, errors.New(`perms must be "r", "rw" or a list of words`)
	}
	var words []string
	for it := v.Children(); it.Next(); {
		w, err := stringOf(it.Node())
		if err != nil {
			return 0, err
		}
		words = append(words, w)
	}
	return ParsePerms(words...)
}

func checkName(name string) error {
	if !ValidName(name) {
		return fmt.Errorf("%q cannot be a user's name: want 1 to %d bytes of UTF-8 without slashes and control characters", name, MaxName)
	}
	return nil
}

func checkHome(home string) error {
	if home != "" && !filepath.IsAbs(home) || strings.ContainsRune(home, 0) {
		return fmt.Errorf("home %q is no absolute path", home)
	}
	return nil
}

func checkUploadClose(rule string) error {
	if !slices.Contains([]string{"", "strict", "warn", "off"}, rule) {
		return fmt.Errorf("upload_close is %q: want strict, warn or off", rule)
	}
	return nil
}
