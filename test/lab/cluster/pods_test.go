package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestRunning(t *testing.T) {
	ready := []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	waits := []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "401"}}}}
	for _, tc := range []struct {
		status corev1.PodStatus
		want   string
	}{
		{corev1.PodStatus{Phase: corev1.PodRunning, Conditions: ready}, ""},
		{corev1.PodStatus{Phase: corev1.PodRunning}, "not ready"},
		{corev1.PodStatus{Phase: corev1.PodFailed, Message: "evicted", Conditions: ready}, "evicted"},
		{corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waits}, "ImagePullBackOff: 401"},
	} {
		if err := running(&corev1.Pod{Status: tc.status}); (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want %q", tc.status, err, tc.want)
		}
	}
}

// TestAwaitTellsWhy: the answer that the end of the time cut off is not what is told.
func TestAwaitTellsWhy(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	err := await(ctx, "it", func(ctx context.Context) error {
		if asked++; asked < 2 {
			return errors.New("not yet")
		}
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("got %v", err)
	}
}
