package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"fastftps/auth"
	"fastftps/codec"
	"fastftps/internal/ftptest"
	"fastftps/storage"
	"fastftps/storage/memfs"
)

// watchedFS is a tree that fails where it is told to, counts what is open and
// remembers how uploads were asked for.
type watchedFS struct {
	storage.FS
	tree *memfs.FS

	failing string // the method that fails
	err     error  // with what
	open    int    // files, uploads and directories that nobody has closed
	options storage.CreateOptions
}

func (w *watchedFS) fail(method string) error {
	if w.failing == method {
		return fmt.Errorf("%s /host/path: %w", method, w.err)
	}
	return nil
}

func (w *watchedFS) Stat(p storage.Path) (storage.Info, error) {
	if err := w.fail("Stat"); err != nil {
		return storage.Info{}, err
	}
	return w.FS.Stat(p)
}

func (w *watchedFS) Lstat(p storage.Path) (storage.Info, error) {
	if err := w.fail("Lstat"); err != nil {
		return storage.Info{}, err
	}
	return w.FS.Lstat(p)
}

func (w *watchedFS) Open(p storage.Path) (storage.File, error) {
	if err := w.fail("Open"); err != nil {
		return nil, err
	}
	f, err := w.FS.Open(p)
	if err != nil {
		return nil, err
	}
	w.open++
	return &watchedFile{File: f, w: w}, nil
}

func (w *watchedFS) Create(p storage.Path, o storage.CreateOptions) (storage.Upload, error) {
	w.options = o
	if err := w.fail("Create"); err != nil {
		return nil, err
	}
	return w.upload(w.FS.Create(p, o))
}

func (w *watchedFS) OpenWrite(p storage.Path, off int64, o storage.CreateOptions) (storage.Upload, error) {
	w.options = o
	if err := w.fail("OpenWrite"); err != nil {
		return nil, err
	}
	return w.upload(w.FS.OpenWrite(p, off, o))
}

func (w *watchedFS) upload(up storage.Upload, err error) (storage.Upload, error) {
	if err != nil {
		return nil, err
	}
	w.open++
	return &watchedUpload{Upload: up, w: w}, nil
}

func (w *watchedFS) ReadDir(p storage.Path, want storage.Want) (storage.Dir, error) {
	if err := w.fail("ReadDir"); err != nil {
		return nil, err
	}
	d, err := w.FS.ReadDir(p, want)
	if err != nil {
		return nil, err
	}
	w.open++
	return &watchedDir{Dir: d, w: w}, nil
}

func (w *watchedFS) Mkdir(p storage.Path, perm fs.FileMode) error {
	if err := w.fail("Mkdir"); err != nil {
		return err
	}
	return w.FS.Mkdir(p, perm)
}

func (w *watchedFS) Rmdir(p storage.Path) error {
	if err := w.fail("Rmdir"); err != nil {
		return err
	}
	return w.FS.Rmdir(p)
}

func (w *watchedFS) Remove(p storage.Path) error {
	if err := w.fail("Remove"); err != nil {
		return err
	}
	return w.FS.Remove(p)
}

func (w *watchedFS) Rename(from, to storage.Path) error {
	if err := w.fail("Rename"); err != nil {
		return err
	}
	return w.FS.Rename(from, to)
}

func (w *watchedFS) RenameNew(from, to storage.Path) error {
	if err := w.fail("RenameNew"); err != nil {
		return err
	}
	return w.FS.RenameNew(from, to)
}

func (w *watchedFS) Chmod(p storage.Path, mode fs.FileMode) error {
	if err := w.fail("Chmod"); err != nil {
		return err
	}
	return w.FS.Chmod(p, mode)
}

func (w *watchedFS) Chtimes(p storage.Path, t time.Time) error {
	if err := w.fail("Chtimes"); err != nil {
		return err
	}
	return w.FS.Chtimes(p, t)
}

func (w *watchedFS) Available(p storage.Path) (int64, error) {
	if err := w.fail("Available"); err != nil {
		return 0, err
	}
	return w.FS.Available(p)
}

func (w *watchedFS) Close() error { return nil }

type watchedFile struct {
	storage.File
	w *watchedFS
}

