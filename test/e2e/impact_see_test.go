//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/impact"
)

// podNow is the newest pod of a shape.
type podNow struct {
	name, uid, node string
	// id of the main container's present incarnation.
	id   string
	runs bool
	// failing is why a container waits for its image.
	failing string
	detail  string
}

func (p podNow) String() string {
	return fmt.Sprintf("pod %q on %q, runs: %t, fails: %q %s", p.name, p.node, p.runs, p.failing, p.detail)
}

// observed is what became of a shape.
type observed struct {
	verdict impact.Verdict
	// how says what was done, and what the kubelet said of it.
	how string
}

// look gives the newest pod of each shape.
func (w *truth) look() map[string]podNow {
	w.t.Helper()
	list, err := w.c.Client.CoreV1().Pods("default").List(w.t.Context(), metav1.ListOptions{LabelSelector: shapeLabel})
	w.must(err)
	slices.SortStableFunc(list.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	out := map[string]podNow{}
	for i := range list.Items {
		p := &list.Items[i]
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		out[p.Labels[shapeLabel]] = nowOf(p)
	}
	return out
}

func nowOf(p *corev1.Pod) podNow {
	now := podNow{name: p.Name, uid: string(p.UID), node: p.Spec.NodeName, detail: string(p.Status.Phase)}
	for _, st := range append(slices.Clone(p.Status.InitContainerStatuses), p.Status.ContainerStatuses...) {
		if wait := st.State.Waiting; wait != nil {
			now.detail = wait.Reason + ": " + wait.Message
			switch wait.Reason {
			case "ImagePullBackOff": // what becomes of it in time
				now.failing = "ErrImagePull"
			case "ErrImagePull", "ErrImageNeverPull", "ImageInspectError":
				now.failing = wait.Reason
			}
		}
	}
	for _, st := range p.Status.ContainerStatuses {
		now.id = st.ContainerID
		now.runs = st.State.Running != nil && now.failing == ""
	}
	return now
}

// do sees what became of each shape by the change alone, then restarts what runs, then moves what came
// back and has somebody to make it again. The first of these that fails is its verdict.
func (w *truth) do() map[string]observed {
	w.t.Helper()
	out := map[string]observed{}
	before := w.look()
	for _, s := range shapes {
		switch p := before[s.name]; {
		case p.failing != "":
			out[s.name] = observed{impact.FailsNow, "waits: " + p.failing}
		case !p.runs || p.id != w.ran[s.name].id:
			w.t.Fatalf("%s (%s) does not run on after the change: it was %s, is %s", s.name, s.text(), w.ran[s.name], p)
		}
	}

	w.cordon("node2", true) // a Job makes a new pod, here
	ended := w.restart(out, before)
	after := w.outcomes("restarted", ended, func(s shape, p podNow) bool { return p.id != before[s.name].id || p.uid != before[s.name].uid })
	var moving []shape
	for _, s := range ended {
		switch p := after[s.name]; {
		case p.failing != "":
			out[s.name] = observed{impact.FailsIfRestarted, "restarted: " + p.failing}
		case s.moves():
			moving = append(moving, s)
		default:
			out[s.name] = observed{impact.Safe, "restarted: runs"}
		}
	}

	w.cordon("node2", false)
	w.cordon("node1", true)
	for _, s := range moving {
		if s.owner == "Job" {
			w.kill(after[s.name].name)
			continue
		}
		w.deletePod(after[s.name].name)
	}
	moved := w.outcomes("moved", moving, func(s shape, p podNow) bool { return p.node == "node2" && p.uid != after[s.name].uid })
	for _, s := range moving {
		if p := moved[s.name]; p.failing != "" {
			out[s.name] = observed{impact.FailsIfMoved, "restarted: runs; moved: " + p.failing}
		} else {
			out[s.name] = observed{impact.Safe, "restarted: runs; moved: runs"}
		}
	}
	return out
}

// outcomes waits until each of the shapes has a new pod or container that either runs or waits for
// its image.
func (w *truth) outcomes(what string, of []shape, isNew func(shape, podNow) bool) map[string]podNow {
	w.t.Helper()
	var all map[string]podNow
	w.until("the shapes that were "+what, func() (bool, string) {
		all = w.look()
		for _, s := range of {
			p, ok := all[s.name]
			if !ok || p.failing == "" && (!p.runs || !isNew(s, p)) {
				return false, fmt.Sprintf("%s (%s): %s", s.name, s.text(), p)
			}
		}
		return true, ""
	})
	return all
}

// restart ends the sandbox of every pod that did not fail yet, as the end of its node would: all of its
// containers are started again. It gives those shapes.
func (w *truth) restart(failed map[string]observed, now map[string]podNow) (ended []shape) {
	w.t.Helper()
	ctx := w.t.Context()
	conn, err := w.l.Node("node1").CRI()
	w.must(err)
	defer conn.Close()
	runtime := cri.NewRuntimeServiceClient(conn)
	list, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{State: &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}}})
	w.must(err)
	for _, s := range shapes {
		if _, ok := failed[s.name]; ok {
			continue
		}
		if ended = append(ended, s); s.owner == "Job" {
			w.kill(now[s.name].name)
			continue
		}
		found := false
		for _, box := range list.Items {
			if box.Labels[shapeLabel] == s.name && box.Labels["io.kubernetes.pod.namespace"] == "default" {
				_, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: box.Id})
				w.must(err)
				found = true
			}
		}
		if !found {
			w.t.Fatalf("%s (%s) has no sandbox on node1", s.name, s.text())
		}
	}
	return ended
}

// kill kills the container of a Job's pod on node1: the pod has failed, and the Job makes another. One that
// is deleted ends well, and the Job is done.
func (w *truth) kill(pod string) {
	w.t.Helper()
	ctx := w.t.Context()
	conn, err := w.l.Node("node1").CRI()
	w.must(err)
	defer conn.Close()
	runtime := cri.NewRuntimeServiceClient(conn)
	list, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{
		LabelSelector: map[string]string{"io.kubernetes.pod.name": pod},
		State:         &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING},
	}})
	w.must(err)
	if len(list.Containers) != 1 {
		w.t.Fatalf("%s has %d running containers on node1", pod, len(list.Containers))
	}
	_, err = runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: list.Containers[0].Id})
	w.must(err)
}

// deletePod at once.
func (w *truth) deletePod(name string) {
	w.t.Helper()
	none := int64(0)
	err := w.c.Client.CoreV1().Pods("default").Delete(w.t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &none})
	if err != nil && !apierrors.IsNotFound(err) {
		w.t.Fatal(err)
	}
}

func (w *truth) namespace(name string) {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.c.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	w.must(err)
	w.until("the service account of "+name, func() (bool, string) {
		_, err := w.c.Client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
}

// text is a shape in words.
func (s shape) text() string {
	policy := string(s.policy)
	if policy == "" {
		policy = "no policy"
	}
	words := []string{s.owner, policy, string(s.form), "image on " + string(s.on)}
	if s.secret != noSecret {
		words = append(words, "pull secret")
	}
	return strings.Join(words, ", ")
}
