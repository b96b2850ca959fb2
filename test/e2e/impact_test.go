//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

// truthEnv, when set to a path, has the table written there.
const truthEnv = "PULLWAY_IMPACT_TRUTH"

// truth is one run: what is predicted of each shape, and what is seen.
type truth struct {
	t      *testing.T
	l      *lab.Lab
	c      *cluster.Cluster
	o      *operator
	refs   map[string]string // by shape
	filler string            // an image that is on both nodes, of no shape
	// version of the API server.
	version string
	ran     map[string]podNow // before the change
}

// The change of the test: goneHost goes from a registry that answers to a port where none is.
const (
	goneURL     = "http://192.168.21.9:81"
	truthBefore = harbor + truthRest
	truthAfter  = `    - host: 192.168.21.9
      endpoints: [{url: "http://192.168.21.9:81"}]
      fallback: none
      auth: {username: robot$nodes, password: {env: HARBOR_PASSWORD}}
` + truthRest
	truthRest = `    - host: harbor.example.com
      fallback: none
      endpoints: [{url: "https://harbor.example.com", tls: {caFile: ca.pem}}]
      auth: {username: robot$nodes, password: {env: HARBOR_PASSWORD}}
    - host: 192.168.21.7:5000
      fallback: none
      endpoints: [{url: "http://192.168.21.7:5000"}]
`
)

// TestImpactTruth: what assess predicts of each shape of pod is what happens on real kubelets when
// the change is made, the pod restarted and, where somebody makes it again, moved. Among them is the
// pod with Always whose registry is gone, which fails if restarted as predicted, and stays up until then.
func TestImpactTruth(t *testing.T) {
	t.Parallel()
	l := upWith(t, lab.Config{Nodes: lab.Cycle(2, "2.4.2"), Images: []lab.Image{},
		Kubernetes: &lab.KubeSpec{Kubelets: []string{"node1", "node2"}, Controllers: true, Scheduler: true}})
	c, err := cluster.Connect(l, "")
	if err != nil {
		t.Fatal(err)
	}
	w := &truth{t: t, l: l, c: c, o: newOperator(t, l), refs: map[string]string{}}
	w.prepare()
	w.startAll()
	predicted := w.predict()
	w.change()
	seen := w.do()
	w.told(seen)

	agreed := 0
	for _, s := range shapes {
		p, got := predicted[s.name], seen[s.name]
		if got.verdict != s.want {
			t.Errorf("%s (%s): %s was seen (%s), and it should have been %s", s.name, s.text(), got.verdict, got.how, s.want)
		}
		switch {
		case p.Verdict == got.verdict:
			if agreed++; s.known != "" {
				t.Errorf("%s (%s): predicted as it is, though a reason is given why it is not", s.name, s.text())
			}
		case s.known == "":
			t.Errorf("%s (%s): predicted %s (%s: %s), seen %s (%s)", s.name, s.text(), p.Verdict, p.Rule, p.Reason, got.verdict, got.how)
		}
	}
	t.Logf("%d of %d shapes were predicted", agreed, len(shapes))
	if path := os.Getenv(truthEnv); path != "" && !t.Failed() {
		w.must(os.WriteFile(path, []byte(truthPage(w.version, predicted, seen)), 0o644))
	}
}

func (w *truth) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// until waits for a condition; what tells how far it is. The limit is for what hangs: two
// kubelets with forty pods take their time on a busy machine.
func (w *truth) until(what string, is func() (bool, string)) {
	w.t.Helper()
	deadline := time.Now().Add(6 * time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, how := is()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waiting for %s: %s", what, how)
		}
		select {
		case <-w.t.Context().Done():
			w.t.Fatalf("waiting for %s: %v", what, w.t.Context().Err())
		case <-tick.C:
		}
	}
}

