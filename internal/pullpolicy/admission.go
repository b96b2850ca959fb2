package pullpolicy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// APIServers select the pods of the API servers, which run as static pods in
// clusters that kubeadm or Kubespray made, by their labels in kube-system.
var APIServers = labels.SelectorFromSet(labels.Set{"component": "kube-apiserver"})

// AlwaysPulls names an API server among those pods that has the admission plugin
// AlwaysPullImages, which makes Always of the policy of every new pod; empty for
// none. An API server that is no pod is not seen; see Forced.
func AlwaysPulls(pods []corev1.Pod) string {
	for _, p := range pods {
		for _, c := range p.Spec.Containers {
			for _, arg := range slices.Concat(c.Command, c.Args) {
				list, ok := strings.CutPrefix(arg, "--enable-admission-plugins=")
				if ok && slices.Contains(strings.Split(list, ","), "AlwaysPullImages") {
					return fmt.Sprintf("API server %s has the admission plugin AlwaysPullImages, which makes Always of every policy", p.Name)
				}
			}
		}
	}
	return ""
}

// Forced names what makes Always of the policy that a template has: an admission
// plugin such as AlwaysPullImages, or a webhook. Freezing is of no use then. pods
// are those of w. Empty when nothing tells of it.
func Forced(w Workload, pods []corev1.Pod) string {
	if r := w.Rollout; !r.Restarts || r.Waiting != "" || r.Note != "" {
		return "" // its pods may be of another template
	}
	for i := range pods {
		p, _ := From(&pods[i])
		if p.Owner == nil || pods[i].DeletionTimestamp != nil {
			continue
		}
		for _, c := range w.Containers {
			got, ok := p.container(c.Name, c.Init)
			if ok && c.Policy != corev1.PullAlways && got.Policy == corev1.PullAlways && got.Image == c.Image {
				return fmt.Sprintf("pod %s/%s has Always for %s, where its template says %s", p.Namespace, p.Name, c.Name, c.Policy)
			}
		}
	}
	return ""
}

// ForcedHint says what to do where Forced tells of something.
const ForcedHint = "the admission plugin AlwaysPullImages, or a webhook, does that: images have to be pullable through this change (pullway prepull and a second registry help, IfNotPresent does not)"

// Recheck tells of kubelets that verify the credentials of images that are present
// (KEP-2535, on by default from 1.35): IfNotPresent is not always enough there.
// versions are those of the kubelets.
func Recheck(versions []string) string {
	newer := slices.ContainsFunc(versions, func(v string) bool {
		var major, minor int
		_, err := fmt.Sscanf(v, "v%d.%d", &major, &minor)
		return err == nil && (major > 1 || minor >= 35)
	})
	if !newer {
		return ""
	}
	return "kubelets from 1.35 on may ask the registry also for an image that is present, when a pod brings another pull secret than the one it was pulled with (KEP-2535)"
}
