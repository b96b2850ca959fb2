package impact

import (
	"math/bits"
	"slices"
	"strconv"
)

// Placement is where a pod may go, as far as node selector, required node affinity
// and taints say. It is an approximation: room on the nodes, pod affinity, spread
// constraints, volumes and other schedulers are not looked at.
type Placement struct {
	NodeSelector Labels
	// Terms of the required node affinity; one of them has to fit. None means all nodes.
	Terms       []Term
	Tolerations []Toleration
}

// Term is one node selector term: all of it has to fit. One without requirements
// fits no node.
type Term struct{ Labels, Fields []Requirement }

// Requirement is one expression of a node selector term.
type Requirement struct {
	Key, Operator string
	Values        []string
}

// Toleration is one toleration of a pod.
type Toleration struct{ Key, Operator, Value, Effect string }

// byCondition are taints that say what Ready and Cordoned say. They come later and
// may stay longer than what they stand for.
var byCondition = map[string]bool{
	"node.kubernetes.io/not-ready": true, "node.kubernetes.io/unreachable": true, "node.kubernetes.io/unschedulable": true,
}

// Fits reports whether a pod with this placement may be scheduled to n now.
func (p *Placement) Fits(n *Node) bool {
	if n.Cordoned || !n.Ready {
		return false
	}
	for _, l := range p.NodeSelector {
		if v, ok := n.Labels.Get(l.Key); !ok || v != l.Value {
			return false
		}
	}
	if len(p.Terms) > 0 && !slices.ContainsFunc(p.Terms, func(t Term) bool { return t.fits(n) }) {
		return false
	}
	for _, t := range n.Taints {
		if t.Effect == "PreferNoSchedule" || byCondition[t.Key] {
			continue
		}
		if !slices.ContainsFunc(p.Tolerations, func(tol Toleration) bool { return tol.tolerates(t) }) {
			return false
		}
	}
	return true
}

func (t Term) fits(n *Node) bool {
	if len(t.Labels)+len(t.Fields) == 0 {
		return false
	}
	for _, r := range t.Labels {
		v, ok := n.Labels.Get(r.Key)
		if !r.fits(v, ok) {
			return false
		}
	}
	for _, r := range t.Fields { // metadata.name is the only one there is
		if r.Key != "metadata.name" || !r.fits(n.Name, true) {
			return false
		}
	}
	return true
}

func (r Requirement) fits(v string, has bool) bool {
	switch r.Operator {
	case "In":
		return has && slices.Contains(r.Values, v)
	case "NotIn":
		return !has || !slices.Contains(r.Values, v)
	case "Exists":
		return has
	case "DoesNotExist":
		return !has
	case "Gt", "Lt":
		if !has || len(r.Values) != 1 {
			return false
		}
		a, errA := strconv.ParseInt(v, 10, 64)
		b, errB := strconv.ParseInt(r.Values[0], 10, 64)
		return errA == nil && errB == nil && (r.Operator == "Gt" && a > b || r.Operator == "Lt" && a < b)
	}
	return false
}

func (t Toleration) tolerates(taint Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	switch t.Operator {
	case "", "Equal":
		return t.Key != "" && t.Value == taint.Value
	case "Exists":
		return true
	case "Gt", "Lt": // alpha from 1.35
		a, errA := strconv.ParseInt(taint.Value, 10, 64)
		b, errB := strconv.ParseInt(t.Value, 10, 64)
		return errA == nil && errB == nil && (t.Operator == "Gt" && a > b || t.Operator == "Lt" && a < b)
	}
	return false
}

// set is a set of nodes by index.
type set []uint64

func newSet(n int) set         { return make(set, (n+63)/64) }
func (s set) add(i int32)      { s[i/64] |= 1 << (i % 64) }
func (s set) remove(i int32)   { s[i/64] &^= 1 << (i % 64) }
func (s set) has(i int32) bool { return i >= 0 && s[i/64]&(1<<(i%64)) != 0 }

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// each calls do for the members in order until it returns false.
func (s set) each(do func(int32) bool) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if !do(int32(i*64 + bits.TrailingZeros64(w))) {
				return
			}
		}
	}
}
