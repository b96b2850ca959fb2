package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// podsScript prepares a node for containers. systemd-nspawn gives it the control groups of the
// older layout, and the kernel's switches, read-only; kubelet wants some of the switches in a
// certain position, and must not turn them on the machine that the lab shares: it gets
// files of its own to read and write there.
const podsScript = `#!/bin/sh
set -e
mount -t cgroup | while read -r _ _ dir _; do mount -o remount,rw,bind "$dir"; done
mkdir -p /run/lab-switches
for s in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	file=/run/lab-switches/$(basename "${s%=*}")
	echo "${s#*=}" > "$file"
	mount --bind "$file" "/proc/sys/${s%=*}"
done
ln -sf /dev/null /dev/kmsg # kubelet watches it for processes that ran out of memory
`

const podsUnit = `[Unit]
Description=What pods need of a lab node
Before=containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-pods

[Install]
WantedBy=multi-user.target
`

// kubeletUnit is the unit that cluster installers write, without their bootstrap.
const kubeletUnit = `[Unit]
Description=kubelet: the Kubernetes node agent
Wants=network-online.target
After=network-online.target containerd.service lab-pods.service

[Service]
EnvironmentFile=/etc/default/kubelet
ExecStart=/usr/local/bin/kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf $KUBELET_ARGS
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`

// kubeletConfig is for a node that shares its kernel, disk and memory with others: kubelet
// divides none of them up, and evicts nothing for want of them.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
resolvConf: /etc/resolv.conf
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 2s
`

// podNetwork is the CNI configuration of a node: a bridge with a range of its own, the i-th
// of 10.88.0.0/16. Pods reach their node, and nothing beyond it.
func podNetwork(addr netip.Addr) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "lab",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.%d.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
  ]
}
`, addr.As4()[3])
}

// PodsContainerdConfig is DefaultContainerdConfig for a node that runs containers in a lab: their
// control groups are made without systemd, and no container's oom score is below its node's.
func PodsContainerdConfig(release string) string {
	text := strings.Replace(DefaultContainerdConfig(release), "SystemdCgroup = true", "SystemdCgroup = false", 1)
	for _, table := range []string{`  [plugins."io.containerd.grpc.v1.cri"]`, `  [plugins."io.containerd.cri.v1.runtime"]`} {
		text = strings.Replace(text, table+"\n", table+"\n    restrict_oom_score_adj = true\n", 1)
	}
	return text
}

// sandboxImage is what DefaultContainerdConfig names for the sandbox of a pod.
func sandboxImage(release string) string {
	if strings.HasPrefix(release, "2.") {
		return "registry.k8s.io/pause:3.10"
	}
	return "registry.k8s.io/pause:3.9"
}

// Load puts an image into the node's containerd under that reference, without any registry, as
// offline clusters do. The reference need not be the one that Image has.
func (n *Node) Load(ctx context.Context, img Image, ref string) error {
	image, err := img.build(n.lab.state.App)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	argv, err := n.ExecArgs("ctr", "--namespace", "k8s.io", "images", "import", "-")
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(tag, image, w)) }()
	defer r.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = r
	if _, err := finish(cmd, n.Name); err != nil {
		return fmt.Errorf("load %s: %w", ref, err)
	}
	return nil
}

// loadSandbox lets a node with Pods start them while it can pull from nowhere.
func (n *Node) loadSandbox(ctx context.Context) error {
	ref := sandboxImage(n.Spec.Containerd)
	images, err := n.CRIImages(ctx)
	if err != nil || slices.Contains(images, ref) {
		return err
	}
	return n.Load(ctx, Image{Repo: "pause", Tag: "lab", Layers: 1, LayerSize: 1}, ref)
}

// Container is a running container of a node.
type Container struct {
	// Pod is NAMESPACE/NAME as CRI was told.
	Pod, Name, ID, Image string
	// PID is the node's own number of the container's first process.
	PID int
	// Attempt counts from 0; kubelet raises it when it makes the container anew.
	Attempt uint32
}

// Containers are those that run on the node according to CRI, by pod and name.
func (n *Node) Containers(ctx context.Context) ([]Container, error) {
	conn, err := n.CRI()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	runtime := cri.NewRuntimeServiceClient(conn)
	list, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{
		Filter: &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}},
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, err)
	}
	var out []Container
	for _, c := range list.Containers {
		st, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: c.Id, Verbose: true})
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", n.Name, err)
		}
		var info struct{ PID int }
		if err := json.Unmarshal([]byte(st.Info["info"]), &info); err != nil {
			return nil, fmt.Errorf("node %s, container %s: %w", n.Name, c.Id, err)
		}
		out = append(out, Container{
			Pod:  c.Labels["io.kubernetes.pod.namespace"] + "/" + c.Labels["io.kubernetes.pod.name"],
			Name: c.Metadata.Name, ID: c.Id, Image: st.Status.GetImage().GetImage(), PID: info.PID, Attempt: c.Metadata.Attempt,
		})
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Pod+a.Name, b.Pod+b.Name) })
	return out, nil
}
