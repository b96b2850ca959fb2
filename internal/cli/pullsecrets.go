package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/kube"
	"github.com/pullway/pullway/internal/secret"
)

// mostLogins bounds the pull secrets that are tried for one image.
const mostLogins = 8

// pullSecrets are the credentials that pods pull the images with, by image. Without
// a kubeconfig there are none. What the user may not read is told and left out:
// the nodes' own configuration may do.
func (p *prepulling) pullSecrets(ctx context.Context) (map[string][]config.Auth, error) {
	if p.flags.cluster.kubeconfig == "" {
		return nil, nil
	}
	cluster, err := p.flags.cluster.open()
	if err != nil {
		return nil, err
	}
	f := &finding{prepulling: p, cluster: cluster, read: map[string][]byte{}, accounts: map[string][]string{}}
	uses, err := f.uses(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string][]config.Auth{}
	for _, u := range uses {
		image, err := config.ParseImage(u.Image)
		if err != nil {
			continue
		}
		for _, l := range f.logins(ctx, u, image) {
			if key := image.String(); len(all[key]) < mostLogins && !slices.Contains(all[key], l) {
				all[key] = append(all[key], l)
			}
		}
	}
	return all, nil
}

// uses are where the images are used: in pods that are looked for, or as an
// assessment has found them.
func (f *finding) uses(ctx context.Context) (all []kube.Use, err error) {
	if f.secrets != nil {
		for _, i := range f.images {
			for _, s := range f.secrets[i.String()] {
				namespace, name, _ := strings.Cut(s, "/")
				all = append(all, kube.Use{Namespace: namespace, Image: i.String(), PullSecrets: []string{name}})
			}
		}
		return all, nil
	}
	wanted := map[string]bool{}
	for _, i := range f.images {
		wanted[i.String()] = true
	}
	return f.cluster.Uses(ctx, func(image string) bool {
		i, err := config.ParseImage(image)
		return err == nil && wanted[i.String()]
	})
}

// finding reads each pull secret and service account once.
type finding struct {
	*prepulling
	cluster  *kube.Cluster
	read     map[string][]byte
	accounts map[string][]string
}

// logins are what the pull secrets of a pod hold for an image.
func (f *finding) logins(ctx context.Context, u kube.Use, image config.Image) (all []config.Auth) {
	for _, name := range f.names(ctx, u) {
		key := u.Namespace + "/" + name
		raw, known := f.read[key]
		if !known {
			var err error
			if raw, err = f.cluster.PullSecret(ctx, u.Namespace, name); err != nil {
				f.warn(fmt.Sprintf("pull secret %s is not used: %s", key, err), "images are fetched with what the nodes are configured with; get on secrets would let it be used")
			}
			f.read[key] = raw
		}
		if raw == nil {
			continue
		}
		found, err := secret.PullSecret(raw, image.Name())
		if err != nil {
			f.warn(fmt.Sprintf("pull secret %s is not used: %s", key, err), "")
			f.read[key] = nil
		}
		for _, l := range found {
			all = append(all, config.Auth{Username: l.Username, Password: l.Password})
		}
	}
	return all
}

// names are the pull secrets of the pod and of its service account, each once.
func (f *finding) names(ctx context.Context, u kube.Use) []string {
	names := slices.Clone(u.PullSecrets)
	account := u.Namespace + "/" + u.ServiceAccount
	if u.ServiceAccount == "" {
		return names
	}
	more, known := f.accounts[account]
	if !known {
		var err error
		if more, err = f.cluster.AccountSecrets(ctx, u.Namespace, u.ServiceAccount); err != nil {
			f.warn(fmt.Sprintf("the pull secrets of service account %s are not known: %s", account, err), "those that its pods name are used all the same")
		}
		f.accounts[account] = more
	}
	for _, n := range more {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
