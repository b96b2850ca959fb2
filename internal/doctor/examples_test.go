package doctor_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/test/rules"
)

// examples reads the examples, with certificates for those that have some.
func examples(t *testing.T) ([]rules.Example, *strings.Replacer) {
	t.Helper()
	all, err := rules.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := rules.NewAuthority("a registry's own authority")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Pair("node1")
	if err != nil {
		t.Fatal(err)
	}
	return all, strings.NewReplacer("@CA@", string(ca.PEM), "@CERT@", string(cert), "@KEY@", string(key))
}

func release(t *testing.T, text string) containerd.Release {
	t.Helper()
	r, err := containerd.ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestExamples: a bad example tells its rule on the releases that it names and on no
// other, a good one on none. What real releases make of them is for test/e2e.
func TestExamples(t *testing.T) {
	all, certificates := examples(t)
	for _, e := range all {
		t.Run(e.Name, func(t *testing.T) {
			dir := t.TempDir()
			if err := e.Write(dir, certificates); err != nil {
				t.Fatal(err)
			}
			if e.Good && len(e.Fires) > 0 || !e.Good && len(e.Fires) == 0 {
				t.Error("a bad example names releases, a good one none")
			}
			for _, rel := range e.Judged() {
				tree, err := doctor.OpenRoot(dir)
				if err != nil {
					t.Fatal(err)
				}
				tree.Node.Release = release(t, rel)
				r := doctor.Examine(tree.Node)
				told := slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Rule == e.Rule && f.Now() })
				if told != e.Tells(rel) {
					t.Errorf("containerd %s: told %v, want %v: %+v", rel, told, e.Tells(rel), r.Findings)
				}
				for _, f := range r.Findings {
					if _, err := doctor.Find(f.Rule); err != nil {
						t.Errorf("finding without a page: %+v", f)
					}
					if e.Good && f.Now() && f.Severity.Problem() && e.Rule != "HST022" {
						t.Errorf("containerd %s: a good example has %s %s: %s", rel, f.Rule, f.Place(), f.Text)
					}
					if strings.Contains(f.Text+f.Hint, "Harbor12345") || strings.Contains(f.Text+f.Hint, "cm9ib3Q6") {
						t.Errorf("a password is told: %+v", f)
					}
				}
				for _, u := range r.Unread {
					t.Errorf("not looked at: %+v", u)
				}
			}
		})
	}
}

// TestEveryRuleHasExamples: those that files tell have a bad and a good one.
func TestEveryRuleHasExamples(t *testing.T) {
	all, _ := examples(t)
	for _, r := range doctor.Catalogue() {
		for _, good := range []bool{false, true} {
			found := slices.ContainsFunc(all, func(e rules.Example) bool { return e.Rule == r.ID && e.Good == good })
			if want := r.Told == doctor.FromFiles; found != want {
				t.Errorf("%s: example with good %v: %v, want %v", r.ID, good, found, want)
			}
		}
	}
	for _, e := range all {
		if _, err := doctor.Find(e.Rule); err != nil {
			t.Errorf("%s: %v", filepath.Join("testdata", e.Name), err)
		}
	}
}
