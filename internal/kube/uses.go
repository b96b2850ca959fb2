package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// maxUsers bounds the pods of a cluster that are looked at; Kubernetes is made for 150,000.
const maxUsers = 500_000

// Use is an image in a pod, with what is needed to pull it as the pod does. Pods
// that are alike in all of it are one Use.
type Use struct {
	Namespace, ServiceAccount string
	// Node that the pod is on; empty for none yet.
	Node string
	// Image as it stands in the pod.
	Image string
	// PullSecrets that the pod names. Admission has copied those of its service
	// account when the pod was made.
	PullSecrets []string
}

// Uses lists where images are used whose reference want takes, in pods that have
// not ended.
func (c *Cluster) Uses(ctx context.Context, want func(image string) bool) ([]Use, error) {
	seen := map[string]bool{}
	var all []Use
	err := c.pages(ctx, "list pods", maxUsers, func(ctx context.Context, o metav1.ListOptions) (int, string, error) {
		var l corev1.PodList
		if err := list(ctx, c.core, "pods", o, &l); err != nil {
			return 0, "", err
		}
		for i := range l.Items {
			for _, u := range usesOf(&l.Items[i]) {
				key := strings.Join(append([]string{u.Namespace, u.ServiceAccount, u.Node, u.Image}, u.PullSecrets...), "\n")
				if want(u.Image) && !seen[key] {
					seen[key] = true
					all = append(all, u)
				}
			}
		}
		return len(l.Items), l.Continue, nil
	})
	return all, err
}

func usesOf(p *corev1.Pod) []Use {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return nil
	}
	var secrets []string
	for _, s := range p.Spec.ImagePullSecrets {
		secrets = append(secrets, s.Name)
	}
	var images []string
	for _, k := range p.Spec.InitContainers {
		images = append(images, k.Image)
	}
	for _, k := range p.Spec.Containers {
		images = append(images, k.Image)
	}
	for _, v := range p.Spec.Volumes {
		if v.Image != nil {
			images = append(images, v.Image.Reference)
		}
	}
	slices.Sort(images)
	var all []Use
	for _, image := range slices.Compact(images) {
		all = append(all, Use{Namespace: p.Namespace, ServiceAccount: p.Spec.ServiceAccountName, Node: p.Spec.NodeName, Image: image, PullSecrets: secrets})
	}
	return all
}

// AccountSecrets are the names of the pull secrets of a service account now.
func (c *Cluster) AccountSecrets(ctx context.Context, namespace, account string) ([]string, error) {
	var got corev1.ServiceAccount
	err := c.get(ctx, "serviceaccounts", namespace, account, &got)
	var names []string
	for _, s := range got.ImagePullSecrets {
		names = append(names, s.Name)
	}
	return names, err
}

// PullSecret reads the docker configuration that a pull secret holds. It is a
// secret: the caller takes the one credential that it needs, and keeps none of it.
func (c *Cluster) PullSecret(ctx context.Context, namespace, name string) ([]byte, error) {
	var got corev1.Secret
	if err := c.get(ctx, "secrets", namespace, name, &got); err != nil {
		return nil, err
	}
	switch got.Type {
	case corev1.SecretTypeDockerConfigJson:
		return got.Data[corev1.DockerConfigJsonKey], nil
	case corev1.SecretTypeDockercfg:
		return got.Data[corev1.DockerConfigKey], nil
	}
	return nil, &Error{Text: fmt.Sprintf("Kubernetes: secret %s/%s is no pull secret but of type %q", namespace, name, got.Type)}
}

func (c *Cluster) get(ctx context.Context, resource, namespace, name string, into runtime.Object) error {
	return c.ask(ctx, fmt.Sprintf("get %s %s/%s", resource, namespace, name), func(ctx context.Context) error {
		return c.core.Get().Namespace(namespace).Resource(resource).Name(name).Do(ctx).Into(into)
	})
}