func (f *watchedFile) Stat() (storage.Info, error) {
	if err := f.w.fail("File.Stat"); err != nil {
		return storage.Info{}, err
	}
	return f.File.Stat()
}

func (f *watchedFile) Seek(off int64, whence int) (int64, error) {
	if err := f.w.fail("File.Seek"); err != nil {
		return 0, err
	}
	return f.File.Seek(off, whence)
}

func (f *watchedFile) Read(p []byte) (int, error) {
	if err := f.w.fail("File.Read"); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *watchedFile) Close() error {
	f.w.open--
	return f.File.Close()
}

type watchedUpload struct {
	storage.Upload
	w *watchedFS
}

func (u *watchedUpload) Commit() error {
	u.w.open--
	return u.Upload.Commit()
}

func (u *watchedUpload) Discard() error {
	u.w.open--
	return u.Upload.Discard()
}

type watchedDir struct {
	storage.Dir
	w *watchedFS
}

func (d *watchedDir) Close() error {
	d.w.open--
	return d.Dir.Close()
}

// oneUser lets anybody in, as the same user.
type oneUser struct{ user auth.User }

func (o oneUser) Authenticate(context.Context, string, string) (*auth.User, error) {
	return &o.user, nil
}

// login returns a session of a user with these permissions over a small tree,
// logged in, in TYPE I.
func login(t testing.TB, perms auth.Perm, settings string) (*memory, *watchedFS) {
	t.Helper()
	script, err := ftptest.Parse([]byte(settings + `
-- a.txt --
hello
-- b.txt --
hello
-- dir/ --
-- transcript --
`))
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t, &script.Setup)
	tree, err := script.Setup.FS(func() time.Time { return m.now })
	if err != nil {
		t.Fatal(err)
	}
	w := &watchedFS{FS: tree, tree: tree}
	m.s.cfg.Auth = oneUser{auth.User{Name: "bob", Perms: perms}}
	m.s.cfg.OpenFS = func(context.Context, *auth.User) (storage.FS, error) { return w, nil }
	m.events = nil
	for _, line := range []string{"USER bob", "PASS x", "TYPE I"} {
		m.tell(t, line)
	}
	return m, w
}

// tell sends a line and returns the last line of what comes back.
func (m *memory) tell(t testing.TB, line string) string {
	t.Helper()
	if err := m.Send([]byte(line + "\r\n")); err != nil {
		t.Fatal(err)
	}
	return m.heard(t, line)
}

// heard returns the last line that the server has said.
func (m *memory) heard(t testing.TB, after string) string {
	t.Helper()
	if len(m.events) == 0 {
		t.Fatalf("%q: no reply", after)
	}
	last := m.events[len(m.events)-1]
	m.events = nil
	return last.Text
}

// storageCodes are the replies for the errors of a storage. other is for a path that
// the command may not use.
func storageCodes(other codec.Code) map[error]codec.Code {
	return map[error]codec.Code{
		fs.ErrNotExist:           other,
		fs.ErrExist:              other,
		fs.ErrPermission:         other,
		storage.ErrName:          other,
		storage.ErrIsDir:         other,
		storage.ErrNotDir:        other,
		storage.ErrNotEmpty:      other,
		storage.ErrNotRegular:    other,
		storage.ErrReadOnly:      other,
		storage.ErrEscape:        other,
		storage.ErrOffset:        554,
		storage.ErrNoSpace:       452,
		storage.ErrQuota:         552,
		storage.ErrBusy:          450,
		storage.ErrUnsupported:   504,
		errors.New("disk fault"): 451,
	}
}

