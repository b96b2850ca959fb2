package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

const oldDir = "/etc/containerd/certs.d/old.example.com"

func text(s string) *string { return &s }

// unloaded is what a node with containerd 1.x says of itself after a play that did
// not come to its restart.
func unloaded(s *protocol.Status) {
	at := time.Date(2026, 11, 24, 18, 0, len(s.Facts.Hostname), 0, time.UTC)
	s.NotLoaded = &plan.NotLoaded{Files: []plan.LateFile{{Path: "/etc/containerd/config.toml", Changed: at}}, Started: at.Add(-time.Hour), Certain: true, RunsOn: text(""), Says: "/etc/containerd/certs.d"}
}

// TestStatusSaysWhatIsStaleAndNotLoaded: the views of each verdict, and what counts
// as drift.
func TestStatusSaysWhatIsStaleAndNotLoaded(t *testing.T) {
	byKubespray := func(s *protocol.Status) {
		s.Kept = []plan.Foreign{{Path: oldDir, Directory: true, InUse: true, Owner: "kubespray", Evidence: "the shape"}}
	}
	names := func(names ...string) Named { return func(string) ([]string, error) { return names, nil } }
	for _, tc := range []struct {
		name    string
		change  func(*protocol.Status)
		named   Named
		says    []string
		never   string
		drifted int
	}{
		{"stale", byKubespray, names("docker.io"), []string{"  stale: " + oldDir + " (Kubespray wrote it: the shape)", "    its variables name old.example.com no more; pulls still use it", "--adopt removes what is stale"}, "kept:", 1},
		{"named", byKubespray, names("old.example.com"), []string{"  kept: " + oldDir}, "stale:", 0},
		{"no variables were read", byKubespray, nil, []string{"  kept: " + oldDir}, "stale:", 0},
		{"the variables cannot be told", byKubespray, func(string) ([]string, error) { return nil, errTemplate }, []string{"  kept: " + oldDir, "what is stale cannot be told: a template"}, "stale:", 0},
		{"somebody else's", func(s *protocol.Status) {
			s.Kept = []plan.Foreign{{Path: oldDir, Directory: true, InUse: true, Owner: "somebody else"}}
		}, names(), []string{"  kept: " + oldDir}, "stale:", 0},
		{"Kubespray's config.toml is no host directory", func(s *protocol.Status) {
			s.Kept = []plan.Foreign{{Path: "/etc/containerd/config.toml", Owner: "kubespray", Evidence: "its keys"}}
		}, names(), []string{"  kept: /etc/containerd/config.toml"}, "stale:", 0},
		{"not loaded", unloaded, nil, []string{"  not loaded: /etc/containerd/config.toml written 2026-11-24 18:00:", `    CRI runs on config_path "", and the files say "/etc/containerd/certs.d"`}, "may not", 1},
		{"not loaded, the time kept", func(s *protocol.Status) { unloaded(s); s.NotLoaded.Files = nil }, nil, []string{"  not loaded: no file is newer than containerd, and still:"}, "may not", 1},
		{"may not be loaded", func(s *protocol.Status) { unloaded(s); s.NotLoaded.Certain, s.NotLoaded.RunsOn = false, nil }, nil, []string{"  may not be loaded: ", "this containerd does not tell"}, "CRI runs on", 1},
		{"loaded as far as told", func(s *protocol.Status) {
			unloaded(s)
			s.NotLoaded.Certain, s.NotLoaded.RunsOn = false, text(s.NotLoaded.Says)
		}, nil, []string{"  may not be loaded: ", `CRI runs on the same config_path, "/etc/containerd/certs.d"`}, "  not loaded", 1},
		{"control characters", func(s *protocol.Status) {
			byKubespray(s)
			s.Kept[0].Path += "\x1b[2J"
			unloaded(s)
			s.NotLoaded.RunsOn, s.NotLoaded.Says, s.NotLoaded.Files[0].Path = text("\x1b[31m"), "\x1b]0;", "\x1b[2J"
		}, names(), []string{"stale: ", "not loaded: "}, "\x1b", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewStatus([]fleet.Answer{answer(1, tc.change)}, tc.named)
			got := human(s)
			for _, want := range tc.says {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in:\n%s", want, got)
				}
			}
			if strings.Contains(got, tc.never) {
				t.Errorf("%q is in:\n%s", tc.never, got)
			}
			if s.Summary.Drifted != tc.drifted {
				t.Errorf("%d drifted", s.Summary.Drifted)
			}
		})
	}
}

type told string

func (e told) Error() string { return string(e) }

const errTemplate = told("a template")

// TestNodesThatAreAlikeShareABlock: times differ between nodes and do not part them.
func TestNodesThatAreAlikeShareABlock(t *testing.T) {
	var answers []fleet.Answer
	for i := 1; i <= 3; i++ {
		answers = append(answers, answer(i, func(s *protocol.Status) { s.Facts.Hostname = strings.Repeat("n", i); unloaded(s) }))
	}
	k := NewKubesprayCheck("inventory/hosts.yaml", "", kubespray.Profile{Release: "2.31.0"}, 3, nil)
	answers = append(answers, fleet.Answer{Target: fleet.Target{Name: "node4"}, Err: &fleet.NodeError{Node: "node4", Text: "connection refused", Hint: "is sshd running?"}})
	k.Compare(answers, func(string) ([]string, error) { return []string{}, nil })
	want := `Kubespray 2.31.0

node1, node2, node3
  not loaded: /etc/containerd/config.toml; containerd started earlier
    CRI runs on config_path "", and the files say "/etc/containerd/certs.d"
    hint: pullway plan says whether it needs a restart; pullway apply makes it, and proves it

node4  could not be asked
  connection refused
    hint: is sshd running?

0 problems among the variables, 3 problems on the nodes.
`
	if diff := cmp.Diff(want, human(k)); diff != "" {
		t.Error(diff)
	}
	if k.Bad != 3 || k.Unasked() != 1 {
		t.Errorf("%d bad, %d unasked", k.Bad, k.Unasked())
	}
	if got := human(NewStatus(answers[:3], nil)); strings.Count(got, "not loaded:") != 1 {
		t.Errorf("%s", got)
	}
}
