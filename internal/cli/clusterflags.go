package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/kube"
)

// clusterFlags name a cluster. A variable that was left in the shell must not decide
// which one it is, so KUBECONFIG is not looked at.
type clusterFlags struct{ kubeconfig, context string }

// register adds the flags; usage says what the command has of the cluster.
func (f *clusterFlags) register(c *cobra.Command, usage string) {
	c.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", usage+" ($KUBECONFIG is not looked at)")
	c.Flags().StringVar(&f.context, "context", "", "context of the kubeconfig, in place of its current one")
	_ = c.MarkFlagFilename("kubeconfig")
}

// check refuses a context of no kubeconfig.
func (f clusterFlags) check() error {
	if f.kubeconfig == "" && f.context != "" {
		return usage(errors.New("--context needs --kubeconfig"), "")
	}
	return nil
}

// open opens the cluster that is named; nil when none is.
func (f clusterFlags) open() (*kube.Cluster, error) {
	if err := f.check(); err != nil || f.kubeconfig == "" {
		return nil, err
	}
	c, err := kube.Open(f.kubeconfig, f.context)
	if err != nil {
		return nil, usage(err, "")
	}
	return c, nil
}

// openHere is open, and without a kubeconfig the cluster of this pod by its service
// account.
func (f clusterFlags) openHere() (*kube.Cluster, error) {
	c, err := f.open()
	if c != nil || err != nil {
		return c, err
	}
	c, ok, err := kube.InCluster()
	if !ok {
		return nil, usage(errors.New("no cluster was named"), "use --kubeconfig FILE")
	}
	return c, err
}
