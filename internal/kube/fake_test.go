package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest/fake"
)

// api is an API server of three resources.
type api struct {
	mu      sync.Mutex
	nodes   []corev1.Node
	pods    []corev1.Pod
	budgets []policyv1.PodDisruptionBudget
	// answer, when not nil, may answer in its place, and says whether it did.
	answer   func(w http.ResponseWriter, r *http.Request) bool
	latency  time.Duration
	requests []string
	inFlight int
	most     int
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests = append(a.requests, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/"))
	a.inFlight++
	a.most = max(a.most, a.inFlight)
	answer := a.answer
	a.mu.Unlock()
	time.Sleep(a.latency)
	defer func() { a.mu.Lock(); a.inFlight--; a.mu.Unlock() }()
	if answer != nil && answer(w, r) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, resource, _ := strings.Cut(r.URL.Path, "v1/")
	name := ""
	if resource == "" {
		resource = strings.TrimPrefix(r.URL.Path, "/")
	}
	resource, name, _ = strings.Cut(resource, "/")
	switch {
	case resource == "nodes" && name == "":
		items, meta := page(r, a.nodes)
		reply(w, &corev1.NodeList{TypeMeta: typed("NodeList", "v1"), ListMeta: meta, Items: items})
	case resource == "nodes":
		for _, n := range a.nodes {
			if n.Name == name {
				n.TypeMeta = typed("Node", "v1")
				reply(w, &n)
				return
			}
		}
		status(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case resource == "pods":
		var on []corev1.Pod
		for i := range a.pods {
			p := &a.pods[i]
			if s := r.URL.Query().Get("fieldSelector"); s == "" || s == "spec.nodeName="+p.Spec.NodeName {
				on = append(on, *p)
			}
		}
		items, meta := page(r, on)
		reply(w, &corev1.PodList{TypeMeta: typed("PodList", "v1"), ListMeta: meta, Items: items})
	case resource == "poddisruptionbudgets":
		items, meta := page(r, a.budgets)
		reply(w, &policyv1.PodDisruptionBudgetList{TypeMeta: typed("PodDisruptionBudgetList", "policy/v1"), ListMeta: meta, Items: items})
	default:
		status(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	}
}

func typed(kind, version string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: kind, APIVersion: version}
}

func page[T any](r *http.Request, all []T) ([]T, metav1.ListMeta) {
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	to := min(from+limit, len(all))
	meta := metav1.ListMeta{}
	if to < len(all) {
		meta.Continue = strconv.Itoa(to)
	}
	return all[from:to], meta
}

func reply(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func status(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: typed("Status", "v1"), Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: fmt.Sprintf("the server says %s", reason)})
}

// cluster reads from a through client-go's fake, without a network, so that time
// may be simulated.
func (a *api) cluster() *Cluster {
	http := fake.CreateHTTPClient(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { a.ServeHTTP(rec, r); close(done) }()
		select {
		case <-done:
			return rec.Result(), nil
		case <-r.Context().Done():
			<-done
			return nil, r.Context().Err()
		}
	})
	client := func(gv schema.GroupVersion) *fake.RESTClient {
		return &fake.RESTClient{NegotiatedSerializer: codecs.WithoutConversion(), GroupVersion: gv, Client: http}
	}
	return newCluster(client(corev1.SchemeGroupVersion), client(policyv1.SchemeGroupVersion))
}

// edit changes what the server has.
func (a *api) edit(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func kubeNode(name string, ready bool) corev1.Node {
	n := corev1.Node{}
	n.Name = name
	n.Labels = map[string]string{corev1.LabelHostname: name}
	setReady(&n, ready)
	return n
}

func setReady(n *corev1.Node, ready bool) {
	c := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	if !ready {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, "KubeletNotReady", "container runtime is down"
	}
	n.Status.Conditions = []corev1.NodeCondition{c}
}

func kubePod(name, node string, restarts int32) corev1.Pod {
	p := corev1.Pod{}
	p.Namespace, p.Name, p.UID = "default", name, k8stypes.UID("uid-"+name)
	p.Labels = map[string]string{"app": "web"}
	p.Spec.NodeName = node
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", ContainerID: fmt.Sprintf("containerd://%s-%d", name, restarts), RestartCount: restarts,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-time.Hour))}},
	}}
	return p
}

func kubeBudget(name string, allowed int32) policyv1.PodDisruptionBudget {
	b := policyv1.PodDisruptionBudget{}
	b.Namespace, b.Name, b.Generation = "default", name, 1
	b.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	b.Status.ObservedGeneration, b.Status.DisruptionsAllowed = 1, allowed
	return b
}

// gateOf is a gate of all nodes of a, in a run.
func gateOf(t *testing.T, a *api, force bool) *Gate {
	t.Helper()
	var machines []Machine
	for _, n := range a.nodes {
		machines = append(machines, Machine{Name: n.Name, Host: n.Name})
	}
	g, err := NewGate(t.Context(), a.cluster(), machines, force)
	if err != nil {
		t.Fatal(err)
	}
	return g.With(Waiting)
}
