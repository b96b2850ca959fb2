package cri

import (
	"context"
	"errors"
	"slices"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// pullTime bounds a pull whose context has no deadline.
	pullTime = 10 * time.Minute
	// collectTime bounds a deletion, which may wait for the garbage collector.
	collectTime = 30 * time.Second
)

// Pulled is an image that was pulled.
type Pulled struct {
	// Ref as it was asked for.
	Ref string
	// Digest of the manifest, or of the index, that the registry gave.
	Digest string
	// ImageID is CRI's id: the digest of the image's configuration.
	ImageID string
	// Fresh is true when at least one layer's content was really fetched between
	// the start and the end of this pull. Somebody else's pull of the same image at
	// the same moment counts, too: containerd fetches a layer once for both.
	Fresh bool
	// Note says why Fresh is false; empty when it is true.
	Note string
	// Created are the names that the image store has only since this pull, the
	// image id last; DropPulled takes them away again.
	Created []string
	Took    time.Duration
}

// Pull pulls an image through CRI, as kubelet does but without credentials of
// its own: what the node is configured with has to suffice. The pull ends with
// ctx, and after ten minutes when that has no deadline. A failure is a
// *PullError; that Fresh could not be told is none, Note says so.
func (c *Client) Pull(ctx context.Context, ref string) (Pulled, error) {
	return c.pull(ctx, &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}}, "")
}

func (c *Client) pull(ctx context.Context, req *runtimeapi.PullImageRequest, lease string) (Pulled, error) {
	ref := req.GetImage().GetImage()
	ctx, cancel := bounded(ctx, pullTime)
	defer cancel()
	before, err := c.ImageRefs(ctx)
	if err != nil {
		return Pulled{}, c.pullError(ref, err)
	}
	start := time.Now()
	r, err := c.image.PullImage(under(ctx, lease), req)
	end := time.Now()
	if err != nil {
		return Pulled{}, c.pullError(ref, err)
	}
	p := Pulled{Ref: ref, ImageID: r.GetImageRef(), Took: end.Sub(start)}
	name := normalize(ref)
	digest, found, err := c.target(ctx, name)
	if err == nil && !found {
		digest, found, err = c.target(ctx, p.ImageID)
	}
	if err != nil {
		return p, c.pullError(ref, err)
	}
	if !found {
		return p, &PullError{Ref: cleanRef(ref), Kind: Other, Text: "CRI says that it pulled the image, but the image store does not have it"}
	}
	p.Digest = digest
	had := func(name string) bool {
		return slices.ContainsFunc(before, func(r ImageRef) bool { return r.Name == name })
	}
	for _, n := range slices.Compact([]string{name, repositoryOf(name) + "@" + digest, p.ImageID}) {
		if n != "" && !had(n) {
			p.Created = append(p.Created, n)
		}
	}
	p.Fresh, p.Note = c.fresh(ctx, p, span{start, end})
	return p, nil
}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// span is the time in which a pull ran, by the wall clock that containerd uses too.
type span struct{ start, end time.Time }

// stepped reports whether the wall clock was set while the pull ran; times of
// containerd say nothing then.
func (s span) stepped() bool {
	drift := s.end.Round(0).Sub(s.start.Round(0)) - s.end.Sub(s.start)
	return drift.Abs() > 50*time.Millisecond
}

// created reports whether a moment that containerd recorded is of this pull.
func (s span) created(at time.Time) bool { return !at.Before(s.start.Round(0)) }

func (c *Client) fresh(ctx context.Context, p Pulled, when span) (bool, string) {
	if when.stepped() {
		return false, "unknown: the clock was set while the pull ran"
	}
	l, err := c.layersOf(ctx, p.Digest, p.ImageID)
	if err != nil {
		return false, "unknown: " + reasonOf(err)
	}
	ok, note, err := c.fetched(ctx, l, when)
	if err != nil {
		return false, "unknown: " + reasonOf(err)
	}
	return ok, note
}

var errNoManifest = errors.New("the content store has no manifest of this image that fits the node")
