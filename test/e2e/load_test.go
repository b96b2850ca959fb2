//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/lab"
)

// load is pulls without end, each for the first time as far as the node knows.
type load struct {
	t       *testing.T
	stop    context.CancelFunc
	loops   sync.WaitGroup
	made    []*atomic.Int64 // by loop
	mu      sync.Mutex
	failed  int
	reasons []string
}

// startLoad pulls each image on each node again and again, every image in a loop
// of its own, until end.
func startLoad(t *testing.T, l *lab.Lab, images ...string) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &load{t: t, stop: stop}
	t.Cleanup(func() { stop(); p.loops.Wait() })
	for _, n := range l.Nodes() {
		for _, ref := range images {
			conn, err := n.CRI()
			if err != nil {
				t.Fatal(err)
			}
			made := new(atomic.Int64)
			p.made = append(p.made, made)
			p.loops.Go(func() {
				defer conn.Close() //nolint:errcheck // its calls have ended
				p.loop(ctx, n.Name, cri.NewImageServiceClient(conn), ref, made)
			})
		}
	}
	return p
}

func (p *load) loop(ctx context.Context, node string, images cri.ImageServiceClient, ref string, made *atomic.Int64) {
	image := &cri.ImageSpec{Image: ref}
	for ctx.Err() == nil {
		// The pull in flight ends by itself when the load does.
		calls, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		_, err := images.RemoveImage(calls, &cri.RemoveImageRequest{Image: image})
		what := "remove"
		if err == nil {
			_, err = images.PullImage(calls, &cri.PullImageRequest{Image: image})
			what = "pull"
		}
		cancel()
		if err != nil {
			p.mu.Lock()
			p.failed++
			p.reasons = append(p.reasons, fmt.Sprintf("%s: %s %s: %v", node, what, ref, err))
			p.mu.Unlock()
			continue
		}
		made.Add(1)
	}
}

// end stops the load and gives the pulls that were made, those of the slowest
// loop, and those that failed.
func (p *load) end() (made, fewest int64, failed int) {
	p.stop()
	p.loops.Wait()
	fewest = p.made[0].Load()
	for _, m := range p.made {
		made += m.Load()
		fewest = min(fewest, m.Load())
	}
	return made, fewest, p.failed
}

