package cri

import (
	"context"
	"errors"
	"sort"
	"strings"

	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ImageRef is one reference of containerd's image store in the namespace k8s.io.
// CRI keeps up to three for one image: NAME:TAG, NAME@DIGEST and the image id,
// which is the digest of its configuration.
type ImageRef struct {
	Name string
	// Digest of the manifest, or of the index, that it points to.
	Digest string
}

// ImageRefs lists the references, sorted by name.
func (c *Client) ImageRefs(ctx context.Context) ([]ImageRef, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.images.List(ctx, &imagesapi.ListImagesRequest{})
	if err != nil {
		return nil, c.callError("list images", err)
	}
	refs := make([]ImageRef, 0, len(r.GetImages()))
	for _, i := range r.GetImages() {
		refs = append(refs, ImageRef{Name: i.GetName(), Digest: i.GetTarget().GetDigest()})
	}
	sort.Slice(refs, func(i, j int) bool { return refs[i].Name < refs[j].Name })
	return refs, nil
}

// Present reports whether the reference, or the image id, is in the image
// store. A short name is taken as CRI takes it: busybox is
// docker.io/library/busybox:latest. It works while CRI is missing.
func (c *Client) Present(ctx context.Context, ref string) (bool, error) {
	_, found, err := c.target(ctx, normalize(ref))
	return found, err
}

// target is the digest that a name of the image store points to.
func (c *Client) target(ctx context.Context, name string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.images.Get(ctx, &imagesapi.GetImageRequest{Name: name})
	switch {
	case status.Code(err) == codes.NotFound:
		return "", false, nil
	case err != nil:
		return "", false, c.callError("get image", err)
	}
	return r.GetImage().GetTarget().GetDigest(), true, nil
}

// DeleteRef deletes one reference by the exact name that ImageRefs gives, and no
// other one of the same image; one that is not there is no error. sync waits
// until content that nothing refers to any more is collected, too. CRI's own
// RemoveImage is never used: it deletes every reference of the same image id.
func (c *Client) DeleteRef(ctx context.Context, name string, sync bool) error {
	if name == "" {
		return errors.New("delete image reference: the name is empty")
	}
	ctx, cancel := context.WithTimeout(inNamespace(ctx), collectTime)
	defer cancel()
	_, err := c.images.Delete(ctx, &imagesapi.DeleteImageRequest{Name: name, Sync: sync})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return c.callError("delete image reference", err)
}

// DropPulled takes away what the pull p created: its name, its name with the
// digest, and the image id when nothing else is of the same image. What was
// there before stays. It returns the names it deleted; after an error it can be
// called again. Content that nothing refers to is collected before it returns.
func (c *Client) DropPulled(ctx context.Context, p Pulled) ([]string, error) {
	var gone []string
	id := ""
	for i, name := range p.Created {
		if strings.HasPrefix(name, "sha256:") {
			id = name
			continue
		}
		last := i == len(p.Created)-1
		if err := c.DeleteRef(ctx, name, last); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	if id == "" {
		return gone, nil
	}
	refs, err := c.ImageRefs(ctx)
	if err != nil {
		return gone, err
	}
	for _, r := range refs {
		// Somebody pulled the same image in between, by another name or as another
		// index: the id is theirs now.
		if r.Name != id && r.Digest == p.Digest || r.Name == id && r.Digest != p.Digest {
			return gone, nil
		}
	}
	if err := c.DeleteRef(ctx, id, true); err != nil {
		return gone, err
	}
	return append(gone, id), nil
}

// DropUnder takes away every name under a registry host that exists nowhere, as
// DropPulled does: what a proof left that was killed. Nothing else is touched.
func (c *Client) DropUnder(ctx context.Context, host string) error {
	refs, err := c.ImageRefs(ctx)
	if err != nil {
		return err
	}
	left := map[string]*Pulled{} // by digest
	for _, r := range refs {
		if !strings.HasPrefix(r.Name, host+"/") {
			continue
		}
		if left[r.Digest] == nil {
			left[r.Digest] = &Pulled{Digest: r.Digest}
		}
		left[r.Digest].Created = append(left[r.Digest].Created, r.Name)
	}
	var errs []error
	for _, p := range left {
		for _, r := range refs {
			if r.Digest == p.Digest && strings.HasPrefix(r.Name, "sha256:") {
				p.Created = append(p.Created, r.Name)
			}
		}
		_, err := c.DropPulled(ctx, *p)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
