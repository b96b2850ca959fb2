package cri

import (
	"context"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
)

type fakeTasks struct {
	tasksapi.UnimplementedTasksServer
	f *fake
}

func (s *fakeTasks) List(ctx context.Context, _ *tasksapi.ListTasksRequest) (*tasksapi.ListTasksResponse, error) {
	r := &tasksapi.ListTasksResponse{}
	for _, t := range s.f.tasks {
		r.Tasks = append(r.Tasks, &task.Process{ID: t.id, Pid: t.pid})
	}
	return r, needNamespace(ctx)
}
