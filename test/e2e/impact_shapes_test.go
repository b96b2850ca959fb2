//go:build e2e

package e2e

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/test/lab"
)

// The hosts that the images of the shapes name.
const (
	// goneHost was wired to a registry that answers; the change wires it to one that does not.
	goneHost = "192.168.21.9"
	// goodHost is wired, with its credential on the nodes, and answers before and after.
	goodHost = tlsHost
	// secretHost answers, too, and wants a credential that only pods have.
	secretHost = "192.168.21.7:5000"
	// strangeHost is named by no specification, and there is no such registry.
	strangeHost = "registry.nowhere.example.com"
)

// form is how a reference is written.
type form string

const (
	byTag    form = "tag"
	byLatest form = "latest"
	byNone   form = "no tag"
	byDigest form = "digest"
)

// presence is which nodes have a shape's image when it is assessed; its pod is on node1.
type presence string

const (
	onBoth presence = "both"
	onOwn  presence = "its node"
	// removed: from its node, while the container runs on.
	removed presence = "removed"
	nowhere presence = "nowhere"
)

// secretOf is a shape's pull secret.
type secretOf string

const (
	noSecret secretOf = ""
	good     secretOf = "good"
	// stale: good when the pod was made, and of no use after the change.
	stale secretOf = "stale"
)

// shape is one workload of the truth table.
type shape struct {
	name   string
	owner  string // Pod, Deployment, StatefulSet, DaemonSet, Job, StaticPod
	host   string
	form   form
	policy corev1.PullPolicy // empty: none is written
	on     presence
	secret secretOf
	// sidecar: the image is that of a sidecar; the main container's is on both nodes.
	sidecar bool
	// missing: the registry does not have it; it was put on the nodes by hand.
	missing bool
	// elsewhere: on the other node it was pulled by a pod of another namespace, with a secret.
	elsewhere bool
	// want is the verdict that holds, by what a kubelet of 1.37 does.
	want impact.Verdict
	// known explains why the assessment says something else.
	known string
}

const (
	failsNow       = impact.FailsNow
	failsRestarted = impact.FailsIfRestarted
	failsMoved     = impact.FailsIfMoved
	staysSafe      = impact.Safe
)

