package session

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fastftps/internal/ftptest"
)

var update = flag.Bool("update", false, "rewrite what the server does in the transcripts")

const transcripts = "testdata/transcripts"

// transcriptFiles are the names of all transcripts.
func transcriptFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(transcripts, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".txt") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// readTranscript parses one file.
func readTranscript(t testing.TB, file string) *ftptest.Script {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := ftptest.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return script
}

// TestTranscripts plays every transcript with the client's bytes whole, one by
// one and by sevens: how they arrive changes nothing.
func TestTranscripts(t *testing.T) {
	seen, skipped := make(coverage), 0
	for _, file := range transcriptFiles(t) {
		script := readTranscript(t, file)
		name, _ := filepath.Rel(transcripts, file)
		for _, cut := range []int{0, 1, 7} {
			if cut > 0 && (script.Setup.Uncut || *update) {
				continue
			}
			skipped++
			t.Run(fmt.Sprintf("%s/cut=%d", name, cut), func(t *testing.T) {
				skipped--
				playTranscript(t, file, script, cut, seen)
			})
		}
	}
	if !t.Failed() && !*update && skipped == 0 { // -run may skip some
		seen.check(t)
	}
}

// playTranscript plays one transcript in one way.
func playTranscript(t *testing.T, file string, script *ftptest.Script, cut int, seen coverage) {
	t.Helper()
	m := newMemory(t, &script.Setup)
	m.seen = seen.add
	got, err := script.Play(m, cut)
	if err != nil {
		t.Fatalf("play: %v\n%s", err, got)
	}
	if *update && cut == 0 && got != script.Text() {
		if err := os.WriteFile(file, script.With(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := ftptest.Diff(got, script.Text()); diff != "" {
		t.Errorf("transcript differs: %s", diff)
	}
}
