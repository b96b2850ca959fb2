package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

// imageStore is CRI and containerd's image store as pulling ahead needs them.
type imageStore interface {
	pinStore
	Present(ctx context.Context, ref string) (bool, error)
	Missing(ctx context.Context, digests []string) ([]string, error)
	Fetching(ctx context.Context) (map[string]int64, error)
	Disks(ctx context.Context) ([]string, error)
	Hold(ctx context.Context, run string, now time.Time) (string, error)
	PullAhead(ctx context.Context, ref string, as cri.Credential, lease string) (cri.Pulled, error)
	Pin(ctx context.Context, ref, run string) ([]string, error)
	Pinned(ctx context.Context, ref string) (bool, error)
}

// prepull fetches images through what the node is configured with now, and pins
// them. With DryRun it only looks, and takes no lock.
func (e *Engine) prepull(ctx context.Context, req protocol.Request) (*protocol.Reply, error) {
	if req.Prepull == nil {
		return nil, &protocol.Error{Kind: protocol.ErrInvalid, Text: "the request names no images"}
	}
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	p := &prepulling{store: e.store, images: o.cri, address: o.address, tell: e.tell, now: e.now, free: freeOf, req: req}
	ask, stop := sizesFromHere(ctx, o, req)
	defer stop()
	p.ask = ask
	p.reply = protocol.Fetched{Arch: runtime.GOARCH, Release: o.Release.String()}
	// Pins are containerd's own; CRI is not asked for them.
	if !o.Healthy && !req.Prepull.Unpin {
		return nil, &protocol.Error{Kind: protocol.ErrFailed, Text: o.Health}
	}
	err = p.do(ctx)
	return &protocol.Reply{Ahead: &p.reply}, err
}

// prepulling is one prepull on this node.
type prepulling struct {
	store   store
	images  imageStore
	address string
	tell    func(protocol.Step, string)
	now     func() time.Time
	// free is how many bytes a folder's disk has left.
	free func(dir string) (int64, error)
	// ask asks a registry from here how large an image is.
	ask func(protocol.Ahead) ([]protocol.Contents, error)
	req protocol.Request

	reply protocol.Fetched
}

func (p *prepulling) do(ctx context.Context) error {
	if p.req.Prepull.Unpin {
		return p.unpin(ctx)
	}
	all, err := p.look(ctx)
	if err != nil {
		return err
	}
	defer func() { p.tellImages(all) }()
	if err := p.measure(ctx, all); err != nil {
		return err
	}
	if err := p.remember(); err != nil {
		return err
	}
	if refused := noRoom(p.reply.Need, p.reply.Room, p.reply.Disk); refused != nil || p.req.Prepull.DryRun {
		return refused
	}
	return p.fetch(ctx, all)
}

func (p *prepulling) unpin(ctx context.Context) (err error) {
	kept, err := p.store.pinned()
	if err != nil {
		return err
	}
	if p.req.Prepull.DryRun {
		if kept != nil {
			p.reply.Pins = &kept.Pins
		}
		return nil
	}
	p.reply.Unpinned, err = p.store.letGo(ctx, p.images)
	return err
}

// remember says what is kept, for the reply.
func (p *prepulling) remember() error {
	kept, err := p.store.pinned()
	if err == nil && kept != nil {
		p.reply.Pins = &kept.Pins
	} else if err == nil {
		p.reply.Pins = nil
	}
	return err
}

// ahead is one image on its way.
type ahead struct {
	protocol.FetchedImage
	want protocol.Ahead
	// missing are the blobs to be fetched; known tells that there is a list at all.
	missing []protocol.Blob
	known   bool
	// touched tells that it may be pinned by us now.
	touched bool
}

