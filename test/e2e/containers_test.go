//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/lab"
)

const appOnNode = "docker.io/library/app:lab"

// withPods is oneOfEach with nodes that can run containers.
func withPods() []lab.NodeSpec {
	nodes := oneOfEach()
	for i := range nodes {
		nodes[i].Pods = true
	}
	return nodes
}

// runPod starts a pod with one container, as kubelet does, in the node's network.
func runPod(t *testing.T, n *lab.Node, name string) {
	t.Helper()
	conn, err := n.CRI()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // its calls have ended
	runtime := cri.NewRuntimeServiceClient(conn)
	labels := map[string]string{"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.name": name, "io.kubernetes.container.name": "app"}
	pod := &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "default", Uid: name}, Labels: labels, LogDirectory: "/var/log/pods/" + name,
		Linux: &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE}}}}
	sandbox, err := runtime.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: pod})
	if err != nil {
		t.Fatalf("%s: run pod %s: %v", n.Name, name, err)
	}
	made, err := runtime.CreateContainer(t.Context(), &cri.CreateContainerRequest{PodSandboxId: sandbox.PodSandboxId, SandboxConfig: pod,
		Config: &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: "app"}, Image: &cri.ImageSpec{Image: appOnNode}, Labels: labels, LogPath: "app.log"}})
	if err != nil {
		t.Fatalf("%s: create container of %s: %v", n.Name, name, err)
	}
	if _, err := runtime.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
		t.Fatalf("%s: start container of %s: %v", n.Name, name, err)
	}
}

// containers of a node: pod, id, first process and when that started.
func containers(t *testing.T, n *lab.Node) (all []string) {
	t.Helper()
	list, err := n.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		started := strings.Fields(sh(t, n, fmt.Sprintf("cat /proc/%d/stat", c.PID)))[21]
		all = append(all, fmt.Sprintf("%s %s process %d of %s", c.Pod, c.ID, c.PID, started))
	}
	return all
}

// absence is what a second watcher saw of CRI's absences, the longest of them.
type absence struct{ least, most time.Duration }

