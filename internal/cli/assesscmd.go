package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/census"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/internal/report"
)

// assessment is what assess needs to know.
type assessment struct {
	spec  *config.Loaded
	nodes *fleetNodes // nil: every node of the cluster, and none is asked
	// plans of the nodes, when they were asked for them already; see fromPlans.
	plans   []fleet.Planned
	rollout *report.Rollout
	window  time.Duration
	// noPreflight: the registries are not asked.
	noPreflight bool
}

func (a *app) assessCommand() *cobra.Command {
	var spec specFlags
	var nodes nodeFlags
	var cluster clusterFlags
	var all, exitCode, printRBAC bool
	var window time.Duration
	c := &cobra.Command{
		Use:   "assess",
		Short: "Say which workloads a change of registries would hurt, and what to do first",
		Long: `Say which workloads a change of registries would hurt, before anything is changed:
those that fail now, if they are restarted, or if they are moved to another node,
each with the reason and what to do; the worst first.

It looks at every container, init container, sidecar, ephemeral container and image
volume: its pull policy, where its image comes from before and after, whether the
image is on its node and on the others where it could go, and what protects or
exposes its owner. The registries are asked once each from this machine, and with
nodes named by -i, --nodes or --local from each of them, which also tells the images
on each node and where containerd restarts. Nothing is changed anywhere.

Where a pod could go is an approximation: node selectors, required node affinity and
taints are looked at; room, pod affinity, spread and volumes are not.

Exit code 0, or with --exit-code 3 when the change makes a workload fail now or if
restarted; 1 when the cluster could not be asked.`,
		Example: `  pullway assess -f pullway.yaml --kubeconfig ~/.kube/config
  pullway assess -f pullway.yaml --kubeconfig ~/.kube/config -i inventory/mycluster/hosts.yaml
  pullway assess -f pullway.yaml --kubeconfig ~/.kube/config --all -o json > assess.json
  pullway assess -f pullway.yaml --kubeconfig ~/.kube/config -i hosts.yaml -o html > assess.html
  pullway assess --print-rbac | kubectl apply -f -    # the least rights that it needs`,
		Annotations: map[string]string{moreOutputs: "html"},
		Args:        cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printRBAC {
				_, err := fmt.Fprint(a.streams.Out, census.Role())
				return err
			}
			if spec.file == "" {
				return usage(errors.New(`required flag(s) "file" not set`), "")
			}
			ctx := cmd.Context()
			kc, err := cluster.openHere()
			if err != nil {
				return err
			}
			l, err := a.spec(ctx, specFlags{file: spec.file, noPreflight: true})
			if err != nil {
				return err
			}
			q := assessment{spec: l, window: window, noPreflight: spec.noPreflight}
			if nodes.named() {
				if q.nodes, err = a.load(ctx, nodes); err == nil {
					err = a.group(q.nodes, l.Rollout.Groups)
				}
				if err != nil {
					return err
				}
			}
			result, failed := a.assess(ctx, kc, q)
			if result == nil {
				return failed
			}
			if err := a.show(report.NewAssess(l.Desired.Name, result, all || a.output == "html")); err != nil {
				return err
			}
			if failed != nil {
				return failed
			}
			if by := result.ByChange; exitCode && by.FailsNow+by.FailsIfRestarted > 0 {
				return verdict(ExitPending)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&spec.file, "file", "f", "", "the RegistryConfig; - for standard input")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	c.Flags().BoolVar(&spec.noPreflight, "no-preflight", false, "do not ask the registries from this machine")
	nodes.register(c)
	cluster.register(c, "the cluster; in a pod of it its service account is used without this")
	c.Flags().DurationVar(&window, "window", impact.DefaultWindow, "how long the change may take: CronJobs that start within it count as starting now")
	c.Flags().BoolVar(&all, "all", false, "show every workload, the safe ones too")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when the change makes a workload fail now or if restarted")
	c.Flags().BoolVar(&printRBAC, "print-rbac", false, "print the ClusterRole that is enough, and end")
	return c
}

// assess reads the cluster, asks the nodes and the registries, and judges. A result
// may come with an error: that it is not all that was asked for.
func (a *app) assess(ctx context.Context, kc *kube.Cluster, q assessment) (*impact.Assessment, error) {
	// Most of what is made on the way is of no use soon after: room for half as much
	// again is enough, and 150,000 pods stay far below 150 MB.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	a.note("reading the cluster")
	cluster, failed := census.Read(ctx, kc, census.Options{})
	if cluster == nil {
		return nil, failed
	}
	change := impact.Change{Desired: q.spec.Desired, Now: a.now(), Window: q.window}
	questions, left := impact.Questions(cluster, change.Desired, mostImages)
	if left > 0 {
		cluster.Gaps = append(cluster.Gaps, impact.Gap{What: "ask the registries for all images", Why: fmt.Sprintf("%d images are more than the %d that are asked for", left+mostImages, mostImages), Means: "a pull of the others counts as failing"})
	}
	answers := impact.Answers{Found: map[impact.Question]impact.Found{}}
	if !q.noPreflight {
		a.note("asking the registries")
		answers = lookUp(ctx, change.Desired, questions)
	}
	var err error
	switch {
	case q.plans != nil:
		change.Machines, err = a.fromPlans(q.nodes, cluster, q.plans, q.rollout)
	case q.nodes != nil:
		change.Machines, err = a.survey(ctx, q.nodes, cluster, q.spec, questions, answers)
	}
	if err != nil {
		return nil, err
	}
	return impact.Assess(cluster, change, answers), failed
}

// note says what goes on, where everything shall be told.
func (a *app) note(text string) {
	if a.verbose && !a.quiet {
		a.say("%s", text)
	}
}
