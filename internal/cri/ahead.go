package cri

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pullway/pullway/internal/secret"
)

// Credential is a pull secret; the zero one is none.
type Credential struct {
	Username string
	Password secret.Value
}

// PullAhead pulls an image as Pull does, with a pull secret as kubelet hands it
// over, and under a lease of Hold: layers that came whole of a pull that was cut off
// are not collected, and the next one goes on from there. An empty lease is none.
func (c *Client) PullAhead(ctx context.Context, ref string, as Credential, lease string) (Pulled, error) {
	req := &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}}
	if as.Username != "" || !as.Password.IsZero() {
		req.Auth = &runtimeapi.AuthConfig{Username: as.Username, Password: as.Password.Reveal()}
	}
	p, err := c.pull(ctx, req, lease)
	if pe, ok := err.(*PullError); ok && !as.Password.IsZero() {
		pe.Text = strings.ReplaceAll(pe.Text, as.Password.Reveal(), secret.Mask)
	}
	return p, err
}

// leaseHeader is how containerd's client names the lease of a call (pkg/leases/grpc.go).
const leaseHeader = "containerd-lease"

func under(ctx context.Context, lease string) context.Context {
	if lease == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, leaseHeader, lease)
}

const (
	leasePrefix = "pullway-prepull-"
	// leaseFor is when containerd itself drops a lease that nobody came back to.
	leaseFor = 24 * time.Hour
)

// Hold makes the lease of a run, which keeps what its pulls fetch from containerd's
// own garbage collection until LetGo, or for a day. It may be called again.
func (c *Client) Hold(ctx context.Context, run string, now time.Time) (lease string, err error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	lease = leasePrefix + leaseName.ReplaceAllString(run, "-")
	_, err = c.leases.Create(ctx, &leasesapi.CreateRequest{ID: lease, Labels: map[string]string{
		"containerd.io/gc.expire": now.Add(leaseFor).UTC().Format(time.RFC3339)}})
	if status.Code(err) == codes.AlreadyExists {
		err = nil
	}
	return lease, c.callError("make a lease", err)
}

// leaseName is what an identifier of containerd may not hold.
var leaseName = regexp.MustCompile(`[^A-Za-z0-9-]+`)

// LetGo deletes the leases of all runs.
func (c *Client) LetGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.leases.List(ctx, &leasesapi.ListRequest{})
	if err != nil {
		return c.callError("list leases", err)
	}
	for _, l := range r.GetLeases() {
		if !strings.HasPrefix(l.GetID(), leasePrefix) {
			continue
		}
		if _, err := c.leases.Delete(ctx, &leasesapi.DeleteRequest{ID: l.GetID()}); err != nil && status.Code(err) != codes.NotFound {
			return c.callError("delete a lease", err)
		}
	}
	return nil
}

// Missing are those of the blobs that the content store does not have.
func (c *Client) Missing(ctx context.Context, digests []string) ([]string, error) {
	var missing []string
	for _, d := range digests {
		_, ok, err := c.info(ctx, Namespace, d)
		if err != nil {
			return nil, err
		}
		if !ok {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

// Fetching tells of each blob that is being fetched how many bytes have come, by digest.
func (c *Client) Fetching(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.content.ListStatuses(ctx, &contentapi.ListStatusesRequest{})
	if err != nil {
		return nil, c.callError("list what is fetched", err)
	}
	all := map[string]int64{}
	for _, s := range r.GetStatuses() {
		// layer-sha256:…, as containerd's fetcher names it (remotes.MakeRefKey).
		if i := strings.Index(s.GetRef(), "sha256:"); i >= 0 {
			all[s.GetRef()[i:]] = max(all[s.GetRef()[i:]], s.GetOffset())
		}
	}
	return all, nil
}

// Disks are the folders in which containerd keeps images: packed, and unpacked.
func (c *Client) Disks(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var dirs []string
	fs, err := c.image.ImageFsInfo(ctx, &runtimeapi.ImageFsInfoRequest{})
	if err != nil {
		return nil, c.callError("image file system", err)
	}
	for _, f := range fs.GetImageFilesystems() {
		dirs = append(dirs, f.GetFsId().GetMountpoint())
	}
	r, err := c.introspection.Plugins(ctx, &introspectionapi.PluginsRequest{})
	if err != nil {
		return nil, c.callError("list plugins", err)
	}
	for _, p := range r.GetPlugins() {
		if p.GetType() == "io.containerd.content.v1" {
			dirs = append(dirs, p.GetExports()["root"])
		}
	}
	slices.Sort(dirs)
	return slices.DeleteFunc(slices.Compact(dirs), func(d string) bool { return d == "" }), nil
}