// TestStorageErrors: each error of a storage has its reply, no reply shows a path
// of the host, nothing stays open, and the session goes on.
func TestStorageErrors(t *testing.T) {
	tests := []struct {
		line, method string
		path         codec.Code
		instead      map[error]codec.Code
	}{
		{line: "CWD dir", method: "Stat", path: 550},
		{line: "CDUP", method: "Stat", path: 550},
		{line: "MKD x", method: "Mkdir", path: 550},
		{line: "RMD dir", method: "Rmdir", path: 550},
		{line: "DELE a.txt", method: "Remove", path: 550},
		{line: "RNFR a.txt", method: "Lstat", path: 550},
		{line: "RNTO c.txt", method: "Rename", path: 553},
		{line: "SIZE a.txt", method: "Stat", path: 550},
		{line: "MDTM a.txt", method: "Stat", path: 550},
		{line: "MDTM 20200101000000 a.txt", method: "Chtimes", path: 550},
		{line: "MFMT 20200101000000 a.txt", method: "Chtimes", path: 550},
		{line: "MFF Modify=20200101000000; a.txt", method: "Chtimes", path: 550},
		{line: "MFF UNIX.mode=600; a.txt", method: "Chmod", path: 550},
		{line: "MLST c.txt", method: "Lstat", path: 550},
		{line: "AVBL", method: "Available", path: 550},
		{line: "HASH a.txt", method: "Open", path: 550, instead: map[error]codec.Code{storage.ErrIsDir: 553}},
		{line: "HASH a.txt", method: "File.Stat", path: 550, instead: map[error]codec.Code{storage.ErrIsDir: 553}},
		{line: "XCRC a.txt", method: "Open", path: 550},
		{line: "XCRC a.txt", method: "File.Seek", path: 550},
		{line: "XCRC a.txt", method: "File.Read", path: 550},
		{line: "RETR a.txt", method: "Open", path: 550},
		{line: "RETR a.txt", method: "File.Stat", path: 550},
		{line: "STOR a.txt", method: "Create", path: 553},
		{line: "STOR c.txt", method: "Create", path: 553},
		{line: "APPE a.txt", method: "Stat", path: 553},
		{line: "STOU", method: "Create", path: 553},
		{line: "APPE a.txt", method: "OpenWrite", path: 553},
		{line: "APPE c.txt", method: "Create", path: 553},
		{line: "LIST", method: "ReadDir", path: 550},
		{line: "LIST", method: "Stat", path: 550},
		{line: "NLST", method: "ReadDir", path: 550},
		{line: "MLSD", method: "ReadDir", path: 550, instead: map[error]codec.Code{storage.ErrNotDir: 501}},
	}
	for _, tt := range tests {
		t.Run(tt.line+"/"+tt.method, func(t *testing.T) {
			want := storageCodes(tt.path)
			for err, code := range want {
				if other, ok := tt.instead[err]; ok {
					code = other
				}
				checkStorageError(t, tt.line, tt.method, err, code)
			}
		})
	}
}

func checkStorageError(t *testing.T, line, method string, err error, want codec.Code) {
	t.Helper()
	m, w := login(t, auth.ReadWrite, "")
	m.tell(t, "PASV")
	if strings.HasPrefix(line, "RNTO") {
		m.tell(t, "RNFR a.txt")
	}
	w.failing, w.err = method, err
	got := m.tell(t, line)
	if !strings.HasPrefix(got, fmt.Sprintf("%d ", want)) || strings.Contains(got, "host") {
		t.Errorf("%v: got %q, want %d", err, got, want)
	}
	w.failing = ""
	if want == 150 {
		m.tell(t, "ABOR")
	} else if m.data.job != nil || !m.data.armed {
		t.Errorf("%v: the endpoint is used up", err)
	}
	if w.open != 0 {
		t.Errorf("%v: %d files are still open", err, w.open)
	}
	if got := m.tell(t, "NOOP"); got != "200 OK" {
		t.Errorf("%v, then NOOP: got %q", err, got)
	}
}

