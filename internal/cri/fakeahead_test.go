package cri

import (
	"context"
	"strings"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Update takes labels as containerd does: an empty one goes. It answers a missing
// target, upon which the real one ends in a panic, by Internal.
func (s *fakeImages) Update(ctx context.Context, r *imagesapi.UpdateImageRequest) (*imagesapi.UpdateImageResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i := r.GetImage()
	if err := s.f.call("Update"); err != nil {
		return nil, err
	}
	if i.GetTarget() == nil {
		return nil, status.Error(codes.Internal, "panic: no target")
	}
	if _, ok := s.f.images[i.GetName()]; !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	labels := s.f.labels[i.GetName()]
	if labels == nil {
		labels = map[string]string{}
		s.f.labels[i.GetName()] = labels
	}
	for _, path := range r.GetUpdateMask().GetPaths() {
		key, ok := strings.CutPrefix(path, "labels.")
		if !ok {
			return nil, status.Error(codes.InvalidArgument, path)
		}
		if labels[key] = i.GetLabels()[key]; labels[key] == "" {
			delete(labels, key)
		}
	}
	return &imagesapi.UpdateImageResponse{}, needNamespace(ctx)
}

func (s *fakeImage) ImageStatus(_ context.Context, r *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	id := s.f.ids[normalize(r.GetImage().GetImage())]
	if id == "" {
		return &runtimeapi.ImageStatusResponse{}, nil
	}
	pin := false
	for name, of := range s.f.ids {
		pin = pin || of == id && s.f.labels[name][pinLabel] == pinned
	}
	return &runtimeapi.ImageStatusResponse{Image: &runtimeapi.Image{Id: id, Pinned: pin && !s.f.deaf}}, nil
}

func (s *fakeImage) ImageFsInfo(context.Context, *runtimeapi.ImageFsInfoRequest) (*runtimeapi.ImageFsInfoResponse, error) {
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: []*runtimeapi.FilesystemUsage{{FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: "/data/snapshots"}}}}, nil
}

func (s *fakeContent) ListStatuses(ctx context.Context, _ *contentapi.ListStatusesRequest) (*contentapi.ListStatusesResponse, error) {
	return &contentapi.ListStatusesResponse{Statuses: s.f.statuses}, needNamespace(ctx)
}

type fakeLeases struct {
	leasesapi.UnimplementedLeasesServer
	f *fake
}

func (s *fakeLeases) Create(ctx context.Context, r *leasesapi.CreateRequest) (*leasesapi.CreateResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, l := range s.f.leases {
		if l == r.GetID() {
			return nil, status.Error(codes.AlreadyExists, "there")
		}
	}
	s.f.leases = append(s.f.leases, r.GetID())
	return &leasesapi.CreateResponse{Lease: &leasesapi.Lease{ID: r.GetID()}}, needNamespace(ctx)
}

func (s *fakeLeases) List(ctx context.Context, _ *leasesapi.ListRequest) (*leasesapi.ListResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	r := &leasesapi.ListResponse{}
	for _, l := range s.f.leases {
		r.Leases = append(r.Leases, &leasesapi.Lease{ID: l})
	}
	return r, needNamespace(ctx)
}

func (s *fakeLeases) Delete(ctx context.Context, r *leasesapi.DeleteRequest) (*emptypb.Empty, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for i, l := range s.f.leases {
		if l == r.GetID() {
			s.f.leases = append(s.f.leases[:i], s.f.leases[i+1:]...)
			return &emptypb.Empty{}, needNamespace(ctx)
		}
	}
	return nil, status.Error(codes.NotFound, "no such lease")
}
