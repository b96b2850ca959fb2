package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
)

// prepullFlags are the flags of prepull beside those of nodes.
type prepullFlags struct {
	spec        specFlags
	cluster     clusterFlags
	images      []string
	perNode     int
	perRegistry int
	stall       time.Duration
	dryRun      bool
	unpin       bool
	force       bool
	yes         bool
}

func (a *app) prepullCommand() *cobra.Command {
	var nodes nodeFlags
	var p prepullFlags
	c := &cobra.Command{
		Use:   "prepull",
		Short: "Fetch images to the nodes ahead of a change, and keep them until it is done",
		Long: `Have nodes fetch images through their own CRI, as kubelet would and through what they
are configured with now, and pin them, so that kubelet's garbage collection leaves
them alone. Images are named by --image, and go to every node; without it they are
those that pullway assess finds at risk, on the nodes that lack them. They stay
pinned on a node until an apply or a rollback has ended there, or prepull --unpin.
Only what Pullway pinned is ever unpinned.

Before anything is fetched, the registries are asked how large the images are, and
each node must have twice that free: an image is kept packed and unpacked. A pull
that brings no byte for --stall is given up. Ctrl-C is safe, and the same command
again goes on: layers that have come are not fetched again.

With --kubeconfig the pull secrets of the pods that use the images are used, and of
their service accounts, where the user may read them. They go to the engine's
standard input, and are kept nowhere.

Exit codes: 0 done, or nothing to do · 1 failed, nothing changed · 2 wrong usage ·
6 part of it is done, and the same command goes on.`,
		Example: `  pullway prepull -f pullway.yaml -i inventory/mycluster/hosts.yaml --kubeconfig ~/.kube/config     # what is at risk
  pullway prepull -i hosts.yaml --image 192.168.21.9/library/test-image:latest --dry-run
  pullway prepull -i hosts.yaml --image harbor.example.com/team/app:v1 --per-node 1 --per-registry 4 --yes
  pullway prepull -i hosts.yaml --unpin --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			images, err := p.check()
			if err != nil {
				return err
			}
			if !p.dryRun {
				if err := a.mustAsk(p.yes); err != nil {
					return err
				}
			}
			var spec *config.Loaded
			if p.spec.file != "" {
				p.spec.noPreflight = true
				if spec, err = a.spec(cmd.Context(), p.spec); err != nil {
					return err
				}
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			return (&prepulling{app: a, flags: p, nodes: fn, spec: spec, images: images}).do(cmd.Context())
		},
	}
	nodes.register(c)
	f := c.Flags()
	f.StringVarP(&p.spec.file, "file", "f", "", "the RegistryConfig: how its registries are asked for sizes; - for standard input")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	f.StringArrayVar(&p.images, "image", nil, "an image to fetch; may be given several times")
	p.cluster.register(c, "the cluster: whose images are at risk, and whose pods' pull secrets are used")
	_ = c.RegisterFlagCompletionFunc("image", cobra.NoFileCompletions)
	f.IntVar(&p.perNode, "per-node", 2, "images that one node fetches at once")
	f.IntVar(&p.perRegistry, "per-registry", 20, "images that all nodes together fetch at once, so that no registry serves more")
	f.DurationVar(&p.stall, "stall", protocol.DefaultStall, "give a pull up that brings no byte for so long")
	f.BoolVar(&p.dryRun, "dry-run", false, "show what would be fetched, and whether there is room")
	f.BoolVar(&p.unpin, "unpin", false, "fetch nothing: unpin what Pullway pinned")
	f.BoolVar(&p.force, "force", false, "fetch also images whose size nobody knows")
	f.BoolVarP(&p.yes, "yes", "y", false, "do not ask")
	c.MarkFlagsMutuallyExclusive("unpin", "image")
	c.MarkFlagsMutuallyExclusive("unpin", "file")
	return c
}

// check reads the images and refuses flags that make no sense.
func (p *prepullFlags) check() ([]config.Image, error) {
	if err := p.cluster.check(); err != nil {
		return nil, err
	}
	switch {
	case p.perNode < 1:
		return nil, usage(fmt.Errorf("--per-node %d: at least one image at once", p.perNode), "")
	case p.perRegistry < 1:
		return nil, usage(fmt.Errorf("--per-registry %d: at least one image at once", p.perRegistry), "")
	case p.stall < time.Second:
		return nil, usage(fmt.Errorf("--stall %s: at least a second", p.stall), "")
	case len(p.images) > mostImages:
		return nil, usage(fmt.Errorf("%d images are too many for one command; at most %d", len(p.images), mostImages), "")
	case p.unpin:
		return nil, nil
	case len(p.images) == 0 && (p.spec.file == "" || p.cluster.kubeconfig == ""):
		return nil, usage(errors.New("no images were named"), "use --image REF, once for each; or -f and --kubeconfig, for those that the change puts at risk")
	}
	var all []config.Image
	seen := map[string]bool{}
	for _, ref := range p.images {
		i, err := config.ParseImage(ref)
		if err != nil {
			return nil, usage(err, "")
		}
		if !seen[i.String()] {
			seen[i.String()] = true
			all = append(all, i)
		}
	}
	return all, nil
}
