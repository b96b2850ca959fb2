package cri

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	"github.com/containerd/containerd/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fake is a containerd that answers from memory. Its services are separate
// types because their methods share names.
type fake struct {
	mu        sync.Mutex
	noCRI     bool // the CRI services are not registered, as when the plugin failed
	noOwn     bool // containerd's own services are not, as with another runtime
	status    func() (*runtimeapi.StatusResponse, error)
	onPull    func(ref string) (id string, err error)
	plugins   []*introspectionapi.Plugin
	images    map[string]string               // name -> digest
	content   map[string]map[string]*fakeBlob // namespace -> digest
	snapshots map[string]time.Time            // snapshotter/key -> created
	fail      map[string]error                // call -> error
	calls     map[string]int                  // call -> how often
	version   *runtimeapi.VersionResponse
	list      []*runtimeapi.Container
	tasks     []*tasksProcess
	endings   map[string]*runtimeapi.ContainerStatus
	deleted   []string
	labels    map[string]map[string]string // of images
	ids       map[string]string            // image id of a name, for ImageStatus
	deaf      bool                         // CRI does not know pins
	leases    []string
	statuses  []*contentapi.Status
	asked     []*runtimeapi.PullImageRequest
	under     []string // leases of pulls
}

type fakeBlob struct {
	raw    []byte
	at     time.Time
	labels map[string]string
}

func newFake() *fake {
	return &fake{
		images:    map[string]string{},
		content:   map[string]map[string]*fakeBlob{Namespace: {}},
		snapshots: map[string]time.Time{},
		fail:      map[string]error{},
		calls:     map[string]int{},
		labels:    map[string]map[string]string{},
		ids:       map[string]string{},
		status:    func() (*runtimeapi.StatusResponse, error) { return conditions(true, true), nil },
	}
}

func conditions(runtimeReady, networkReady bool) *runtimeapi.StatusResponse {
	return &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: "RuntimeReady", Status: runtimeReady},
		{Type: "NetworkReady", Status: networkReady, Reason: "NetworkPluginNotReady", Message: "cni plugin\nnot initialized"},
		{Type: "ContainerdHasNoDeprecationWarnings", Status: true},
	}}}
}

// call counts a call and gives its fault; with the lock held.
func (f *fake) call(name string) error {
	f.calls[name]++
	return f.fail[name]
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cri") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "c.sock")
}

// serve listens on the socket until stop is called.
func (f *fake) serve(t *testing.T, socket string) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxSendMsgSize(64 << 20))
	if !f.noCRI {
		runtimeapi.RegisterRuntimeServiceServer(s, &fakeRuntime{f: f})
		runtimeapi.RegisterImageServiceServer(s, &fakeImage{f: f})
	}
	if !f.noOwn {
		imagesapi.RegisterImagesServer(s, &fakeImages{f: f})
		contentapi.RegisterContentServer(s, &fakeContent{f: f})
		introspectionapi.RegisterIntrospectionServer(s, &fakeIntrospection{f: f})
		namespacesapi.RegisterNamespacesServer(s, &fakeNamespaces{f: f})
		snapshotsapi.RegisterSnapshotsServer(s, &fakeSnapshots{f: f})
		tasksapi.RegisterTasksServer(s, &fakeTasks{f: f})
		leasesapi.RegisterLeasesServer(s, &fakeLeases{f: f})
		versionapi.RegisterVersionServer(s, &fakeVersion{f: f})
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return s.Stop
}

func (f *fake) client(t *testing.T) *Client {
	t.Helper()
	socket := socketPath(t)
	f.serve(t, socket)
	return dial(t, socket)
}

func dial(t *testing.T, socket string) *Client {
	t.Helper()
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

type fakeRuntime struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	f *fake
}

func (s *fakeRuntime) Status(context.Context, *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.calls["Status"]++
	return s.f.status()
}

func (s *fakeRuntime) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return s.f.version, nil
}

func (s *fakeRuntime) ListContainers(context.Context, *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	return &runtimeapi.ListContainersResponse{Containers: s.f.list}, nil
}

func (s *fakeRuntime) ContainerStatus(_ context.Context, r *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	if end := s.f.endings[r.GetContainerId()]; end != nil {
		return &runtimeapi.ContainerStatusResponse{Status: end}, nil
	}
	return nil, status.Error(codes.NotFound, "no such container")
}

type fakeImage struct {
	runtimeapi.UnimplementedImageServiceServer
	f *fake
}

func (s *fakeImage) PullImage(ctx context.Context, r *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	s.f.under = append(s.f.under, md.Get(leaseHeader)...)
	s.f.asked = append(s.f.asked, r)
	if err := s.f.call("PullImage"); err != nil {
		return nil, err
	}
	id, err := s.f.onPull(r.GetImage().GetImage())
	return &runtimeapi.PullImageResponse{ImageRef: id}, err
}

// RemoveImage must never be called: it takes every reference of the image id.
func (s *fakeImage) RemoveImage(context.Context, *runtimeapi.RemoveImageRequest) (*runtimeapi.RemoveImageResponse, error) {
	panic("RemoveImage was called")
}

func namespaceOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get("containerd-namespace"); len(v) == 1 {
		return v[0]
	}
	return fmt.Sprintf("namespaces %q", md.Get("containerd-namespace"))
}

