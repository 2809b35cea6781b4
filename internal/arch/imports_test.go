package arch

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is who may import whom, of our own packages. Tests are not bound by
// it. A package that is not named here fails the test, so a new one is placed
// on purpose.
var allowed = map[string][]string{
	"codec":               {},
	"storage":             {},
	"storage/osfs":        {"storage"},
	"storage/memfs":       {"storage"},
	"storage/storagetest": {"storage"},
	"listing":             {"codec", "storage"},
	"auth":                {"internal/netblock"},
	"config":              {},
	"metrics":             {},
	"internal/bufpool":    {},
	"internal/netblock":   {},
	"tlsconn":             {"internal/bufpool", "tlsconn/ktls"},
	"tlsconn/ktls":        {},
	"session":             {"codec", "listing", "storage", "auth", "metrics"},
	"dataplane":           {"tlsconn", "storage", "internal/bufpool", "internal/netblock", "metrics"},
	"engine":              {"auth", "codec", "dataplane", "internal/bufpool", "internal/netblock", "listing", "metrics", "session", "storage", "storage/osfs", "tlsconn"},
	"internal/ftpclient":  {"codec"},
	"internal/ftptest":    {"codec", "storage", "storage/memfs", "internal/ftpclient"},
	"internal/arch":       {},
	"internal/interop":    {},
	"internal/leaktest":   {},
	"bench":               {"bench/report", "internal/ftpclient"},
	"bench/report":        {},
	"bench/peers":         {"bench/report"},
	"cmd/fastftps":        {"engine", "config", "auth", "storage", "storage/osfs", "storage/memfs", "bench", "bench/report", "metrics", "session", "dataplane", "tlsconn", "tlsconn/ktls"},
}

// outside is which packages may import modules that only one layer needs.
var outside = map[string][]string{
	"github.com/cloudwego/netpoll":            {"engine"},
	"github.com/panjf2000/ants/v2":            {"engine", "dataplane", "auth"},
	"github.com/valyala/bytebufferpool":       {"internal/bufpool"},
	"github.com/spf13/cobra":                  {"cmd/fastftps"},
	"github.com/pelletier/go-toml/v2":         {"config", "auth", "bench"},
	"github.com/HdrHistogram/hdrhistogram-go": {"bench", "bench/report"},
	"github.com/klauspost/compress/zlib":      {"dataplane", "internal/ftpclient"},
	"github.com/klauspost/compress/flate":     {"dataplane"},
	"crypto/tls":                              {"config", "tlsconn", "dataplane", "engine", "internal/ftpclient", "internal/ftptest", "bench", "cmd/fastftps"},
}

// TestImports enforces the layers: the protocol knows no socket, the event loop
// stays in the engine, and nothing reaches around the layer below it.
func TestImports(t *testing.T) {
	for pkg, imports := range packages(t) {
		rule, known := allowed[pkg]
		if !known {
			t.Errorf("package %s is not in the import table", pkg)
			continue
		}
		for _, imp := range imports {
			if own, ok := strings.CutPrefix(imp, "fastftps/"); ok && !slices.Contains(rule, own) {
				t.Errorf("%s imports %s; the table does not allow it", pkg, own)
			}
			if only, ok := outside[imp]; ok && !slices.Contains(only, pkg) {
				t.Errorf("%s imports %s; only %v may", pkg, imp, only)
			}
		}
	}
}

// TestPureLayers: what must have no I/O does not import it.
func TestPureLayers(t *testing.T) {
	all := packages(t)
	for _, pkg := range []string{"codec", "listing", "session"} {
		for _, imp := range all[pkg] {
			if imp == "net" || imp == "os" || imp == "syscall" || imp == "crypto/tls" {
				t.Errorf("%s imports %s; it does no I/O", pkg, imp)
			}
		}
	}
}

// packages lists the project's packages and what they import, without tests.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "fastftps/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		all[strings.TrimPrefix(f[0], "fastftps/")] = f[1:]
	}
	return all
}
