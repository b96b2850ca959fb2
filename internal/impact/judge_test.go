package impact

import (
	"slices"
	"strings"
	"testing"
)

func secrets(t *Template)   { t.PullSecrets = []string{"harbor"} }
func runOnce(t *Template)   { t.RestartPolicy = "Never" }
func ephemeral(t *Template) { t.Containers[0].Kind = Ephemeral }
func initFirst(t *Template) {
	t.Containers = append([]Container{{Name: "init", Kind: Init, Image: t.Containers[0].Image, Policy: t.Containers[0].Policy}}, Container{Name: "app", Image: other, Policy: "IfNotPresent"})
}
func imageVolume(t *Template) {
	t.Containers = []Container{{Name: "app", Image: other, Policy: "IfNotPresent"}, {Name: "model", Kind: Volume, Image: app, Policy: t.Containers[0].Policy}}
}

// TestJudge has one workload, mostly with one pod on n0 of two nodes, and says what
// becomes of it and by which rule.
func TestJudge(t *testing.T) {
	const digest = "192.168.21.9/library/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	cases := map[string]struct {
		scene   *scene
		verdict Verdict
		cause   Cause
		rule    string
		reason  string // a part of it
	}{
		"Always, endpoint down":                 {one(newScene(2, app), "Deployment", app, Always), FailsIfRestarted, ByChange, "pulls-on-start", "cannot be reached"},
		"Always, image missing":                 {one(newScene(2, app).lacks(app), "Deployment", app, Always), FailsIfRestarted, ByChange, "pulls-on-start", "does not have it"},
		"Always, endpoint serves it":            {one(newScene(2).up(app), "Deployment", app, Always), Safe, "", "pull-works", ""},
		"Always, another registry":              {one(newScene(2), "Deployment", other, Always), Safe, "", "untouched", "docker.io"},
		"Always, registry wants its secret":     {withLogin(one(newScene(2).up(), "Deployment", app, Always, secrets)), Safe, "", "own-pull-secret", ""},
		"Always, login wanted and no secret":    {withLogin(one(newScene(2).up(), "Deployment", app, Always)), FailsIfRestarted, ByChange, "pulls-on-start", "refuses the credential"},
		"Always, nobody asked for the image":    {one(newScene(2).up(), "Deployment", app, Always), FailsIfRestarted, ByChange, "pulls-on-start", "not known"},
		"no policy and latest is Always":        {one(newScene(2, "192.168.21.9/library/app:latest"), "Deployment", "192.168.21.9/library/app", ""), FailsIfRestarted, ByChange, "pulls-on-start", ""},
		"no policy and a tag is IfNotPresent":   {one(newScene(2, app), "Deployment", app, ""), Safe, "", "on-every-node", ""},
		"no policy and latest with a digest":    {one(newScene(2, digest), "Deployment", strings.Replace(digest, "@", ":latest@", 1), ""), Safe, "", "on-every-node", ""},
		"IfNotPresent, on every node":           {one(newScene(2, app), "Deployment", app, IfNotPresent), Safe, "", "on-every-node", "2 nodes"},
		"IfNotPresent, not on the other":        {one(newScene(2), "Deployment", app, IfNotPresent), FailsIfMoved, ByChange, "lacks-elsewhere", "1 of 2 nodes"},
		"IfNotPresent, served":                  {one(newScene(2).up(app), "Deployment", app, IfNotPresent), Safe, "", "pull-works", ""},
		"IfNotPresent of a DaemonSet":           {one(newScene(2), "DaemonSet", app, IfNotPresent), Safe, "", "never-moves", ""},
		"Always of a DaemonSet":                 {one(newScene(2, app), "DaemonSet", app, Always), FailsIfRestarted, ByChange, "pulls-on-start", ""},
		"IfNotPresent of a static pod":          {one(newScene(2), "StaticPod", app, IfNotPresent), Safe, "", "never-moves", ""},
		"IfNotPresent of a bare pod":            {one(newScene(2), "Pod", app, IfNotPresent), Safe, "", "never-moves", ""},
		"IfNotPresent, other node out of reach": {tainted(one(newScene(2), "Deployment", app, IfNotPresent)), Safe, "", "on-every-node", "1 node"},
		"IfNotPresent, status is capped":        {capped(one(newScene(2), "Deployment", app, IfNotPresent)), FailsIfMoved, ByChange, "lacks-elsewhere", "may lack"},
		"Never, on its node only":               {one(newScene(2), "Deployment", app, Never), FailsIfMoved, Already, "lacks-and-never-pulls", ""},
		"Never, everywhere":                     {one(newScene(2, app), "Deployment", app, Never), Safe, "", "on-every-node", ""},
		"Never, and waits":                      {waiting(newScene(2), "Deployment", app, Never, NeverPull), FailsNow, Already, "never-pulls", ""},
		"waits, endpoint down":                  {waiting(newScene(2), "Deployment", app, IfNotPresent, 0), FailsNow, ByChange, "waits-for-image", ""},
		"starts, image is there":                {waiting(newScene(2, app), "Deployment", app, IfNotPresent, 0), Safe, "", "on-every-node", ""},
		"starts, Always":                        {waiting(newScene(2, app), "Deployment", app, Always, 0), FailsNow, ByChange, "waits-for-image", ""},
		"not scheduled, image nowhere":          {waitingOn(newScene(2), -1, "Deployment", app, IfNotPresent, 0), FailsNow, ByChange, "waits-for-image", ""},
		"not scheduled, image everywhere":       {waitingOn(newScene(2, app), -1, "Deployment", app, IfNotPresent, 0), Safe, "", "on-every-node", ""},
		"back-off, endpoint down":               {waiting(newScene(2), "Deployment", app, IfNotPresent, Backoff), FailsNow, Already, "waits-for-image", ""},
		"back-off, and the change repairs it":   {waiting(newScene(2).up(app), "Deployment", app, IfNotPresent, Backoff), Safe, "", "recovers", ""},
		"back-off at another registry":          {waiting(newScene(2), "Deployment", other, IfNotPresent, Backoff), FailsNow, Already, "failed-already", ""},
		"no reference":                          {one(newScene(2), "Deployment", "192.168.21.9/X Y\x1b[2J", Always), FailsNow, Already, "no-reference", ""},
		"crashes, Always":                       {state(one(newScene(2, app), "Deployment", app, Always), Crashing), FailsNow, ByChange, "crashes-and-pulls", ""},
		"crashes, IfNotPresent":                 {state(one(newScene(2, app), "Deployment", app, IfNotPresent), Crashing), Safe, "", "on-every-node", ""},
		"a running ephemeral container":         {one(newScene(2), "Deployment", app, Always, ephemeral), Safe, "", "never-restarts", ""},
		"an init container, Always":             {one(newScene(2, app, other), "Deployment", app, Always, initFirst), FailsIfRestarted, ByChange, "pulls-on-start", ""},
		"an image volume, Always":               {one(newScene(2, app, other), "Deployment", app, Always, imageVolume), FailsIfRestarted, ByChange, "pulls-on-start", ""},
		"a Job's pod that runs once":            {ended(one(newScene(2), "Job", app, Always, runOnce)), FailsIfMoved, ByChange, "lacks-elsewhere", ""},
		"the image is gone from its node":       {gonePod(newScene(2)), FailsIfRestarted, ByChange, "image-gone", ""},
		"AlwaysPullImages":                      {always(one(newScene(2, app), "Deployment", app, IfNotPresent)), FailsIfRestarted, ByChange, "pulls-on-start", ""},
		"a restart that recreates pods":         {recreating(one(newScene(1, app), "Deployment", app, Always)), FailsNow, ByChange, "recreated-by-restart", ""},
		"recreated, and the image is there":     {recreating(one(newScene(1, app), "Deployment", app, IfNotPresent)), Safe, "", "on-every-node", ""},
		"the node is as desired":                {unchanged(one(newScene(1, app), "Deployment", app, Always)), FailsIfRestarted, Already, "pulls-on-start", ""},
		"the kubelet asks again (KEP-2535)":     {shared(newScene(2, app), "v1.35.0"), FailsIfMoved, ByChange, "credential-rechecked", "on 1 of 2 nodes"},
		"an older kubelet does not":             {shared(newScene(2, app), "v1.34.9"), Safe, "", "on-every-node", ""},
		"a rollout under way":                   {updating(one(newScene(2, app), "Deployment", app, Always)), FailsNow, ByChange, "scaling-up", ""},
		"a CronJob that is due":                 {timed(newScene(2, app), "0 * * * *", "", app, Always), FailsNow, ByChange, "starts-soon", ""},
		"a CronJob of tomorrow":                 {timed(newScene(2, app), "0 3 * * *", "", app, Always), FailsIfRestarted, ByChange, "next-run", ""},
		"a CronJob due in its zone":             {timed(newScene(2, app), "30 20 * * *", "Asia/Shanghai", app, Always), FailsNow, ByChange, "starts-soon", ""},
		"a CronJob with its image everywhere":   {timed(newScene(2, app), "0 * * * *", "", app, IfNotPresent), Safe, "", "on-every-node", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := tc.scene.assess()
			i := slices.IndexFunc(a.Workloads, func(w Workload) bool { return w.Name == "web" })
			if i < 0 {
				t.Fatalf("no workload: %+v", a)
			}
			w := a.Workloads[i]
			if w.Verdict != tc.verdict || w.Cause != tc.cause || w.Rule != tc.rule || !strings.Contains(w.Reason, tc.reason) {
				t.Errorf("%s by %q (%s): %s\nwant %s by %q (%s): %s", w.Verdict, w.Cause, w.Rule, w.Reason, tc.verdict, tc.cause, tc.rule, tc.reason)
			}
			if strings.ContainsAny(w.Reason+w.Do, "\n\x1b") {
				t.Errorf("%q, %q", w.Reason, w.Do)
			}
			if (w.Do == "") != (w.Verdict == Safe) {
				t.Errorf("%s: what to do is %q", w.Verdict, w.Do)
			}
		})
	}
}

