package crowd

import (
	"fmt"
	"hash/fnv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

type object interface {
	metav1.Object
	runtime.Object
}

// withNode gives all that comes with that node: itself, its pods, and the workloads of which it has the first pod.
func (s shapes) withNode(n int) ([]put, error) {
	var all []put
	node := s.nodeAt(n)
	p, err := putOf("minions/"+node.Name, corev1.SchemeGroupVersion.WithKind("Node"), node)
	if err != nil {
		return nil, err
	}
	all = append(all, p)
	for slot := range PodsPerNode {
		p := at(n, slot)
		pod := s.podAt(p)
		one, err := putOf("pods/"+pod.Namespace+"/"+pod.Name, corev1.SchemeGroupVersion.WithKind("Pod"), pod)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if p.copy != 0 || p.kind == bare || p.kind == static {
			continue
		}
		owners, err := s.owners(p)
		if err != nil {
			return nil, err
		}
		all = append(all, owners...)
	}
	return all, nil
}

func (s shapes) nodeAt(n int) *corev1.Node {
	node := s.node.DeepCopy()
	node.Name, node.UID = nodeName(n), uid("node", n)
	node.Labels[corev1.LabelHostname] = node.Name
	node.Labels[corev1.LabelTopologyZone] = string('a' + rune(n%3))
	node.Status.Addresses[0].Address = fmt.Sprintf("192.168.%d.%d", 30+n/250, 1+n%250)
	node.Status.Addresses[1].Address = node.Name
	node.Status.Images = nodeImages(n)
	return node
}

// listedAs is how a kubelet lists the image of a reference. What has no registry is Docker Hub's.
func listedAs(ref string) []string {
	full := ref
	if host, _, _ := strings.Cut(ref, "/"); !strings.ContainsAny(host, ".:") {
		full = "docker.io/" + ref
	}
	if strings.Contains(full, "@") {
		return []string{full}
	}
	repo, tag, ok := strings.Cut(full, ":")
	if !ok {
		tag = "latest"
	}
	h := fnv.New32a()
	h.Write([]byte(full)) //nolint:errcheck // a hash takes everything
	return []string{repo + "@" + digest(int(h.Sum32())), repo + ":" + tag}
}

func uid(what string, n int) types.UID {
	h := fnv.New64a()
	fmt.Fprint(h, what)
	return types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(h.Sum64()), n))
}

// podAt is the pod of that place.
func (s shapes) podAt(at place) *corev1.Pod {
	p := s.pod.DeepCopy()
	number := at.number()
	p.Name, p.Namespace, p.UID = at.name(), at.namespace(), uid("pod", at.node*PodsPerNode+at.slot)
	p.Spec.NodeName = nodeName(at.node)
	p.Labels["app.kubernetes.io/name"] = at.owner()
	p.Status.HostIP = fmt.Sprintf("192.168.%d.%d", 30+at.node/250, 1+at.node%250)
	p.OwnerReferences = ownerOf(at)
	if at.kind == static {
		p.Annotations["kubernetes.io/config.mirror"], p.Annotations["kubernetes.io/config.source"] = "0", "file"
	}
	// Most have one container, a third an agent beside it, a quarter one that comes before.
	if number%3 != 0 {
		p.Spec.Containers, p.Status.ContainerStatuses = p.Spec.Containers[:1], p.Status.ContainerStatuses[:1]
	}
	if number%4 != 0 {
		p.Spec.InitContainers, p.Status.InitContainerStatuses = nil, nil
	}
	for i := range p.Spec.InitContainers {
		p.Spec.InitContainers[i].Image, p.Status.InitContainerStatuses[i].Image = image(number), image(number)
	}
	for i := range p.Spec.Containers {
		c, of := &p.Spec.Containers[i], number+i
		c.Image, c.ImagePullPolicy = image(of), corev1.PullPolicy(policy(of))
		st := &p.Status.ContainerStatuses[i]
		st.Image, st.ImageID = c.Image, listedAs(c.Image)[0]
	}
	trouble(p, at)
	return p
}

// trouble gives a few pods what a few pods of any large cluster have.
func trouble(p *corev1.Pod, at place) {
	waits := func(phase corev1.PodPhase, reason string) {
		p.Status.Phase = phase
		for i := range p.Status.ContainerStatuses {
			st := &p.Status.ContainerStatuses[i]
			st.Ready, st.Started, st.State = false, ptr(false), corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
		}
		for i := range p.Status.Conditions {
			if t := p.Status.Conditions[i].Type; t == corev1.PodReady || t == corev1.ContainersReady {
				p.Status.Conditions[i].Status = corev1.ConditionFalse
			}
		}
	}
	nth := at.node*PodsPerNode + at.slot
	switch {
	case at.kind == job && at.slot != 26: // two of three are done
		p.Status.Phase = corev1.PodSucceeded
		for i := range p.Status.ContainerStatuses {
			p.Status.ContainerStatuses[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}
		}
	case nth%400 == 17:
		waits(corev1.PodRunning, "CrashLoopBackOff")
	case nth%900 == 31:
		waits(corev1.PodPending, "ImagePullBackOff")
	}
}

