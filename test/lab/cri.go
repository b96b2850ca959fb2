package lab

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Socket is the path of the node's containerd socket as this machine sees it.
// It changes when the node reboots.
func (n *Node) Socket() (string, error) {
	pid, err := n.initPID()
	return "/proc/" + strconv.Itoa(pid) + "/root/run/containerd/containerd.sock", err
}

// CRI connects to the node's CRI, past its network. The caller closes it.
func (n *Node) CRI() (*grpc.ClientConn, error) {
	socket, err := n.Socket()
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("passthrough:///"+n.Name,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}))
}

// Auth is a pull secret as kubelet hands it to CRI.
type Auth struct{ Username, Password string }

// CRIVersion is what containerd calls itself, such as "v2.4.2" ("1.6.20~ds1" for
// Debian's). An error means that no pod could be started.
func (n *Node) CRIVersion(ctx context.Context) (string, error) {
	conn, err := n.CRI()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	v, err := cri.NewRuntimeServiceClient(conn).Version(ctx, &cri.VersionRequest{})
	if err != nil {
		return "", err
	}
	// The image service is another plugin in 2.x and fails by itself.
	if _, err := cri.NewImageServiceClient(conn).ImageFsInfo(ctx, &cri.ImageFsInfoRequest{}); err != nil {
		return "", err
	}
	return v.RuntimeVersion, nil
}

// CRIPull pulls an image as kubelet does for a pod without pull secret, and
// gives the id of the image.
func (n *Node) CRIPull(ctx context.Context, image string) (string, error) {
	return n.CRIPullAs(ctx, image, nil)
}

// CRIPullAs is CRIPull with a pull secret.
func (n *Node) CRIPullAs(ctx context.Context, image string, auth *Auth) (string, error) {
	conn, err := n.CRI()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	req := &cri.PullImageRequest{Image: &cri.ImageSpec{Image: image}}
	if auth != nil {
		req.Auth = &cri.AuthConfig{Username: auth.Username, Password: auth.Password}
	}
	r, err := cri.NewImageServiceClient(conn).PullImage(ctx, req)
	if err != nil {
		return "", fmt.Errorf("node %s: %w", n.Name, err)
	}
	return r.ImageRef, nil
}

// CRIRemove removes an image and, in time, its content; a missing one is no error.
func (n *Node) CRIRemove(ctx context.Context, image string) error {
	conn, err := n.CRI()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = cri.NewImageServiceClient(conn).RemoveImage(ctx, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: image}})
	return err
}

// CRIImages are the references of the images on the node.
func (n *Node) CRIImages(ctx context.Context) ([]string, error) {
	conn, err := n.CRI()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r, err := cri.NewImageServiceClient(conn).ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, img := range r.Images {
		refs = append(refs, img.RepoTags...)
	}
	return refs, nil
}