// look finds out what is there and how large the rest is.
func (p *prepulling) look(ctx context.Context) ([]*ahead, error) {
	var all []*ahead
	for _, want := range p.req.Prepull.Images {
		a := &ahead{want: want, FetchedImage: protocol.FetchedImage{Ref: want.Ref, State: protocol.AheadMissing}}
		all = append(all, a)
		there, err := p.images.Present(ctx, want.Ref)
		if err != nil {
			return all, err
		}
		if there {
			a.State = protocol.AheadPresent
			if a.Pinned, err = p.images.Pinned(ctx, want.Ref); err != nil {
				return all, err
			}
			continue
		}
		if len(want.Contents) == 0 && p.ask != nil {
			contents, err := p.ask(want)
			if err != nil {
				a.want.Unknown = oneLine(err)
			}
			a.want.Contents = contents
		}
		if err := p.size(ctx, a); err != nil {
			return all, err
		}
		if !a.known && !p.req.Force {
			a.State, a.Error = protocol.AheadRefused, "its size is not known"
			if a.want.Unknown != "" {
				a.Error += ": " + a.want.Unknown
			}
			a.Hint = "--force fetches it without a look at the disk's room"
		}
	}
	return all, nil
}

// size finds the blobs of an image that this node has to fetch.
func (p *prepulling) size(ctx context.Context, a *ahead) error {
	blobs, ok := blobsFor(a.want.Contents, runtime.GOARCH)
	if !ok {
		if len(a.want.Contents) > 0 {
			a.want.Unknown = "the registry has no image for " + runtime.GOARCH
		}
		return nil
	}
	digests := make([]string, 0, len(blobs))
	for _, b := range blobs {
		digests = append(digests, b.Digest)
	}
	gone, err := p.images.Missing(ctx, digests)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, d := range gone {
		missing[d] = true
	}
	for _, b := range blobs {
		if missing[b.Digest] {
			missing[b.Digest] = false
			a.missing = append(a.missing, b)
			a.Bytes += b.Size
		}
	}
	a.known = true
	return nil
}

// blobsFor picks the contents for an architecture.
func blobsFor(all []protocol.Contents, arch string) ([]protocol.Blob, bool) {
	for _, c := range all {
		if c.Arch == arch || c.Arch == "" {
			return c.Blobs, true
		}
	}
	return nil, false
}

// measure adds up what is to be fetched and looks for the room. A blob that two
// images share is fetched once.
func (p *prepulling) measure(ctx context.Context, all []*ahead) error {
	seen := map[string]bool{}
	for _, a := range all {
		for _, b := range a.missing {
			if !seen[b.Digest] {
				seen[b.Digest] = true
				p.reply.Bytes += b.Size
			}
		}
	}
	p.reply.Need = twice(p.reply.Bytes)
	dirs, err := p.images.Disks(ctx)
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		free, err := p.free(dir)
		if err != nil {
			return err
		}
		if i == 0 || free < p.reply.Room {
			p.reply.Room, p.reply.Disk = free, rootOf(dir)
		}
	}
	return nil
}

// rootOf is containerd's root, which people know, of the folder of one of its plugins.
func rootOf(dir string) string {
	root, _, _ := strings.Cut(dir, "/io.containerd.")
	return root
}

// twice is what an image takes at the most by experience: its layers as they come,
// and unpacked. OpenShift asks for the same room for its pinned images.
func twice(bytes int64) int64 {
	const most = 1 << 62
	return 2 * min(bytes, most)
}

func noRoom(need, room int64, disk string) error {
	if need <= room {
		return nil
	}
	return &protocol.Error{Kind: protocol.ErrRefused,
		Text: fmt.Sprintf("no room: the images take %s (twice what is to be fetched), %s has %s left", protocol.Size(need), disk, protocol.Size(room)),
		Hint: "make room there, or name fewer images"}
}

// freeOf is what a folder's disk has left. containerd 1.7 makes its folders with the
// first image: before that the nearest folder above counts.
func freeOf(dir string) (int64, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	for at := dir; errors.Is(err, unix.ENOENT) && at != "/" && at != "."; {
		at = filepath.Dir(at)
		err = unix.Statfs(at, &st)
	}
	if err != nil {
		return 0, fmt.Errorf("room of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func (p *prepulling) tellImages(all []*ahead) {
	for _, a := range all {
		if a.Pinned && a.By == "" {
			a.By = "others"
			if p.reply.Pins != nil && slices.Contains(p.reply.Pins.Images, a.Ref) {
				a.By = "pullway"
			}
		}
		p.reply.Images = append(p.reply.Images, a.FetchedImage)
	}
}

// credentials are the pull secrets of a request.
func credentials(pairs [][2]string) []cri.Credential {
	var all []cri.Credential
	for _, c := range pairs {
		all = append(all, cri.Credential{Username: c[0], Password: secret.New(c[1])})
	}
	return all
}
