package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		Use:   "import --from node",
		Short: "Write a RegistryConfig from what a node has now, legacy tables included",
		Long: `Write a RegistryConfig to standard output from what containerd of one node does
now: its host directories, and the deprecated mirrors, configs and auths tables
of config.toml. CA certificates are written beside, below --files. Passwords
are not exported: the file names environment variables in their place.`,
		Example: `  pullway import --from node --nodes node1 > pullway.yaml
  pullway import --from node --local --files ./certs > pullway.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "node" {
				return usage(fmt.Errorf("unknown source %q", from), "use --from node")
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
	c.Flags().StringVar(&from, "from", "", "where from: node")
	c.Flags().StringVar(&files, "files", ".", "folder for CA certificates; existing files are never overwritten")
	_ = c.MarkFlagRequired("from")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"node"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) writeImport(x protocol.Export, dir string) error {
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
				name, err := writeCA(dir, e.CA)
				if err != nil {
					return err
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
			env := envName(r.Host)
			reg.Auth = &v1alpha1.Auth{Username: r.Username, Password: v1alpha1.SecretSource{Env: env}}
			a.warn(fmt.Sprintf("the password for %s (%s) is not exported", r.Host, r.Source), "put it into the environment variable "+env)
		}
		cfg.Spec.Registries = append(cfg.Spec.Registries, reg)
	}
	if len(cfg.Spec.Registries) == 0 {
		return &exitError{ExitFailed, errors.New("this node has no registry configuration"), "begin with pullway init"}
	}
	text, err := config.Marshal(cfg)
	if err != nil {
		return err
	}
	_, err = a.streams.Out.Write(text)
	return err
}

// writeCA writes a certificate under a name that its content decides.
func writeCA(dir string, pem []byte) (string, error) {
	sum := sha256.Sum256(pem)
	path := filepath.Join(dir, "ca-"+hex.EncodeToString(sum[:4])+".pem")
	if old, err := os.ReadFile(path); err == nil {
		if string(old) == string(pem) {
			return path, nil
		}
		return "", fmt.Errorf("%s exists and holds something else", path)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, pem, 0o644)
}

var notEnv = regexp.MustCompile(`[^A-Z0-9]+`)

func envName(host string) string {
	if host == "*" {
		host = "default"
	}
	return "PULLWAY_PASSWORD_" + strings.Trim(notEnv.ReplaceAllString(strings.ToUpper(host), "_"), "_")
}
