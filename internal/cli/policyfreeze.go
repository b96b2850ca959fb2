package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/pullpolicy"
	"github.com/pullway/pullway/internal/report"
)

// policyChangeFlags are those of the policy commands that write.
type policyChangeFlags struct {
	yes, force bool
	dryRun     string
	timeout    time.Duration
	wait       time.Duration
}

func (f *policyChangeFlags) register(c *cobra.Command) {
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&f.dryRun, "dry-run", "", "server: send every change for the API server to check, and keep none")
	c.Flags().DurationVar(&f.timeout, "timeout", pullpolicy.Waiting.Rollout, "how long one rollout may take")
	c.Flags().DurationVar(&f.wait, "wait", pullpolicy.Waiting.Budget, "how long to wait for disruption budgets, and for pods to be available")
	_ = c.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"server"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *policyChangeFlags) check(a *app) error {
	switch {
	case f.dryRun != "" && f.dryRun != "server":
		return usage(fmt.Errorf("--dry-run %q is not known", f.dryRun), "use --dry-run=server; without --yes the plan is shown and nothing is done")
	case f.timeout <= 0 || f.wait < 0:
		return usage(errors.New("--timeout and --wait are durations such as 10m"), "")
	case f.dryRun == "":
		return a.mustAskAbout(f.yes, "workloads of the cluster")
	}
	return nil
}

func (f *policyChangeFlags) patience(l limits) pullpolicy.Patience {
	p := pullpolicy.Waiting
	p.Rollout, p.Budget = f.timeout, f.wait
	if l.every > 0 {
		p.Every = l.every
	}
	return p
}