// TestRefusedTransfersLeakNothing: what was opened for a transfer that does not
// come about is closed again.
func TestRefusedTransfersLeakNothing(t *testing.T) {
	tests := []struct {
		name, settings string
		lines          []string
		want           string
	}{
		{"restart beyond the end", "", []string{"REST 7", "RETR a.txt"}, "554"},
		{"restart in TYPE A", "", []string{"TYPE A", "REST 1", "RETR a.txt"}, "555"},
		{"range in TYPE A", "", []string{"RANG 1 2", "TYPE A", "RETR a.txt"}, "551"},
		{"upload beyond the limit", "max-upload: 3", []string{"APPE a.txt"}, "552"},
		{"restart beyond the limit", "max-upload: 3", []string{"REST 4", "STOR a.txt"}, "552"},
		{"no slot, RETR", "no-slots: yes", []string{"RETR a.txt"}, "450"},
		{"no slot, STOR", "no-slots: yes", []string{"STOR a.txt"}, "450"},
		{"no slot, STOU", "no-slots: yes", []string{"STOU"}, "450"},
		{"no slot, APPE", "no-slots: yes", []string{"APPE a.txt"}, "450"},
		{"no slot, LIST", "no-slots: yes", []string{"LIST"}, "450"},
		{"pattern", "no-slots: yes", []string{"LIST *.txt"}, "450"},
		{"MLSD of a file", "", []string{"MLSD a.txt"}, "501"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, w := login(t, auth.ReadWrite, tt.settings)
			m.tell(t, "PASV")
			var got string
			for _, line := range tt.lines {
				got = m.tell(t, line)
			}
			if !strings.HasPrefix(got, tt.want+" ") {
				t.Errorf("got %q, want %s", got, tt.want)
			}
			if w.open != 0 {
				t.Errorf("%d files are still open", w.open)
			}
			if s := m.s; s.restart != 0 || s.rangeEnd != 0 {
				t.Errorf("restart point %d and range end %d are left", s.restart, s.rangeEnd)
			}
			if !m.data.armed {
				t.Error("the endpoint is gone")
			}
		})
	}
}

// TestGoneClosesTransfer: a lost control connection ends the transfer.
func TestGoneClosesTransfer(t *testing.T) {
	for _, line := range []string{"RETR a.txt", "STOR a.txt", "APPE a.txt", "LIST"} {
		m, w := login(t, auth.ReadWrite, "")
		m.tell(t, "PASV")
		if got := m.tell(t, line); !strings.HasPrefix(got, "150 ") || w.open != 1 {
			t.Fatalf("%s: got %q with %d open", line, got, w.open)
		}
		m.gone()
		if w.open != 0 {
			t.Errorf("%s: %d files are still open", line, w.open)
		}
	}
}

// TestPermissions: each command with each permission that it needs missing.
func TestPermissions(t *testing.T) {
	const all = auth.ReadWrite
	tests := []struct {
		name  string
		perms auth.Perm
		lines []string
		want  string
	}{
		{"store a new file", auth.PermWrite, []string{"STOR c.txt"}, "150"},
		{"not over an old one", auth.PermWrite, []string{"STOR a.txt"}, "553"},
		{"over an old one", auth.PermModify, []string{"STOR a.txt"}, "150"},
		{"no new one", auth.PermModify, []string{"STOR c.txt"}, "553"},
		{"unique", auth.PermWrite, []string{"STOU"}, "150"},
		{"unique without", all &^ auth.PermWrite, []string{"STOU"}, "553"},
		{"append", auth.PermModify, []string{"APPE a.txt"}, "150"},
		{"append without", all &^ auth.PermModify, []string{"APPE a.txt"}, "553"},
		{"append to nothing", auth.PermWrite, []string{"APPE c.txt"}, "150"},
		{"append to nothing without", all &^ auth.PermWrite, []string{"APPE c.txt"}, "553"},
		{"restart", auth.PermModify, []string{"REST 1", "STOR a.txt"}, "150"},
		{"restart without", all &^ auth.PermModify, []string{"REST 1", "STOR a.txt"}, "553"},
		{"in place without", all &^ auth.PermModify, []string{"RANG 0 1", "STOR a.txt"}, "553"},
		{"read", auth.PermRead, []string{"RETR a.txt"}, "150"},
		{"read without", all &^ auth.PermRead, []string{"RETR a.txt"}, "550"},
		{"hash without", all &^ auth.PermRead, []string{"HASH a.txt"}, "550"},
		{"checksum without", all &^ auth.PermRead, []string{"XSHA256 a.txt"}, "550"},
		{"list", auth.PermList, []string{"LIST"}, "150"},
		{"list without", all &^ auth.PermList, []string{"LIST"}, "550"},
		{"names without", all &^ auth.PermList, []string{"NLST"}, "550"},
		{"facts without", all &^ auth.PermList, []string{"MLSD"}, "550"},
		{"fact without", all &^ auth.PermList, []string{"MLST a.txt"}, "550"},
		{"status of files without", all &^ auth.PermList, []string{"STAT a.txt"}, "550"},
		{"status without", all &^ auth.PermList, []string{"STAT"}, "211"},
		{"size without", all &^ auth.PermList, []string{"SIZE a.txt"}, "550"},
		{"time without", all &^ auth.PermList, []string{"MDTM a.txt"}, "550"},
		{"walk without", all &^ auth.PermList, []string{"CWD dir"}, "550"},
		{"delete without", all &^ auth.PermDelete, []string{"DELE a.txt"}, "550"},
		{"remove without", all &^ auth.PermDelete, []string{"RMD dir"}, "550"},
		{"make without", all &^ auth.PermMkdir, []string{"MKD x"}, "550"},
		{"rename without", all &^ auth.PermRename, []string{"RNFR a.txt"}, "550"},
		{"rename", auth.PermRename, []string{"RNFR a.txt", "RNTO c.txt"}, "250"},
		{"rename over another", auth.PermRename | auth.PermModify, []string{"RNFR a.txt", "RNTO b.txt"}, "250"},
		{"rename over another without", all &^ auth.PermModify, []string{"RNFR a.txt", "RNTO b.txt"}, "553"},
		{"set time without", all &^ auth.PermAttr, []string{"MFMT 20200101000000 a.txt"}, "550"},
		{"set time by MDTM without", all &^ auth.PermAttr, []string{"MDTM 20200101000000 a.txt"}, "550"},
		{"set facts without", all &^ auth.PermAttr, []string{"MFF UNIX.mode=600; a.txt"}, "550"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, _ := login(t, tt.perms, "")
			m.tell(t, "PASV")
			var got string
			for _, line := range tt.lines {
				got = m.tell(t, line)
			}
			if !strings.HasPrefix(got, tt.want+" ") {
				t.Errorf("%v: got %q, want %s", tt.lines, got, tt.want)
			}
		})
	}
}

