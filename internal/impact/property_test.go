package impact

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var someImages = []string{app, "192.168.21.9/library/db:latest", other, "192.168.21.9/BAD"}

// anyScene makes a cluster of up to four nodes and some workloads.
func anyScene(t *rapid.T) *scene {
	s := newScene(rapid.IntRange(1, 4).Draw(t, "nodes"))
	bool := rapid.Bool()
	for i := range s.c.Nodes {
		n := &s.c.Nodes[i]
		n.Cordoned, n.Images.Complete = bool.Draw(t, "cordoned"), bool.Draw(t, "complete")
		n.Kubelet = rapid.SampledFrom([]string{"v1.34.1", "v1.36.0"}).Draw(t, "kubelet")
		for _, im := range someImages {
			if bool.Draw(t, "has") {
				n.Images.Sums = append(n.Images.Sums, SumOf([]byte(im)))
			}
		}
	}
	if bool.Draw(t, "up") {
		s.up()
	}
	for _, im := range someImages[:2] {
		if bool.Draw(t, "found") {
			s.an.Found[Question{harbor, endpoint, im}] = Found{Has: bool.Draw(t, "served"), Fault: "missing-image"}
		}
	}
	if bool.Draw(t, "machines") {
		machines(s)
		for i := range s.ch.Machines {
			m := &s.ch.Machines[i]
			m.Restart, m.Unchanged = bool.Draw(t, "restart"), bool.Draw(t, "unchanged")
			if m.Restart && bool.Draw(t, "recreates") {
				m.Recreates = "because"
			}
		}
	}
	for w := range rapid.IntRange(1, 4).Draw(t, "workloads") {
		o := s.owner(rapid.SampledFrom([]string{"Deployment", "DaemonSet", "Job", "Pod", "StaticPod", "CronJob"}).Draw(t, "kind"), fmt.Sprintf("w%d", w))
		if bool.Draw(t, "other namespace") {
			s.c.Owners[o].Namespace = "other"
		}
		tm := s.template(rapid.SampledFrom(someImages).Draw(t, "image"), rapid.SampledFrom([]Policy{Always, IfNotPresent, Never, ""}).Draw(t, "policy"), func(tm *Template) {
			tm.RestartPolicy = rapid.SampledFrom([]string{"Always", "OnFailure", "Never"}).Draw(t, "restart policy")
			tm.Containers[0].Kind = rapid.SampledFrom([]ContainerKind{Main, Init, Sidecar, Ephemeral, Volume}).Draw(t, "container")
			if bool.Draw(t, "secrets") {
				secrets(tm)
			}
		})
		if s.c.Owners[o].Kind == "CronJob" {
			s.c.Owners[o].Template, s.c.Owners[o].Schedule = tm, rapid.SampledFrom([]string{"0 * * * *", "0 3 * * *", "never"}).Draw(t, "schedule")
		}
		s.c.Owners[o].Updating = bool.Draw(t, "updating")
		for range rapid.IntRange(0, 3).Draw(t, "pods") {
			p := Pod{Owner: o, Template: tm, Node: int32(rapid.IntRange(-1, len(s.c.Nodes)-1).Draw(t, "node"))}
			p.State = State(rapid.IntRange(0, 1<<7-1).Draw(t, "state"))
			if p.Node >= 0 {
				p.Held, p.Ended = uint64(rapid.IntRange(0, 1).Draw(t, "held")), uint64(rapid.IntRange(0, 1).Draw(t, "ended"))
			}
			s.c.Pods = append(s.c.Pods, p)
		}
	}
	return s
}

func verdictsOf(a *Assessment) map[string]Verdict {
	all := map[string]Verdict{}
	for _, w := range a.Workloads {
		all[w.Name] = w.Verdict
	}
	return all
}

// TestNoVerdictGetsBetter: when an image disappears from a node, or an endpoint
// ceases to answer, no verdict gets better.
func TestNoVerdictGetsBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(t)
		before := verdictsOf(s.assess())
		what := "an endpoint went down"
		n := &s.c.Nodes[rapid.IntRange(0, len(s.c.Nodes)-1).Draw(t, "of node")]
		if len(n.Images.Sums) > 0 && rapid.Bool().Draw(t, "an image goes") {
			what = "an image is gone from " + n.Name
			i := rapid.IntRange(0, len(n.Images.Sums)-1).Draw(t, "image gone")
			n.Images.Sums = slices.Delete(slices.Clone(n.Images.Sums), i, i+1)
		} else {
			s.an.Endpoints[0].OK, s.an.Endpoints[0].Fault = false, "unreachable"
		}
		for name, v := range verdictsOf(s.assess()) {
			if v.rank() > before[name].rank() {
				t.Fatalf("%s: %s, and before %s: %s", what, v, name, before[name])
			}
		}
	})
}

// TestSums: every workload is counted once in all, the result does not depend on the
// order of pods, and each that is not safe has a reason and what to do.
func TestSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(t)
		a := s.assess()
		var sum Counts
		for _, w := range a.Workloads {
			sum.Add(w.Verdict)
			if w.Reason == "" || w.Rule == "" || (w.Do == "") != (w.Verdict == Safe) || len(w.Images) == 0 || (w.Verdict == Safe) != (w.Cause == "") {
				t.Fatalf("%+v", w)
			}
		}
		if sum != a.Summary {
			t.Fatalf("%+v, counted %+v", a.Summary, sum)
		}
		slices.Reverse(s.c.Pods)
		b := s.assess()
		ignore := cmpopts.IgnoreFields(Workload{}, "On", "Images")
		if d := cmp.Diff(a.Workloads, b.Workloads, ignore, cmpopts.IgnoreUnexported(Workload{})); d != "" {
			t.Fatal(d)
		}
	})
}
