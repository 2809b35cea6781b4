package storagetest_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastftps/storage"
	"fastftps/storage/memfs"
	"fastftps/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaultySuite: with no fault set, Faulty is the file system it wraps.
func TestFaultySuite(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storagetest.Backend {
		m := memfs.New(memfs.Options{})
		return storagetest.Backend{FS: storagetest.NewFaulty(m), Symlink: m.Symlink}
	})
}

var errTest = errors.New("made to fail")

// everyCall makes each call once and returns its error, nil where it could
// not be made.
func everyCall(f storage.FS) map[storagetest.Op]error {
	errs := make(map[storagetest.Op]error)
	_, errs[storagetest.OpStat] = f.Stat("/file")
	_, errs[storagetest.OpLstat] = f.Lstat("/file")
	_, errs[storagetest.OpAvailable] = f.Available("/")
	errs[storagetest.OpMkdir] = f.Mkdir("/dir", 0)
	errs[storagetest.OpChmod] = f.Chmod("/file", 0o600)
	errs[storagetest.OpChtimes] = f.Chtimes("/file", time.Unix(0, 0))
	file, err := f.Open("/file")
	if errs[storagetest.OpOpen] = err; err == nil {
		_, errs[storagetest.OpSeek] = file.Seek(0, 0)
		_, errs[storagetest.OpRead] = file.Read(make([]byte, 1))
		_, errs[storagetest.OpFileStat] = file.Stat()
		errs[storagetest.OpFileClose] = file.Close()
	}
	up, err := f.Create("/new", storage.CreateOptions{})
	if errs[storagetest.OpCreate] = err; err == nil {
		_, errs[storagetest.OpWrite] = up.Write([]byte("x"))
		errs[storagetest.OpCommit] = up.Commit()
	}
	up, err = f.OpenWrite("/file", -1, storage.CreateOptions{})
	if errs[storagetest.OpOpenWrite] = err; err == nil {
		errs[storagetest.OpDiscard] = up.Discard()
	}
	dir, err := f.ReadDir("/", storage.WantNone)
	if errs[storagetest.OpReadDir] = err; err == nil {
		_, errs[storagetest.OpNext] = dir.Next(make([]storage.Info, 1))
		errs[storagetest.OpDirClose] = dir.Close()
	}
	errs[storagetest.OpRename] = f.Rename("/file", "/moved")
	errs[storagetest.OpRemove] = f.Remove("/other")
	errs[storagetest.OpRmdir] = f.Rmdir("/empty")
	return errs
}

func tree(t *testing.T) *memfs.FS {
	t.Helper()
	m, err := memfs.FromMap(memfs.Options{}, map[string]string{"file": "data", "other": "", "empty/": ""})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFaultyFail(t *testing.T) {
	for op, err := range everyCall(tree(t)) {
		if err != nil {
			t.Fatalf("%s without faults: %v", op, err)
		}
		t.Run(string(op), func(t *testing.T) {
			f := storagetest.NewFaulty(tree(t))
			f.Fail(op, 1, errTest)
			for other, err := range everyCall(f) {
				if want := other == op; want != errors.Is(err, errTest) {
					t.Errorf("%s: %v", other, err)
				}
			}
			if n := f.Calls(op); n != 1 {
				t.Errorf("counted %d calls", n)
			}
			if op == storagetest.OpCommit {
				_, err := f.Stat("/new")
				storagetest.WantError(t, "after a failed commit", err, fs.ErrNotExist)
			}
		})
	}
}

func TestFaultyNth(t *testing.T) {
	f := storagetest.NewFaulty(tree(t))
	stat := func() error { _, err := f.Stat("/file"); return err }
	f.Fail(storagetest.OpStat, 2, errTest)
	if a, b, c := stat(), stat(), stat(); a != nil || !errors.Is(b, errTest) || c != nil {
		t.Errorf("got %v, %v, %v", a, b, c)
	}
	f.Fail(storagetest.OpStat, 0, errTest)
	if a, b := stat(), stat(); !errors.Is(a, errTest) || !errors.Is(b, errTest) {
		t.Errorf("got %v, %v", a, b)
	}
}

func TestFaultyBlock(t *testing.T) {
	f := storagetest.NewFaulty(tree(t))
	entered, release := f.Block(storagetest.OpStat, 1)
	done := make(chan error, 1)
	go func() { _, err := f.Stat("/file"); done <- err }()
	<-entered
	select {
	case err := <-done:
		t.Errorf("did not wait: %v", err)
	default:
	}
	if _, err := f.Stat("/other"); err != nil {
		t.Errorf("the second call: %v", err)
	}
	release()
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