func withLogin(s *scene) *scene {
	s.an.Found[Question{harbor, endpoint, app}] = Found{Login: true, Fault: "credential", Error: "wants a login"}
	return s
}

func tainted(s *scene) *scene {
	s.c.Nodes[1].Taints = []Taint{{Key: "gpu", Effect: "NoSchedule"}}
	return s
}

func capped(s *scene) *scene {
	s.c.Nodes[1].Images.Complete = false
	return s
}

func waiting(s *scene, kind, image string, p Policy, st State) *scene {
	return waitingOn(s, 0, kind, image, p, st)
}

func waitingOn(s *scene, node int32, kind, image string, p Policy, st State) *scene {
	s.waits(s.owner(kind, "web"), s.template(image, p), node, st)
	return s
}

func state(s *scene, st State) *scene { s.c.Pods[0].State |= st; return s }

func ended(s *scene) *scene { s.c.Pods[0].Ended = 1; return s }

// gonePod is one whose container has ended and whose image was collected.
func gonePod(s *scene) *scene {
	s.runs(s.owner("Deployment", "web"), s.template(app, IfNotPresent), 0).Held = 0
	return s
}

func always(s *scene) *scene { s.c.AlwaysPull = "kube-apiserver-cp1"; return s }

func machines(s *scene) {
	for i := range s.c.Nodes {
		s.ch.Machines = append(s.ch.Machines, Machine{Name: "m" + s.c.Nodes[i].Name, Node: int32(i), Asked: true, Wired: []Wired{}})
	}
}

