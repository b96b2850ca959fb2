//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const shapeLabel = "shape"

// podSpec is that of a shape's pod.
func (s shape) podSpec(ref, other string) corev1.PodSpec {
	second := int64(1)
	spec := corev1.PodSpec{TerminationGracePeriodSeconds: &second, Containers: []corev1.Container{{Name: "app", Image: ref, ImagePullPolicy: s.policy}}}
	if s.sidecar {
		always := corev1.ContainerRestartPolicyAlways
		spec.InitContainers = []corev1.Container{{Name: "beside", Image: ref, ImagePullPolicy: s.policy, RestartPolicy: &always}}
		spec.Containers[0].Image, spec.Containers[0].ImagePullPolicy = other, corev1.PullNever
	}
	if s.secret != noSecret {
		spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: string(s.secret)}}
	}
	return spec
}

// make makes what owns the shape's pods, or the pod.
func (w *truth) make(s shape) error {
	ctx, opts := w.t.Context(), metav1.CreateOptions{}
	spec := s.podSpec(w.refs[s.name], w.filler)
	labels := map[string]string{shapeLabel: s.name}
	meta := metav1.ObjectMeta{Name: s.name, Labels: labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}
	selector, one := &metav1.LabelSelector{MatchLabels: labels}, int32(1)
	apps := w.c.Client.AppsV1()
	var err error
	switch s.owner {
	case "Pod":
		spec.NodeName = "node1"
		_, err = w.c.Client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: spec}, opts)
	case "Deployment":
		_, err = apps.Deployments("default").Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: selector, Template: template}}, opts)
	case "StatefulSet":
		_, err = apps.StatefulSets("default").Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &one, Selector: selector, Template: template, ServiceName: s.name}}, opts)
	case "DaemonSet":
		template.Spec.NodeSelector = map[string]string{corev1.LabelHostname: "node1"}
		_, err = apps.DaemonSets("default").Create(ctx, &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}}, opts)
	case "Job":
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		_, err = w.c.Client.BatchV1().Jobs("default").Create(ctx, &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: template}}, opts)
	case "StaticPod":
		pod := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta, Spec: spec}
		var text []byte
		if text, err = yaml.Marshal(pod); err == nil {
			err = w.l.Node("node1").WriteFile(ctx, "/etc/kubernetes/manifests/"+s.name+".yaml", text, 0o600)
		}
	default:
		err = fmt.Errorf("%s: no such owner", s.owner)
	}
	return err
}

// pullSecret makes one for secretHost, or gives it another password.
func (w *truth) pullSecret(ns, name, password string) {
	w.t.Helper()
	config, err := json.Marshal(map[string]any{"auths": map[string]any{secretHost: map[string]string{"username": robot, "password": password}}})
	w.must(err)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: config}}
	secrets, ctx := w.c.Client.CoreV1().Secrets(ns), w.t.Context()
	if _, err = secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	}
	w.must(err)
}

// put puts an image on a node past the kubelet, so that no record says who may use it.
func (w *truth) put(node string, s shape) {
	w.t.Helper()
	n, ref, ctx := w.l.Node(node), w.refs[s.name], w.t.Context()
	if s.missing || s.host == secretHost && s.secret == noSecret {
		w.must(n.Load(ctx, s.image(), ref)) // none of these shapes is by digest, which cannot be loaded
		return
	}
	_, err := n.CRIPull(ctx, ref)
	w.must(err)
}

// cordon says whether pods may be scheduled to a node.
func (w *truth) cordon(node string, to bool) {
	w.t.Helper()
	nodes, ctx := w.c.Client.CoreV1().Nodes(), w.t.Context()
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, to)
	_, err := nodes.Patch(ctx, node, "application/strategic-merge-patch+json", patch, metav1.PatchOptions{})
	w.must(err)
	// The controller adds and takes away the taint that goes with it.
	w.until("the taint of "+node, func() (bool, string) {
		n, err := nodes.Get(ctx, node, metav1.GetOptions{})
		w.must(err)
		has := false
		for _, t := range n.Spec.Taints {
			has = has || t.Key == corev1.TaintNodeUnschedulable
		}
		return has == to && n.Spec.Unschedulable == to, fmt.Sprint(n.Spec.Taints)
	})
}
