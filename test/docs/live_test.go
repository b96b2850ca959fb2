package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/report"
)

// TestRecordedNodes holds what docs/kubespray.md shows of real nodes against what
// the program makes of the same answer, which was recorded with it.
func TestRecordedNodes(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var k report.KubesprayCheck
	if err := json.Unmarshal(read("kubespray-live.json"), &k); err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(read("kubespray-live.txt")), "\n")
	var out strings.Builder
	k.Human(report.NewPrinter(&out, false))
	if diff := cmp.Diff(shown, out.String()); diff != "" {
		t.Error(diff)
	}
}