// TestNewNameIsTaken: without PermModify a file that appears under the name
// during the upload stays.
func TestNewNameIsTaken(t *testing.T) {
	m, w := login(t, auth.PermWrite, "")
	m.tell(t, "PASV")
	m.tell(t, "STOR c.txt")
	if err := w.tree.WriteFile("/c.txt", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	if err := m.DataEnd("close"); err != nil {
		t.Fatal(err)
	}
	if got, want := m.heard(t, "upload"), "553 File exists"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, err := w.tree.ReadFile("/c.txt"); err != nil || string(got) != "theirs" {
		t.Errorf("file: got %q, %v", got, err)
	}
}

// TestCreateOptions: what a session knows of an upload reaches the storage.
func TestCreateOptions(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  storage.CreateOptions
	}{
		{"default", []string{"STOR c.txt"}, storage.CreateOptions{Perm: 0o644}},
		{"umask", []string{"SITE UMASK 077", "STOR c.txt"}, storage.CreateOptions{Perm: 0o600}},
		{"umask that shares", []string{"SITE UMASK 002", "STOR c.txt"}, storage.CreateOptions{Perm: 0o664}},
		{"umask of all", []string{"SITE UMASK 777", "STOR c.txt"}, storage.CreateOptions{Perm: 0o200}},
		{"announced", []string{"ALLO 5", "STOR c.txt"}, storage.CreateOptions{Perm: 0o644, Size: 5}},
		{"announced too much", []string{"ALLO 5000", "STOR c.txt"}, storage.CreateOptions{Perm: 0o644, Size: 1000}},
		{"announced for another", []string{"ALLO 5", "LIST", "STOR c.txt"}, storage.CreateOptions{Perm: 0o644}},
		{"unique", []string{"STOU"}, storage.CreateOptions{Perm: 0o644, Excl: true}},
		{"append", []string{"APPE a.txt"}, storage.CreateOptions{Perm: 0o644}},
		{"append to nothing", []string{"APPE c.txt"}, storage.CreateOptions{Perm: 0o644, Excl: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, w := login(t, auth.ReadWrite, "")
			m.s.cfg.MaxUpload = 1000
			for _, durable := range []bool{false, true} {
				m.s.cfg.Durable, tt.want.Fsync = durable, durable
				m.s.umask = m.s.cfg.Umask
				for _, line := range tt.lines {
					m.tell(t, "PASV")
					m.tell(t, line)
					if m.data.job != nil {
						m.tell(t, "ABOR")
					}
				}
				if w.options != tt.want {
					t.Errorf("got %+v, want %+v", w.options, tt.want)
				}
			}
		})
	}
}

