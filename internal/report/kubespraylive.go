package report

import (
	"encoding/json"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
)

// KubesprayNode is what one node has that Kubespray's variables do not say.
type KubesprayNode struct {
	Name string `json:"name"`
	// Stale are host directories that Kubespray wrote and its variables name no more.
	Stale []plan.Stale `json:"stale,omitempty"`
	// VariablesUnknown says why that could not be told.
	VariablesUnknown string `json:"variablesUnknown,omitempty"`
	// NotLoaded tells that containerd does not run on its files, or may not.
	NotLoaded *plan.NotLoaded  `json:"notLoaded,omitempty"`
	Error     *fleet.NodeError `json:"error,omitempty"`
}

// Compare adds what the nodes have to the result, and counts what is bad of it.
func (k *KubesprayCheck) Compare(answers []fleet.Answer, named Named) {
	k.Live = []KubesprayNode{}
	for _, a := range answers {
		n := KubesprayNode{Name: a.Target.Name, Error: a.Err}
		if a.Reply != nil && a.Reply.Status != nil {
			n.Stale, n.VariablesUnknown = named.stale(n.Name, a.Reply.Status)
			n.NotLoaded = a.Reply.Status.NotLoaded
		}
		k.Bad += len(n.Stale)
		if n.NotLoaded != nil {
			k.Bad++
		}
		k.Live = append(k.Live, n)
	}
}

// Unasked counts the nodes that could not be asked.
func (k KubesprayCheck) Unasked() (count int) {
	for _, n := range k.Live {
		if n.Error != nil {
			count++
		}
	}
	return count
}

// nodes writes what the nodes have, those that are alike together.
func (k KubesprayCheck) nodes(out *Printer) {
	var order []string
	alike := map[string][]KubesprayNode{}
	for _, n := range k.Live {
		c := n
		c.Name, c.NotLoaded = "", timelessLoading(n.NotLoaded)
		b, _ := json.Marshal(c)
		if key := string(b); alike[key] == nil {
			order = append(order, key)
		}
		alike[string(b)] = append(alike[string(b)], n)
	}
	for _, key := range order {
		group := alike[key]
		var who []string
		for _, n := range group {
			who = append(who, n.Name)
		}
		group[0].human(names(who, 8), len(group) == 1, out)
	}
}

func (n KubesprayNode) human(who string, alone bool, out *Printer) {
	out.line("")
	if n.Error != nil {
		out.line("%s  %s", out.paint(bold, who), out.paint(red, "could not be asked"))
		out.line("  %s", n.Error.Text)
		out.hint("  ", n.Error.Hint)
		return
	}
	if len(n.Stale) > 0 || n.NotLoaded != nil || n.VariablesUnknown != "" {
		out.line("%s", out.paint(bold, who))
	} else {
		out.line("%s  %s", out.paint(bold, who), out.paint(green, "nothing stale, nothing that is not loaded"))
	}
	for _, s := range n.Stale {
		out.stale(s)
	}
	out.notLoaded(n.NotLoaded, alone)
	out.variablesUnknown(n.VariablesUnknown)
	if len(n.Stale) > 0 {
		out.hint("  ", staleHint)
	}
	if n.NotLoaded != nil {
		out.hint("  ", "pullway plan says whether it needs a restart; pullway apply makes it, and proves it")
	}
}

// sum writes what variables and nodes come to together.
func (k KubesprayCheck) sum(out *Printer) {
	bad := 0
	for _, f := range k.Findings {
		if f.Verdict.Bad() {
			bad++
		}
	}
	c, text := green, "Variables and nodes agree."
	if k.Bad > 0 {
		c, text = red, count(bad, "problem")+" among the variables, "+count(k.Bad-bad, "problem")+" on the nodes."
	} else if k.Unasked() > 0 {
		c, text = red, count(k.Unasked(), "node")+" could not be asked."
	}
	out.line("%s", out.paint(c, text))
}
