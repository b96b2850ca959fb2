//go:build e2e

package e2e

import (
	"fmt"
	"strings"

	"github.com/pullway/pullway/internal/impact"
)

// truthPage is docs/impact-truth.md.
func truthPage(version string, predicted map[string]impact.Workload, seen map[string]observed) string {
	var b strings.Builder
	agreed := 0
	counts := map[[2]impact.Verdict]int{}
	for _, s := range shapes {
		p, v := predicted[s.name].Verdict, seen[s.name].verdict
		counts[[2]impact.Verdict{p, v}]++
		if p == v {
			agreed++
		}
	}
	fmt.Fprintf(&b, `# What was predicted, and what happened

Written by `+"`make e2e-full`"+`; `+"`make e2e`"+` holds every line of it. Two nodes with real kubelets (Kubernetes %s, containerd 2.4.2), with a real API server,
controllers and scheduler. Each of %d shapes of pod is assessed by `+"`pullway assess -i`"+` while it is on the first node; then the change is made, the pod is
restarted where it is (its sandbox is ended, so that all of its containers start again; that of a Job is killed), and where an owner makes it again it is
made to go to the other node. The first of the three at which its image cannot be had is what was seen.

The change wires %s, which answered before, to a port where nothing answers. %s
answers before and after, with its credential on the nodes; %s answers, and its credential is in pull secrets alone; nobody wires
%s, and there is no such registry.

**%d of %d were predicted as they came (%d %%).** Columns are what was seen:

| predicted | fails now | fails if restarted | fails if moved | safe |
| --- | --- | --- | --- | --- |
`, version, len(shapes), goneHost, goodHost, secretHost, strangeHost, agreed, len(shapes), agreed*100/len(shapes))
	for _, p := range impact.Verdicts {
		fmt.Fprintf(&b, "| %s |", spoken(p))
		for _, v := range impact.Verdicts {
			fmt.Fprintf(&b, " %d |", counts[[2]impact.Verdict{p, v}])
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## The shapes\n\n| owner | policy | reference | registry | image is on | pull secret | predicted, by rule | seen | by |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range shapes {
		p, got := predicted[s.name], seen[s.name]
		mark := ""
		if p.Verdict != got.verdict {
			mark = " **≠**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s, `%s`%s | %s | %s |\n", s.ownerText(), s.policyText(), s.form, s.registryText(), s.presenceText(), s.secretText(), spoken(p.Verdict), p.Rule, mark, spoken(got.verdict), got.how)
	}
	b.WriteString("\n## Where it was otherwise\n\n")
	for _, s := range shapes {
		if s.known != "" {
			fmt.Fprintf(&b, "- %s, %s, registry: %s, image on %s, pull secret: %s: predicted *%s*, seen *%s*. %s.\n", s.ownerText(), s.policyText(), s.registryText(), s.presenceText(), s.secretText(), spoken(predicted[s.name].Verdict), spoken(seen[s.name].verdict), capital(s.known))
		}
	}
	return b.String()
}

func spoken(v impact.Verdict) string { return strings.ReplaceAll(string(v), "-", " ") }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (s shape) ownerText() string {
	if s.sidecar {
		return s.owner + ", sidecar"
	}
	return s.owner
}

func (s shape) policyText() string {
	if s.policy == "" {
		return "none written"
	}
	return string(s.policy)
}

func (s shape) registryText() string {
	text := map[string]string{goneHost: "gone", goodHost: "answers", secretHost: "answers, wants a login", strangeHost: "not named"}[s.host]
	if s.missing && s.host != strangeHost {
		text += ", lacks it"
	}
	return text
}

func (s shape) presenceText() string {
	switch {
	case s.elsewhere:
		return "its node; on the other by another namespace's secret"
	case s.on == onBoth:
		return "both nodes"
	case s.on == removed:
		return "no node: removed from its own"
	case s.on == nowhere:
		return "no node"
	}
	return "its node"
}

func (s shape) secretText() string {
	switch s.secret {
	case good:
		return "yes"
	case stale:
		return "yes, stale"
	}
	return "no"
}
