package crowd

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilintstr "k8s.io/apimachinery/pkg/util/intstr"
)

func intstr(n int) utilintstr.IntOrString { return utilintstr.FromInt(n) }

// plainPod is a pod as charts write them: an app with a probe, limits and some variables, an
// agent beside it and an init container.
func plainPod() *corev1.Pod {
	env := []corev1.EnvVar{{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	for i := range 3 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: fmt.Sprintf("https://backend-%d.shop.svc.cluster.local:8443/api", i)})
	}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr(8080)}}, PeriodSeconds: 10}
	limits := corev1.ResourceRequirements{
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("512Mi")},
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
	}
	mounts := []corev1.VolumeMount{
		{Name: "config", MountPath: "/etc/app"}, {Name: "scratch", MountPath: "/tmp"},
		{Name: "kube-api-access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
	}
	m := meta("shape")
	m.Labels["pod-template-hash"] = "7d4b9c6f58"
	return &corev1.Pod{ObjectMeta: m, Spec: corev1.PodSpec{
		NodeName:                     "shape",
		ServiceAccountName:           "app",
		AutomountServiceAccountToken: ptr(true),
		ImagePullSecrets:             []corev1.LocalObjectReference{{Name: "registry"}},
		NodeSelector:                 map[string]string{"kubernetes.io/os": "linux"},
		PriorityClassName:            "", SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr(true), FSGroup: ptr(int64(2000))},
		InitContainers: []corev1.Container{{Name: "migrate", Image: "shape:v1", Args: []string{"migrate", "--up"}, Env: env[:2], VolumeMounts: mounts[:1]}},
		Containers: []corev1.Container{
			{Name: "app", Image: "shape:v1", Args: []string{"serve", "--listen=:8080"}, Env: env, VolumeMounts: mounts, Resources: limits,
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}, ReadinessProbe: probe},
			{Name: "agent", Image: "shape:v1", VolumeMounts: mounts[1:2]},
		},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "app"}}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "kube-api-access", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr(int64(3607))}},
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
			}}}},
		},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300))},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300))},
		},
	}}
}

// podStatus is what a kubelet says of a pod that runs.
func podStatus(p *corev1.Pod) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	status := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, PodIP: "10.244.0.17", PodIPs: []corev1.PodIP{{IP: "10.244.0.17"}}, HostIP: "192.168.30.1", QOSClass: corev1.PodQOSBurstable}
	for _, t := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	of := func(c corev1.Container, state corev1.ContainerState) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: "192.168.21.9/team/shape@" + digest(1), ContainerID: "containerd://" + digest(2)[7:], Ready: true, Started: ptr(true), State: state}
	}
	for _, c := range p.Spec.InitContainers {
		status.InitContainerStatuses = append(status.InitContainerStatuses, of(c, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now, ContainerID: "containerd://" + digest(3)[7:]}}))
	}
	for _, c := range p.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, of(c, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}))
	}
	p.Status = status
}

func plainNode() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "shape",
		Labels: map[string]string{
			"beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
			corev1.LabelHostname: "shape", "node.kubernetes.io/instance-type": "rack", corev1.LabelTopologyZone: "a", corev1.LabelTopologyRegion: "here",
		},
		Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true", "flannel.alpha.coreos.com/backend-data": `{"VNI":1,"VtepMAC":"de:ad:be:ef:00:01"}`},
	}, Spec: corev1.NodeSpec{PodCIDR: "10.244.0.0/24", PodCIDRs: []string{"10.244.0.0/24"}}}
}

func nodeStatus(n *corev1.Node) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	capacity := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("128Gi"), corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("400Gi")}
	n.Status = corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.168.30.1"}, {Type: corev1.NodeHostName, Address: "shape"}},
		NodeInfo: corev1.NodeSystemInfo{MachineID: "c0ffee00c0ffee00c0ffee00c0ffee00", SystemUUID: "c0ffee00-c0ff-ee00-c0ff-ee00c0ffee00", BootID: "c0ffee00-c0ff-ee00-c0ff-ee00c0ffee01",
			KernelVersion: "6.1.0-26-amd64", OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://1.7.35", KubeletVersion: "v1.37.2", OperatingSystem: "linux", Architecture: "amd64"},
	}
	for _, t := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		status := corev1.ConditionFalse
		if t == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: t, Status: status, LastHeartbeatTime: now, LastTransitionTime: now, Reason: "KubeletHasEnough", Message: "kubelet has enough of it"})
	}
	n.Status.Images = nodeImages(0)
}

// nodeImages are in the node's status as a kubelet writes them: by digest, then by tag.
func nodeImages(node int) []corev1.ContainerImage {
	var all []corev1.ContainerImage
	for _, ref := range images(node) {
		all = append(all, corev1.ContainerImage{Names: listedAs(ref), SizeBytes: int64(20+len(all)) << 20})
	}
	return all
}
