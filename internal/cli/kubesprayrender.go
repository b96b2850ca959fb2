package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/kubespray"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/internal/secret"
)

// rendered is a specification as one Kubespray's variables, before it is written.
type rendered struct {
	profile kubespray.Profile
	vars    *kubespray.Variables
	target  kubespray.Target
	out     kubespray.Rendering
	changes []kubespray.FileChange
}

// renderVariables works out the variables of a specification and the files that
// have to change for them. vault may be empty, for a look.
func renderVariables(ctx context.Context, p kubespray.Profile, inventory string, d config.Desired, vault kubespray.Vault) (*rendered, error) {
	v, err := kubespray.Read(inventory)
	if err != nil {
		return nil, asUsage(err)
	}
	target, err := kubespray.TargetOf(p, v)
	if err != nil {
		return nil, usage(err, hintOf(err))
	}
	r := &rendered{profile: p, vars: v, target: target, out: kubespray.Render(p, d, target)}
	r.out.Notes = append(r.out.Notes, v.Warnings...)
	if len(r.out.Problems) > 0 {
		return r, nil
	}
	r.changes, err = kubespray.Write(ctx, inventory, v, r.out, vault)
	if err != nil {
		return nil, &exitError{ExitFailed, err, hintOf(err)}
	}
	r.out.Problems, err = kubespray.Standing(p, inventory, r.changes)
	return r, err
}

func (r *rendered) view() report.KubesprayWrite {
	return report.NewKubesprayWrite(r.profile, r.changes, r.out)
}

func (a *app) kubesprayRenderCommand() *cobra.Command {
	var g checkoutFlags
	var s specFlags
	c := &cobra.Command{
		Use:   "render",
		Short: "Show the variables that this Kubespray reads for a specification, as a diff of group_vars",
		Long: `Show which files of the inventory would change, so that this Kubespray's own
variables say what the specification says: an edit that keeps every other byte,
with credentials as vaulted values. What a release has no variable for is named,
with what works instead. Nothing is written and no secret is asked for.

Exit code 0, or 1 when this release cannot say it.`,
		Example: `  pullway kubespray render -f pullway.yaml -i inventory/mycluster/hosts.yaml
  pullway kubespray render -f pullway.yaml -i hosts.yaml --kubespray-version 2.27`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := config.Load(cmd.Context(), s.file, secret.System(), config.WithStdin(a.streams.In), config.WithoutSecrets())
			if err != nil {
				return specError(err)
			}
			p, _, err := g.profile()
			if err != nil {
				return err
			}
			r, err := renderVariables(cmd.Context(), p, g.inventory, l.Desired, kubespray.Vault{})
			if err != nil {
				return err
			}
			if err := a.show(r.view()); err != nil {
				return err
			}
			if len(r.out.Problems) > 0 {
				return verdict(ExitFailed)
			}
			return nil
		},
	}
	g.register(c)
	s.registerFile(c)
	return c
}

// vaultOf encrypts and decrypts by the ansible-vault of the PATH.
func vaultOf(passwordFile string) kubespray.Vault {
	decrypt := secret.AnsibleVault("ansible-vault", os.ReadFile)
	return kubespray.Vault{
		Encrypt: func(ctx context.Context, name string, v secret.Value) ([]string, error) {
			return secret.EncryptVault(ctx, "ansible-vault", name, v, passwordFile)
		},
		Decrypt: func(ctx context.Context, file, name string) (string, error) {
			return decrypt(ctx, file, name, passwordFile)
		},
	}
}
