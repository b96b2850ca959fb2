package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pullway/pullway/internal/failpoint/script"
)

// The engine that is put on nodes has no failpoints; the one that tests build has.
func TestOnlyATestEngineHasFailpoints(t *testing.T) {
	pkg := []byte("pullway/internal/failpoint/script")
	for tags, want := range map[string]bool{"": false, "failpoints": true} {
		bin := filepath.Join(t.TempDir(), "pullway-node")
		cmd := exec.Command("go", "build", "-tags", tags, "-o", bin, ".")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build -tags %q: %v: %s", tags, err, out)
		}
		b, err := os.ReadFile(bin)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(script.File)) != want || bytes.Contains(b, pkg) != want {
			t.Errorf("tags %q: the engine names %s: %v, and has package %s: %v; want both %v", tags,
				script.File, bytes.Contains(b, []byte(script.File)), pkg, bytes.Contains(b, pkg), want)
		}
	}
}