// each waits until every loop made so many more pulls.
func (p *load) each(more int64) {
	p.t.Helper()
	want := make([]int64, len(p.made))
	for i, m := range p.made {
		want[i] = m.Load() + more
	}
	deadline := time.Now().Add(time.Minute)
	for i, m := range p.made {
		for m.Load() < want[i] {
			if time.Now().After(deadline) {
				p.t.Fatalf("a loop made no %d pulls within a minute; failures: %s", more, strings.Join(p.reasons, "\n"))
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// wired is a registry host of a spec.
func wired(host, user, password string, endpoints ...string) string {
	s := "    - host: " + host + "\n      fallback: none\n      endpoints:\n"
	for _, e := range endpoints {
		s += "        - " + e + "\n"
	}
	return s + "      auth: {username: " + user + ", password: {env: " + password + "}}\n"
}

const tlsHost = "harbor.example.com"

// layersServed counts the layers that the registries of the lab gave to nodes.
func layersServed(t *testing.T, l *lab.Lab) (n int) {
	t.Helper()
	for _, r := range l.Registries() {
		for _, e := range entries(t, r) {
			if e.Method == "GET" && e.Status == 200 && strings.Contains(e.Path, "/blobs/") && strings.HasPrefix(e.UserAgent, "containerd/") {
				n++
			}
		}
	}
	return n
}

// slowest is the time of each step on the node where it took longest.
func slowest(r fleet.Run) string {
	var order []string
	took := map[string]time.Duration{}
	for _, n := range r.Nodes {
		for _, s := range n.Result.Steps {
			if _, seen := took[string(s.Step)]; !seen {
				order = append(order, string(s.Step))
			}
			took[string(s.Step)] = max(took[string(s.Step)], s.Took)
		}
	}
	for i, s := range order {
		order[i] = fmt.Sprintf("%s %s", s, took[s].Round(time.Millisecond))
	}
	return strings.Join(order, ", ")
}

// TestNoPullFailsWhileWeWork: whatever changes below the hosts directory alone, no
// pull of the node fails, and containerd is not restarted.
func TestNoPullFailsWhileWeWork(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o := newOperator(t, l)
	o.env["OTHER_PASSWORD"] = "Harbor12345"
	for i, name := range []string{"a", "b", "c"} {
		for _, r := range []string{lab.Harbor, lab.HarborTLS} {
			if _, err := l.Registry(r).Push(t.Context(), lab.Image{Repo: "load/" + name, Tag: "v1", Layers: 1, LayerSize: 4096 + i}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const (
		plain  = "{url: http://192.168.21.9}"
		mirror = "{url: https://" + tlsHost + ", tls: {insecureSkipVerify: true}}"
	)
	authority := func(file string) string { return "{url: https://" + tlsHost + ", tls: {caFile: " + file + "}}" }
	ca := l.CAFile()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	other := o.file("authorities.pem", string(pem)+string(pem))

	robotPlain := wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", plain)
	tls := wired(tlsHost, "robot$nodes", "HARBOR_PASSWORD", mirror)
	unused := wired("unused.example.com", "robot$nodes", "HARBOR_PASSWORD", plain)
	file := func(name string, registries ...string) string {
		return o.file(name+".yaml", spec(strings.Join(registries, ""), image, tlsHost+"/library/test-image:latest"))
	}
	base := file("base", robotPlain, tls, unused)
	o.apply(0, base)
	running := pids(t, l)

	// Each step is applied on top of the one before, and all are rolled back one by one.
	steps := []struct{ name, spec string }{
		{"another credential", file("credential", wired("192.168.21.9", "admin", "OTHER_PASSWORD", plain), tls, unused)},
		{"a mirror behind it", file("behind", wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", plain, mirror), tls, unused)},
		{"the order of endpoints", file("order", wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", mirror, plain), tls, unused)},
		{"replaced by the mirror", file("replaced", wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", mirror), tls, unused)},
		{"an authority", file("authority", wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", authority(ca)), wired(tlsHost, "robot$nodes", "HARBOR_PASSWORD", authority(ca)), unused)},
		{"another authority", file("authorities", wired("192.168.21.9", "robot$nodes", "HARBOR_PASSWORD", authority(other)), wired(tlsHost, "admin", "OTHER_PASSWORD", authority(other)), unused)},
		{"a registry more", file("more", robotPlain, tls, unused, wired("docker.io", "robot$nodes", "HARBOR_PASSWORD", plain))},
		{"a registry less", file("less", robotPlain, tls)},
	}
	p := startLoad(t, l, "192.168.21.9/load/a:v1", "192.168.21.9/load/b:v1", tlsHost+"/load/c:v1")
	before := layersServed(t, l)
	p.each(3)
	calmly := func(what string, r fleet.Run) {
		t.Helper()
		for _, n := range r.Nodes {
			if r.Outcome != fleet.Done || n.Result.Restarted {
				t.Errorf("%s: %s: %s, restarted: %v", what, r.Outcome, phases(r), n.Result.Restarted)
			}
		}
		t.Log(what, r.Ended.Sub(r.Started).Round(time.Millisecond), slowest(r))
		p.each(2)
	}
	var runs []fleet.Run
	for _, s := range steps {
		run := o.apply(0, s.spec)
		for _, n := range run.Nodes {
			if !slices.ContainsFunc(n.Result.Steps, func(st protocol.StepTime) bool { return st.Step == protocol.StepProbe }) {
				t.Errorf("%s: %s was not proven before the swap", s.name, n.Name)
			}
		}
		calmly(s.name, run)
		runs = append(runs, run)
	}
	for i := len(runs) - 1; i >= 0; i-- {
		calmly("rollback of "+steps[i].name, o.rollback(0, runs[i].ID))
	}
	made, fewest, failed := p.end()
	layers := layersServed(t, l) - before
	t.Logf("%d pulls made during %d changes and %d rollbacks on %d nodes (at least %d in each of %d loops), %d layers served, %d pulls failed",
		made, len(runs), len(runs), len(l.Nodes()), fewest, len(p.made), layers, failed)
	for _, why := range p.reasons {
		t.Error(why)
	}
	if made < 500 || layers < int(made) {
		t.Errorf("%d pulls that fetched %d layers: too few to show anything", made, layers)
	}
	if now := pids(t, l); fmt.Sprint(now) != fmt.Sprint(running) {
		t.Errorf("containerd was restarted: %v, before %v", now, running)
	}
	for _, n := range l.Nodes() {
		clean(t, n)
	}
	t.Run("a careless way would be seen", func(t *testing.T) { carelessWay(t, l) })
}

// carelessWay shows that the load finds what it is there to find: a hosts.toml
// written in place, and a host directory that goes before its successor is there.
func carelessWay(t *testing.T, l *lab.Lab) {
	for name, script := range map[string]string{
		"written in place": `
for i in range(40):
    with open(toml, "wb", buffering=0) as f:
        f.write(data[:len(data)//2]); time.sleep(0.02); f.write(data[len(data)//2:])
    time.sleep(0.02)`,
		"old before new": `
for i in range(40):
    os.rename(folder, folder + ".gone"); time.sleep(0.02); os.rename(folder + ".gone", folder); time.sleep(0.02)`,
	} {
		p := startLoad(t, l, "192.168.21.9/load/a:v1", "192.168.21.9/load/b:v1")
		p.each(1)
		for _, n := range l.Nodes() {
			sh(t, n, "python3 -c 'import os, time\nfolder = \""+harborDir+"\"; toml = folder + \"/hosts.toml\"; data = open(toml, \"rb\").read()\n"+script+"'")
		}
		made, _, failed := p.end()
		t.Logf("%s: %d pulls made, %d failed", name, made, failed)
		if failed == 0 {
			t.Errorf("%s: no pull failed, so the load would not have seen it", name)
		}
	}
}
