package pullpolicy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/pullway/pullway/internal/config"
)

// Absent is an image that a node is not known to have.
type Absent struct {
	Image string `json:"image"`
	Node  string `json:"node"`
	// Unknown: the node tells of its 50 largest images only, and this is none of them.
	Unknown bool `json:"unknown,omitempty"`
}

// String is for a person.
func (a Absent) String() string {
	if a.Unknown {
		return a.Image + " perhaps not on " + a.Node
	}
	return a.Image + " not on " + a.Node
}

// mostTold is how many images a kubelet tells of by default (nodeStatusMaxImages).
const mostTold = 50

// Missing lists the images of those containers that are not known to be on a node
// where a pod of w may start. The nodes where it may are an approximation: Ready,
// not cordoned, and fitting by nodeName, node selector, required node affinity and
// taints. pods are those of w: what they run is there.
func Missing(w Workload, containers []Container, nodes []corev1.Node, pods []corev1.Pod) []Absent {
	if w.Template == nil {
		return nil
	}
	type at struct{ image, node string }
	has, told := map[at]bool{}, map[string]int{}
	for _, n := range nodes {
		told[n.Name] = len(n.Status.Images)
		for _, i := range n.Status.Images {
			for _, name := range i.Names {
				has[at{full(name), n.Name}] = true
			}
		}
	}
	for _, p := range pods {
		images := map[string]string{}
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			images[c.Name] = c.Image
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if s.ImageID != "" && images[s.Name] != "" {
				has[at{full(images[s.Name]), p.Spec.NodeName}] = true
			}
		}
	}
	var missing []Absent
	for _, n := range nodes {
		if !mayStart(w, n) {
			continue
		}
		for _, c := range containers {
			a := Absent{Image: c.Image, Node: n.Name, Unknown: told[n.Name] >= mostTold}
			if !has[at{full(c.Image), n.Name}] && !slices.Contains(missing, a) {
				missing = append(missing, a)
			}
		}
	}
	return missing
}

// full is a reference as containerd has it; one that cannot be read stays.
func full(ref string) string {
	if i, err := config.ParseImage(ref); err == nil {
		return i.String()
	}
	return ref
}

func mayStart(w Workload, n corev1.Node) bool {
	spec := w.Template.Spec
	if spec.NodeName != "" && spec.NodeName != n.Name || !labels.SelectorFromSet(spec.NodeSelector).Matches(labels.Set(n.Labels)) {
		return false
	}
	daemon := w.Kind == DaemonSet // its controller adds tolerations of these
	ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	if !daemon && (!ready || n.Spec.Unschedulable) {
		return false
	}
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule || daemon && strings.HasPrefix(t.Key, "node.kubernetes.io/") {
			continue
		}
		if !slices.ContainsFunc(spec.Tolerations, func(o corev1.Toleration) bool { return tolerates(o, t) }) {
			return false
		}
	}
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		return slices.ContainsFunc(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
			return termFits(t, n)
		})
	}
	return true
}

func tolerates(o corev1.Toleration, t corev1.Taint) bool {
	if o.Effect != "" && o.Effect != t.Effect || o.Key != "" && o.Key != t.Key {
		return false
	}
	return o.Operator == corev1.TolerationOpExists || o.Key != "" && o.Value == t.Value
}

// termFits passes over what it cannot read: a node too many is looked at then.
func termFits(t corev1.NodeSelectorTerm, n corev1.Node) bool {
	ops := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn, corev1.NodeSelectorOpExists: selection.Exists,
		corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist, corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
	}
	for _, e := range t.MatchExpressions {
		r, err := labels.NewRequirement(e.Key, ops[e.Operator], e.Values)
		if err == nil && !r.Matches(labels.Set(n.Labels)) {
			return false
		}
	}
	for _, f := range t.MatchFields {
		if f.Key == "metadata.name" && slices.Contains(f.Values, n.Name) != (f.Operator == corev1.NodeSelectorOpIn) {
			return false
		}
	}
	return true
}

// images joins what is missing, for one line.
func images(all []Absent) string {
	const few = 3
	var words []string
	for _, a := range all[:min(few, len(all))] {
		words = append(words, a.String())
	}
	if len(all) > few {
		words = append(words, fmt.Sprintf("and %d more", len(all)-few))
	}
	return strings.Join(words, ", ")
}
