package kube

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// maxEvents is how many events of one reason are read.
const maxEvents = 20000

// PodEvent is what a kubelet told of a pod.
type PodEvent struct {
	// Node is that of the kubelet; empty when the event does not say.
	Node    string
	Reason  string
	Message string
	// At is when it was told the last time, Times how often.
	At    time.Time
	Times int
}

// PullEvents reads what kubelets told of pods that they could not start for want of
// an image (reasons Failed and BackOff), not before since. whole is false when there
// are too many to be read. It takes the right to list events in the whole cluster.
func (c *Cluster) PullEvents(ctx context.Context, since time.Time) (all []PodEvent, whole bool, err error) {
	whole = true
	for _, reason := range []string{"Failed", "BackOff"} {
		o := metav1.ListOptions{Limit: pageSize, FieldSelector: fields.AndSelectors(
			fields.OneTermEqualSelector("involvedObject.kind", "Pod"), fields.OneTermEqualSelector("reason", reason)).String()}
		for read := 0; ; {
			var l corev1.EventList
			err := c.Ask(ctx, "list events", "the user of the kubeconfig needs list on events, in the whole cluster",
				func(ctx context.Context) error { return list(ctx, c.core, "events", o, &l) })
			if err != nil {
				return all, false, err
			}
			for i := range l.Items {
				if e := eventFrom(&l.Items[i]); !e.At.Before(since) {
					all = append(all, e)
				}
			}
			if read += len(l.Items); l.Continue == "" {
				break
			}
			if read >= maxEvents || len(l.Items) == 0 {
				whole = false
				break
			}
			o.Continue = l.Continue
		}
	}
	return all, whole, nil
}

func eventFrom(e *corev1.Event) PodEvent {
	p := PodEvent{Node: e.Source.Host, Reason: e.Reason, Message: e.Message, At: e.LastTimestamp.Time, Times: int(e.Count)}
	if p.Node == "" {
		p.Node = e.ReportingInstance
	}
	if p.At.IsZero() {
		p.At = e.EventTime.Time
	}
	if s := e.Series; s != nil {
		p.Times = int(s.Count)
		if s.LastObservedTime.After(p.At) {
			p.At = s.LastObservedTime.Time
		}
	}
	if p.At.IsZero() {
		p.At = e.CreationTimestamp.Time
	}
	p.At, p.Times = p.At.UTC(), max(1, p.Times)
	return p
}