// shapes are what is predicted and then done: every policy, form of reference, owner and place of
// the image, with and without a pull secret, with registries that answer and one that is gone.
var shapes = []shape{
	{name: "a01", owner: "Pod", host: goneHost, form: byTag, policy: corev1.PullAlways, on: onBoth, want: failsRestarted},
	{name: "a02", owner: "Deployment", host: goneHost, form: byLatest, on: onBoth, want: failsRestarted},
	{name: "a03", owner: "Deployment", host: goneHost, form: byNone, on: onBoth, want: failsRestarted},
	{name: "a04", owner: "Deployment", host: goneHost, form: byTag, on: onBoth, want: staysSafe},
	{name: "a05", owner: "Deployment", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: failsMoved},
	{name: "a06", owner: "Deployment", host: goneHost, form: byDigest, policy: corev1.PullIfNotPresent, on: onOwn, want: failsMoved},
	{name: "a07", owner: "Deployment", host: goneHost, form: byDigest, on: onBoth, want: staysSafe},
	{name: "a08", owner: "DaemonSet", host: goneHost, form: byDigest, policy: corev1.PullAlways, on: onBoth, want: failsRestarted},
	{name: "a09", owner: "DaemonSet", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: staysSafe},
	{name: "a10", owner: "Deployment", host: goneHost, form: byLatest, policy: corev1.PullIfNotPresent, on: onBoth, want: staysSafe},
	{name: "a11", owner: "Deployment", host: goneHost, form: byTag, policy: corev1.PullNever, on: onBoth, want: staysSafe},
	{name: "a12", owner: "Deployment", host: goneHost, form: byTag, policy: corev1.PullNever, on: onOwn, want: failsMoved},
	{name: "a13", owner: "Pod", host: goneHost, form: byTag, policy: corev1.PullNever, on: nowhere, want: failsNow},
	{name: "a14", owner: "Pod", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: removed, want: failsRestarted},
	{name: "a15", owner: "Deployment", host: goneHost, form: byDigest, policy: corev1.PullIfNotPresent, on: removed, want: failsRestarted},
	{name: "a16", owner: "Pod", host: goneHost, form: byTag, policy: corev1.PullNever, on: removed, want: failsRestarted},
	{name: "a17", owner: "Pod", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: nowhere, missing: true, want: failsNow},
	{name: "a18", owner: "Job", host: goneHost, form: byTag, policy: corev1.PullAlways, on: onBoth, want: failsRestarted},
	{name: "a19", owner: "Job", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onBoth, want: staysSafe},
	{name: "a20", owner: "Job", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: failsMoved},
	{name: "a21", owner: "StatefulSet", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: failsMoved},
	{name: "a22", owner: "StaticPod", host: goneHost, form: byTag, policy: corev1.PullAlways, on: onBoth, want: failsRestarted},
	{name: "a23", owner: "StaticPod", host: goneHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: staysSafe},
	{name: "a24", owner: "StaticPod", host: goneHost, form: byTag, policy: corev1.PullNever, on: onOwn, want: staysSafe},
	{name: "a25", owner: "Deployment", host: goneHost, form: byTag, policy: corev1.PullAlways, on: onBoth, sidecar: true, want: failsRestarted},
	{name: "b01", owner: "Deployment", host: goodHost, form: byTag, policy: corev1.PullAlways, on: onBoth, want: staysSafe},
	{name: "b02", owner: "Pod", host: goodHost, form: byLatest, on: onOwn, want: staysSafe},
	{name: "b03", owner: "Deployment", host: goodHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: staysSafe},
	{name: "b04", owner: "Deployment", host: goodHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, missing: true, want: failsMoved},
	{name: "b05", owner: "Pod", host: goodHost, form: byTag, policy: corev1.PullIfNotPresent, on: removed, missing: true, want: failsRestarted},
	{name: "b06", owner: "Pod", host: goodHost, form: byTag, policy: corev1.PullIfNotPresent, on: removed, want: staysSafe},
	{name: "c01", owner: "Deployment", host: secretHost, form: byTag, policy: corev1.PullAlways, on: onBoth, secret: good, want: staysSafe},
	{name: "c02", owner: "Deployment", host: secretHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, want: failsMoved},
	{name: "c03", owner: "Deployment", host: secretHost, form: byDigest, policy: corev1.PullIfNotPresent, on: onOwn, secret: good, want: staysSafe},
	{name: "c04", owner: "Deployment", host: secretHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, elsewhere: true, want: failsMoved},
	{name: "c05", owner: "Pod", host: secretHost, form: byTag, policy: corev1.PullAlways, on: onOwn, secret: stale, want: failsRestarted,
		known: "pull secrets of pods are not read, so one that is no good counts as good: the reason says that it was not tried"},
	{name: "d01", owner: "Deployment", host: strangeHost, form: byTag, policy: corev1.PullIfNotPresent, on: onOwn, missing: true, want: failsMoved,
		known: "a host that the specification does not name is not asked: the change leaves it as it is, and that is what *safe* means there"},
}

// image is what is pushed or loaded for a shape.
func (s shape) image() lab.Image {
	img := lab.Image{Repo: "shapes/" + s.name, Tag: "v1", Layers: 1, LayerSize: 1}
	if s.form == byLatest || s.form == byNone {
		img.Tag = "latest"
	}
	return img
}

// ref is the image as the pod has it.
func (s shape) ref(digest string) string {
	base := s.host + "/shapes/" + s.name
	switch s.form {
	case byNone:
		return base
	case byDigest:
		return base + "@" + digest
	}
	return base + ":" + s.image().Tag
}

// moves: somebody makes its pod again, on another node if need be.
func (s shape) moves() bool {
	return s.owner == "Deployment" || s.owner == "StatefulSet" || s.owner == "Job"
}
