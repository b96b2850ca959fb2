package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

func TestKubesprayPlay(t *testing.T) {
	var out bytes.Buffer
	KubesprayPlay{Checkout: "/k", Does: []string{"restarts nothing"}, Rollout: &Rollout{MaxUnavailable: 1, OnFailure: "rollback-wave",
		Waves: []fleet.Coming{{Nodes: []string{"node2"}}, {Wave: 1, Nodes: []string{"node1"}}}}}.Human(NewPrinter(&out, false))
	for _, want := range []string{"The play: cluster.yml --tags=containerd of /k\n  - restarts nothing\n", "Rollout: canary node2, then node1.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
}

// A proof that does not show who served an image does not say who did.
func TestProofByNameAlone(t *testing.T) {
	var out bytes.Buffer
	NewPrinter(&out, false).proof("", protocol.Proof{Image: "r/app:v1", OK: true, ByName: "pulled", Fresh: true, Took: time.Second})
	if s := out.String(); strings.Contains(s, " from ") || !strings.Contains(s, "nothing tells which endpoint served it") {
		t.Error(s)
	}
}

// A play is followed by a line for each change, by each task with -v, and in place
// on a terminal.
func TestProgressOfAPlay(t *testing.T) {
	for _, c := range []struct {
		live, steps bool
		want, not   string
	}{
		{false, false, "node1: changed by task copy\n", "wait"},
		{false, true, "playbook: wait\nnode1: changed by task copy\n", "node2"},
		{true, false, "playbook: wait", "changed by task"},
	} {
		var out bytes.Buffer
		p := NewProgress(&out, c.live, c.steps)
		p.PlayTask([]string{"node1"}, "wait")
		p.PlayChanged("node1", "copy")
		p.Close()
		if s := out.String(); !strings.Contains(s, c.want) || strings.Contains(s, c.not) {
			t.Errorf("%+v: %q", c, s)
		}
	}
}