// TestCloseRule: a user's own rule comes before the listener's.
func TestCloseRule(t *testing.T) {
	tests := []struct {
		user     string
		listener CloseRule
		want     CloseRule
	}{
		{"", CloseStrict, CloseStrict},
		{"", CloseWarn, CloseWarn},
		{"strict", CloseOff, CloseStrict},
		{"warn", CloseStrict, CloseWarn},
		{"off", CloseStrict, CloseOff},
	}
	for _, tt := range tests {
		s := &Session{cfg: &Config{UploadClose: tt.listener}, user: &auth.User{UploadClose: tt.user}}
		if got := s.closeRule(); got != tt.want {
			t.Errorf("user %q, listener %v: got %v, want %v", tt.user, tt.listener, got, tt.want)
		}
	}
}

// TestMkdirUmask: new directories get what the umask leaves.
func TestMkdirUmask(t *testing.T) {
	m, w := login(t, auth.ReadWrite, "")
	for mask, want := range map[string]fs.FileMode{"000": 0o777, "002": 0o775, "027": 0o750, "700": 0o077, "777": 0o200} {
		m.tell(t, "SITE UMASK "+mask)
		m.tell(t, "MKD new"+mask)
		info, err := w.tree.Stat(storage.Path("/new" + mask))
		if err != nil || info.Mode.Perm() != want {
			t.Errorf("umask %s: got mode %v, %v, want %v", mask, info.Mode.Perm(), err, want)
		}
	}
}

