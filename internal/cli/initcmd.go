package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pullway/pullway/internal/config"
)

func (a *app) initCommand() *cobra.Command {
	var o config.StarterOptions
	var mirrors []string
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first RegistryConfig to standard output",
		Long: `Write a first, commented RegistryConfig to standard output. It touches no node.
The password is never written: the file names the environment variable that
holds it.`,
		Example: `  pullway init --registry http://192.168.21.9 --username 'robot$nodes' --password-env HARBOR_PASSWORD \
      --image 192.168.21.9/library/test-image:latest > pullway.yaml
  pullway init --mirror docker.io=https://harbor.example.com/v2/hubcache > pullway.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, m := range mirrors {
				host, url, ok := strings.Cut(m, "=")
				if !ok {
					return usage(fmt.Errorf("--mirror %q is not HOST=URL", m), "such as docker.io=https://harbor.example.com/v2/hubcache")
				}
				o.Mirrors = append(o.Mirrors, config.StarterMirror{Host: host, URL: url})
			}
			text, err := config.Starter(o)
			if err != nil {
				return specError(err)
			}
			_, err = a.streams.Out.Write(text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Registry, "registry", "", "URL of the registry; without scheme https is meant")
	f.StringVar(&o.Username, "username", "", "user or, better, robot account")
	f.StringVar(&o.PasswordEnv, "password-env", "", "environment variable that will hold the password (default HARBOR_PASSWORD)")
	f.StringVar(&o.CAFile, "ca-file", "", "PEM file of the registry's certificate authority")
	f.StringArrayVar(&o.Images, "image", nil, "image that proves that pulls work; may be repeated")
	f.StringArrayVar(&mirrors, "mirror", nil, "HOST=URL: ask URL for the images of HOST; may be repeated")
	return c
}
