package kube

import (
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
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kubeconfig of a server, with a token that must appear nowhere.
func kubeconfig(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
clusters:
- {name: lab, cluster: {server: %q}}
- {name: nowhere, cluster: {server: "http://127.0.0.1:1"}}
users:
- {name: reader, user: {token: top-secret-token}}
contexts:
- {name: here, context: {cluster: lab, user: reader}}
- {name: there, context: {cluster: nowhere, user: reader}}
`, url)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServer asks over real HTTP: what a server can do wrong is told in one line,
// with a hint, and without the token.
func TestServer(t *testing.T) {
	says := func(code int, reason metav1.StatusReason) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { status(w, code, reason); return true }
	}
	only := func(resource string, f func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, resource) && f(w, r)
		}
	}
	text := func(contentType, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	var tries atomic.Int32
	busy := func(w http.ResponseWriter, _ *http.Request) bool {
		if tries.Add(1) > 2 {
			return false
		}
		w.Header().Set("Retry-After", "0")
		status(w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
		return true
	}
	cases := map[string]struct {
		answer     func(http.ResponseWriter, *http.Request) bool
		want, hint string
		final      bool
	}{
		"all is well":              {},
		"401":                      {answer: says(401, metav1.StatusReasonUnauthorized), want: "list nodes: ", hint: "wrong or has expired", final: true},
		"403":                      {answer: says(403, metav1.StatusReasonForbidden), want: "list nodes: ", hint: "get and list on nodes", final: true},
		"403 for the pods":         {answer: only("pods", says(403, metav1.StatusReasonForbidden)), want: `list pods of node "n1": `, hint: "list on pods", final: true},
		"403 for the budgets":      {answer: only("poddisruptionbudgets", says(403, metav1.StatusReasonForbidden)), want: "list poddisruptionbudgets: ", hint: "poddisruptionbudgets.policy", final: true},
		"no policy API":            {answer: only("policy", says(404, metav1.StatusReasonNotFound)), want: "list poddisruptionbudgets: ", final: true},
		"429, then an answer":      {answer: busy},
		"500":                      {answer: says(500, metav1.StatusReasonInternalError), want: "list nodes: ", hint: "is the API server up"},
		"a login page":             {answer: text("text/html", "<html>\nlog in</html>"), want: "list nodes: ", hint: "is the API server up"},
		"garbage":                  {answer: text("application/json", "\x00\x01{["), want: "list nodes: ", hint: "is the API server up"},
		"a list that is cut short": {answer: text("application/json", `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":`), want: "list nodes: ", hint: "is the API server up"},
		"another kind of thing":    {answer: text("application/json", `{"kind":"Secret","apiVersion":"v1"}`), want: "the cluster knows none of the 1 nodes", hint: "--context", final: true},
		"garbage as protobuf":      {answer: text("application/vnd.kubernetes.protobuf", "k8s\x00nonsense"), want: "list nodes: ", hint: "is the API server up"},
		"it hangs": {answer: func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true },
			want: "list nodes: no answer in time", hint: "is the API server up"},
		"it hangs up": {answer: func(w http.ResponseWriter, _ *http.Request) bool {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
			return true
		}, want: "list nodes: ", hint: "is the API server up"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := &api{nodes: []corev1.Node{kubeNode("n1", true)}, pods: []corev1.Pod{kubePod("web-1", "n1", 0)},
				budgets: []policyv1.PodDisruptionBudget{kubeBudget("web", 1)}, answer: tc.answer}
			s := httptest.NewServer(a)
			defer s.Close()
			c, err := Open(kubeconfig(t, s.URL), "")
			if err != nil {
				t.Fatal(err)
			}
			c.within = time.Second
			_, err = NewGate(t.Context(), c, []Machine{{Name: "n1"}}, false)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := err.(*Error)
			if !ok || !strings.HasPrefix(e.Text, "Kubernetes: "+tc.want) || !strings.Contains(e.Hint(), tc.hint) || e.final != tc.final {
				t.Fatalf("%v (%+v), want %q, hint %q, final %v", err, e, tc.want, tc.hint, tc.final)
			}
			if strings.ContainsAny(e.Text, "\n\r\x00") || strings.Contains(e.Text, "top-secret") {
				t.Errorf("%q", e.Text)
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	c, err := Open(kubeconfig(t, "http://127.0.0.1:1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.nodes(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	s := httptest.NewServer(&api{nodes: []corev1.Node{kubeNode("n1", true)}})
	defer s.Close()
	good := kubeconfig(t, s.URL)
	t.Setenv("KUBECONFIG", kubeconfig(t, "http://127.0.0.1:1"))
	c, err := Open(good, "")
	if err != nil {
		t.Fatal(err)
	}
	if nodes, err := c.nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("%v, %v: the environment was listened to", nodes, err)
	}
	if c, err = Open(good, "there"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.nodes(t.Context()); err == nil {
		t.Error("the context was not taken")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"garbage": "\x00:", "empty": "", "no server": "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- {name: a, context: {cluster: b}}\n",
		"no certificate": "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- {name: a, context: {cluster: b, user: c}}\nclusters:\n- {name: b, cluster: {server: 'https://127.0.0.1:1', certificate-authority: /nonexistent}}\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, ""); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing"), ""); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Error(err)
	}
	if _, err := Open(good, "elsewhere"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Error(err)
	}
}

// TestAnswerAboutAnother: a node is only judged by what is said about itself.
func TestAnswerAboutAnother(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := kubeNode("n2", true)
		n.TypeMeta = typed("Node", "v1")
		reply(w, &n)
	}))
	defer s.Close()
	c, err := Open(kubeconfig(t, s.URL), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.node(t.Context(), "n1"); err == nil || !strings.Contains(err.Error(), `the answer is about "n2"`) {
		t.Error(err)
	}
}
