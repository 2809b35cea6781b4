package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const goleak = "go.uber.org/goleak"

// TestLeakChecks: the tests of each package that starts goroutines fail when one is left.
func TestLeakChecks(t *testing.T) {
	starts, checks := make(map[string]bool), make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "tools":
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") {
			checks[pkg] = checks[pkg] || imports(f, goleak)
		} else {
			starts[pkg] = starts[pkg] || startsGoroutine(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, is := range starts {
		if is && !checks[pkg] {
			t.Errorf("%s starts goroutines, and its tests do not use goleak", pkg)
		}
	}
	if !starts["../../engine"] {
		t.Error("no go statement found in engine: the test is blind")
	}
}

func imports(f *ast.File, path string) bool {
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == path {
			return true
		}
	}
	return false
}

func startsGoroutine(f *ast.File) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		_, is := n.(*ast.GoStmt)
		found = found || is
		return !found
	})
	return found
}
