package impact

import "testing"

// TestNodesThatWereAsked: what a node's own CRI does not list is not there, though a container made of
// it runs on; a status that does not list it yet says less than the container.
func TestNodesThatWereAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		scene   *scene
		verdict Verdict
		cause   Cause
		rule    string
	}{
		"IfNotPresent, removed":                             {asked(one(newScene(2, other), "Deployment", app, IfNotPresent)), FailsIfRestarted, ByChange, "image-gone"},
		"IfNotPresent, of a bare pod":                       {asked(one(newScene(2, other), "Pod", app, IfNotPresent)), FailsIfRestarted, ByChange, "image-gone"},
		"Never, removed":                                    {asked(one(newScene(2, other), "Pod", app, Never)), FailsIfRestarted, Already, "gone-and-never-pulls"},
		"IfNotPresent, removed, and the endpoint serves it": {asked(one(newScene(2, other).up(app), "Deployment", app, IfNotPresent)), Safe, "", "pull-works"},
		"a Job's pod that has ended":                        {asked(ended(one(newScene(1, other), "Job", app, Never, runOnce))), FailsIfMoved, Already, "lacks-and-never-pulls"},
		"IfNotPresent, there":                               {asked(one(newScene(2, app), "Deployment", app, IfNotPresent)), Safe, "", "on-every-node"},
		"not asked, and not in the status yet":              {one(newScene(1, other), "Deployment", app, IfNotPresent), Safe, "", "on-every-node"},
	} {
		a := tc.scene.assess()
		if len(a.Workloads) != 1 {
			t.Fatalf("%s: %+v", name, a.Workloads)
		}
		if w := a.Workloads[0]; w.Verdict != tc.verdict || w.Cause != tc.cause || w.Rule != tc.rule {
			t.Errorf("%s: %s by %q (%s), want %s by %q (%s)", name, w.Verdict, w.Cause, w.Rule, tc.verdict, tc.cause, tc.rule)
		}
	}
}

// asked has each node's own CRI tell what the scene says of the node.
func asked(s *scene) *scene {
	machines(s)
	for i := range s.ch.Machines {
		s.ch.Machines[i].Images = &s.c.Nodes[i].Images
	}
	return s
}
