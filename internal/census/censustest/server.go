// Package censustest is an API server for tests that serves lists of what it is
// given, in pages of protobuf, as kube-apiserver does.
package censustest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Server serves these objects. It may be used by many clients at once as long as
// nobody changes them.
type Server struct {
	Nodes        []corev1.Node
	Pods         []corev1.Pod
	Deployments  []appsv1.Deployment
	StatefulSets []appsv1.StatefulSet
	DaemonSets   []appsv1.DaemonSet
	Jobs         []batchv1.Job
	CronJobs     []batchv1.CronJob
	Budgets      []policyv1.PodDisruptionBudget
	Scalers      []autoscalingv2.HorizontalPodAutoscaler
	// Answer, when not nil, may answer in its place, and says whether it did.
	Answer func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string
	inFlight int
	most     int
}

// Requests are the paths that were asked for, in their order, and the most that were
// under way at once.
func (s *Server) Requests() (paths []string, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...), s.most
}

// ServeHTTP answers lists and /version.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inFlight--; s.mu.Unlock() }()
	if s.Answer != nil && s.Answer(w, r) {
		return
	}
	switch r.URL.Path {
	case "/version":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"major":"1","minor":"37","gitVersion":"v1.37.2"}`))
	case "/api/v1/nodes":
		items, meta := page(r, s.Nodes)
		reply(w, "v1", "NodeList", &corev1.NodeList{ListMeta: meta, Items: items})
	case "/api/v1/pods":
		items, meta := page(r, s.Pods)
		reply(w, "v1", "PodList", &corev1.PodList{ListMeta: meta, Items: items})
	case "/apis/apps/v1/deployments":
		items, meta := page(r, s.Deployments)
		reply(w, "apps/v1", "DeploymentList", &appsv1.DeploymentList{ListMeta: meta, Items: items})
	case "/apis/apps/v1/statefulsets":
		items, meta := page(r, s.StatefulSets)
		reply(w, "apps/v1", "StatefulSetList", &appsv1.StatefulSetList{ListMeta: meta, Items: items})
	case "/apis/apps/v1/daemonsets":
		items, meta := page(r, s.DaemonSets)
		reply(w, "apps/v1", "DaemonSetList", &appsv1.DaemonSetList{ListMeta: meta, Items: items})
	case "/apis/batch/v1/jobs":
		items, meta := page(r, s.Jobs)
		reply(w, "batch/v1", "JobList", &batchv1.JobList{ListMeta: meta, Items: items})
	case "/apis/batch/v1/cronjobs":
		items, meta := page(r, s.CronJobs)
		reply(w, "batch/v1", "CronJobList", &batchv1.CronJobList{ListMeta: meta, Items: items})
	case "/apis/policy/v1/poddisruptionbudgets":
		items, meta := page(r, s.Budgets)
		reply(w, "policy/v1", "PodDisruptionBudgetList", &policyv1.PodDisruptionBudgetList{ListMeta: meta, Items: items})
	case "/apis/autoscaling/v2/horizontalpodautoscalers":
		items, meta := page(r, s.Scalers)
		reply(w, "autoscaling/v2", "HorizontalPodAutoscalerList", &autoscalingv2.HorizontalPodAutoscalerList{ListMeta: meta, Items: items})
	default:
		Status(w, http.StatusNotFound, metav1.StatusReasonNotFound, "")
	}
}

func page[T any](r *http.Request, all []T) ([]T, metav1.ListMeta) {
	from, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("continue"), "at-"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	to := len(all)
	if limit > 0 {
		to = min(from+limit, to)
	}
	from = min(from, to)
	meta := metav1.ListMeta{ResourceVersion: "1"}
	if to < len(all) {
		meta.Continue = "at-" + strconv.Itoa(to)
	}
	return all[from:to], meta
}

// Envelope is a message in the envelope of Kubernetes.
func Envelope(apiVersion, kind string, m interface{ Marshal() ([]byte, error) }) []byte {
	raw, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	b, err := u.Marshal()
	if err != nil {
		panic(err)
	}
	return append([]byte("k8s\x00"), b...)
}

func reply(w http.ResponseWriter, apiVersion, kind string, m interface{ Marshal() ([]byte, error) }) {
	w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
	_, _ = w.Write(Envelope(apiVersion, kind, m))
}

// Status answers with an error, as an API server tells it; token is where the list
// may be gone on with.
func Status(w http.ResponseWriter, code int, reason metav1.StatusReason, token string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, ListMeta: metav1.ListMeta{Continue: token},
		Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "the server says " + string(reason)})
}
