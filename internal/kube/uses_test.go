package kube

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func using(name, node, image string, phase corev1.PodPhase) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}, Status: corev1.PodStatus{Phase: phase},
		Spec: corev1.PodSpec{NodeName: node, ServiceAccountName: "app", ImagePullSecrets: []corev1.LocalObjectReference{{Name: "regcred"}},
			Containers: []corev1.Container{{Image: image}, {Image: image}}, InitContainers: []corev1.Container{{Image: "init"}},
			Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "data"}}}}}}
}

func TestUses(t *testing.T) {
	a := &api{pods: []corev1.Pod{using("a", "n1", "app", corev1.PodRunning), using("b", "n1", "app", corev1.PodRunning), using("c", "n2", "other", corev1.PodPending), using("d", "n3", "app", corev1.PodSucceeded)}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	c, err := Open(kubeconfig(t, s.URL), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Uses(t.Context(), func(image string) bool { return image != "init" })
	use := func(node, image string) Use { return Use{"team", "app", node, image, []string{"regcred"}} }
	if d := cmp.Diff([]Use{use("n1", "app"), use("n1", "data"), use("n2", "data"), use("n2", "other")}, got); d != "" || err != nil {
		t.Errorf("%v: %s", err, d)
	}
}

func TestPullSecretAndAccount(t *testing.T) {
	a := &api{answer: func(w http.ResponseWriter, r *http.Request) bool {
		var v any
		switch r.URL.Path {
		case "/api/v1/namespaces/team/secrets/regcred":
			v = &corev1.Secret{TypeMeta: typed("Secret", "v1"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{".dockerconfigjson": []byte("{}")}}
		case "/api/v1/namespaces/team/secrets/tls":
			v = &corev1.Secret{TypeMeta: typed("Secret", "v1"), Type: corev1.SecretTypeTLS}
		case "/api/v1/namespaces/team/serviceaccounts/app":
			v = &corev1.ServiceAccount{TypeMeta: typed("ServiceAccount", "v1"), ImagePullSecrets: []corev1.LocalObjectReference{{Name: "more"}}}
		default:
			status(w, 403, metav1.StatusReasonForbidden)
			return true
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
		return true
	}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	c, err := Open(kubeconfig(t, s.URL), "")
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := c.PullSecret(t.Context(), "team", "regcred"); string(raw) != "{}" || err != nil {
		t.Errorf("%q, %v", raw, err)
	}
	if names, err := c.AccountSecrets(t.Context(), "team", "app"); cmp.Diff([]string{"more"}, names) != "" || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := c.PullSecret(t.Context(), "team", "tls"); err == nil || !strings.Contains(err.Error(), "no pull secret") {
		t.Error(err)
	}
	if _, err := c.PullSecret(t.Context(), "team", "hidden"); err == nil || !strings.Contains(err.Error(), "get secrets team/hidden") {
		t.Error(err)
	}
}