func ownerOf(at place) []metav1.OwnerReference {
	ref := func(version, kind, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: uid(kind+name, 0), Controller: ptr(true), BlockOwnerDeletion: ptr(true)}}
	}
	switch at.kind {
	case deployment, single:
		return ref("apps/v1", "ReplicaSet", replicaSetName(at.owner()))
	case statefulSet:
		return ref("apps/v1", "StatefulSet", at.owner())
	case daemonSet:
		return ref("apps/v1", "DaemonSet", at.owner())
	case job:
		return ref("batch/v1", "Job", at.owner())
	case static:
		return ref("v1", "Node", nodeName(at.node))
	}
	return nil
}

// owners are the workload of a place and what else is about it: for a Deployment the ReplicaSets of this and
// of the last revision; for each third a budget, for each eighth an autoscaler.
func (s shapes) owners(at place) ([]put, error) {
	var all []put
	var err error
	add := func(folder string, gv schema.GroupVersion, kind string, obj object) {
		if err != nil {
			return
		}
		var p put
		p, err = putOf(folder+"/"+obj.GetNamespace()+"/"+obj.GetName(), gv.WithKind(kind), obj)
		all = append(all, p)
	}
	owner, ns := at.owner(), at.namespace()
	name := func(o metav1.Object, kind, name string) {
		o.SetName(name)
		o.SetNamespace(ns)
		o.SetUID(uid(kind+name, 0))
	}
	apps, labels := appsv1.SchemeGroupVersion, map[string]string{"app.kubernetes.io/name": owner}
	image, policy := image(at.number()), corev1.PullPolicy(policy(at.number()))
	fill := func(sel *metav1.LabelSelector, t *corev1.PodTemplateSpec) {
		if sel != nil {
			sel.MatchLabels = labels
		}
		t.Labels["app.kubernetes.io/name"] = owner
		t.Spec.Containers[0].Image, t.Spec.Containers[0].ImagePullPolicy = image, policy
	}
	switch at.kind {
	case deployment, single:
		replicas := int32(block)
		if at.kind == single {
			replicas = 1
		}
		d := s.deployment.DeepCopy()
		name(d, "Deployment", owner)
		fill(d.Spec.Selector, &d.Spec.Template)
		d.Spec.Replicas = &replicas
		d.Status.Replicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas, d.Status.UpdatedReplicas = replicas, replicas, replicas, replicas
		add("deployments", apps, "Deployment", d)
		for i, rs := range []string{replicaSetName(owner), owner + "-5f6c7b8d94"} {
			r := s.replicaSet.DeepCopy()
			name(r, "ReplicaSet", rs)
			fill(r.Spec.Selector, &r.Spec.Template)
			r.Spec.Replicas, r.Status.Replicas, r.Status.ReadyReplicas, r.Status.AvailableReplicas = &replicas, replicas, replicas, replicas
			if i == 1 {
				r.Spec.Replicas, r.Status.Replicas, r.Status.ReadyReplicas, r.Status.AvailableReplicas = ptr(int32(0)), 0, 0, 0
			}
			r.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: owner, UID: d.UID, Controller: ptr(true), BlockOwnerDeletion: ptr(true)}}
			add("replicasets", apps, "ReplicaSet", r)
		}
		if at.workload%8 == 0 {
			h := s.autoscaler.DeepCopy()
			name(h, "HorizontalPodAutoscaler", owner)
			h.Spec.ScaleTargetRef.Name = owner
			add("horizontalpodautoscalers", autoscalingv2.SchemeGroupVersion, "HorizontalPodAutoscaler", h)
		}
	case statefulSet:
		o := s.statefulSet.DeepCopy()
		name(o, "StatefulSet", owner)
		fill(o.Spec.Selector, &o.Spec.Template)
		add("statefulsets", apps, "StatefulSet", o)
	case daemonSet:
		o := s.daemonSet.DeepCopy()
		name(o, "DaemonSet", owner)
		fill(o.Spec.Selector, &o.Spec.Template)
		add("daemonsets", apps, "DaemonSet", o)
	case job:
		j := s.job.DeepCopy()
		name(j, "Job", owner)
		fill(nil, &j.Spec.Template)
		cron := fmt.Sprintf("cron-%d", at.number()%namespaces)
		j.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: cron, UID: uid("CronJob"+cron, 0), Controller: ptr(true)}}
		add("jobs", batchv1.SchemeGroupVersion, "Job", j)
		if at.workload < namespaces { // the first Job of each
			c := s.cronJob.DeepCopy()
			name(c, "CronJob", cron)
			add("cronjobs", batchv1.SchemeGroupVersion, "CronJob", c)
		}
	}
	if at.workload%3 == 0 && (at.kind == deployment || at.kind == statefulSet) {
		b := s.budget.DeepCopy()
		name(b, "PodDisruptionBudget", owner)
		b.Spec.Selector.MatchLabels = labels
		add("poddisruptionbudgets", policyv1.SchemeGroupVersion, "PodDisruptionBudget", b)
	}
	return all, err
}
