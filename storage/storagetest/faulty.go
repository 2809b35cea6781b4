package storagetest

import (
	"errors"
	"io/fs"
	"sync"
	"time"

	"fastftps/storage"
)

// Op is a call on a file system, or on what it opened.
type Op string

// The calls that Faulty can disturb.
const (
	OpStat      Op = "Stat"
	OpLstat     Op = "Lstat"
	OpOpen      Op = "Open"
	OpCreate    Op = "Create"
	OpOpenWrite Op = "OpenWrite"
	OpReadDir   Op = "ReadDir"
	OpMkdir     Op = "Mkdir"
	OpRmdir     Op = "Rmdir"
	OpRemove    Op = "Remove"
	OpRename    Op = "Rename"
	OpChmod     Op = "Chmod"
	OpChtimes   Op = "Chtimes"
	OpAvailable Op = "Available"

	OpRead      Op = "File.Read"
	OpSeek      Op = "File.Seek"
	OpFileStat  Op = "File.Stat"
	OpFileClose Op = "File.Close"
	OpWrite     Op = "Upload.Write"
	OpCommit    Op = "Upload.Commit"
	OpDiscard   Op = "Upload.Discard"
	OpNext      Op = "Dir.Next"
	OpDirClose  Op = "Dir.Close"
)

// Faulty is a file system that fails or waits where a test says so; else it is
// the one it wraps. It gives out no descriptors (storage.OSFile), so that each
// byte passes through it.
//
// A call that fails does not reach the wrapped file system, but for those that
// end something: Close and Discard are done before the error is returned, and
// a Commit that is to fail becomes a Discard.
type Faulty struct {
	fs storage.FS

	mu     sync.Mutex
	calls  map[Op]int
	faults []*fault
}

// fault is what happens at one call, or at all.
type fault struct {
	op      Op
	at      int // number of the call; 0 for all
	err     error
	entered chan struct{} // closed when the call is there; nil for a fault that does not wait
	release chan struct{}
}

// NewFaulty wraps f.
func NewFaulty(f storage.FS) *Faulty { return &Faulty{fs: f, calls: make(map[Op]int)} }

// Fail lets the n-th call of op from now return err; n = 0 means every call.
func (f *Faulty) Fail(op Op, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addLocked(n, &fault{op: op, err: err})
}

// Block lets the n-th call of op from now wait until release is called, then
// go on as if nothing had been; n = 0 means every call. entered is closed when
// the first such call waits. release may be called more than once.
func (f *Faulty) Block(op Op, n int) (entered <-chan struct{}, release func()) {
	b := &fault{op: op, entered: make(chan struct{}), release: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addLocked(n, b)
	return b.entered, sync.OnceFunc(func() { close(b.release) })
}

func (f *Faulty) addLocked(n int, b *fault) {
	if n > 0 {
		b.at = f.calls[b.op] + n
	}
	f.faults = append(f.faults, b)
}

// Calls tells how often op was called.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// meet counts a call and does to it what was asked for.
func (f *Faulty) meet(op Op) error {
	wait, err := f.count(op)
	for _, b := range wait {
		<-b.release
	}
	return err
}

func (f *Faulty) count(op Op) (wait []*fault, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	for _, b := range f.faults {
		if b.op != op || b.at != 0 && b.at != f.calls[op] {
			continue
		}
		if b.entered == nil {
			err = errors.Join(err, b.err)
			continue
		}
		wait = append(wait, b)
		select {
		case <-b.entered:
		default:
			close(b.entered)
		}
	}
	return wait, err
}

// Stat implements storage.FS.
func (f *Faulty) Stat(p storage.Path) (storage.Info, error) {
	if err := f.meet(OpStat); err != nil {
		return storage.Info{}, err
	}
	return f.fs.Stat(p)
}

// Lstat implements storage.FS.
func (f *Faulty) Lstat(p storage.Path) (storage.Info, error) {
	if err := f.meet(OpLstat); err != nil {
		return storage.Info{}, err
	}
	return f.fs.Lstat(p)
}

// Open implements storage.FS.
func (f *Faulty) Open(p storage.Path) (storage.File, error) {
	if err := f.meet(OpOpen); err != nil {
		return nil, err
	}
	file, err := f.fs.Open(p)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, file}, nil
}

// Create implements storage.FS.
func (f *Faulty) Create(p storage.Path, o storage.CreateOptions) (storage.Upload, error) {
	if err := f.meet(OpCreate); err != nil {
		return nil, err
	}
	return f.upload(f.fs.Create(p, o))
}

