package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
)

func (a *app) importCommand() *cobra.Command {
	var nodes nodeFlags
	var from, files string
	c := &cobra.Command{
		Use:   "import --from node|kubespray",
		Short: "Write a RegistryConfig from what a node has now, or from Kubespray's variables",
		Long: `Write a RegistryConfig to standard output.

--from node: from what containerd of one node does now: its host directories, and
the deprecated mirrors, configs and auths tables of config.toml. CA certificates
are written beside, below --files.

--from kubespray: from the registry variables of an inventory, of any Kubespray
release, and from the three that the popular guide gives. No node is asked.

Passwords are not exported: the file names environment variables, or the vaulted
variable, in their place.`,
		Example: `  pullway import --from node --nodes node1 > pullway.yaml
  pullway import --from node --local --files ./certs > pullway.yaml
  pullway import --from kubespray -i inventory/mycluster/hosts.yaml > pullway.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch from {
			case "node":
			case "kubespray":
				return a.importKubespray(cmd.Context(), nodes)
			default:
				return usage(fmt.Errorf("unknown source %q", from), "use --from node or --from kubespray")
			}
			fn, err := a.load(cmd.Context(), nodes)
			if err != nil {
				return err
			}
			if len(fn.targets) != 1 {
				return usage(fmt.Errorf("import reads one node, and %d were named", len(fn.targets)), "pick one with --limit")
			}
			answers := a.ask(cmd.Context(), fn, protocol.Request{Op: protocol.OpExport}, 0)
			if answers[0].Err != nil {
				return &exitError{ExitFailed, answers[0].Err, answers[0].Err.Hint}
			}
			if answers[0].Reply == nil || answers[0].Reply.Export == nil {
				return errors.New("the node's answer holds no configuration")
			}
			return a.writeImport(*answers[0].Reply.Export, files)
		},
	}
	nodes.register(c)
	c.Flags().StringVar(&from, "from", "", "where from: node or kubespray")
	c.Flags().StringVar(&files, "files", ".", "folder for CA certificates; existing files are never overwritten")
	_ = c.MarkFlagRequired("from")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"node", "kubespray"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) writeImport(x protocol.Export, dir string) error {
	if err := checkExport(x); err != nil {
		return err
	}
	cas := &caFiles{dir: dir}
	for _, w := range x.Warnings {
		a.warn(w.Text, w.Hint)
	}
	cfg := v1alpha1.RegistryConfig{APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind, Metadata: v1alpha1.Metadata{Name: config.DefaultName}}
	for _, r := range x.Registries {
		reg := v1alpha1.Registry{Host: r.Host, Fallback: v1alpha1.Fallback(r.Fallback)}
		for _, e := range r.Endpoints {
			ep := v1alpha1.Endpoint{URL: e.URL, OverridePath: e.OverridePath, DialTimeout: e.DialTimeout}
			for _, c := range e.Capabilities {
				ep.Capabilities = append(ep.Capabilities, v1alpha1.Capability(c))
			}
			https := strings.HasPrefix(e.URL, "https://")
			if https && (len(e.CA) > 0 || e.InsecureSkipVerify) {
				ep.TLS = &v1alpha1.TLS{InsecureSkipVerify: e.InsecureSkipVerify}
			}
			if https && len(e.CA) > 0 {
				name, err := cas.add(e.CA)
				if err != nil {
					a.warn(fmt.Sprintf("the authority of %s (%s) is left out: %s", e.URL, r.Source, err), "add caFile by hand")
				}
				ep.TLS.CAFile = name
			}
			if e.HasClientKey {
				a.warn(fmt.Sprintf("%s has a client certificate (%s), which is not exported", e.URL, r.Source), "add certFile and keyFile by hand")
			}
			for _, h := range e.HeaderNames {
				a.warn(fmt.Sprintf("%s is sent the header %s (%s), which is not exported", e.URL, h, r.Source), "add it by hand")
			}
			reg.Endpoints = append(reg.Endpoints, ep)
		}
		if r.HasPassword {
			env := config.PasswordEnv(r.Host)
			reg.Auth = &v1alpha1.Auth{Username: r.Username, Password: v1alpha1.SecretSource{Env: env}}
			a.warn(fmt.Sprintf("the password for %s (%s) is not exported", r.Host, r.Source), "put it into the environment variable "+env)
		}
		cfg.Spec.Registries = append(cfg.Spec.Registries, reg)
	}
	return a.writeSpec(cfg, cas, "this node has no registry configuration")
}

// writeSpec writes a specification to standard output, after the files that it
// names; nothing says that it would be empty.
func (a *app) writeSpec(cfg v1alpha1.RegistryConfig, cas *caFiles, nothing string) error {
	if len(cfg.Spec.Registries) == 0 {
		return &exitError{ExitFailed, errors.New(nothing), "begin with pullway init"}
	}
	text, err := config.Marshal(cfg)
	if err != nil {
		return err
	}
	if err := cas.write(); err != nil {
		return err
	}
	_, err = a.streams.Out.Write(text)
	return err
}
