package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type object = map[string]any

const (
	probe    = "pullway-probe.invalid/team/app:v1"
	probeAt  = "pullway-probe.invalid/team/app@sha256:manifest"
	imageID  = "sha256:config"
	manifest = "sha256:manifest"
)

func blobs(digests ...string) []object {
	var list []object
	for _, d := range digests {
		list = append(list, object{"digest": d, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"})
	}
	return list
}

func image(config string, layers ...string) object {
	return object{"config": object{"digest": config}, "layers": blobs(layers...)}
}

// stored makes the fake give the image its names, as CRI does, and store the
// content that fill puts, all at the time of the pull.
func stored(f *fake, fill func(now time.Time)) {
	f.onPull = func(ref string) (string, error) {
		f.images[normalize(ref)] = manifest
		f.images[repositoryOf(normalize(ref))+"@"+manifest] = manifest
		f.images[imageID] = manifest
		fill(time.Now())
		return imageID, nil
	}
}

func TestPullFresh(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		reason string
		set    func(f *fake) func(now time.Time)
		fresh  bool
		note   string
	}{
		"fetched": {"", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, image(imageID, "sha256:a", "sha256:b"), now)
				f.put(Namespace, "sha256:a", nil, old)
				f.put(Namespace, "sha256:b", nil, now)
			}
		}, true, ""},
		"there-already": {"only the manifest came", func(f *fake) func(time.Time) {
			f.put(Namespace, "sha256:a", nil, old)
			return func(now time.Time) { f.put(Namespace, manifest, image(imageID, "sha256:a"), now) }
		}, false, "every layer was on the node already"},
		"other-namespace": {"containerd shares content between namespaces without fetching it", func(f *fake) func(time.Time) {
			f.put("moby", "sha256:a", nil, old)
			return func(now time.Time) {
				f.put(Namespace, manifest, image(imageID, "sha256:a"), now)
				f.put(Namespace, "sha256:a", nil, now)
			}
		}, false, "the layers were on the node already, in another namespace of containerd"},
		"no-layers": {"", func(f *fake) func(time.Time) {
			return func(now time.Time) { f.put(Namespace, manifest, image(imageID), now) }
		}, false, "the image has no layers"},
		"foreign-layer": {"it comes from elsewhere", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, object{"config": object{"digest": imageID}, "layers": []object{{"digest": "sha256:a", "urls": []string{"https://example.com/x"}}}}, now)
				f.put(Namespace, "sha256:a", nil, now)
			}
		}, false, "the image has no layers"},
		"discarded-fetched": {"the snapshot is new where the layers are thrown away", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, image(imageID, "sha256:a"), now)
				f.put(Namespace, imageID, nil, now)
				f.content[Namespace][imageID].labels["containerd.io/gc.ref.snapshot.overlayfs"] = "sha256:chain"
				f.snapshots["overlayfs/sha256:chain"] = now
			}
		}, true, ""},
		"discarded-there": {"the snapshot is old", func(f *fake) func(time.Time) {
			f.snapshots["overlayfs/sha256:chain"] = old
			return func(now time.Time) {
				f.put(Namespace, manifest, image(imageID, "sha256:a"), now)
				f.put(Namespace, imageID, nil, old)
				f.content[Namespace][imageID].labels["containerd.io/gc.ref.snapshot.overlayfs"] = "sha256:chain"
			}
		}, false, "every layer was unpacked on the node already"},
		"lazy": {"a lazy snapshotter makes snapshots without fetching", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, image(imageID, "sha256:a"), now)
				f.put(Namespace, imageID, nil, now)
				f.content[Namespace][imageID].labels["containerd.io/gc.ref.snapshot.stargz"] = "sha256:chain"
				f.snapshots["stargz/sha256:chain"] = now
			}
		}, false, "unknown: the layers are not in the content store"},
		"index-by-id": {"the image id finds the manifest, whatever the platforms are called", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, object{"manifests": []object{
					{"digest": "sha256:absent", "platform": object{"os": runtime.GOOS, "architecture": runtime.GOARCH}},
					{"digest": "sha256:other", "platform": object{"os": runtime.GOOS, "architecture": runtime.GOARCH}},
					{"digest": "sha256:mine", "platform": object{"os": "unknown"}},
				}}, now)
				f.put(Namespace, "sha256:other", image("sha256:otherconfig", "sha256:old"), old)
				f.put(Namespace, "sha256:old", nil, old)
				f.put(Namespace, "sha256:mine", image(imageID, "sha256:new"), now)
				f.put(Namespace, "sha256:new", nil, now)
			}
		}, true, ""},
		"index-by-platform": {"without a match of the id the platform decides", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, object{"manifests": []object{
					{"digest": "sha256:other", "platform": object{"os": "plan9", "architecture": "s390x"}},
					{"digest": "sha256:mine", "platform": object{"os": runtime.GOOS, "architecture": runtime.GOARCH}},
				}}, now)
				f.put(Namespace, "sha256:other", image("sha256:x", "sha256:new"), now)
				f.put(Namespace, "sha256:new", nil, now)
				f.put(Namespace, "sha256:mine", image("sha256:y", "sha256:old"), now)
				f.put(Namespace, "sha256:old", nil, old)
			}
		}, false, "every layer was on the node already"},
		"index-of-itself": {"a loop ends", func(f *fake) func(time.Time) {
			return func(now time.Time) {
				f.put(Namespace, manifest, object{"manifests": []object{{"digest": manifest}}}, now)
			}
		}, false, "unknown: index sha256:manifest is nested too deep"},
		"no-json": {"", func(f *fake) func(time.Time) {
			return func(now time.Time) { f.put(Namespace, manifest, []byte("<html>"), now) }
		}, false, "unknown: manifest sha256:manifest is not JSON"},
		"huge": {"", func(f *fake) func(time.Time) {
			return func(now time.Time) { f.put(Namespace, manifest, make([]byte, maxManifest+1), now) }
		}, false, "unknown: manifest sha256:manifest is larger than 8388608 bytes"},
		"no-manifest": {"", func(*fake) func(time.Time) { return func(time.Time) {} }, false, "unknown: not found"},
		"content-fails": {"that Fresh cannot be told fails no pull", func(f *fake) func(time.Time) {
			f.fail["Info"] = status.Error(codes.Internal, "boom")
			return func(now time.Time) { f.put(Namespace, manifest, image(imageID, "sha256:a"), now) }
		}, false, "unknown: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			stored(f, c.set(f))
			p, err := f.client(t).Pull(t.Context(), probe)
			if err != nil {
				t.Fatalf("%s: %v", c.reason, err)
			}
			if p.Fresh != c.fresh || p.Note != c.note {
				t.Errorf("%s: Fresh %v, %q; want %v, %q", c.reason, p.Fresh, p.Note, c.fresh, c.note)
			}
			if p.Digest != manifest || p.ImageID != imageID || p.Ref != probe || p.Took <= 0 {
				t.Errorf("got %+v", p)
			}
			if diff := cmp.Diff([]string{probe, probeAt, imageID}, p.Created); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSteppedClock(t *testing.T) {
	now := time.Now()
	if (span{now, now.Add(time.Second)}).stepped() {
		t.Error("a clock that runs evenly is not stepped")
	}
	// Without the monotonic part the difference is of the wall clock alone.
	if (span{now, now.Add(time.Second).Round(0)}).stepped() {
		t.Error("times without a monotonic part cannot tell")
	}
}

func TestPullOfWhatIsThere(t *testing.T) {
	f := newFake()
	real := "registry.example.com/team/app:v1"
	f.images[real], f.images[imageID] = manifest, manifest
	stored(f, func(now time.Time) { f.put(Namespace, manifest, image(imageID), now) })
	c := f.client(t)
	p, err := c.Pull(t.Context(), probe)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{probe, probeAt}, p.Created); diff != "" {
		t.Errorf("the image id was there before: %s", diff)
	}
	gone, err := c.DropPulled(t.Context(), p)
	if diff := cmp.Diff([]string{probe, probeAt}, gone); diff != "" || err != nil {
		t.Error(err, diff)
	}
	refs, err := c.ImageRefs(t.Context())
	if diff := cmp.Diff([]ImageRef{{real, manifest}, {imageID, manifest}}, refs); diff != "" || err != nil {
		t.Errorf("what is of others stays: %v %s", err, diff)
	}
}

