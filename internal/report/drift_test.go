package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

const hostsFile = "/etc/containerd/certs.d/192.168.21.9/hosts.toml"

func answer(i int, change func(*protocol.Status)) fleet.Answer {
	name := fmt.Sprintf("node%d", i)
	at := time.Date(2026, 11, 24, 10, 0, i, 0, time.UTC)
	s := &protocol.Status{Healthy: true,
		Facts:   plan.Facts{Hostname: name, Release: "1.7.35", ConfigFile: "/etc/containerd/config.toml", ConfigPath: "/etc/containerd/certs.d"},
		Applied: &protocol.Transaction{ID: "t" + name, Run: "20261124T100000Z-0001", Name: "default", At: at},
		Files:   []plan.FileState{{Path: hostsFile, State: plan.AsWritten}, {Path: "/etc/containerd/config.toml", State: plan.AsWritten}}}
	s.History = []protocol.Transaction{*s.Applied}
	if change != nil {
		change(s)
	}
	return fleet.Answer{Target: fleet.Target{Name: name}, Reply: &protocol.Reply{Status: s}}
}

// hundred is a fleet of which some nodes are not well.
func hundred() Status {
	var all []fleet.Answer
	for i := 1; i <= 100; i++ {
		var change func(*protocol.Status)
		switch {
		case i == 41 || i == 77:
			change = func(s *protocol.Status) {
				s.Files[0] = plan.FileState{Path: hostsFile, State: plan.Gone, By: "spegel", Evidence: "it stands in _backup now"}
				s.Kept = []plan.Foreign{{Path: "/etc/containerd/certs.d/_default", Owner: "spegel", Evidence: "the shape of its template", Effect: "answers for every registry that has no host directory of its own"}}
			}
		case i == 12:
			change = func(s *protocol.Status) {
				s.Files[1] = plan.FileState{Path: "/etc/containerd/config.toml", State: plan.SettingsLost, By: "kubespray", Evidence: "the keys of its config.toml template",
					Detail: "config_path is not set any more", NotInForce: "changed at 2026-11-24 11:00:00, and containerd has run since 2026-11-24 10:00:00: not in force until a restart"}
			}
		case i == 13:
			change = func(s *protocol.Status) {
				s.Files[1].State, s.Files[1].By, s.Files[1].Evidence = plan.SettingsIntact, "nvidia-container-toolkit", "it imports 99-nvidia.toml"
				s.Kept = []plan.Foreign{{Path: "/etc/containerd/conf.d/99-nvidia.toml", Owner: "nvidia-container-toolkit", Evidence: "its name"}}
			}
		case i == 99:
			change = func(s *protocol.Status) { s.Healthy, s.Health = false, "CRI is missing" }
		}
		all = append(all, answer(i, change))
	}
	all[49] = fleet.Answer{Target: fleet.Target{Name: "node50"}, Err: &fleet.NodeError{Node: "node50", Text: "connection refused", Hint: "is sshd running?"}}
	return NewStatus(all, nil)
}

func TestStatusOfAHundredNodesFitsAScreen(t *testing.T) {
	want := `node50  could not be asked
  connection refused
    hint: is sshd running?
node99  containerd 1.7.35, not healthy: CRI is missing
  hosts directory /etc/containerd/certs.d
  "default" applied at 2026-11-24 10:01:39 UTC by run 20261124T100000Z-0001
    as-written ` + hostsFile + `
    as-written /etc/containerd/config.toml
node12  containerd 1.7.35, healthy
  hosts directory /etc/containerd/certs.d
  "default" applied at 2026-11-24 10:00:12 UTC by run 20261124T100000Z-0001
    as-written ` + hostsFile + `
    settings-lost /etc/containerd/config.toml: config_path is not set any more (written by kubespray: the keys of its config.toml template)
      changed after containerd started: not in force until a restart
    hint: pullway plan shows the difference; apply --overwrite writes anew what is Pullway's
node41, node77  containerd 1.7.35, healthy
  hosts directory /etc/containerd/certs.d
  "default" applied by run 20261124T100000Z-0001
    gone ` + hostsFile + ` (by spegel: it stands in _backup now)
    as-written /etc/containerd/config.toml
  kept: /etc/containerd/certs.d/_default (written by spegel: the shape of its template): answers for every registry that has no host directory of its own
    hint: pullway plan shows the difference; apply --overwrite writes anew what is Pullway's
node13  containerd 1.7.35, healthy
  hosts directory /etc/containerd/certs.d
  "default" applied at 2026-11-24 10:00:13 UTC by run 20261124T100000Z-0001
    as-written ` + hostsFile + `
    settings-intact /etc/containerd/config.toml (written by nvidia-container-toolkit: it imports 99-nvidia.toml)
  kept: /etc/containerd/conf.d/99-nvidia.toml (written by nvidia-container-toolkit: its name)
node1, node2, node3, node4, node5, node6, node7, node8 and 86 more  containerd 1.7.35, healthy
  hosts directory /etc/containerd/certs.d
  "default" applied by run 20261124T100000Z-0001
    as-written ` + hostsFile + `
    as-written /etc/containerd/config.toml
Status: 96 nodes as written, 3 drifted, 1 not healthy, 1 could not be asked.
`
	s := hundred()
	if diff := cmp.Diff(want, human(s)); diff != "" {
		t.Error(diff)
	}
	s.Each = true
	text := human(s)
	for i := 1; i < 100; i++ {
		this, next := strings.Index(text, fmt.Sprintf("node%d  ", i)), strings.Index(text, fmt.Sprintf("node%d  ", i+1))
		if this < 0 || next < this {
			t.Fatalf("node%d is at %d, the next at %d", i, this, next)
		}
	}
}

