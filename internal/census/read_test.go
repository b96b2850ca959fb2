package census_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/census"
	"github.com/pullway/pullway/internal/census/censustest"
	"github.com/pullway/pullway/internal/kube"
)

func open(t testing.TB, s *censustest.Server) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
clusters: [{name: lab, cluster: {server: %q}}]
users: [{name: reader, user: {token: top-secret-token}}]
contexts: [{name: here, context: {cluster: lab, user: reader}}]
`, server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := kube.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pod(name, node string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: name, Labels: map[string]string{"app": "web", "pod-template-hash": "6d4c"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-6d4c", Controller: new(true)}}}}
	p.Spec.NodeName = node
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	p.Spec.Containers = []corev1.Container{{Name: "app", Image: "nginx:1.25", ImagePullPolicy: corev1.PullIfNotPresent}}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", ContainerID: "containerd://1", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

func TestReadPages(t *testing.T) {
	s := &censustest.Server{}
	for i := range 7 {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		s.Nodes = append(s.Nodes, n)
	}
	for i := range 25 {
		s.Pods = append(s.Pods, pod(fmt.Sprintf("web-6d4c-%d", i), fmt.Sprintf("n%d", i%7)))
	}
	c, err := census.Read(t.Context(), open(t, s), census.Options{PageSize: 3, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 7 || len(c.Pods) != 25 || len(c.Templates) != 1 || len(c.Owners) != 1 || len(c.Gaps) != 0 || c.Version != "v1.37.2" {
		t.Fatalf("%d nodes, %d pods, %d templates, %+v, %+v", len(c.Nodes), len(c.Pods), len(c.Templates), c.Owners, c.Gaps)
	}
	if o := c.Owners[0]; o.Kind != "Deployment" || o.Name != "web" {
		t.Errorf("%+v", o)
	}
	for i, p := range c.Pods {
		if p.Node != int32(i%7) || p.Held != 1 {
			t.Errorf("pod %d: %+v", i, p)
		}
	}
	if _, most := s.Requests(); most > 4 {
		t.Errorf("%d requests at once", most)
	}
}

// some is a server with 7 nodes and 25 pods, in 9 pages of 3.
func some() *censustest.Server {
	s := &censustest.Server{}
	for i := range 7 {
		s.Nodes = append(s.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i)}})
	}
	for i := range 25 {
		s.Pods = append(s.Pods, pod(fmt.Sprintf("web-6d4c-%d", i), fmt.Sprintf("n%d", i%7)))
	}
	return s
}

// TestReadOfBadServers: what a server can do wrong. Pods are complete, or it is said
// that they are not.
func TestReadOfBadServers(t *testing.T) {
	type answer func(w http.ResponseWriter, r *http.Request) bool
	// of answers for one path, the first times.
	of := func(path string, times int32, do answer) answer {
		var n atomic.Int32
		return func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path == path && (times < 0 || n.Add(1) <= times) && do(w, r)
		}
	}
	const pods, nodes, hpa = "/api/v1/pods", "/api/v1/nodes", "/apis/autoscaling/v2/horizontalpodautoscalers"
	says := func(code int, reason metav1.StatusReason, token string) answer {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			if code == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "0")
			}
			censustest.Status(w, code, reason, token)
			return true
		}
	}
	later := func(do answer) answer { // not for the first page
		return func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Query().Get("continue") != "" && do(w, r)
		}
	}
	hangUp := func(w http.ResponseWriter, _ *http.Request) bool {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf\r\nContent-Length: 5000\r\n\r\nk8s\x00 and half a page"))
			_ = c.Close()
		}
		return true
	}
	body := func(text string) answer {
		return func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(text)); return true }
	}
	cases := map[string]struct {
		answer answer
		// err, and what is in the gaps; empty for none.
		err, gap, hint string
		pods           int
	}{
		"410 with a token to go on":   {answer: later(of(pods, 1, says(410, metav1.StatusReasonExpired, "at-3"))), gap: "newer state", pods: 25},
		"410 without one begins anew": {answer: later(of(pods, 2, says(410, metav1.StatusReasonExpired, ""))), pods: 25},
		"410 for ever":                {answer: later(of(pods, -1, says(410, metav1.StatusReasonExpired, ""))), err: "expired 4 times", gap: "expired 4 times"},
		"429, then an answer":         {answer: of(pods, 2, says(429, metav1.StatusReasonTooManyRequests, "")), pods: 25},
		"500, then an answer":         {answer: of(pods, 3, says(500, metav1.StatusReasonInternalError, "")), pods: 25},
		"the line breaks in a page":   {answer: later(of(pods, 2, hangUp)), pods: 25},
		"the line breaks for ever":    {answer: later(of(pods, -1, hangUp)), err: "list /api/v1/pods", gap: "unexpected EOF"},
		"no right to one list":        {answer: of(hpa, -1, says(403, metav1.StatusReasonForbidden, "")), gap: "horizontalpodautoscalers.autoscaling", hint: "--print-rbac", pods: 25},
		"no such API":                 {answer: of(hpa, -1, says(404, metav1.StatusReasonNotFound, "")), gap: "horizontalpodautoscalers.autoscaling", pods: 25},
		"no right to pods":            {answer: of(pods, -1, says(403, metav1.StatusReasonForbidden, "")), err: "nobody can say who is hurt", gap: "list pods", hint: "--print-rbac"},
		"no right to nodes":           {answer: of(nodes, -1, says(403, metav1.StatusReasonForbidden, "")), gap: "list nodes", pods: 25},
		"expired certificate, wrong token": {answer: func(w http.ResponseWriter, r *http.Request) bool {
			return says(401, metav1.StatusReasonUnauthorized, "")(w, r)
		}, err: "get /version"},
		"JSON in place of protobuf": {answer: of(nodes, -1, body(`{"kind":"NodeList"}`)), gap: "not Kubernetes' protobuf", pods: 25},
		"another kind of list":      {answer: of(nodes, -1, body(string(censustest.Envelope("v1", "SecretList", &corev1.SecretList{})))), gap: `is a "SecretList"`, pods: 25},
		"protobuf cut short":        {answer: of(nodes, -1, body("k8s\x00\x12\x7f")), gap: "protobuf", pods: 25},
		"a login page":              {answer: func(w http.ResponseWriter, r *http.Request) bool { return body("<html>\nlog in\x1b[2J</html>")(w, r) }, err: "get /version"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := some()
			s.Answer = tc.answer
			c, err := census.Read(t.Context(), open(t, s), census.Options{PageSize: 3, Pause: time.Millisecond})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			text := fmt.Sprint(err)
			if c != nil {
				if err == nil && len(c.Pods) != tc.pods {
					t.Errorf("%d pods, want %d", len(c.Pods), tc.pods)
				}
				gaps := ""
				for _, g := range c.Gaps {
					gaps += fmt.Sprintf("%s: %s: %s (%s)", g.What, g.Why, g.Means, g.Hint)
				}
				if (gaps == "") != (tc.gap == "") || !strings.Contains(gaps, tc.gap) || !strings.Contains(gaps, tc.hint) {
					t.Errorf("gaps %q, want %q and %q", gaps, tc.gap, tc.hint)
				}
				text += gaps
			}
			if strings.ContainsAny(text, "\n\x1b\x00") || strings.Contains(text, "top-secret") {
				t.Errorf("%q", text)
			}
		})
	}
}

// TestReadStops when its context ends, and says so.
func TestReadStops(t *testing.T) {
	s := some()
	ctx, cancel := context.WithCancel(t.Context())
	s.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/pods" {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	if _, err := census.Read(ctx, open(t, s), census.Options{}); err == nil {
		t.Error("no error")
	}
}

// TestRole holds what is printed against what is asked for.
func TestRole(t *testing.T) {
	s := some()
	if _, err := census.Read(t.Context(), open(t, s), census.Options{}); err != nil {
		t.Fatal(err)
	}
	asked, _ := s.Requests()
	role := census.Role()
	for _, r := range asked {
		path, _, _ := strings.Cut(strings.TrimPrefix(r, "GET "), "?")
		resource := path[strings.LastIndexByte(path, '/')+1:]
		if resource != "version" && !strings.Contains(role, resource) { // everybody who is known may read /version
			t.Errorf("%s is not in the role:\n%s", resource, role)
		}
		if !strings.HasPrefix(r, "GET ") {
			t.Error(r)
		}
	}
	if len(asked) != 10 {
		t.Errorf("%d requests: %v", len(asked), asked)
	}
}

// bigPages is a source whose pages are too big when they have more than two items.
type bigPages struct{ *kube.Cluster }

func (b bigPages) Page(ctx context.Context, path string, o metav1.ListOptions, buf []byte) ([]byte, error) {
	if o.Limit > 2 {
		return buf, fmt.Errorf("list %s: %w", path, kube.ErrPageTooBig)
	}
	return b.Cluster.Page(ctx, path, o, buf)
}

// TestPagesTooBig are asked for with fewer items.
func TestPagesTooBig(t *testing.T) {
	c, err := census.Read(t.Context(), bigPages{open(t, some())}, census.Options{PageSize: 20})
	if err != nil || len(c.Pods) != 25 || len(c.Nodes) != 7 || len(c.Gaps) != 0 {
		t.Errorf("%v, %+v", err, c)
	}
}