func TestDropPulled(t *testing.T) {
	all := Pulled{Digest: manifest, ImageID: imageID, Created: []string{probe, probeAt, imageID}}
	for name, c := range map[string]struct {
		reason string
		before map[string]string
		left   []string
	}{
		"alone":        {"nothing else is of the image", map[string]string{}, nil},
		"pulled-since": {"kubelet pulled the same image meanwhile: the id is its", map[string]string{"r.example.com/app:v1": manifest}, []string{"r.example.com/app:v1", imageID}},
		"other-index":  {"the id points to somebody else's index now", map[string]string{imageID: "sha256:theirs", "r.example.com/app:v1": "sha256:theirs"}, []string{"r.example.com/app:v1", imageID}},
		"other-image":  {"", map[string]string{"r.example.com/other:v1": "sha256:x"}, []string{"r.example.com/other:v1"}},
		"gone-already": {"somebody took the name away", map[string]string{probe: ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			for _, n := range all.Created {
				f.images[n] = manifest
			}
			for n, d := range c.before {
				f.images[n] = d
				if d == "" {
					delete(f.images, n)
				}
			}
			cl := f.client(t)
			if _, err := cl.DropPulled(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			var left []string
			refs, _ := cl.ImageRefs(t.Context())
			for _, r := range refs {
				left = append(left, r.Name)
			}
			if diff := cmp.Diff(c.left, left); diff != "" {
				t.Errorf("%s: %s", c.reason, diff)
			}
			if slices.Contains(f.deleted, imageID+" sync=false") {
				t.Error("the last deletion must wait for the collector")
			}
		})
	}
	f := newFake()
	f.images[probe] = manifest
	f.fail["Delete"] = status.Error(codes.Internal, "boom")
	if gone, err := f.client(t).DropPulled(t.Context(), all); err == nil || len(gone) != 0 {
		t.Errorf("got %q, %v; want the error", gone, err)
	}
}

// An image that was pulled under two names leaves nothing when the last pull is
// dropped first: its id was created by the first one.
func TestDropPulledOfTwoNames(t *testing.T) {
	const own, ownAt = "r.example.com/app:v1", "r.example.com/app@" + manifest
	for reason, order := range map[string][]Pulled{
		"":               {{Digest: manifest, Created: []string{own, ownAt}}, {Digest: manifest, Created: []string{probe, probeAt, imageID}}},
		"the id is left": {{Digest: manifest, Created: []string{probe, probeAt, imageID}}, {Digest: manifest, Created: []string{own, ownAt}}},
	} {
		f := newFake()
		for _, n := range []string{probe, probeAt, own, ownAt, imageID} {
			f.images[n] = manifest
		}
		c := f.client(t)
		for _, p := range order {
			if _, err := c.DropPulled(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := c.ImageRefs(t.Context()); err != nil || (len(left) > 0) != (reason != "") {
			t.Errorf("left %v, %v; %s", left, err, reason)
		}
	}
}

func TestRefs(t *testing.T) {
	f := newFake()
	f.images["docker.io/library/busybox:latest"] = manifest
	c := f.client(t)
	for ref, want := range map[string]bool{"busybox": true, "docker.io/busybox": true, "busybox:1": false, "": false} {
		if got, err := c.Present(t.Context(), ref); err != nil || got != want {
			t.Errorf("Present(%q) = %v, %v", ref, got, err)
		}
	}
	if err := c.DeleteRef(t.Context(), "busybox", true); err != nil || len(f.deleted) != 0 {
		t.Errorf("names are exact and an absent one is no error: %v, %q", err, f.deleted)
	}
	if err := c.DeleteRef(t.Context(), "docker.io/library/busybox:latest", true); err != nil || !slices.Equal(f.deleted, []string{"docker.io/library/busybox:latest sync=true"}) {
		t.Errorf("%v, %q", err, f.deleted)
	}
	if err := c.DeleteRef(t.Context(), "", true); err == nil {
		t.Error("an empty name gave no error")
	}
}

func TestPullErrors(t *testing.T) {
	wrap := `failed to pull and unpack image "` + probe + `": failed to resolve reference "` + probe + `": `
	pull := func(err error) func(*testing.T) *Client {
		return func(t *testing.T) *Client {
			f := newFake()
			f.fail["PullImage"] = err
			return f.client(t)
		}
	}
	for name, c := range map[string]struct {
		client func(*testing.T) *Client
		kind   Kind
		text   string
	}{
		"prefix":  {pull(status.Error(codes.Unknown, wrap+"pulling from host 192.168.21.9 failed with status code [manifests v1]: 401 Unauthorized")), Unauthorized, "pulling from host 192.168.21.9 failed with status code [manifests v1]: 401 Unauthorized"},
		"missing": {pull(status.Error(codes.Unimplemented, "unknown service runtime.v1.ImageService")), CRIMissing, "unknown service runtime.v1.ImageService"},
		"lines":   {pull(status.Error(codes.Unknown, wrap+"first\nsecond")), Other, "first second"},
		"expired": {pull(status.Error(codes.DeadlineExceeded, "context deadline exceeded")), Timeout, "context deadline exceeded"},
		"away":    {func(t *testing.T) *Client { return dial(t, socketPath(t)) }, CRIMissing, "list images: no daemon answers on the socket: no such file or directory"},
		"lost": {func(t *testing.T) *Client {
			f := newFake()
			f.onPull = func(string) (string, error) { return imageID, nil }
			return f.client(t)
		}, Other, "CRI says that it pulled the image, but the image store does not have it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.client(t).Pull(t.Context(), probe)
			pe, ok := errors.AsType[*PullError](err)
			if !ok || pe.Kind != c.kind || pe.Text != c.text || pe.Ref != probe {
				t.Errorf("got %+v; want %s %q", err, c.kind, c.text)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f := newFake()
	f.onPull = func(string) (string, error) { time.Sleep(300 * time.Millisecond); return imageID, nil }
	_, err := f.client(t).Pull(ctx, probe)
	if pe, ok := errors.AsType[*PullError](err); !ok || pe.Kind != Timeout {
		t.Errorf("the context ended: %v", err)
	}
	_, err = pull(status.Error(codes.Unknown, `failed to parse image reference "admin:Harbor12345@192.0.2.1/x:1": invalid reference format`))(t).Pull(t.Context(), "admin:Harbor12345@192.0.2.1/x:1")
	if err == nil || strings.Contains(fmt.Sprint(err), "Harbor12345") {
		t.Errorf("a password in the reference is shown: %v", err)
	}
}

// DropUnder finds by itself what DropPulled is told, and leaves the same to others.
func TestDropUnder(t *testing.T) {
	host, _, _ := strings.Cut(probe, "/")
	for name, c := range map[string]struct{ there, left map[string]string }{
		"nothing of the host": {map[string]string{"r.example.com/app:v1": manifest, imageID: manifest}, map[string]string{"r.example.com/app:v1": manifest, imageID: manifest}},
		"alone":               {map[string]string{probe: manifest, probeAt: manifest, imageID: manifest}, map[string]string{}},
		"another image":       {map[string]string{probe: manifest, imageID: manifest, "r.example.com/b:v1": "sha256:x"}, map[string]string{"r.example.com/b:v1": "sha256:x"}},
		"the same image by another name": {map[string]string{probe: manifest, imageID: manifest, "r.example.com/app:v1": manifest},
			map[string]string{imageID: manifest, "r.example.com/app:v1": manifest}},
		"a host of a longer name": {map[string]string{host + ".example.com/app:v1": manifest}, map[string]string{host + ".example.com/app:v1": manifest}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			maps.Copy(f.images, c.there)
			if err := f.client(t).DropUnder(t.Context(), host); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.left, f.images); diff != "" {
				t.Error(diff)
			}
		})
	}
}
