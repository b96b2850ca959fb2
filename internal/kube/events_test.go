package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// eventsOf answers a list of events of the reason that is asked for.
func eventsOf(t *testing.T, all []corev1.Event) *api {
	return &api{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			return false
		}
		var some []corev1.Event
		for _, e := range all {
			if r.URL.Query().Get("fieldSelector") == "involvedObject.kind=Pod,reason="+e.Reason {
				some = append(some, e)
			}
		}
		l := corev1.EventList{TypeMeta: typed("EventList", "v1")}
		l.Items, l.ListMeta = page(r, some)
		reply(w, l)
		return true
	}}
}

func TestPullEvents(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) metav1.Time { return metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute)) }
	old := corev1.Event{Reason: "Failed", Message: "old", LastTimestamp: at(-61)}
	all := []corev1.Event{old,
		{Reason: "Failed", Message: "by count", LastTimestamp: at(-5), Count: 3, Source: corev1.EventSource{Host: "node1"}},
		{Reason: "BackOff", Message: "by series", EventTime: metav1.NewMicroTime(at(-30).Time), ReportingInstance: "node2", Series: &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(at(-2).Time)}},
		{Reason: "BackOff", Message: "by its making", ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(-1)}},
	}
	got, whole, err := eventsOf(t, all).cluster().PullEvents(t.Context(), noon.Add(-time.Hour))
	want := []PodEvent{
		{Node: "node1", Reason: "Failed", Message: "by count", At: noon.Add(-5 * time.Minute), Times: 3},
		{Node: "node2", Reason: "BackOff", Message: "by series", At: noon.Add(-2 * time.Minute), Times: 7},
		{Reason: "BackOff", Message: "by its making", At: noon.Add(-time.Minute), Times: 1},
	}
	if d := cmp.Diff(want, got); d != "" || !whole || err != nil {
		t.Errorf("%v, %v, %s", whole, err, d)
	}
}

func TestPullEventsAreBounded(t *testing.T) {
	a := &api{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		l := corev1.EventList{TypeMeta: typed("EventList", "v1"), ListMeta: metav1.ListMeta{Continue: "more"}}
		for i := range pageSize {
			l.Items = append(l.Items, corev1.Event{Reason: "Failed", Message: fmt.Sprint(i), LastTimestamp: metav1.Now()})
		}
		reply(w, l)
		return true
	}}
	got, whole, err := a.cluster().PullEvents(t.Context(), time.Now().Add(-time.Hour))
	if len(got) != 2*maxEvents || whole || err != nil {
		t.Errorf("%d, %v, %v", len(got), whole, err)
	}
}

func TestPullEventsWithoutTheRight(t *testing.T) {
	a := &api{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		status(w, 403, metav1.StatusReasonForbidden)
		return true
	}}
	_, whole, err := a.cluster().PullEvents(t.Context(), time.Time{})
	e, ok := err.(*Error)
	if !ok || whole || !strings.Contains(e.Hint(), "list on events") {
		t.Errorf("%v", err)
	}
}