// prepare wires the nodes, and puts every image where its shape wants it but for what the kubelet
// of node1 pulls by itself.
func (w *truth) prepare() {
	w.t.Helper()
	ctx := w.t.Context()
	ca, err := os.ReadFile(w.l.CAFile())
	w.must(err)
	w.o.file("ca.pem", string(ca))
	registries := map[string]*lab.Registry{goneHost: w.l.Registry(lab.Harbor), goodHost: w.l.Registry(lab.HarborTLS), secretHost: w.l.Registry(lab.TokenOnly)}
	filler := lab.Image{Repo: "shapes/filler", Tag: "v1", Layers: 1, LayerSize: 1}
	_, err = registries[goneHost].Push(ctx, filler)
	w.must(err)
	w.filler = registries[goneHost].Image(filler.Repo, filler.Tag)
	for _, s := range shapes {
		digest := ""
		if !s.missing {
			digest, err = registries[s.host].Push(ctx, s.image())
			w.must(err)
		}
		w.refs[s.name] = s.ref(digest)
	}
	w.o.apply(0, w.o.file("before.yaml", strings.Replace(spec(truthBefore, w.filler), "canary: 1", "canary: 0", 1)))

	// Static pods, and as many pulls as there are at once: a pull that has to wait fails for no reason of ours.
	const kubelet = `mkdir -p /etc/kubernetes/manifests
printf 'staticPodPath: /etc/kubernetes/manifests\nregistryPullQPS: 0\nserializeImagePulls: false\n' >> /var/lib/kubelet/config.yaml
systemctl restart kubelet`
	for _, n := range w.l.Nodes() {
		_, err = n.Exec(ctx, kubelet)
		w.must(err)
		w.must(w.c.AwaitReady(ctx, n.Name, corev1.ConditionTrue))
	}
	for _, name := range []secretOf{good, stale} {
		w.pullSecret("default", string(name), secret1)
	}
	for _, node := range []string{"node1", "node2"} {
		_, err := w.l.Node(node).CRIPull(ctx, w.filler)
		w.must(err)
	}
	for _, s := range shapes {
		if s.on == nowhere {
			continue
		}
		// What the kubelet cannot or may not pull by itself is put there by hand.
		if s.policy == corev1.PullNever || s.missing || s.host == secretHost && s.secret == noSecret {
			w.put("node1", s)
		}
		if s.on == onBoth && s.secret == noSecret {
			w.put("node2", s)
		}
	}
}

// startAll starts every shape on node1, and leaves each as it is to be assessed.
func (w *truth) startAll() {
	w.t.Helper()
	w.cordon("node2", true)
	w.elsewhere()
	for _, s := range shapes {
		w.must(w.make(s))
	}
	w.until("every shape to run", func() (bool, string) {
		all := w.look()
		for _, s := range shapes {
			p := all[s.name]
			if s.on == nowhere && p.failing == "" || s.on != nowhere && !p.runs {
				return false, fmt.Sprintf("%s (%s): %s", s.name, s.text(), p)
			}
		}
		return true, ""
	})
	for _, s := range shapes {
		if s.on == removed {
			w.must(w.l.Node("node1").CRIRemove(w.t.Context(), w.refs[s.name]))
		}
	}
	w.cordon("node2", false)
}

// elsewhere has pods of another namespace pull what is on node2 by a secret.
func (w *truth) elsewhere() {
	w.t.Helper()
	ctx := w.t.Context()
	w.namespace("other")
	w.pullSecret("other", string(good), secret1)
	for _, s := range shapes {
		if !s.elsewhere && (s.on != onBoth || s.secret == noSecret) {
			continue
		}
		w.must(w.c.AddPod(ctx, cluster.Pod{Namespace: "other", Name: s.name, Node: "node2", Image: w.refs[s.name], PullSecrets: []string{string(good)}}))
		_, err := w.c.AwaitRunning(ctx, "other", s.name)
		w.must(err)
	}
}

// predict assesses the change, and gives the workload of each shape.
func (w *truth) predict() map[string]impact.Workload {
	w.t.Helper()
	file := w.o.file("after.yaml", spec(truthAfter))
	a := decode[report.Assess](w.t, w.o.must(0, "assess", "-f", file, "--kubeconfig", w.l.Kube().AdminKubeconfig(), "--all", "-o", "json"))
	w.version = a.Version
	out := map[string]impact.Workload{}
	for _, x := range a.Workloads {
		if x.Namespace == "default" {
			out[x.Name] = x
		}
	}
	for _, s := range shapes {
		if x, ok := out[s.name]; !ok || x.Kind != s.owner {
			w.t.Fatalf("%s (%s): the assessment has %+v", s.name, s.text(), x)
		}
	}
	return out
}

// change makes it by hand: apply itself refuses an endpoint that does not answer. The file is read
// at each pull.
func (w *truth) change() {
	w.t.Helper()
	w.ran = w.look()
	for _, n := range w.l.Nodes() {
		out, err := n.Exec(w.t.Context(), "cd /etc/containerd/certs.d/192.168.21.9 && sed -i 's|http://192.168.21.9|"+goneURL+"|g' hosts.toml && grep -c "+goneURL+" hosts.toml")
		if err != nil || strings.TrimSpace(out) == "0" {
			w.t.Fatalf("%s: %q, %v", n.Name, out, err)
		}
	}
	w.pullSecret("default", string(stale), "wrong")
}
