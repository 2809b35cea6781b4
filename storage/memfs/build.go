package memfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"fastftps/storage"
)

// FromMap makes a tree of names and contents, in the order of the names.
// Missing directories are made. Two forms of name mean something else than a file:
//
//	"dir/"              a directory, which may stay empty
//	"link -> target"    a symbolic link
func FromMap(o Options, files map[string]string) (*FS, error) {
	m := New(o)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := m.add(name, files[name]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// FromTxtar makes a tree of the files of a txtar archive, in their order; names
// are as for FromMap.
func FromTxtar(o Options, archive []byte) (*FS, error) {
	m := New(o)
	for _, f := range txtar.Parse(archive).Files {
		if err := m.add(f.Name, string(f.Data)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *FS) add(name, data string) error {
	name, target, isLink := strings.Cut(name, " -> ")
	p, err := storage.Clean(storage.Root, name)
	switch {
	case err != nil:
	case isLink:
		err = m.Symlink(target, p)
	case strings.HasSuffix(name, "/"):
		err = m.MkdirAll(p)
	default:
		err = m.WriteFile(p, []byte(data))
	}
	if err != nil {
		return fmt.Errorf("add %q: %w", name, err)
	}
	return nil
}

// MkdirAll makes a directory and those above it that are missing.
func (m *FS) MkdirAll(p storage.Path) error {
	info, err := m.Stat(p)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("mkdir %q: %w", p, fs.ErrExist)
	}
	if err == nil {
		return nil
	}
	if err := m.MkdirAll(p.Dir()); err != nil {
		return err
	}
	return m.Mkdir(p, 0)
}

// WriteFile makes or replaces a file, and the directories above it.
func (m *FS) WriteFile(p storage.Path, data []byte) error {
	if err := m.MkdirAll(p.Dir()); err != nil {
		return err
	}
	u, err := m.Create(p, storage.CreateOptions{})
	if err != nil {
		return err
	}
	if _, err := u.Write(data); err != nil {
		u.Discard()
		return err
	}
	return u.Commit()
}

// ReadFile returns what a file holds.
func (m *FS) ReadFile(p storage.Path) ([]byte, error) {
	f, err := m.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Symlink makes a symbolic link that holds target, and the directories above it.
func (m *FS) Symlink(target string, p storage.Path) error {
	if target == "" {
		return fmt.Errorf("symlink %q: no target: %w", p, fs.ErrNotExist)
	}
	if err := m.MkdirAll(p.Dir()); err != nil {
		return err
	}
	return m.write("symlink", p, func() error {
		at, err := m.findLocked(p, false)
		if err == nil && at.node != nil {
			err = fs.ErrExist
		}
		if err != nil {
			return err
		}
		link := m.newNodeLocked(fs.ModeSymlink | fs.ModePerm)
		link.target = target
		m.linkLocked(at, link)
		return nil
	})
}
