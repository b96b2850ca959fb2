package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxManifest bounds one manifest or index, as containerd itself does.
	maxManifest = 8 << 20
	// maxChildren bounds the entries of an index that are looked at, maxDepth how
	// far indexes nest, maxLayers the layers of an image.
	maxChildren = 256
	maxDepth    = 3
	maxLayers   = 1024
)

// layers are the parts of an image that prove a fetch.
type layers struct {
	config string
	blobs  []string
}

// document is a manifest or an index, of OCI or of Docker: what we need of them
// has the same names.
type document struct {
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType string   `json:"mediaType"`
	Digest    string   `json:"digest"`
	URLs      []string `json:"urls"`
	Platform  struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// layersOf finds the manifest below digest that containerd used. The image id
// is the digest of its configuration, which tells better than any comparison of
// platforms; that is only the second choice.
func (c *Client) layersOf(ctx context.Context, digest, imageID string) (layers, error) {
	var second *layers
	found, err := c.search(ctx, digest, imageID, maxDepth, true, &second)
	switch {
	case err != nil:
		return layers{}, err
	case found != nil:
		return *found, nil
	case second != nil:
		return *second, nil
	}
	return layers{}, errNoManifest
}

func (c *Client) search(ctx context.Context, digest, imageID string, depth int, fits bool, second **layers) (*layers, error) {
	raw, err := c.read(ctx, digest)
	if err != nil {
		return nil, err
	}
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("manifest %s is not JSON", digest)
	}
	if len(doc.Manifests) == 0 {
		l := layers{config: doc.Config.Digest}
		for _, d := range doc.Layers[:min(len(doc.Layers), maxLayers)] {
			// Foreign layers come from elsewhere, attestations are none.
			if len(d.URLs) == 0 && !strings.Contains(d.MediaType, "nondistributable") && !strings.Contains(d.MediaType, "foreign") {
				l.blobs = append(l.blobs, d.Digest)
			}
		}
		if l.config == imageID {
			return &l, nil
		}
		if fits && *second == nil && l.config != "" {
			*second = &l
		}
		return nil, nil
	}
	if depth == 0 {
		return nil, fmt.Errorf("index %s is nested too deep", digest)
	}
	for _, d := range doc.Manifests[:min(len(doc.Manifests), maxChildren)] {
		// Only what was pulled is there; the other platforms are not.
		if _, ok, err := c.info(ctx, Namespace, d.Digest); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		fits := d.Platform.OS == runtime.GOOS && d.Platform.Architecture == runtime.GOARCH
		if found, err := c.search(ctx, d.Digest, imageID, depth-1, fits, second); err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// fetched tells whether one of the layers came during the pull, else why not.
func (c *Client) fetched(ctx context.Context, l layers, when span) (bool, string, error) {
	if len(l.blobs) == 0 {
		return false, "the image has no layers", nil
	}
	others, err := c.otherNamespaces(ctx)
	if err != nil {
		return false, "", err
	}
	discarded, shared := false, false
	for _, blob := range l.blobs {
		created, ok, err := c.info(ctx, Namespace, blob)
		switch {
		case err != nil:
			return false, "", err
		case !ok:
			discarded = true
			continue
		case !when.created(created.at):
			continue
		}
		// containerd takes a blob over from another namespace without fetching it.
		elsewhere, err := c.olderElsewhere(ctx, others, blob, when)
		if err != nil {
			return false, "", err
		}
		if !elsewhere {
			return true, "", nil
		}
		shared = true
	}
	if discarded {
		return c.unpacked(ctx, l.config, when)
	}
	if shared {
		return false, "the layers were on the node already, in another namespace of containerd", nil
	}
	return false, "every layer was on the node already", nil
}

// unpacked decides for a daemon that discards layers once they are unpacked: a
// snapshot that is new was made of a layer that is new.
func (c *Client) unpacked(ctx context.Context, config string, when span) (bool, string, error) {
	blob, ok, err := c.info(ctx, Namespace, config)
	if err != nil || !ok {
		return false, "unknown: the layers are not in the content store", err
	}
	const label = "containerd.io/gc.ref.snapshot."
	for key, chain := range blob.labels {
		snapshotter, is := strings.CutPrefix(key, label)
		// A snapshotter that is not containerd's own may fetch lazily: that its
		// snapshot is new says nothing of the layers.
		if !is || !ownSnapshotter(snapshotter) {
			continue
		}
		r, err := c.snapshots.Stat(inNamespace(ctx), &snapshotsapi.StatSnapshotRequest{Snapshotter: snapshotter, Key: chain})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return false, "", c.callError("stat snapshot", err)
		}
		if when.created(r.GetInfo().GetCreatedAt().AsTime()) {
			return true, "", nil
		}
		return false, "every layer was unpacked on the node already", nil
	}
	return false, "unknown: the layers are not in the content store", nil
}

func ownSnapshotter(name string) bool {
	switch name {
	case "overlayfs", "native", "btrfs", "zfs", "devmapper", "blockfile", "erofs":
		return true
	}
	return false
}

// blob is what the content store knows of one.
type blob struct {
	at     time.Time
	labels map[string]string
}

func (c *Client) info(ctx context.Context, namespace, digest string) (blob, bool, error) {
	r, err := c.content.Info(in(ctx, namespace), &contentapi.InfoRequest{Digest: digest})
	switch {
	case status.Code(err) == codes.NotFound:
		return blob{}, false, nil
	case err != nil:
		return blob{}, false, c.callError("content info", err)
	}
	return blob{r.GetInfo().GetCreatedAt().AsTime(), r.GetInfo().GetLabels()}, true, nil
}

func (c *Client) otherNamespaces(ctx context.Context) ([]string, error) {
	r, err := c.namespaces.List(ctx, &namespacesapi.ListNamespacesRequest{})
	if err != nil {
		return nil, c.callError("list namespaces", err)
	}
	var names []string
	for _, n := range r.GetNamespaces() {
		if n.GetName() != Namespace {
			names = append(names, n.GetName())
		}
	}
	return names, nil
}

func (c *Client) olderElsewhere(ctx context.Context, namespaces []string, digest string, when span) (bool, error) {
	for _, n := range namespaces {
		b, ok, err := c.info(ctx, n, digest)
		if err != nil {
			return false, err
		}
		if ok && !when.created(b.at) {
			return true, nil
		}
	}
	return false, nil
}

// read gives a small blob whole.
func (c *Client) read(ctx context.Context, digest string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	stream, err := c.content.Read(ctx, &contentapi.ReadContentRequest{Digest: digest})
	if err != nil {
		return nil, c.callError("read content", err)
	}
	var raw []byte
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return raw, nil
		}
		if err != nil {
			return nil, c.callError("read content", err)
		}
		if len(raw)+len(part.GetData()) > maxManifest {
			return nil, fmt.Errorf("manifest %s is larger than %d bytes", digest, maxManifest)
		}
		raw = append(raw, part.GetData()...)
	}
}
