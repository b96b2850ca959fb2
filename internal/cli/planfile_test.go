package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/report"
)

func TestMatchPlan(t *testing.T) {
	planned := func(fingerprints ...string) (all []fleet.Planned) {
		for i, f := range fingerprints {
			all = append(all, fleet.Planned{Target: fleet.Target{Name: "node" + string(rune('1'+i))}, Plan: &plan.Node{Fingerprint: f}})
		}
		return all
	}
	saved := filepath.Join(t.TempDir(), "plan.json")
	f, err := os.Create(saved)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.JSON(f, report.NewPlan("default", "spec1", planned("a", "b"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		reason, digest string
		now            []fleet.Planned
		code           int
		says           string
	}{
		{"as reviewed", "spec1", planned("a", "b"), ExitDone, ""},
		{"fewer nodes than were reviewed", "spec1", planned("a"), ExitDone, ""},
		{"a node changed since", "spec1", planned("a", "c"), ExitFailed, "node2"},
		{"a node that was not reviewed", "spec1", planned("a", "b", "c"), ExitFailed, "node3"},
		{"another specification", "spec2", planned("a", "b"), ExitFailed, "another specification"},
	}
	for _, tc := range cases {
		err := matchPlan(saved, &config.Loaded{Digest: tc.digest}, tc.now)
		if codeOf(err) != tc.code || err != nil && (!strings.Contains(err.Error(), tc.says) || hintOf(err) == "") {
			t.Errorf("%s: %v, code %d; want code %d and %q", tc.reason, err, codeOf(err), tc.code, tc.says)
		}
	}
	if err := matchPlan(filepath.Join(t.TempDir(), "none.json"), &config.Loaded{}, nil); codeOf(err) != ExitUsage {
		t.Errorf("a plan that is not there: %v", err)
	}
}
