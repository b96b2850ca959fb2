package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/report"
)

// TestExamples reads the examples of docs/reference/json.md, which are real output,
// into the types that the programs write: a field that is gone or renamed fails.
func TestExamples(t *testing.T) {
	for name, into := range map[string]any{
		"plan.json": &report.Plan{}, "run.json": &report.Run{}, "verify.json": &report.Verify{},
		"status.json": &report.Status{}, "history.json": &report.History{}, "prepull.json": &report.Prepull{},
		"assess.json":     &report.Assess{},
		"trace.json":      &report.Trace{},
		"policy-run.json": &report.PolicyRun{}, "policy-status.json": &report.PolicyStatus{},
		"doctor.json": &report.Doctor{}, "doctor-rules.json": &report.Rules{},
		"kubespray-check.json": &report.KubesprayCheck{}, "kubespray-write.json": &report.KubesprayWrite{},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // only read
			d := json.NewDecoder(f)
			d.DisallowUnknownFields()
			if err := d.Decode(into); err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			if want := `"schema":"pullway.dev/` + strings.TrimSuffix(name, ".json") + `/v1"`; !strings.Contains(string(b), want) {
				t.Errorf("%s is not in %.200s", want, b)
			}
		})
	}
}
