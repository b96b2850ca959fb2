package cri

import (
	"context"
	"sort"
	"strings"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Running is the State of a container that runs.
const Running = "running"

// Container is one container of CRI. Comparing the lists before and after a
// restart of containerd shows whether it left the workloads alone.
type Container struct {
	ID           string
	PodSandboxID string
	// Name is NAMESPACE/POD/CONTAINER where kubelet made it, otherwise its own name.
	Name string
	// State is "created", Running, "exited" or "unknown".
	State     string
	CreatedAt time.Time
	// Pid of its first process as seen by containerd, PodPid that of its sandbox; 0
	// when it does not run.
	Pid, PodPid uint32
}

// Containers lists the containers of CRI, sorted by id.
func (c *Client) Containers(ctx context.Context) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, c.callError("list containers", err)
	}
	tasks, err := c.tasks.List(inNamespace(ctx), &tasksapi.ListTasksRequest{})
	if err != nil {
		return nil, c.callError("list tasks", err)
	}
	pids := make(map[string]uint32, len(tasks.GetTasks()))
	for _, t := range tasks.GetTasks() {
		// The id of the container is in ID; ContainerID is of an exec.
		pids[t.GetID()] = t.GetPid()
	}
	list := make([]Container, 0, len(r.GetContainers()))
	for _, k := range r.GetContainers() {
		list = append(list, Container{
			ID:           k.GetId(),
			PodSandboxID: k.GetPodSandboxId(),
			Name:         nameOf(k),
			State:        stateOf(k.GetState()),
			CreatedAt:    time.Unix(0, k.GetCreatedAt()),
			Pid:          pids[k.GetId()],
			PodPid:       pids[k.GetPodSandboxId()],
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, nil
}

func stateOf(s runtimeapi.ContainerState) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "CONTAINER_"))
}

// nameOf is the name that a person knows a container by, from kubelet's labels.
func nameOf(k *runtimeapi.Container) string {
	name := k.GetMetadata().GetName()
	if pod := k.GetLabels()["io.kubernetes.pod.name"]; pod != "" {
		name = k.GetLabels()["io.kubernetes.pod.namespace"] + "/" + pod + "/" + name
	}
	if name == "" {
		name = k.GetId()
	}
	return clean(name)
}

// Ending is how CRI says that a container is now, and how it ended.
type Ending struct {
	// State as in Container.
	State string
	// At and ExitCode are set for one that ended. Reason is one word of CRI's:
	// "Completed", "Error", "OOMKilled", or EndedUnknown.
	At       time.Time
	ExitCode int32
	Reason   string
}

// EndedUnknown is CRI's reason for a container whose end it did not see: its task
// was not there any more when containerd started. (pkg/cri/server/restart.go of
// 1.6 and 1.7, internal/cri/server/restart.go of 2.x: exit code 255.)
const EndedUnknown = "Unknown"

// Ending asks how a container ended; false when CRI does not have it any more.
func (c *Client) Ending(ctx context.Context, id string) (Ending, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
	switch {
	case status.Code(err) == codes.NotFound:
		return Ending{}, false, nil
	case err != nil:
		return Ending{}, false, c.callError("container status", err)
	}
	s := r.GetStatus()
	e := Ending{State: stateOf(s.GetState()), ExitCode: s.GetExitCode(), Reason: clean(s.GetReason())}
	if s.GetFinishedAt() > 0 {
		e.At = time.Unix(0, s.GetFinishedAt())
	}
	return e, true, nil
}