// TestForgedNames: names that were made on the host with line ends in them can
// neither end a line of a listing nor begin a reply.
func TestForgedNames(t *testing.T) {
	m, w := login(t, auth.ReadWrite, "")
	for _, name := range []storage.Path{"/dir/a\r\n230 Logged in", "/dir/b\nc", "/dir/d\re", "/dir/\xff"} {
		if err := w.tree.WriteFile(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]int{"LIST dir": 4, "NLST dir": 4, "MLSD dir": 5} {
		m.tell(t, "PASV")
		m.tell(t, line)
		b, err := m.DataRead()
		if err != nil {
			t.Fatal(err)
		}
		rest := strings.ReplaceAll(string(b), "\r\n", "")
		if got := bytes.Count(b, []byte("\r\n")); got != want || strings.ContainsAny(rest, "\r\n") {
			t.Errorf("%s: got %q with %d lines, want %d", line, b, got, want)
		}
		m.events = nil
	}
	m.tell(t, "PASV")
	if err := m.Send([]byte("STAT dir\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, ev := range m.events {
		if strings.HasPrefix(ev.Text, "230") {
			t.Errorf("STAT dir: a name became the reply %q", ev.Text)
		}
	}
}

// endless is a file of zeros that never ends and says when it was read.
type endless struct {
	onRead func()
	read   int64
}

func (e *endless) Read(p []byte) (int, error) {
	e.onRead()
	clear(p)
	e.read += int64(len(p))
	return len(p), nil
}

func (e *endless) Seek(int64, int) (int64, error) { return 0, nil }
func (e *endless) Stat() (storage.Info, error)    { return storage.Info{Size: 1 << 50}, nil }
func (e *endless) Close() error                   { return nil }

// endlessFS has but one file.
type endlessFS struct {
	storage.FS
	file storage.File
}

func (e endlessFS) Open(storage.Path) (storage.File, error) { return e.file, nil }

// TestCancel: once the control connection is gone a digest ends within a step.
func TestCancel(t *testing.T) {
	for _, line := range []string{"HASH a.txt", "XCRC a.txt", "SIZE a.txt"} {
		m, w := login(t, auth.ReadWrite, "")
		m.tell(t, "TYPE A")
		m.s.cfg.MaxDigest, m.s.cfg.MaxTextSize = 0, 1<<62
		file := &endless{onRead: m.s.Cancel}
		w.FS = endlessFS{w.FS, file}
		if got, want := m.tell(t, line), "451 Cancelled"; got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
		if file.read > copyStep {
			t.Errorf("%s: %d bytes were read, want no more than %d", line, file.read, copyStep)
		}
	}
}

// TestReadBounds: a file at the bound is read, one beyond it is not.
func TestReadBounds(t *testing.T) {
	tests := []struct {
		line      string
		at, above string
	}{
		{"HASH big", "213 SHA-256", "556 Too many bytes for a digest"},
		{"XMD5 big", "213 ", "556 Too many bytes for a digest"},
		{"SIZE big", "213 1048577", "550 Size in TYPE A is not known, use TYPE I"},
	}
	for _, tt := range tests {
		m, w := login(t, auth.ReadWrite, "")
		m.tell(t, "TYPE A")
		m.s.cfg.MaxDigest, m.s.cfg.MaxTextSize = 1<<20, 1<<20
		for n, want := range map[int]string{1 << 20: tt.at, 1<<20 + 1: tt.above} {
			data := bytes.Repeat([]byte("x"), n)
			data[0] = '\n'
			if err := w.tree.WriteFile("/big", data); err != nil {
				t.Fatal(err)
			}
			if got := m.tell(t, tt.line); !strings.HasPrefix(got, want) {
				t.Errorf("%s of %d bytes: got %q, want %q", tt.line, n, got, want)
			}
		}
	}
}

// shrinking says that it has more bytes than it has.
type shrinking struct{ storage.File }

func (s shrinking) Stat() (storage.Info, error) {
	info, err := s.File.Stat()
	info.Size += 10
	return info, err
}

// TestShrunkenFile: the digest of a file that became shorter meanwhile is no
// digest of it.
func TestShrunkenFile(t *testing.T) {
	m, w := login(t, auth.ReadWrite, "")
	f, err := w.tree.Open("/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	w.FS = endlessFS{w.FS, shrinking{f}}
	if got, want := m.tell(t, "XCRC a.txt"), "451 Local error"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintDirAllocates(t *testing.T) {
	m, _ := login(t, auth.ReadWrite, "")
	m.s.out = make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		m.s.out = m.s.out[:0]
		if _, err := m.s.printDir(""); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzSetTime: MFMT, MDTM and MFF set the time that they answer with, or leave
// the file alone.
func FuzzSetTime(f *testing.F) {
	for _, arg := range []string{
		"20200229112233 a.txt", "20200229112233.5 a.txt", "20210231000000 a.txt", " a.txt", "a.txt",
		"Modify=20200229112233; a.txt", "modify=20200101000000;UNIX.mode=600; a.txt", "Modify=; a.txt", ";; a.txt",
		"99991231235960 a.txt", "00000101000000 a.txt", "20200101000000  a.txt", "Modify=20200101000000;Create=1; a.txt",
	} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return // the decoder lets none of them through
		}
		m, w := login(t, auth.ReadWrite, "")
		for _, run := range []handler{(*Session).modifyTime, (*Session).fileTime, (*Session).modifyFacts} {
			before, err := w.tree.Stat("/a.txt")
			if err != nil {
				t.Fatal(err)
			}
			r, err := run(m.s, arg)
			after, statErr := w.tree.Stat("/a.txt")
			if statErr != nil {
				t.Fatal(statErr)
			}
			stamp := "Modify=" + string(codec.AppendTime(nil, after.ModTime))
			set := err == nil && r.code == codec.C213File && strings.HasPrefix(r.text, stamp)
			if !set && !after.ModTime.Equal(before.ModTime) {
				t.Errorf("%q: got %v %q and the time %v", arg, err, r.text, after.ModTime)
			}
		}
	})
}

// FuzzChecksumForms: every way to read an argument is a path of the argument's
// own bytes and a range that may be empty at worst; one of them is all of it.
func FuzzChecksumForms(f *testing.F) {
	for _, arg := range []string{"a", "a 1", "a 1 2", `"a b" 1 2`, `"a""b"`, `"`, " ", "1 2 3"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		whole := false
		for _, form := range checksumForms(arg) {
			whole = whole || form.path == arg && form.part == span{0, toEnd}
			if form.part.start < 0 || form.part.end < 0 || len(form.path) > len(arg) {
				t.Errorf("%q: got %+v", arg, form)
			}
		}
		if !whole {
			t.Errorf("%q: none of the forms is all of it", arg)
		}
	})
}