func TestStatusCounts(t *testing.T) {
	want := StatusSummary{AsWritten: 96, Drifted: 3, NotHealthy: 1, Failed: 1}
	if got := hundred().Summary; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	drifts := map[string]struct {
		change func(*protocol.Status)
		want   bool
	}{
		"nothing":                  {nil, false},
		"something else changed":   {func(s *protocol.Status) { s.Files[1].State = plan.SettingsIntact }, false},
		"settings lost":            {func(s *protocol.Status) { s.Files[1].State = plan.SettingsLost }, true},
		"gone":                     {func(s *protocol.Status) { s.Files[0].State = plan.Gone }, true},
		"changed":                  {func(s *protocol.Status) { s.Files[0].State = plan.Changed }, true},
		"as written, not in force": {func(s *protocol.Status) { s.Files[1].NotInForce = "x" }, true},
		"theirs, beside":           {func(s *protocol.Status) { s.Kept = []plan.Foreign{{Path: "/x"}} }, false},
		"theirs, in place of ours": {func(s *protocol.Status) { s.Kept = []plan.Foreign{{Path: "/x", Shadows: true}} }, true},
		"theirs, not in force":     {func(s *protocol.Status) { s.Kept = []plan.Foreign{{Path: "/x", NotInForce: "x"}} }, true},
	}
	for name, tc := range drifts {
		if got := NewStatus([]fleet.Answer{answer(1, tc.change)}, nil).Summary.Drifted == 1; got != tc.want {
			t.Errorf("%s: drifted %v", name, got)
		}
	}
}

// The names of JSON fields are a promise.
func TestFileStateJSON(t *testing.T) {
	b, err := json.Marshal(plan.FileState{Path: "p", State: "s", By: "b", Evidence: "e", Detail: "d", NotInForce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"path":"p","state":"s","by":"b","evidence":"e","detail":"d","notInForce":"n"}`; string(b) != want {
		t.Errorf("%s", b)
	}
}

func TestPlanShowsDrift(t *testing.T) {
	p := NewPlan("default", "digest", []fleet.Planned{{Target: fleet.Target{Name: "node1"}, Plan: &plan.Node{
		Facts:   plan.Facts{Release: "1.7.35", ConfigFile: "/etc/containerd/config.toml"},
		Restart: plan.Restart{Reasons: []string{"only files below /etc/containerd/certs.d change"}},
		Changes: []plan.Change{{Path: hostsFile, Action: plan.Update, Mode: 0o600, Reason: "registry 192.168.21.9",
			Drift: "was changed by kubespray (the shape of its hosts.toml template) since Pullway wrote it", Diff: "--- a\n+++ b\n@@ -1 +1 @@\n-theirs\n+ours\n"}},
		Foreign:  []plan.Foreign{{Path: "/etc/containerd/certs.d/_backup", Owner: "spegel", Evidence: "its name"}},
		Problems: []plan.Notice{{ID: "drift", Text: hostsFile + " was changed", Hint: "--overwrite"}},
	}}})
	want := `node1
  containerd 1.7.35, /etc/containerd/config.toml
  no restart: only files below /etc/containerd/certs.d change
  update ` + hostsFile + ` mode 0600: registry 192.168.21.9
    drift: it was changed by kubespray (the shape of its hosts.toml template) since Pullway wrote it
      @@ -1 +1 @@
      -theirs
      +ours
  kept: /etc/containerd/certs.d/_backup (written by spegel: its name)
  refused: ` + hostsFile + ` was changed
    hint: --overwrite

Plan: 0 nodes to change (0 restarts of containerd), 0 as desired, 1 refused.
`
	if diff := cmp.Diff(want, human(p)); diff != "" {
		t.Error(diff)
	}
}
