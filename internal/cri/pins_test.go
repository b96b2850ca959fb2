package cri

import (
	"slices"
	"strings"
	"testing"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/secret"
)

const (
	pinRef    = "192.168.21.9/team/app:v1"
	pinDigest = "sha256:aaaa"
	pinID     = "sha256:cccc"
)

// withImage puts an image with its three names into the fake.
func withImage(f *fake) {
	for _, name := range []string{pinRef, "192.168.21.9/team/app@" + pinDigest, pinID} {
		f.images[name], f.ids[name] = pinDigest, pinID
	}
}

func TestPinAndUnpin(t *testing.T) {
	f := newFake()
	withImage(f)
	c := f.client(t)
	names, err := c.Pin(t.Context(), pinRef, "run1")
	if want := []string{pinRef, "192.168.21.9/team/app@" + pinDigest, pinID}; err != nil || !slices.Equal(names, want) {
		t.Fatalf("pinned %q, %v", names, err)
	}
	if is, err := c.Pinned(t.Context(), pinRef); !is || err != nil {
		t.Fatalf("CRI says pinned %v, %v", is, err)
	}
	// A pull of kubelet's writes the name anew, without labels.
	f.labels[pinRef] = nil
	if is, _ := c.Pinned(t.Context(), pinRef); !is {
		t.Error("a pull takes the pin off the image")
	}
	gone, err := c.Unpin(t.Context())
	if err != nil || len(gone) != 2 {
		t.Fatalf("unpinned %q, %v", gone, err)
	}
	if is, _ := c.Pinned(t.Context(), pinRef); is {
		t.Error("still pinned")
	}
}

// TestPinsOfOthersStay: neither pinning nor unpinning touches what somebody else pinned,
// and a pin set on a name that a pull had written anew is theirs.
func TestPinsOfOthersStay(t *testing.T) {
	f := newFake()
	withImage(f)
	f.labels[pinRef] = map[string]string{pinLabel: pinned, "io.cri-containerd.image": "managed"}
	c := f.client(t)
	if names, err := c.Pin(t.Context(), pinRef, "run1"); err != nil || slices.Contains(names, pinRef) || len(names) != 2 {
		t.Fatalf("pinned %q, %v", names, err)
	}
	f.labels[pinID] = map[string]string{pinLabel: pinned}
	if _, err := c.Unpin(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		pinRef: {pinLabel: pinned, "io.cri-containerd.image": "managed"}, pinID: {pinLabel: pinned}, "192.168.21.9/team/app@" + pinDigest: {}}
	if d := cmp.Diff(want, f.labels); d != "" {
		t.Error(d)
	}
}

func TestPinOfNothing(t *testing.T) {
	if _, err := newFake().client(t).Pin(t.Context(), pinRef, "run1"); err == nil || !strings.Contains(err.Error(), "is not on the node") {
		t.Error(err)
	}
}

func TestLeases(t *testing.T) {
	f := newFake()
	f.leases = []string{"somebody-else"}
	c := f.client(t)
	first, err := c.Hold(t.Context(), "20261124T1800_x/y", time.Now())
	if err != nil || strings.ContainsAny(first, "_/") {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := c.Hold(t.Context(), "20261124T1800_x/y", time.Now()); err != nil || again != first {
		t.Fatalf("%q, %v", again, err)
	}
	if err := c.LetGo(t.Context()); err != nil || !slices.Equal(f.leases, []string{"somebody-else"}) {
		t.Errorf("%q, %v", f.leases, err)
	}
}

func TestPullAheadGivesSecretAndLease(t *testing.T) {
	f := newFake()
	withImage(f)
	f.onPull = func(string) (string, error) { return pinID, nil }
	c := f.client(t)
	if _, err := c.PullAhead(t.Context(), pinRef, Credential{"robot", secret.New("hidden-1")}, "lease-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PullAhead(t.Context(), pinRef, Credential{}, ""); err != nil {
		t.Fatal(err)
	}
	if a := f.asked[0].GetAuth(); a.GetUsername() != "robot" || a.GetPassword() != "hidden-1" || f.asked[1].GetAuth() != nil {
		t.Errorf("asked with %q, then %v", a.GetUsername(), f.asked[1].GetAuth() != nil)
	}
	if !slices.Equal(f.under, []string{"lease-1"}) {
		t.Errorf("under leases %q", f.under)
	}
}

func TestFetchingMissingDisks(t *testing.T) {
	f := newFake()
	f.statuses = []*contentapi.Status{{Ref: "layer-sha256:1", Offset: 7}, {Ref: "manifest-sha256:2", Offset: 1}, {Ref: "other"}}
	f.put(Namespace, "sha256:3", []byte("x"), time.Now())
	f.plugins = []*introspectionapi.Plugin{{Type: "io.containerd.content.v1", ID: "content", Exports: map[string]string{"root": "/data/content"}}}
	c := f.client(t)
	if got, err := c.Fetching(t.Context()); err != nil || cmp.Diff(map[string]int64{"sha256:1": 7, "sha256:2": 1}, got) != "" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Missing(t.Context(), []string{"sha256:1", "sha256:3"}); err != nil || !slices.Equal(got, []string{"sha256:1"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Disks(t.Context()); err != nil || !slices.Equal(got, []string{"/data/content", "/data/snapshots"}) {
		t.Errorf("%v, %v", got, err)
	}
}
