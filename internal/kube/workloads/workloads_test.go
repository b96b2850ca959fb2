package workloads

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/test/kubeapi"
)

var web = Object{APIVersion: "apps/v1", Resource: "deployments", Namespace: "default", Name: "web"}

// open gives a cluster with one Deployment, web.
func open(t *testing.T) (*Cluster, *kubeapi.Server) {
	t.Helper()
	api := kubeapi.New()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: "app", ImagePullPolicy: corev1.PullAlways}}
	if err := api.Create(d, "kubectl-create"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: %q}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n", server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path, "", "pullway", "ask for the rights")
	if err != nil {
		t.Fatal(err)
	}
	if c.Server() != server.URL {
		t.Errorf("server %q, want %q", c.Server(), server.URL)
	}
	return c, api
}

func apply(uid, version, policy string) []byte {
	return []byte(fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"default","name":"web","uid":%q,"resourceVersion":%q},
 "spec":{"template":{"spec":{"containers":[{"name":"app","imagePullPolicy":%q}]}}}}`, uid, version, policy))
}

func policyOf(o runtime.Object) corev1.PullPolicy {
	return o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].ImagePullPolicy
}

func TestApply(t *testing.T) {
	c, api := open(t)
	got, err := c.Get(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	version := got.(*appsv1.Deployment).ResourceVersion
	for name, tc := range map[string]struct {
		body   []byte
		dryRun bool
		is     func(*kube.Error) bool
		live   corev1.PullPolicy
	}{
		"another version": {body: apply("uid-web", "1", "IfNotPresent"), is: (*kube.Error).Conflict, live: "Always"},
		"another object":  {body: apply("uid-other", version, "IfNotPresent"), is: (*kube.Error).Conflict, live: "Always"},
		"a dry run":       {body: apply("uid-web", version, "IfNotPresent"), dryRun: true, live: "Always"},
	} {
		got, err := c.Apply(t.Context(), web, tc.body, tc.dryRun)
		var e *kube.Error
		if tc.is != nil && (!errors.As(err, &e) || !tc.is(e)) || tc.is == nil && (err != nil || policyOf(got) != "IfNotPresent") {
			t.Errorf("%s: %v", name, err)
		}
		if live := policyOf(api.Get("deployments", "default", "web")); live != tc.live {
			t.Errorf("%s: %s is live", name, live)
		}
	}
	if _, err := c.Apply(t.Context(), web, apply("uid-web", version, "IfNotPresent"), false); err != nil {
		t.Error(err)
	}
	if live := policyOf(api.Get("deployments", "default", "web")); live != "IfNotPresent" {
		t.Errorf("%s is live", live)
	}
	if _, err := c.Patch(t.Context(), web, []byte(`[{"op":"test","path":"/metadata/uid","value":"other"}]`), false); err == nil || !strings.Contains(err.Error(), "patch deployments default/web") {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	c, api := open(t)
	var e *kube.Error
	if _, err := c.Get(t.Context(), Object{"apps/v1", "deployments", "default", "none"}); !errors.As(err, &e) || !e.Gone() {
		t.Error(err)
	}
	api.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`))
		return true
	}
	if _, err := c.Get(t.Context(), web); !errors.As(err, &e) || e.Hint() != "ask for the rights" || !e.Final() {
		t.Error(err)
	}
	api.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"Deployment","apiVersion":"apps/v1"}`))
		return true
	}
	if err := c.List(t.Context(), Object{APIVersion: "apps/v1", Resource: "deployments"}, Selection{Most: 10}, func(runtime.Object) {}); err == nil || !strings.Contains(err.Error(), "no list") {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	c, _ := open(t)
	var names []string
	list := func(s Selection) error {
		names = nil
		return c.List(t.Context(), Object{APIVersion: "apps/v1", Resource: "deployments"}, s, func(o runtime.Object) {
			names = append(names, o.(*appsv1.Deployment).Name)
		})
	}
	if err := list(Selection{Most: 1}); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	if err := list(Selection{Labels: "app=x", Most: 1}); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	if err := list(Selection{}); err == nil || !strings.Contains(err.Error(), "more than 0") {
		t.Error(err)
	}
}