func needNamespace(ctx context.Context) error {
	if ns := namespaceOf(ctx); ns != Namespace {
		return status.Errorf(codes.FailedPrecondition, "namespace is %s", ns)
	}
	return nil
}

type fakeImages struct {
	imagesapi.UnimplementedImagesServer
	f *fake
}

func (s *fakeImages) Get(ctx context.Context, r *imagesapi.GetImageRequest) (*imagesapi.GetImageResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err := s.f.call("Get"); err != nil {
		return nil, err
	}
	digest, ok := s.f.images[r.GetName()]
	if !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	return &imagesapi.GetImageResponse{Image: &imagesapi.Image{Name: r.GetName(), Labels: s.f.labels[r.GetName()], Target: &types.Descriptor{Digest: digest}}}, needNamespace(ctx)
}

func (s *fakeImages) List(ctx context.Context, _ *imagesapi.ListImagesRequest) (*imagesapi.ListImagesResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err := s.f.call("List"); err != nil {
		return nil, err
	}
	r := &imagesapi.ListImagesResponse{}
	for name, digest := range s.f.images {
		r.Images = append(r.Images, &imagesapi.Image{Name: name, Labels: s.f.labels[name], Target: &types.Descriptor{Digest: digest}})
	}
	return r, needNamespace(ctx)
}

func (s *fakeImages) Delete(ctx context.Context, r *imagesapi.DeleteImageRequest) (*emptypb.Empty, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err := s.f.call("Delete"); err != nil {
		return nil, err
	}
	if _, ok := s.f.images[r.GetName()]; !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	delete(s.f.images, r.GetName())
	s.f.deleted = append(s.f.deleted, fmt.Sprintf("%s sync=%v", r.GetName(), r.GetSync()))
	return &emptypb.Empty{}, needNamespace(ctx)
}

type fakeContent struct {
	contentapi.UnimplementedContentServer
	f *fake
}

func (s *fakeContent) Info(ctx context.Context, r *contentapi.InfoRequest) (*contentapi.InfoResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err := s.f.call("Info"); err != nil {
		return nil, err
	}
	b, ok := s.f.content[namespaceOf(ctx)][r.GetDigest()]
	if !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	return &contentapi.InfoResponse{Info: &contentapi.Info{Digest: r.GetDigest(), CreatedAt: timestamppb.New(b.at), Labels: b.labels}}, nil
}

func (s *fakeContent) Read(r *contentapi.ReadContentRequest, stream contentapi.Content_ReadServer) error {
	s.f.mu.Lock()
	b, ok := s.f.content[namespaceOf(stream.Context())][r.GetDigest()]
	s.f.mu.Unlock()
	if !ok {
		return status.Error(codes.NotFound, "not found")
	}
	for raw := b.raw; len(raw) > 0; {
		n := min(len(raw), 1<<20)
		if err := stream.Send(&contentapi.ReadContentResponse{Data: raw[:n]}); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

type fakeIntrospection struct {
	introspectionapi.UnimplementedIntrospectionServer
	f *fake
}

func (s *fakeIntrospection) Plugins(context.Context, *introspectionapi.PluginsRequest) (*introspectionapi.PluginsResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return &introspectionapi.PluginsResponse{Plugins: s.f.plugins}, s.f.call("Plugins")
}

type fakeNamespaces struct {
	namespacesapi.UnimplementedNamespacesServer
	f *fake
}

func (s *fakeNamespaces) List(context.Context, *namespacesapi.ListNamespacesRequest) (*namespacesapi.ListNamespacesResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	r := &namespacesapi.ListNamespacesResponse{}
	for name := range s.f.content {
		r.Namespaces = append(r.Namespaces, &namespacesapi.Namespace{Name: name})
	}
	return r, s.f.call("Namespaces")
}

type fakeSnapshots struct {
	snapshotsapi.UnimplementedSnapshotsServer
	f *fake
}

func (s *fakeSnapshots) Stat(ctx context.Context, r *snapshotsapi.StatSnapshotRequest) (*snapshotsapi.StatSnapshotResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	at, ok := s.f.snapshots[r.GetSnapshotter()+"/"+r.GetKey()]
	if !ok {
		return nil, status.Error(codes.NotFound, "not found")
	}
	return &snapshotsapi.StatSnapshotResponse{Info: &snapshotsapi.Info{CreatedAt: timestamppb.New(at)}}, needNamespace(ctx)
}

type tasksProcess struct {
	id  string
	pid uint32
}

type fakeVersion struct {
	versionapi.UnimplementedVersionServer
	f *fake
}

func (s *fakeVersion) Version(context.Context, *emptypb.Empty) (*versionapi.VersionResponse, error) {
	return &versionapi.VersionResponse{Version: "1.6.20~ds1"}, s.f.fail["Version"]
}

// put stores a document or raw bytes as content and returns its name.
func (f *fake) put(namespace, digest string, what any, at time.Time) string {
	raw, ok := what.([]byte)
	if !ok {
		raw, _ = json.Marshal(what)
	}
	if f.content[namespace] == nil {
		f.content[namespace] = map[string]*fakeBlob{}
	}
	f.content[namespace][digest] = &fakeBlob{raw: raw, at: at, labels: map[string]string{}}
	return digest
}
