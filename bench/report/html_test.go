package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDraw writes the pages into FASTFTPS_REPORT_DIR, to be looked at.
func TestDraw(t *testing.T) {
	dir := os.Getenv("FASTFTPS_REPORT_DIR")
	if dir == "" {
		t.Skip("FASTFTPS_REPORT_DIR is not set")
	}
	for name, r := range cases(t) {
		var b bytes.Buffer
		if err := WriteHTML(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, b.Len())
	}
}
