//go:build unix

package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pullway/pullway/internal/pullpolicy"
)

func TestPolicies(t *testing.T) {
	p := Policies{Store{Dir: filepath.Join(t.TempDir(), "state")}}
	if runs, damaged, err := p.List(0); len(runs)+len(damaged) > 0 || err != nil {
		t.Errorf("an empty store: %v, %v, %v", runs, damaged, err)
	}
	at := time.Date(2026, 11, 24, 18, 15, 2, 0, time.UTC)
	var ids []string
	for i := range 3 {
		run := &pullpolicy.Run{Schema: pullpolicy.RunSchema, ID: NewID(at.Add(time.Duration(i) * time.Second)), Command: pullpolicy.FreezeCommand, Started: at,
			Workloads: []pullpolicy.WorkloadRun{{Ref: pullpolicy.Ref{Namespace: "default", Kind: pullpolicy.Deployment, Name: "web"}, Phase: pullpolicy.Changing,
				Note: &pullpolicy.Note{Version: 1, UID: "u", Containers: []pullpolicy.Was{{Name: "app", Policy: "Always"}}}}}}
		if err := p.Save(run); err != nil {
			t.Fatal(err)
		}
		run.Outcome = pullpolicy.AllDone
		if err := p.Save(run); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, run.ID)
		got, _, err := p.List(1)
		if err != nil || len(got) != 1 || cmp.Diff(run, got[0], cmpopts.IgnoreUnexported(pullpolicy.Decision{})) != "" {
			t.Fatalf("%v, %v", got, err)
		}
	}
	file := func(id string) string { return filepath.Join(p.policies(), id+".json") }
	if st, err := os.Stat(file(ids[0])); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	for id, text := range map[string]string{ids[0]: "{", ids[1]: `{"schema":9,"id":"` + ids[1] + `"}`} {
		if err := os.WriteFile(file(id), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runs, damaged, err := p.List(0)
	if err != nil || len(runs) != 1 || len(damaged) != 2 || !strings.Contains(damaged[0].Error(), "schema 9") {
		t.Errorf("%v, %v, %v", runs, damaged, err)
	}
	if err := p.Save(&pullpolicy.Run{ID: "../x"}); err == nil {
		t.Error("an id that leads elsewhere is taken")
	}
	if err := os.Chmod(p.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.List(0); err == nil {
		t.Error("a folder that others can write to is read")
	}
}
