package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report"
)

// riskWindow is how long the change may take, as assess has it by default.
const riskWindow = time.Hour

// choose finds the images at risk, where none were named. They go to the nodes of
// the inventory that lack them.
func (p *prepulling) choose(ctx context.Context) error {
	if len(p.images) > 0 {
		return nil
	}
	kc, err := p.flags.cluster.open()
	if err != nil {
		return err
	}
	result, err := p.assess(ctx, kc, assessment{spec: p.spec, nodes: p.nodes, window: riskWindow})
	if result == nil {
		return err
	}
	if err != nil {
		p.warn(err.Error()+"; what is at risk may be more than what is fetched", hintOf(err))
	}
	for _, g := range result.Gaps {
		p.warn(fmt.Sprintf("could not %s: %s; %s", g.What, g.Why, g.Means), "")
	}
	p.take(result)
	return nil
}

// take makes images and nodes of what an assessment says is needed.
func (p *prepulling) take(result *impact.Assessment) {
	machine := map[string]string{}
	for _, n := range result.NodeImpacts {
		machine[n.Name] = n.Machine
	}
	p.on, p.secrets = map[string]map[string]bool{}, map[string][]string{}
	always := 0
	for _, need := range result.Needs() {
		image, err := config.ParseImage(need.Image)
		if err != nil {
			continue // no node could pull it either
		}
		on := map[string]bool{}
		for _, node := range need.Nodes {
			if m := machine[node]; m != "" {
				on[m] = true
			}
		}
		if len(on) == 0 {
			continue
		}
		if need.Always {
			always++
		}
		p.images = append(p.images, image)
		p.on[image.String()], p.secrets[image.String()] = on, need.PullSecrets
	}
	if always > 0 {
		p.warn(fmt.Sprintf("%s of those at risk have workloads that pull always: to have them there helps these only once their pull policy is IfNotPresent", report.Count(always, "image")), "")
	}
}
