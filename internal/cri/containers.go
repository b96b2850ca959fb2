package cri

import (
	"context"
	"sort"
	"strings"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Container is one container of CRI. Comparing the lists before and after a
// restart of containerd shows whether it left the workloads alone.
type Container struct {
	ID           string
	PodSandboxID string
	// State is "created", "running", "exited" or "unknown".
	State     string
	CreatedAt time.Time
	// Pid of its first process as seen by containerd; 0 when it does not run.
	Pid uint32
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
			State:        strings.ToLower(strings.TrimPrefix(k.GetState().String(), "CONTAINER_")),
			CreatedAt:    time.Unix(0, k.GetCreatedAt()),
			Pid:          pids[k.GetId()],
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, nil
}