// watchVersion asks CRI for its version every 2 ms until the returned function is
// called. An absence took at least from its first failed call to the last one, and
// at most from the good answer before to the one after.
func watchVersion(t *testing.T, n *lab.Node) (stop func() absence) {
	t.Helper()
	conn, err := n.CRI()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var longest absence
	var done sync.WaitGroup
	done.Go(func() {
		defer conn.Close() //nolint:errcheck // its calls have ended
		runtime := cri.NewRuntimeServiceClient(conn)
		good := time.Now()
		var first, last time.Time
		for ctx.Err() == nil {
			conn.ResetConnectBackoff()
			call, end := context.WithTimeout(ctx, time.Second)
			asked := time.Now()
			_, err := runtime.Version(call, &cri.VersionRequest{})
			end()
			now := time.Now()
			switch {
			case err == nil:
				if !first.IsZero() && now.Sub(good) > longest.most {
					longest = absence{last.Sub(first), now.Sub(good)}
				}
				good, first = now, time.Time{}
			case ctx.Err() != nil:
			case first.IsZero():
				first, last = now, asked
			default:
				last = asked
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() absence { cancel(); done.Wait(); return longest }
}

// TestContainersRunOn: a restart of containerd leaves containers alone, the gap is
// what a second watcher sees, and what is not left alone is found and told.
func TestContainersRunOn(t *testing.T) {
	t.Parallel()
	l := up(t, withPods()...)
	o := newOperator(t, l)
	file := o.file("spec.yaml", spec(harbor, image))
	for _, n := range l.Nodes() {
		if err := n.Load(t.Context(), lab.Image{Repo: "app", Tag: "lab"}, appOnNode); err != nil {
			t.Fatal(err)
		}
		for _, pod := range []string{"web-1", "web-2", "web-3"} {
			runPod(t, n, pod)
		}
	}
	all := func() map[string][]string {
		running := map[string][]string{}
		for _, n := range l.Nodes() {
			running[n.Name] = containers(t, n)
			if len(running[n.Name]) != 3 {
				t.Fatalf("%s runs %q, want three containers", n.Name, running[n.Name])
			}
		}
		return running
	}
	images := func() (all []string) {
		for _, n := range l.Nodes() {
			all = append(all, n.Name+":\n"+sh(t, n, "ctr --namespace k8s.io images ls -q"))
		}
		return all
	}
	before, stored := all(), images()
	watched := func(what string, do func() fleet.Run) {
		t.Helper()
		was, stops := pids(t, l), map[string]func() absence{}
		for _, n := range l.Nodes() {
			stops[n.Name] = watchVersion(t, n)
		}
		run := do()
		for _, n := range l.Nodes() {
			saw, res := stops[n.Name](), node(t, run, n.Name).Result
			t.Logf("%s on containerd %s: the engine says CRI was away for %s, a loop of calls from %s to %s", what, n.Spec.Containerd,
				res.RestartGap.Round(time.Millisecond), saw.least.Round(time.Millisecond), saw.most.Round(time.Millisecond))
			if !res.Restarted || res.Restarts != 1 || res.Kept != 3 || pids(t, l)[n.Name] == was[n.Name] {
				t.Errorf("%s: %s: restarted %v, %d times, %d containers kept", what, n.Name, res.Restarted, res.Restarts, res.Kept)
			}
			// CRI gives its version a little before it is ready; the engine asks for the latter.
			// Two processes that both wait for their turn differ by some milliseconds.
			if res.RestartGap < saw.least-50*time.Millisecond || res.RestartGap > saw.most+500*time.Millisecond {
				t.Errorf("%s: %s: a gap of %s, seen from %s to %s", what, n.Name, res.RestartGap, saw.least, saw.most)
			}
		}
		if d := cmp.Diff(before, all()); d != "" {
			t.Errorf("%s: containers differ: %s", what, d)
		}
	}
	watched("apply", func() fleet.Run { return o.apply(0, file) })
	if d := cmp.Diff(stored, images()); d != "" {
		t.Errorf("the proof left images: %s", d)
	}
	watched("rollback", func() fleet.Run { return o.rollback(0, "last") })

	// A container that ends by itself while containerd is away is its own affair.
	hook := func(command string) {
		t.Helper()
		for _, n := range l.Nodes() {
			sh(t, n, "mkdir -p /run/systemd/system/containerd.service.d && printf '[Service]\\nExecStopPost=-/bin/sh -c \""+command+"\"\\n' > /run/systemd/system/containerd.service.d/90-test.conf && systemctl daemon-reload")
		}
	}
	pidOf := func(n *lab.Node) int {
		t.Helper()
		list, err := n.Containers(t.Context())
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		return list[0].PID
	}
	for _, n := range l.Nodes() {
		sh(t, n, fmt.Sprintf("printf '#!/bin/sh\\nkill -TERM %d\\n' > /run/end-one && chmod 755 /run/end-one", pidOf(n)))
	}
	hook("/run/end-one")
	run := o.apply(0, file)
	for _, n := range l.Nodes() {
		if res := node(t, run, n.Name).Result; res.Kept != 2 || warningOf(res, "workloads") != "" {
			t.Errorf("%s: one ended by itself: %d kept, warnings %v", n.Name, res.Kept, res.Warnings)
		}
		sh(t, n, "rm -r /run/systemd/system/containerd.service.d && systemctl daemon-reload")
	}
	o.rollback(0, "last")

	// Shims that die with containerd take their containers along.
	was := allEtc(t, l)
	hook("pkill -KILL containerd-shim")
	for _, n := range l.Nodes() {
		r := o.must(4, "apply", "-f", file, "--yes", "--limit", n.Name)
		says(t, r, "containers of the node were restarted: default/web-", "/app, default/web-")
		healthy(t, n)
		clean(t, n)
	}
	unchanged(t, "after the containers were lost", was, allEtc(t, l))
	t.Run("and forced", func(t *testing.T) {
		for _, n := range l.Nodes() {
			sh(t, n, "printf '[Service]\\nKillMode=control-group\\n' > /run/systemd/system/containerd.service.d/90-test.conf && systemctl daemon-reload && systemctl restart containerd")
			if err := n.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			runPod(t, n, "late-1")
			runPod(t, n, "late-2")
		}
		says(t, o.must(1, "apply", "-f", file, "--yes"), "a restart of containerd.service would end all containers: KillMode=control-group")
		run := o.apply(0, file, "--force")
		for _, n := range l.Nodes() {
			if w := warningOf(node(t, run, n.Name).Result, "workloads"); !strings.Contains(w, "default/late-1/app, default/late-2/app") {
				t.Errorf("%s: warned %q, want both containers named", n.Name, w)
			}
		}
	})
}

func warningOf(r *protocol.Result, id string) string {
	for _, w := range r.Warnings {
		if w.ID == id {
			return w.Text
		}
	}
	return ""
}
