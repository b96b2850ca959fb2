package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/pullway/pullway/internal/inventory"
	"github.com/pullway/pullway/internal/kubespray"
)

// importKubespray writes a specification of an inventory's registry variables.
func (a *app) importKubespray(ctx context.Context, n nodeFlags) error {
	if n.inventory == "" {
		return usage(errors.New("--from kubespray reads an inventory"), "use -i INVENTORY")
	}
	v, err := kubespray.Read(n.inventory)
	if err != nil {
		return asUsage(err)
	}
	if n.limit != "" {
		if err := a.limitVariables(ctx, v, n); err != nil {
			return err
		}
	}
	im, err := kubespray.Import(v)
	if err != nil {
		return usage(err, hintOf(err))
	}
	for _, w := range im.Warnings {
		a.warn(w.Text, w.Hint)
	}
	return a.writeSpec(im.Config, &caFiles{}, "this inventory sets no registry variable")
}

// limitVariables leaves out the nodes that --limit does not name.
func (a *app) limitVariables(ctx context.Context, v *kubespray.Variables, n nodeFlags) error {
	all, err := a.list(ctx, n)
	if err != nil {
		return err
	}
	some, err := inventory.Limit(all, n.limit)
	if err != nil {
		return asUsage(err)
	}
	v.Nodes = slices.DeleteFunc(v.Nodes, func(name string) bool {
		return !slices.ContainsFunc(some, func(n inventory.Node) bool { return n.Name == name })
	})
	return nil
}
