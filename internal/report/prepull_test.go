package report

import (
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
)

func TestPrepullView(t *testing.T) {
	const mb = 1_000_000
	image := func(s protocol.AheadState) protocol.FetchedImage {
		i := protocol.FetchedImage{Ref: "r.example.com/app:v1", State: s, Bytes: 50 * mb}
		switch s {
		case protocol.AheadPulled, protocol.AheadPresent:
			i.Pinned, i.By = true, "pullway"
		case protocol.AheadFailed:
			i.Error, i.Hint = "no byte came for 1m0s; 1.0 MB of 50.0 MB are there", "look"
		case protocol.AheadRefused:
			i.Error, i.Hint = "its size is not known", "--force"
		}
		return i
	}
	answer := func(name string, err *fleet.NodeError, ahead *protocol.Fetched) fleet.Answer {
		a := fleet.Answer{Target: fleet.Target{Name: name}, Err: err}
		if ahead != nil {
			a.Reply = &protocol.Reply{Ahead: ahead}
		}
		return a
	}
	fetched := func(states ...protocol.AheadState) *protocol.Fetched {
		f := &protocol.Fetched{Bytes: 80 * mb, Need: 160 * mb, Room: 2000 * mb}
		for _, s := range states {
			f.Images = append(f.Images, image(s))
		}
		return f
	}
	noRoom := &fleet.NodeError{Text: "no room: the images take 2.0 GB", Hint: "make room there"}
	pins := &protocol.Pins{Run: "run1", Operator: "me@here", Since: time.Unix(0, 0), Images: []string{"a", "b"}}
	for name, c := range map[string]struct {
		dry, unpin bool
		answers    []fleet.Answer
		want       string
		ok         bool
		changed    bool
	}{
		"nothing at risk": {want: "No image is at risk that these nodes could fetch.\n", ok: true},
		"a look": {dry: true, ok: true, answers: []fleet.Answer{answer("node1", nil, fetched(protocol.AheadMissing, protocol.AheadMissing, protocol.AheadPresent))},
			want: "node1  1 there already, 2 to fetch; takes 160 MB (twice 80.0 MB) of 2.0 GB free; 1 pinned\n80.0 MB to fetch, through what each node is configured with now. Nothing was changed.\n"},
		"a look that finds no room": {dry: true, answers: []fleet.Answer{answer("node1", noRoom, fetched(protocol.AheadMissing))},
			want: "node1  1 to fetch; takes 160 MB (twice 80.0 MB) of 2.0 GB free\n  error: no room: the images take 2.0 GB\n    hint: make room there\nNot everything could be fetched; nothing was changed.\n"},
		"done": {ok: true, changed: true, answers: []fleet.Answer{answer("node1", nil, fetched(protocol.AheadPulled, protocol.AheadPulled)), answer("node2", nil, fetched(protocol.AheadPresent))},
			want: "node1  2 pulled; 80.0 MB fetched; 2 pinned\nnode2  1 there already; 1 pinned\nEvery image is where it has to be, pinned until apply or rollback ends there, or prepull --unpin.\n"},
		"part of it": {changed: true, answers: []fleet.Answer{answer("node1", nil, fetched(protocol.AheadPulled, protocol.AheadFailed, protocol.AheadRefused)), answer("node2", &fleet.NodeError{Text: "no answer"}, nil)},
			want: "node1  1 pulled, 1 failed, 1 refused; 50.0 MB fetched; 1 pinned\n  failed r.example.com/app:v1: no byte came for 1m0s; 1.0 MB of 50.0 MB are there\n    hint: look\n  refused r.example.com/app:v1: its size is not known\n    hint: --force\nnode2  gave no answer\n  error: no answer\nNot done: 2 images not fetched, 1 node with an error. The same command goes on from here.\n"},
		"a look at pins": {dry: true, unpin: true, ok: true, answers: []fleet.Answer{answer("node1", nil, &protocol.Fetched{Pins: pins}), answer("node2", nil, &protocol.Fetched{})},
			want: "node1  2 images would be unpinned\n  pinned by run run1 of me@here since 1970-01-01 00:00:00 UTC: a, b\nnode2  nothing is pinned by Pullway\nNothing was changed.\n"},
		"unpinned": {unpin: true, ok: true, changed: true, answers: []fleet.Answer{answer("node1", nil, &protocol.Fetched{Unpinned: []string{"a", "b", "c"}})},
			want: "node1  3 names unpinned\nNothing is pinned by Pullway on 1 node.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPrepull("run1", c.dry, c.unpin, c.answers)
			if got := human(p); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if p.OK() != c.ok || p.Changed() != c.changed {
				t.Errorf("OK %v, changed %v: %+v", p.OK(), p.Changed(), p.Summary)
			}
		})
	}
}

// TestPrepullOfManyNodes: a thousand nodes fit a screen: those with trouble, and a sum.
func TestPrepullOfManyNodes(t *testing.T) {
	var answers []fleet.Answer
	for range 1000 {
		answers = append(answers, fleet.Answer{Target: fleet.Target{Name: "node"}, Reply: &protocol.Reply{Ahead: &protocol.Fetched{Warning: "containerd 1.6.20 knows no pins"}}})
	}
	answers[7].Err = &fleet.NodeError{Text: "no answer"}
	if got := human(NewPrepull("run1", false, false, answers)); strings.Count(got, "\n") > 6 || !strings.Contains(got, "no answer") || !strings.Contains(got, "and 996 more") {
		t.Errorf("%s", got)
	}
}
