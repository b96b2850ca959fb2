// Package cri asks the containerd of this node through its socket: Kubernetes'
// CRI (runtime.v1) and containerd's own services in the namespace k8s.io. It
// tells whether CRI is there and well, pulls images the way kubelet does, and
// takes single references away again. It reads no file and starts no program.
package cri

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	versionapi "github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/containerd"
)

const (
	// Namespace is where CRI keeps its images and containers in containerd.
	Namespace = "k8s.io"
	// maxMessage bounds one answer; it is containerd's and kubelet's own bound.
	maxMessage = 16 << 20
	// callTime bounds every call but a pull.
	callTime = 5 * time.Second
	// maxSocketPath is what sockaddr_un holds, less its final NUL.
	maxSocketPath = 107
)

// Client is one connection to containerd's socket. It is safe for concurrent
// use and reconnects by itself after a restart of the daemon.
type Client struct {
	address       string
	conn          *grpc.ClientConn
	runtime       runtimeapi.RuntimeServiceClient
	image         runtimeapi.ImageServiceClient
	images        imagesapi.ImagesClient
	content       contentapi.ContentClient
	snapshots     snapshotsapi.SnapshotsClient
	tasks         tasksapi.TasksClient
	leases        leasesapi.LeasesClient
	namespaces    namespacesapi.NamespacesClient
	introspection introspectionapi.IntrospectionClient
	version       versionapi.VersionClient
}

// Dial makes a client for the socket at address: an absolute path, with or
// without unix:// before it. It does not wait for a daemon: an error means that
// address cannot be a socket, and a daemon that is away shows at the first call.
func Dial(address string) (*Client, error) {
	path := strings.TrimPrefix(address, "unix://")
	switch {
	case !filepath.IsAbs(path) || strings.ContainsRune(path, 0):
		return nil, fmt.Errorf("containerd address %q: not an absolute path of a socket", address)
	case len(path) > maxSocketPath:
		return nil, fmt.Errorf("containerd address %q: longer than the %d bytes of a socket path", address, maxSocketPath)
	}
	dialer := net.Dialer{}
	conn, err := grpc.NewClient("passthrough:///"+path,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithUserAgent("pullway"),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A restart takes about a second: grpc's own back-off, from one
			// second to two minutes, would be most of the gap we measure.
			Backoff:           backoff.Config{BaseDelay: pollFirst, Multiplier: 1.5, MaxDelay: pollLast},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	)
	if err != nil {
		return nil, fmt.Errorf("containerd address %q: %s", address, oneLine(err.Error()))
	}
	return &Client{
		address:       path,
		conn:          conn,
		runtime:       runtimeapi.NewRuntimeServiceClient(conn),
		image:         runtimeapi.NewImageServiceClient(conn),
		images:        imagesapi.NewImagesClient(conn),
		content:       contentapi.NewContentClient(conn),
		snapshots:     snapshotsapi.NewSnapshotsClient(conn),
		tasks:         tasksapi.NewTasksClient(conn),
		leases:        leasesapi.NewLeasesClient(conn),
		namespaces:    namespacesapi.NewNamespacesClient(conn),
		introspection: introspectionapi.NewIntrospectionClient(conn),
		version:       versionapi.NewVersionClient(conn),
	}, nil
}

// Address is the path of the socket.
func (c *Client) Address() string { return c.address }

// Close ends the connection and every call on it.
func (c *Client) Close() error { return c.conn.Close() }

// Version asks the daemon for its release. It works while CRI is missing,
// because containerd's own version service answers first; a socket of another
// runtime is an error that names it.
func (c *Client) Version(ctx context.Context) (containerd.Release, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	text := ""
	v, err := c.version.Version(ctx, &emptypb.Empty{})
	if err == nil {
		text = v.GetVersion()
	} else if status.Code(err) == codes.Unimplemented {
		r, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{})
		if err != nil {
			return containerd.Release{}, c.callError("version", err)
		}
		if r.GetRuntimeName() != "containerd" {
			return containerd.Release{}, fmt.Errorf("socket %s is of %q, not of containerd", c.address, oneLine(r.GetRuntimeName()))
		}
		text = r.GetRuntimeVersion()
	} else {
		return containerd.Release{}, c.callError("version", err)
	}
	return containerd.ParseRelease(oneLine(text))
}

// inNamespace puts a call to containerd's own services into Namespace.
func inNamespace(ctx context.Context) context.Context { return in(ctx, Namespace) }

func in(ctx context.Context, namespace string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "containerd-namespace", namespace)
}

// CallError is a call that the socket or the daemon did not answer as asked.
type CallError struct {
	// Call in a few words, such as "list images"; Address of the socket.
	Call, Address string
	// Code of gRPC: Unavailable when the socket is away.
	Code codes.Code
	// Text is one line.
	Text string
}

// Error returns one line.
func (e *CallError) Error() string {
	return fmt.Sprintf("containerd at %s: %s: %s", e.Address, e.Call, e.Text)
}

func (c *Client) callError(call string, err error) error {
	if err == nil {
		return nil
	}
	s := statusOf(err)
	text := clean(s.Message())
	if s.Code() == codes.Unavailable && strings.HasPrefix(text, "connection error:") {
		text = socketText(text)
	}
	return &CallError{Call: call, Address: c.address, Code: s.Code(), Text: text}
}

// statusOf is status.Convert, but keeps cancelled and expired contexts apart.
func statusOf(err error) *status.Status {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return status.FromContextError(err)
	}
	return status.Convert(err)
}
