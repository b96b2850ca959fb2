package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/plan"
)

// Asker asks one host, of that index, for the image of the trace, as containerd would.
type Asker func(ctx context.Context, i int, w Way) Answer

// Ask asks the hosts one after the other until one serves the image or its answer
// ends the pull, and gives the verdict. Answer.Then is set here: after a transport
// error, 401, 403, 404 and every other status from 400 on containerd goes on to the
// next host; a redirect that it cannot follow ends the pull (Resolve in
// core/remotes/docker/resolver.go).
func (t *Trace) Ask(ctx context.Context, ways []Way, ask Asker) {
	if t.Broken != nil {
		return
	}
	last := -1
	for i := range t.Hosts {
		if t.Hosts[i].Skipped == "" {
			last = i
		}
	}
	if last < 0 {
		t.Verdict = &Verdict{Text: "The pull fails: no host has the capabilities that it needs (containerd says no resolve hosts, or no pull hosts).",
			Hint: `give one host the capabilities ["pull", "resolve"]`}
		return
	}
	for i := range t.Hosts {
		if t.Hosts[i].Skipped != "" {
			continue
		}
		a := ask(ctx, i, ways[i])
		t.Hosts[i].Answer = &a
		switch {
		case a.Fault == "":
			a.Then = ThenServes
		case a.Then == ThenStops:
		case i == last:
			a.Then = ThenFails
		default:
			a.Then = ThenNext
		}
		if a.Then == ThenServes || a.Then == ThenStops {
			break
		}
	}
	t.conclude(ways)
}

func (t *Trace) conclude(ways []Way) {
	v := &Verdict{}
	t.Verdict = v
	passed := []string{}
	var first, deepest *Host
	for i := range t.Hosts {
		h := &t.Hosts[i]
		if h.Answer == nil {
			continue
		}
		if h.Answer.Then == ThenServes {
			v.Served, v.By = true, h.URL
			if h.Answer.HTTP {
				v.By = "http" + strings.TrimPrefix(h.URL, "https")
			}
			v.Text = fmt.Sprintf("%s is served by %s.", t.Image, v.By)
			if len(passed) > 0 {
				v.Text = fmt.Sprintf("%s is served by %s, after %s failed.", t.Image, v.By, strings.Join(passed, " and "))
				if first.Answer.Hint != "" {
					v.Hint = first.URL + ": " + first.Answer.Hint
				}
			}
			return
		}
		passed = append(passed, h.URL)
		if first == nil {
			first = h
		}
		if deepest == nil || depth(h.Answer) > depth(deepest.Answer) {
			deepest = h
		}
		if ways[i].unaskable != "" {
			t.Notes = append(t.Notes, plan.Notice{ID: "not-sent", Text: h.URL + ": " + ways[i].unaskable})
		}
	}
	if deepest == nil {
		return
	}
	v.Text = fmt.Sprintf("%s is not served. %s: %s.", t.Image, deepest.URL, strings.TrimSuffix(deepest.Answer.Text, "."))
	if more := len(passed) - 1; more > 0 {
		others := make([]string, 0, more)
		for _, h := range t.Hosts {
			if h.Answer != nil && h.URL != deepest.URL {
				others = append(others, fmt.Sprintf("%s: %s", h.URL, strings.TrimSuffix(h.Answer.Text, ".")))
			}
		}
		v.Text = strings.TrimSuffix(v.Text, ".") + "; " + strings.Join(others, "; ") + "."
	}
	v.Hint = deepest.Answer.Hint
	if deepest.Answer.Fault == "credential" && deepest.Login == "" && !slices.ContainsFunc(deepest.Headers, func(s string) bool { return strings.EqualFold(s, "Authorization") }) {
		v.Hint = "give the pod a pull secret for it, or the node a credential; containerd has none for this host, and a trace uses no pull secrets"
	}
	if t.Decided != ByHostsFile && t.Decided != ByTables && deepest.Upstream && depth(deepest.Answer) == 1 {
		v.Hint = "nothing else is set for it here: " + t.Why
	}
}

// depth orders failures by how much they say of the image: a host that answers for
// it says more than one that cannot be reached.
func depth(a *Answer) int {
	switch a.Fault {
	case "unreachable", "timeout", "dns", "https-on-http", "http-on-https", "unknown-ca", "san", "expired", "client-cert":
		return 1
	case "missing-image":
		return 2
	}
	return 3
}
