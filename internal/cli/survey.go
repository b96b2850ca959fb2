package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/report"
)

// surveyWithin bounds what one node is asked by assess: its plan, and its registries.
const surveyWithin = 90 * time.Second

// survey asks every node of the inventory what the change means there, and finds it
// in the cluster. A node that does not answer is one of which nothing is known.
func (a *app) survey(ctx context.Context, fn *fleetNodes, c *impact.Cluster, l *config.Loaded, questions []impact.Question, answers impact.Answers) ([]impact.Machine, error) {
	index, err := a.find(fn, c)
	if err != nil {
		return nil, err
	}
	wire := l.Desired.ToWire()
	req := protocol.Request{Op: protocol.OpSurvey, Desired: &wire, Logins: logins(l.Desired, answers)}
	machines := make([]impact.Machine, len(fn.targets))
	plans := &fleet.Plans{}
	for i, r := range a.ask(ctx, fn, req, surveyWithin) {
		machines[i] = machine(r.Target, index)
		p := fleet.Planned{Target: r.Target, Err: r.Err}
		switch {
		case r.Err != nil:
			machines[i].Problem = r.Err.Text
		case r.Reply.Survey != nil:
			p.Plan = &r.Reply.Survey.Plan
			surveyed(&machines[i], r.Reply.Survey)
		}
		plans.Nodes = append(plans.Nodes, p)
	}
	inWaves(machines, report.NewRollout(plans.State(), policy(l.Rollout, len(fn.targets))))
	a.lookUpThere(ctx, fn, machines, req, questions, answers)
	return machines, nil
}

// fromPlans makes machines of plans that were asked for anyway: what they have now,
// and which images, is not known.
func (a *app) fromPlans(fn *fleetNodes, c *impact.Cluster, plans []fleet.Planned, rollout *report.Rollout) ([]impact.Machine, error) {
	index, err := a.find(fn, c)
	if err != nil {
		return nil, err
	}
	machines := make([]impact.Machine, len(plans))
	for i, p := range plans {
		machines[i] = machine(p.Target, index)
		switch {
		case p.Plan != nil:
			planned(&machines[i], p.Plan)
		case p.Err != nil:
			machines[i].Problem = p.Err.Text
		}
	}
	inWaves(machines, rollout)
	return machines, nil
}

func machine(t fleet.Target, index map[string]int32) impact.Machine {
	m := impact.Machine{Name: t.Name, Node: -1, Wave: -1}
	if n, ok := index[t.Name]; ok {
		m.Node = n
	}
	return m
}

// inWaves notes in which wave each machine goes.
func inWaves(machines []impact.Machine, rollout *report.Rollout) {
	if rollout == nil {
		return
	}
	wave := map[string]int{}
	for _, w := range rollout.Waves {
		for _, name := range w.Nodes {
			wave[name] = w.Wave
		}
	}
	for i := range machines {
		if n, ok := wave[machines[i].Name]; ok {
			machines[i].Wave = n
		}
	}
}

// find tells which node of the cluster each machine is. Where the nodes could not be
// listed, or the machines are not in the cluster, it is none.
func (a *app) find(fn *fleetNodes, c *impact.Cluster) (map[string]int32, error) {
	if len(c.Nodes) == 0 {
		return nil, nil
	}
	index := map[string]int32{}
	names := make([]kube.Names, len(c.Nodes))
	for i, n := range c.Nodes {
		names[i] = kube.Names{Name: n.Name, Hostname: n.Hostname, IPs: n.IPs}
		index[n.Name] = int32(i)
	}
	found, why, err := kube.Find(a.machines(fn), names)
	if err != nil {
		return nil, err
	}
	out := map[string]int32{}
	for machine, node := range found {
		out[machine] = index[node]
	}
	for _, t := range fn.targets {
		if reason, ok := why[t.Name]; ok {
			c.Gaps = append(c.Gaps, impact.Gap{What: fmt.Sprintf("pods of %s", t.Name), Why: reason, Means: "nobody is counted there"})
		}
	}
	return out, nil
}

// machines are the nodes of fn by the names they go by.
func (a *app) machines(fn *fleetNodes) (all []kube.Machine) {
	for _, t := range fn.targets {
		all = append(all, kube.Machine{Name: t.Name, Host: fn.connector.targets[t.Name].Host})
	}
	return all
}

// logins are the registries where the credential was seen to be taken.
func logins(d config.Desired, answers impact.Answers) (hosts []string) {
	for _, r := range d.Registries {
		good := r.Auth != nil && slices.ContainsFunc(answers.Endpoints, func(e impact.Endpoint) bool { return e.Registry == r.Host })
		for _, e := range answers.Endpoints {
			good = good && (e.Registry != r.Host || e.OK)
		}
		if good {
			hosts = append(hosts, r.Host)
		}
	}
	return hosts
}

// planned takes what a node's plan says.
func planned(m *impact.Machine, p *plan.Node) {
	m.Asked, m.Unchanged = true, p.NothingToDo()
	m.Restart, m.Why = p.Restart.Needed, firstOf(p.Restart.Reasons)
	for _, n := range slices.Concat(p.Problems, p.Warnings) {
		if endsPods(n) {
			m.Recreates = n.Text
		}
	}
	if i := slices.IndexFunc(p.Problems, func(n plan.Notice) bool { return !endsPods(n) }); i >= 0 {
		m.Problem = "would be refused: " + p.Problems[i].Text
	}
}

// endsPods: a restart would end or recreate the pods, which --force passes over.
func endsPods(n plan.Notice) bool { return n.ID == "recreates-pods" || n.ID == "kill-mode" }

// surveyed takes what a node told.
func surveyed(m *impact.Machine, s *protocol.Survey) {
	planned(m, &s.Plan)
	m.Wired = []impact.Wired{}
	for _, r := range s.Export.Registries {
		w := impact.Wired{Host: r.Host}
		for _, e := range r.Endpoints {
			w.URLs = append(w.URLs, e.URL)
		}
		if r.Fallback == "upstream" && r.Host != config.AnyHost {
			if up := impact.Upstream(r.Host); !slices.Contains(w.URLs, up) {
				w.URLs = append(w.URLs, up)
			}
		}
		m.Wired = append(m.Wired, w)
	}
	if s.ImagesError == "" {
		set := &impact.ImageSet{Complete: true}
		for _, name := range s.Images {
			set.Sums = append(set.Sums, impact.SumOf([]byte(name)))
		}
		slices.Sort(set.Sums)
		m.Images = set
	}
	for _, e := range s.Endpoints {
		m.Endpoints = append(m.Endpoints, asked(e))
	}
}

func firstOf(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}
