package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// calmServer is an API server without events.
func calmServer(t *testing.T) string { return serveEvents(t, nil, false) }

// eventServer is an API server whose kubelets tell of pulls that failed. Any other
// question is forbidden, and with closed that for events, too.
func eventServer(t *testing.T, closed bool) string {
	t.Helper()
	now := metav1.NewTime(time.Now().Add(-time.Minute))
	event := func(reason, node, message string, count int32) corev1.Event {
		return corev1.Event{Reason: reason, Message: message, LastTimestamp: now, Count: count, Source: corev1.EventSource{Component: "kubelet", Host: node}}
	}
	const http400 = `rpc error: code = Unknown desc = failed to pull and unpack image "192.168.21.9/team/app:v1": failed to resolve reference "192.168.21.9/team/app:v1": failed to do request: Head "https://u:Secret77@192.168.21.9/v2/team/app/manifests/v1?sig=Secret77": http: server gave HTTP response to HTTPS client`
	all := []corev1.Event{
		event("Failed", "node1", `Failed to pull image "192.168.21.9/team/app:v1": `+http400, 3),
		event("Failed", "node2", `Failed to pull image "192.168.21.9/team/app:v1": `+http400, 1),
		event("Failed", "node2", "Error: ErrImagePull", 1),
		event("BackOff", "node2", `Back-off pulling image "192.168.21.9/team/app:v1"`, 9),
		event("BackOff", "node3", "Back-off pulling image \"r.lan/\x1b[2Jgone:1\"", 9),
		event("BackOff", "node3", "Back-off restarting failed container", 9),
	}
	return serveEvents(t, all, closed)
}

func serveEvents(t *testing.T, all []corev1.Event, closed bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if closed || r.URL.Path != "/api/v1/events" {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden, Message: "may not " + r.Method + " " + r.URL.Path})
			return
		}
		l := corev1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}}
		for _, e := range all {
			if strings.Contains(r.URL.Query().Get("fieldSelector"), "reason="+e.Reason) {
				l.Items = append(l.Items, e)
			}
		}
		_ = json.NewEncoder(w).Encode(l)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
