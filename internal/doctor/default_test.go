package doctor_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pullway/pullway/internal/doctor"
)

// What containerd writes by itself has no problem, now and with any newer line.
func TestDefaultsAreWell(t *testing.T) {
	names, err := filepath.Glob("../containerd/configtoml/testdata/change/default-*.txtar")
	if err != nil || len(names) < 4 {
		t.Fatalf("%d defaults, %v", len(names), err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files, rel := map[string]string{}, ""
		for _, f := range a.Files {
			if files[f.Name] = string(f.Data); f.Name == "release" {
				rel = strings.TrimSpace(string(f.Data))
			}
		}
		trees, _, err := doctor.Open(etc(t, files))
		if err != nil || doctor.Set(trees, rel) != nil {
			t.Fatal(err)
		}
		for _, f := range doctor.Examine(trees[0].Node).Findings {
			if f.Severity != doctor.Advice {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