func (a *app) policyFreezeCommand() *cobra.Command {
	var p policyFlags
	var f policyChangeFlags
	var allowPull bool
	var assessment string
	var nodes nodeFlags
	c := &cobra.Command{
		Use:   "freeze [NAMESPACE/KIND/NAME…]",
		Short: "Change Always to IfNotPresent, one workload after the other, and remember what was",
		Long: `Change imagePullPolicy Always to IfNotPresent in the pod templates of workloads, so
that their pods start from the images that their nodes have.

Changing a pod template restarts the pods by a rolling update, and a new pod on a
node without the image is itself a pull. So with -i, --nodes or --local the images
that a workload needs are fetched first to the nodes where its pods may start, as
pullway prepull does. Without, a workload is refused while an image is not known to
be there, or with --allow-pull is changed all the same while its registry works.

One workload is changed at a time: when its pods are available, when each
PodDisruptionBudget allows as many pods away as the rollout takes, and until the
rollout is through. One that gets stuck ends the run. What each container had is
written into an annotation of the object, by the same request, and into the record
of this machine before it; pullway policy restore brings it back.

Refused are: what Argo CD, Flux, Helm or another controller owns (with the place to
change it), bare and static pods, jobs, paused Deployments. CronJobs, OnDelete and
bare ReplicaSets are changed, and no pod restarts; which is said. Where an admission
plugin (AlwaysPullImages) sets Always on every pod, freezing is of no use, and refused.

Exit codes: 0 done, or nothing to do · 1 nothing was changed · 2 wrong usage ·
6 some workloads are frozen, others are refused, stuck or not reached.`,
		Example: `  pullway policy freeze default/deployment/web --kubeconfig admin.conf
  pullway assess -f pullway.yaml --kubeconfig admin.conf -o json > assess.json
  pullway policy freeze --at-risk assess.json --kubeconfig admin.conf
  pullway policy freeze default/deployment/web -i hosts.yaml --kubeconfig admin.conf    # fetches what is missing first
  pullway policy freeze --namespace shop,pay -l tier!=db --kubeconfig admin.conf --dry-run=server
  pullway policy freeze --all-namespaces --kubeconfig admin.conf --allow-pull --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a); err != nil {
				return err
			}
			refs, err := refsOf(args)
			if err != nil {
				return err
			}
			if len(refs) == 0 && !p.named() && assessment == "" {
				return usage(errors.New("no workload was named"), "name them as NAMESPACE/KIND/NAME, by --at-risk, --namespace, --all-namespaces or --selector")
			}
			risky, err := a.readAssessment(assessment)
			if err != nil {
				return err
			}
			cluster, err := p.open()
			if err != nil {
				return err
			}
			s, err := a.beginPolicy(pullpolicy.FreezeCommand, cluster, f.dryRun != "")
			if err != nil {
				return err
			}
			defer s.end()
			all, err := p.wanted(cmd.Context(), cluster, refs, risky)
			if err != nil {
				return err
			}
			images := &nodeImages{cluster: cluster, now: a.now}
			d := &pullpolicy.Driver{Images: images, Patience: f.patience(a.limits), Force: f.force, AllowPull: allowPull}
			if nodes.named() {
				f, err := a.fetching(cmd.Context(), cluster, p, nodes)
				if err != nil {
					return err
				}
				d.Fetch = f.fetch
			}
			return s.freeze(cmd.Context(), d, images, all, f.yes)
		},
	}
	p.register(c)
	nodes.register(c)
	f.register(c)
	c.Flags().BoolVar(&f.force, "force", false, "also where pods are not available, or a disruption budget allows nothing")
	c.Flags().StringVar(&assessment, "at-risk", "", "the workloads with Always that fail by an assessment: a file of pullway assess -o json, or - for standard input")
	_ = c.MarkFlagFilename("at-risk", "json")
	c.Flags().BoolVar(&allowPull, "allow-pull", false, "also where an image is not known to be on every node: the rollout pulls it")
	return c
}

// maxAssessment is the largest assessment that is read, in bytes.
const maxAssessment = 256 << 20

// readAssessment gives the workloads of a saved assessment; no path, none.
func (a *app) readAssessment(path string) ([]pullpolicy.Ref, error) {
	if path == "" {
		return nil, nil
	}
	from := a.streams.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usage(err, "")
		}
		defer f.Close() //nolint:errcheck // read only
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxAssessment))
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", path, err), "")
	}
	refs, others, err := pullpolicy.AtRisk(b)
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", path, err), "it is what pullway assess -o json writes")
	}
	for _, o := range others {
		a.warn(o+" is at risk, and of a kind that cannot be frozen from here", "set IfNotPresent where it is made")
	}
	return refs, nil
}

// freeze shows what would be done, asks, and does it.
func (s *policySession) freeze(ctx context.Context, d *pullpolicy.Driver, images *nodeImages, all []pullpolicy.Workload, yes bool) error {
	d.Cluster = s.cluster
	servers, err := s.cluster.Pods(ctx, metav1.NamespaceSystem, pullpolicy.APIServers)
	if err != nil {
		s.warn("whether AlwaysPullImages is on could not be asked: "+err.Error(), "where it is, the first workload tells")
	}
	if why := pullpolicy.AlwaysPulls(servers); why != "" {
		return &exitError{ExitFailed, errors.New(why + "; nothing was changed"), pullpolicy.ForcedHint}
	}
	plan, err := d.Plan(ctx, all)
	if err != nil {
		return err
	}
	s.run.Workloads = plan
	nodes, err := images.nodes(ctx)
	if err != nil {
		return err
	}
	var versions []string
	for _, n := range nodes {
		versions = append(versions, n.Status.NodeInfo.KubeletVersion)
	}
	if text := pullpolicy.Recheck(versions); text != "" {
		s.warn(text, "see docs/policy.md; images that pods of the same pull secret brought there are not asked for again")
	}
	return s.carryOut(ctx, d, d.Freeze, "Freeze", yes)
}

// carryOut shows the plan, asks where something is to be changed, and drives it.
func (s *policySession) carryOut(ctx context.Context, d *pullpolicy.Driver, do func(context.Context, *pullpolicy.Run) error, verb string, yes bool) error {
	plan := report.NewPolicyRun(s.run)
	if s.output == "human" && !s.run.DryRun && !yes {
		plan.Plan(report.NewPrinter(s.streams.Out, s.coloured(s.streams.Out)))
	}
	if n := plan.Summary.Pending; n > 0 && !s.run.DryRun {
		question := fmt.Sprintf("%s %s, restarting %s?", verb, report.Count(n, "workload"), report.Count(plan.Summary.Restarts, "pod"))
		if err := s.confirm(yes, question); err != nil {
			return err
		}
	}
	return s.drive(ctx, d, do)
}
