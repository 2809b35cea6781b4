package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's root, as tests of this package see it.
const root = "../.."

// TestConformance: what docs/conformance.md says is there: every symbol, every
// transcript, every test.
func TestConformance(t *testing.T) {
	rows := conformanceRows(t)
	if len(rows) < 100 {
		t.Fatalf("got %d rows, want the whole table", len(rows))
	}
	symbols := declared(t, func(file string) bool { return !strings.HasSuffix(file, "_test.go") })
	tests := declared(t, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	for _, row := range rows {
		for _, name := range quoted(row.symbol) {
			if !symbols[name] {
				t.Errorf("line %d: no symbol %s", row.line, name)
			}
		}
		for _, name := range quoted(row.shown) {
			if !shownBy(name, tests) {
				t.Errorf("line %d: no transcript or test %s", row.line, name)
			}
		}
		checkDone(t, row)
	}
}

// conformanceRow is one row of the tables.
type conformanceRow struct {
	line                int
	level               string
	symbol, shown, done string
}

// conformanceRows reads the tables of the document.
func conformanceRows(t *testing.T) []conformanceRow {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs/conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []conformanceRow
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		cells := strings.Split(strings.TrimSpace(line), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasSuffix(strings.TrimSpace(line), "| Done |") {
			continue
		}
		if len(cells) != 8 {
			t.Errorf("line %d: got %d cells, want 6", n, len(cells)-2)
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, conformanceRow{n, cells[3], cells[4], cells[5], cells[6]})
	}
	return rows
}

// checkDone: a row says how far it goes; what is done names code, and a remark
// says why the rest is not.
func checkDone(t *testing.T, row conformanceRow) {
	t.Helper()
	done, remark, _ := strings.Cut(row.done, ":")
	switch {
	case done != "yes" && done != "partial" && done != "no":
		t.Errorf("line %d: done is %q", row.line, row.done)
	case done != "yes" && remark == "":
		t.Errorf("line %d: no reason for %q", row.line, row.done)
	case done != "no" && len(quoted(row.symbol)) == 0:
		t.Errorf("line %d: %q without a symbol", row.line, row.done)
	case row.level == "MUST" && done == "yes" && len(quoted(row.shown)) == 0:
		t.Errorf("line %d: nothing shows a MUST", row.line)
	}
}

var inBackquotes = regexp.MustCompile("`([^`]+)`")

// quoted are the names that stand between backquotes.
func quoted(cell string) (names []string) {
	for _, m := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	return names
}

// shownBy reports whether there is a transcript or a test of that name.
func shownBy(name string, tests map[string]bool) bool {
	if strings.HasSuffix(name, ".txt") {
		_, err := os.Stat(filepath.Join(root, "session/testdata/transcripts", name))
		return err == nil
	}
	return tests[name]
}

// declared parses the module's files that want chooses and returns what they
// declare at top level, as package.Name and package.Type.Method. The package is
// the directory's path.
func declared(t *testing.T, want func(file string) bool) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "tools"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || !want(path):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		for _, decl := range file.Decls {
			addDecl(names, filepath.ToSlash(pkg), decl)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// addDecl adds what one declaration declares.
func addDecl(names map[string]bool, pkg string, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		names[pkg+"."+receiver(d)+d.Name.Name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names[pkg+"."+s.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names[pkg+"."+name.Name] = true
				}
			}
		}
	}
}

// receiver is "Type." for a method, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
