//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// slowHost is the guide's registry behind a slow way.
const slowHost = "192.168.21.9:8097"

const slowRegistry = `    - host: 192.168.21.9:8097
      endpoints:
        - url: http://192.168.21.9:8097
      auth:
        username: robot$nodes
        password: {env: HARBOR_PASSWORD}
`

// bigImages are three images of two layers of 8 MiB each.
var bigImages = []lab.Image{
	{Repo: "big/one", Tag: "v1", LayerSize: 8 << 20}, {Repo: "big/two", Tag: "v1", LayerSize: 8 << 20}, {Repo: "big/three", Tag: "v1", LayerSize: 8 << 20},
}

// bigBytes is what a node has to fetch of them, at the least.
const bigBytes = 3 * 2 * (8 << 20)

// imageFlags names images at the slow way.
func imageFlags(images ...lab.Image) (flags []string) {
	for _, i := range images {
		flags = append(flags, "--image", slowHost+"/"+i.Repo+":"+i.Tag)
	}
	return flags
}

// pinnedOn are the images that CRI calls pinned, by their names.
func pinnedOn(t *testing.T, n *lab.Node) (names []string) {
	t.Helper()
	conn, err := n.CRI()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read
	r, err := cri.NewImageServiceClient(conn).ListImages(t.Context(), &cri.ListImagesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range r.Images {
		if i.Pinned {
			names = append(names, i.RepoTags...)
		}
	}
	slices.Sort(names)
	return names
}

func (o *operator) prepull(code int, args ...string) report.Prepull {
	o.t.Helper()
	r := o.must(code, "prepull", append([]string{"--yes", "-o", "json"}, args...)...)
	o.t.Logf("%s%s", r.err, r.out)
	p := decode[report.Prepull](o.t, r)
	if p.Schema != report.PrepullSchema {
		o.t.Errorf("schema %q: %s", p.Schema, r)
	}
	return p
}

// letGo fails when something of a prepull is on a node that should not be.
func letGo(t *testing.T, n *lab.Node) {
	t.Helper()
	out, err := n.Exec(t.Context(), `ls /var/lib/pullway | grep pins; ctr -n k8s.io leases ls -q | grep pullway; ctr -n k8s.io images ls -q 'labels."dev.pullway.pinned"'; true`)
	if err != nil {
		t.Fatal(err)
	}
	if out != "" {
		t.Errorf("%s: left behind: %s", n.Name, out)
	}
}

// TestPrepull is the journey: wired nodes fetch images ahead of the next change.
func TestPrepull(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(3, lab.Releases()...)...)
	startSlow(t, l, slowHost)
	for _, i := range append(bigImages, lab.Image{Repo: "stuck/app", Tag: "v1", LayerSize: 8 << 20}) {
		if _, err := l.Registry(lab.Harbor).Push(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	o := newOperator(t, l)
	file := o.file("pullway.yaml", spec(slowRegistry, slowHost+"/library/test-image:latest"))
	o.apply(0, file)
	all := append([]string{"-f", file}, imageFlags(bigImages...)...)

	t.Run("a dry run looks", func(t *testing.T) {
		r := o.must(0, "prepull", append([]string{"--dry-run"}, all...)...)
		t.Logf("%s%s", r.err, r.out)
		mentions(t, r, "node1", "3 to fetch", "twice")
		for _, n := range l.Nodes() {
			letGo(t, n)
		}
	})
	t.Run("a disk without room is refused before anything is fetched", func(t *testing.T) {
		n := l.Nodes()[1]
		if err := n.FillDisk(t.Context(), "/var/lib/containerd", 60<<20); err != nil {
			t.Fatal(err)
		}
		r := o.on("prepull", append([]string{"--yes", "--limit", n.Name}, all...)...)
		if err := n.UnmountDisk(t.Context(), "/var/lib/containerd"); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s%s", r.err, r.out)
		if r.code != 1 {
			t.Errorf("want exit code 1: %s", r)
		}
		mentions(t, r, "no room", "twice what is to be fetched", "/var/lib/containerd has")
		letGo(t, n)
	})
	t.Run("a pull that brings no byte is given up", func(t *testing.T) {
		r := o.on("prepull", "--yes", "-f", file, "--stall", "5s", "--image", slowHost+"/stuck/app:v1")
		t.Logf("%s%s", r.err, r.out)
		if r.code != 1 || r.took > 60*time.Second {
			t.Errorf("want exit code 1 within a minute: %s", r)
		}
		for _, n := range l.Nodes() {
			mentions(t, r, n.Name, "no byte came for 5s", "stuck/app")
		}
	})
	t.Run("side by side on a node", func(t *testing.T) { sideBySide(t, l, o, file) })
	t.Run("killed, and gone on with", func(t *testing.T) { killedAndResumed(t, l, o, all) })
	t.Run("pins are CRI's, others' stay, and an end of a change lets go", func(t *testing.T) { pinsOf(t, l, o, file, all) })
}

// sideBySide fetches three images on one node: together they take longer than the command.
func sideBySide(t *testing.T, l *lab.Lab, o *operator, file string) {
	images := []lab.Image{{Repo: "team/web", Tag: "v2", LayerSize: 8 << 20}, {Repo: "team/api", Tag: "v2", LayerSize: 8 << 20}, {Repo: "team/jobs", Tag: "v2", LayerSize: 8 << 20}}
	for _, i := range images {
		if _, err := l.Registry(lab.Harbor).Push(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	p := o.prepull(0, append([]string{"-f", file, "--limit", "node3", "--per-node", "3"}, imageFlags(images...)...)...)
	wall, sum := time.Since(began), time.Duration(0)
	for _, i := range p.Nodes[0].Ahead.Images {
		sum += i.Took
		if i.State != protocol.AheadPulled || !i.Pinned || i.By != "pullway" {
			t.Errorf("%+v", i)
		}
	}
	if sum <= wall {
		t.Errorf("the pulls took %s and the command %s: one after the other", sum, wall)
	}
	o.must(0, "prepull", "--unpin", "--yes", "--limit", "node3")
	letGo(t, l.Nodes()[2])
}

// killedAndResumed kills the operator's side in mid-pull; a second run fetches only
// what had not come.
func killedAndResumed(t *testing.T, l *lab.Lab, o *operator, all []string) {
	before := blobBytes(t, l, "big/one") + blobBytes(t, l, "big/two") + blobBytes(t, l, "big/three")
	r := o.start(nil, "prepull", append([]string{"--yes", "-v", "--per-node", "1"}, all...)...)
	r.says("fetching", "0 of 3 images", "MB of 52.8 MB")
	r.signal(os.Interrupt)
	stopped := r.end()
	t.Logf("%s%s", stopped.err, stopped.out)
	mentions(t, stopped, "stopping; what has come stays")
	mentions(t, stopped, "stopped before it was done")
	if stopped.code != 1 && stopped.code != 6 {
		t.Errorf("exit code %d after Ctrl-C", stopped.code)
	}
	r = o.start(nil, "prepull", append([]string{"--yes", "-v", "--per-node", "1"}, all...)...)
	r.says("image ", "(1 of 3 images)")
	r.says("fetching", "1 of 3 images", "MB of")
	r.kill()
	for _, n := range l.Nodes() {
		within(t, 10*time.Second, n.Name+" has no engine at work", func() bool {
			out, _ := n.Exec(t.Context(), "pgrep -f '[p]ullway-node' || true")
			return strings.TrimSpace(out) == ""
		})
	}
	p := o.prepull(0, append([]string{"--per-node", "3"}, all...)...)
	if p.Summary.Pulled == 0 || p.Summary.Present == 0 || p.Summary.Missing+p.Summary.Failed > 0 {
		t.Errorf("the second run: %+v", p.Summary)
	}
	fetched := blobBytes(t, l, "big/one") + blobBytes(t, l, "big/two") + blobBytes(t, l, "big/three") - before
	t.Logf("%d MB left the registry for 3 nodes of %d MB each; the second run says %s", fetched/1e6, bigBytes/1000000, protocol.Size(p.Summary.Bytes))
	// A layer that was cut is fetched from its beginning at the most.
	if most := int64(3*bigBytes) * 5 / 3; fetched > most {
		t.Errorf("%d bytes were fetched, more than %d", fetched, most)
	}
	for _, n := range p.Nodes {
		for _, i := range n.Ahead.Images {
			if i.State != protocol.AheadPulled && i.State != protocol.AheadPresent {
				t.Errorf("%s: %+v", n.Name, i)
			}
		}
	}
}

func pinsOf(t *testing.T, l *lab.Lab, o *operator, file string, all []string) {
	refs := []string{slowHost + "/big/one:v1", slowHost + "/big/three:v1", slowHost + "/big/two:v1"}
	for _, n := range l.Nodes() {
		got := pinnedOn(t, n)
		got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, slowHost) })
		want := refs
		if n.Spec.Containerd == "1.6.20" {
			want = nil // it does not know the label
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s (%s): pinned %q, want %q", n.Name, n.Spec.Containerd, got, want)
		}
	}
	// Somebody else pins one by its name, over ours: from then on it is theirs.
	for _, n := range l.Nodes() {
		if _, err := n.Exec(t.Context(), "ctr -n k8s.io images label "+slowHost+"/library/test-image:latest io.cri-containerd.pinned=pinned 2>&1 || ctr -n k8s.io images pull --plain-http -u '"+robot+":"+secret1+"' "+image+" && ctr -n k8s.io images label "+image+" io.cri-containerd.pinned=pinned"); err != nil {
			t.Fatal(err)
		}
	}
	again := o.prepull(0, all...)
	if again.Summary.Pulled != 0 || again.Summary.Present != 9 {
		t.Errorf("a run where all is there: %+v", again.Summary)
	}
	s := decode[report.Status](t, o.must(0, "status", "-o", "json"))
	for _, n := range s.Nodes {
		if has := n.Status.Pins != nil && len(n.Status.Pins.Images) == 3; has == strings.HasPrefix(n.Status.Facts.Release, "1.6") {
			t.Errorf("%s: status says of pins %+v", n.Name, n.Status.Pins)
		}
	}
	// A change that ends lets go; a node that it does not touch keeps its pins.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	second := o.file("second.yaml", strings.Replace(string(text), "url: http://192.168.21.9:8097", "url: http://192.168.21.9:8097\n          headers: {X-Lab: second}", 1))
	o.apply(0, second, "--limit", "node2")
	letGo(t, l.Nodes()[1])
	if got := pinnedOn(t, l.Nodes()[2]); len(got) < 3 {
		t.Errorf("node3 was not changed, and has pinned %q", got)
	}
	r := o.must(0, "prepull", "--unpin", "--yes")
	t.Logf("%s%s", r.err, r.out)
	for _, n := range l.Nodes() {
		letGo(t, n)
		got := strings.Join(pinnedOn(t, n), " ")
		if strings.Contains(got, "big/") {
			t.Errorf("%s: still pinned: %s", n.Name, got)
		}
		if n.Spec.Containerd != "1.6.20" && !strings.Contains(got, "test-image") {
			t.Errorf("%s: the pin of somebody else is gone: %q", n.Name, got)
		}
		out, err := n.Exec(t.Context(), fmt.Sprintf("ctr -n k8s.io images ls -q | grep -c %s/big/", slowHost))
		if err != nil || strings.TrimSpace(out) == "0" {
			t.Errorf("%s: unpinning took images away: %s %v", n.Name, out, err)
		}
	}
}
