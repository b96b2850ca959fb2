package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

// TestShare: all nodes together never fetch more than a registry may serve, and some
// node is always at work.
func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perRegistry, perNode := rapid.IntRange(1, 1000).Draw(t, "perRegistry"), rapid.IntRange(1, 1000).Draw(t, "perNode")
		nodes, images := share(perRegistry, perNode)
		if nodes < 1 || images < 1 || images > perNode || nodes*images > perRegistry {
			t.Errorf("%d nodes of %d images", nodes, images)
		}
	})
}

func TestReady(t *testing.T) {
	answer := func(name string, err *fleet.NodeError, images ...protocol.FetchedImage) fleet.Answer {
		return fleet.Answer{Target: fleet.Target{Name: name}, Reply: &protocol.Reply{Ahead: &protocol.Fetched{Images: images}}, Err: err}
	}
	looked := []fleet.Answer{
		answer("missing", nil, protocol.FetchedImage{State: protocol.AheadMissing}),
		answer("unpinned", nil, protocol.FetchedImage{State: protocol.AheadPresent}),
		answer("pinned", nil, protocol.FetchedImage{State: protocol.AheadPresent, Pinned: true}),
		answer("refused", nil, protocol.FetchedImage{State: protocol.AheadRefused}),
		answer("no room", &fleet.NodeError{Text: "no room"}, protocol.FetchedImage{State: protocol.AheadMissing}),
		{Target: fleet.Target{Name: "unreachable"}, Err: &fleet.NodeError{}},
	}
	for unpin, want := range map[bool][]string{false: {"missing", "unpinned"}, true: {"missing", "unpinned", "pinned", "refused"}} {
		var got []string
		for _, target := range ready(looked, unpin) {
			got = append(got, target.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("unpin %v: %q, want %q", unpin, got, want)
		}
	}
}

// TestInterruptEndsIt: the first signal ends the context, later ones are taken and do nothing.
func TestInterruptEndsIt(t *testing.T) {
	signals := make(chan os.Signal)
	var said bytes.Buffer
	a := &app{streams: Streams{Err: &said}, interrupts: signals}
	ctx, interrupted, done := a.untilInterrupted(t.Context())
	if interrupted() {
		t.Error("interrupted by nobody")
	}
	signals <- os.Interrupt
	<-ctx.Done()
	signals <- os.Interrupt
	if !interrupted() {
		t.Error("not interrupted")
	}
	done()
	if got := said.String(); strings.Count(got, "stopping") != 1 {
		t.Errorf("%q", got)
	}
	answers := []fleet.Answer{{Target: fleet.Target{Name: "a"}, Err: &fleet.NodeError{Text: "context canceled"}}, {Target: fleet.Target{Name: "b"}, Reply: &protocol.Reply{}, Err: &fleet.NodeError{Text: "no room"}}}
	stopped(answers)
	if answers[0].Err.Text != "stopped before it was done" || answers[1].Err.Text != "no room" {
		t.Errorf("%+v %+v", answers[0].Err, answers[1].Err)
	}
}

// TestRequestOf: a node is asked for the images that it needs and no others, and gets
// no pull secret that these do not need.
func TestRequestOf(t *testing.T) {
	p := &prepulling{on: map[string]map[string]bool{"a": {"node1": true}, "b": {"node1": true, "node2": true}}}
	req := protocol.Request{Prepull: &protocol.Prepull{PerNode: 3, Images: []protocol.Ahead{{Ref: "a", As: []int{0, 1}}, {Ref: "b", As: []int{2, 1}}},
		Credentials: [][2]string{{"u0", "p"}, {"u1", "p"}, {"u2", "p"}}}}
	for node, want := range map[string]string{"node1": "a u0 u1 b u2 u1", "node2": "b u2 u1", "node3": ""} {
		ahead := p.requestOf(req, node).Prepull
		var got []string
		users := map[string]bool{}
		for _, i := range ahead.Images {
			got = append(got, i.Ref)
			for _, k := range i.As {
				got = append(got, ahead.Credentials[k][0])
				users[ahead.Credentials[k][0]] = true
			}
		}
		if strings.Join(got, " ") != want || len(users) != len(ahead.Credentials) || ahead.PerNode != 3 {
			t.Errorf("%s: %q with %d credentials, want %q", node, got, len(ahead.Credentials), want)
		}
	}
	if p.on = nil; len(p.requestOf(req, "node3").Prepull.Images) != 2 {
		t.Error("named images do not go to every node")
	}
}