// OpenWrite implements storage.FS.
func (f *Faulty) OpenWrite(p storage.Path, off int64, o storage.CreateOptions) (storage.Upload, error) {
	if err := f.meet(OpOpenWrite); err != nil {
		return nil, err
	}
	return f.upload(f.fs.OpenWrite(p, off, o))
}

func (f *Faulty) upload(u storage.Upload, err error) (storage.Upload, error) {
	if err != nil {
		return nil, err
	}
	return &faultyUpload{f, u}, nil
}

// ReadDir implements storage.FS.
func (f *Faulty) ReadDir(p storage.Path, want storage.Want) (storage.Dir, error) {
	if err := f.meet(OpReadDir); err != nil {
		return nil, err
	}
	d, err := f.fs.ReadDir(p, want)
	if err != nil {
		return nil, err
	}
	return &faultyDir{f, d}, nil
}

// Mkdir implements storage.FS.
func (f *Faulty) Mkdir(p storage.Path, perm fs.FileMode) error {
	return f.first(OpMkdir, func() error { return f.fs.Mkdir(p, perm) })
}

// Rmdir implements storage.FS.
func (f *Faulty) Rmdir(p storage.Path) error {
	return f.first(OpRmdir, func() error { return f.fs.Rmdir(p) })
}

// Remove implements storage.FS.
func (f *Faulty) Remove(p storage.Path) error {
	return f.first(OpRemove, func() error { return f.fs.Remove(p) })
}

// Rename implements storage.FS.
func (f *Faulty) Rename(from, to storage.Path) error {
	return f.first(OpRename, func() error { return f.fs.Rename(from, to) })
}

// RenameNew implements storage.FS. Its fault is Rename's.
func (f *Faulty) RenameNew(from, to storage.Path) error {
	return f.first(OpRename, func() error { return f.fs.RenameNew(from, to) })
}

// Chmod implements storage.FS.
func (f *Faulty) Chmod(p storage.Path, mode fs.FileMode) error {
	return f.first(OpChmod, func() error { return f.fs.Chmod(p, mode) })
}

// Chtimes implements storage.FS.
func (f *Faulty) Chtimes(p storage.Path, mtime time.Time) error {
	return f.first(OpChtimes, func() error { return f.fs.Chtimes(p, mtime) })
}

// Available implements storage.FS.
func (f *Faulty) Available(p storage.Path) (int64, error) {
	if err := f.meet(OpAvailable); err != nil {
		return 0, err
	}
	return f.fs.Available(p)
}

// Close implements storage.FS. It never fails on demand.
func (f *Faulty) Close() error { return f.fs.Close() }

// first meets the fault of op, and calls do if there is none.
func (f *Faulty) first(op Op, do func() error) error {
	if err := f.meet(op); err != nil {
		return err
	}
	return do()
}

// after meets the fault of op, and calls end in any case.
func (f *Faulty) after(op Op, end func() error) error {
	err := f.meet(op)
	return errors.Join(err, end())
}

type faultyFile struct {
	faulty *Faulty
	file   storage.File
}

func (r *faultyFile) Read(p []byte) (int, error) {
	if err := r.faulty.meet(OpRead); err != nil {
		return 0, err
	}
	return r.file.Read(p)
}

func (r *faultyFile) Seek(off int64, whence int) (int64, error) {
	if err := r.faulty.meet(OpSeek); err != nil {
		return 0, err
	}
	return r.file.Seek(off, whence)
}

func (r *faultyFile) Stat() (storage.Info, error) {
	if err := r.faulty.meet(OpFileStat); err != nil {
		return storage.Info{}, err
	}
	return r.file.Stat()
}

func (r *faultyFile) Close() error { return r.faulty.after(OpFileClose, r.file.Close) }

type faultyUpload struct {
	faulty *Faulty
	up     storage.Upload
}

func (u *faultyUpload) Offset() int64 { return u.up.Offset() }

func (u *faultyUpload) Write(p []byte) (int, error) {
	if err := u.faulty.meet(OpWrite); err != nil {
		return 0, err
	}
	return u.up.Write(p)
}

func (u *faultyUpload) Commit() error {
	if err := u.faulty.meet(OpCommit); err != nil {
		return errors.Join(err, u.up.Discard())
	}
	return u.up.Commit()
}

func (u *faultyUpload) Discard() error { return u.faulty.after(OpDiscard, u.up.Discard) }

type faultyDir struct {
	faulty *Faulty
	dir    storage.Dir
}

func (d *faultyDir) Next(dst []storage.Info) (int, error) {
	if err := d.faulty.meet(OpNext); err != nil {
		return 0, err
	}
	return d.dir.Next(dst)
}

func (d *faultyDir) Close() error { return d.faulty.after(OpDirClose, d.dir.Close) }