func recreating(s *scene) *scene {
	machines(s)
	s.ch.Machines[0].Restart, s.ch.Machines[0].Recreates = true, "containerd 1.6.10 recreates every pod"
	return s
}

func unchanged(s *scene) *scene {
	machines(s)
	s.ch.Machines[0].Unchanged, s.ch.Machines[0].Wired = true, []Wired{{Host: harbor, URLs: []string{endpoint}}}
	return s
}

// shared has the image on n1 because a pod of another namespace with a secret of its
// own runs there.
func shared(s *scene, kubelet string) *scene {
	for i := range s.c.Nodes {
		s.c.Nodes[i].Kubelet = kubelet
	}
	tm := s.template(app, IfNotPresent, secrets)
	s.runs(s.owner("Deployment", "web"), tm, 0)
	o := s.owner("Deployment", "theirs")
	s.c.Owners[o].Namespace = "other"
	s.runs(o, tm, 1)
	return s
}

func updating(s *scene) *scene { s.c.Owners[0].Updating = true; return s }

func timed(s *scene, schedule, zone, image string, p Policy) *scene {
	o := s.owner("CronJob", "web")
	s.c.Owners[o].Schedule, s.c.Owners[o].Zone, s.c.Owners[o].Template = schedule, zone, s.template(image, p)
	return s
}
