package doctor_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/test/rules"
)

var update = flag.Bool("update", false, "write docs/rules anew")

const pagesDir = "../../docs/rules"

// TestPages: docs/rules is what the catalogue says, no page more and none less.
func TestPages(t *testing.T) {
	want := map[string]string{"README.md": doctor.Index()}
	all, _ := examples(t)
	for _, r := range doctor.Catalogue() {
		want[r.ID+".md"] = r.Page() + rules.Show(all, r.ID)
	}
	found, err := filepath.Glob(filepath.Join(pagesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if base := filepath.Base(name); base != "truth.md" && want[base] == "" {
			if *update {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
				continue
			}
			t.Errorf("%s is of no rule, run make generate", name)
		}
	}
	for name, text := range want {
		name = filepath.Join(pagesDir, name)
		if *update {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != text {
			t.Errorf("%s is out of date, run make generate (%v):\n%s", name, err, cmp.Diff(string(got), text))
		}
	}
}

// TestCatalogue: every rule says what a reader needs, and nothing twice.
func TestCatalogue(t *testing.T) {
	ids := map[string]bool{}
	id := regexp.MustCompile(`^(CFG|HST|DIR|AUT|RUN)\d{3}$`)
	for _, r := range doctor.Catalogue() {
		switch {
		case !id.MatchString(r.ID), ids[r.ID]:
			t.Errorf("%s: no name, or one that is taken", r.ID)
		case r.Title == "" || r.Cause == "" || r.Fix == "" || r.Releases == "" || r.Severity == "" || r.Told == "":
			t.Errorf("%s: something is not said: %+v", r.ID, r)
		case r.Told == doctor.FromMessage && len(r.Errors) == 0:
			t.Errorf("%s: is told from a message only and has none", r.ID)
		}
		ids[r.ID] = true
		for _, l := range r.Links {
			if !strings.HasPrefix(doctor.URL(l), "http") {
				t.Errorf("%s: link %q leads nowhere", r.ID, l)
			}
		}
	}
	if len(ids) < 70 {
		t.Errorf("only %d rules", len(ids))
	}
}
