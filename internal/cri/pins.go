package cri

import (
	"context"
	"errors"
	"slices"

	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A pin is a label of a name in containerd's image store. CRI shows it as
// Image.Pinned, and kubelet's garbage collection leaves such images alone.
// 1.6.20 does not know the label; 1.7.35, 2.2.3 and 2.4.2 do, and follow a change
// of it at once (pkg/cri/labels, pkg/cri/store/image in 1.7).
const (
	pinLabel = "io.cri-containerd.pinned"
	pinned   = "pinned"
	// ownLabel marks the pins that are ours, with the run that set them. Both labels
	// come and go in one transaction of containerd's.
	ownLabel = "dev.pullway.pinned"
)

// Pin pins every name of the image ref that nobody has pinned, for a run: a pull
// of kubelet's takes the label off the one name that it pulls, and one pinned
// name holds the image. It returns the names that are ours after it: a pin of
// somebody else is left to them, and one of ours of an earlier run is taken over.
func (c *Client) Pin(ctx context.Context, ref, run string) ([]string, error) {
	id, _, err := c.imageStatus(ctx, ref)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, &CallError{Call: "pin image", Address: c.address, Code: codes.NotFound, Text: cleanRef(ref) + " is not on the node"}
	}
	name := normalize(ref)
	digest, _, err := c.target(ctx, name)
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, n := range slices.Compact([]string{name, repositoryOf(name) + "@" + digest, id}) {
		i, err := c.named(ctx, n)
		switch {
		case err != nil:
			return ours, err
		case i == nil, i.GetLabels()[pinLabel] == pinned && i.GetLabels()[ownLabel] == "":
			continue
		}
		if err := c.label(ctx, i, map[string]string{pinLabel: pinned, ownLabel: run}); err != nil {
			return ours, err
		}
		ours = append(ours, n)
	}
	return ours, nil
}

// Unpin takes away every pin of ours, and no other, and returns their names. It
// works while CRI is missing.
func (c *Client) Unpin(ctx context.Context) ([]string, error) {
	pins, err := c.ownPins(ctx)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, i := range pins {
		// An empty value removes a label.
		err := c.label(ctx, i, map[string]string{pinLabel: "", ownLabel: ""})
		if ce, ok := errors.AsType[*CallError](err); ok && ce.Code == codes.NotFound {
			continue
		}
		if err != nil {
			return gone, err
		}
		gone = append(gone, i.GetName())
	}
	return gone, nil
}

// ownPins are the entries of the image store that carry a pin of ours.
func (c *Client) ownPins(ctx context.Context) ([]*imagesapi.Image, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.images.List(ctx, &imagesapi.ListImagesRequest{})
	if err != nil {
		return nil, c.callError("list images", err)
	}
	return slices.DeleteFunc(r.GetImages(), func(i *imagesapi.Image) bool { return i.GetLabels()[ownLabel] == "" }), nil
}

// Pinned reports whether CRI tells kubelet that the image is pinned, whoever did it.
func (c *Client) Pinned(ctx context.Context, ref string) (bool, error) {
	_, is, err := c.imageStatus(ctx, ref)
	return is, err
}

// imageStatus is CRI's id of an image, empty when it is not there, and whether it is pinned.
func (c *Client) imageStatus(ctx context.Context, ref string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := c.image.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: ref}})
	if err != nil {
		return "", false, c.callError("image status", err)
	}
	return r.GetImage().GetId(), r.GetImage().GetPinned(), nil
}

// named is an entry of the image store; nil when there is none.
func (c *Client) named(ctx context.Context, name string) (*imagesapi.Image, error) {
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	r, err := c.images.Get(ctx, &imagesapi.GetImageRequest{Name: name})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil, nil
	case err != nil:
		return nil, c.callError("get image", err)
	}
	return r.GetImage(), nil
}

// label sets these labels of an entry and leaves the others. The target goes along
// although the mask leaves it out: without one containerd 1.7 and 2.x end in a
// panic (1.7.35 services/images/helpers.go, 2.4.2 the same).
func (c *Client) label(ctx context.Context, of *imagesapi.Image, labels map[string]string) error {
	if of.GetTarget() == nil {
		return &CallError{Call: "label image", Address: c.address, Code: codes.FailedPrecondition, Text: "the image store gives " + oneLine(of.GetName()) + " without a target"}
	}
	ctx, cancel := context.WithTimeout(inNamespace(ctx), callTime)
	defer cancel()
	mask := &fieldmaskpb.FieldMask{}
	for key := range labels {
		mask.Paths = append(mask.Paths, "labels."+key)
	}
	slices.Sort(mask.Paths)
	_, err := c.images.Update(ctx, &imagesapi.UpdateImageRequest{Image: &imagesapi.Image{Name: of.GetName(), Target: of.GetTarget(), Labels: labels}, UpdateMask: mask})
	return c.callError("label image", err)
}
