package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/registry"
)

// preflight asks every endpoint from this machine before any node is touched:
// does it answer, is the credential good, are the verify images there, and how
// does the registry take a credential. A registry that cannot be reached from
// here is a warning, for nodes may reach it; one that says no is an error.
func (a *app) preflight(ctx context.Context, d *config.Desired) error {
	type asked struct {
		answer registry.Answer
		err    error
	}
	type question struct{ registry, endpoint int }
	var questions []question
	for i, r := range d.Registries {
		for j := range r.Endpoints {
			questions = append(questions, question{i, j})
		}
	}
	answers := fleet.Each(ctx, questions, 8, func(ctx context.Context, q question) asked {
		r := d.Registries[q.registry]
		answer, err := registry.Ask(ctx, r.Endpoints[q.endpoint], r.Auth, imagesOf(*d, r), registry.Options{Proxy: true})
		return asked{answer, err}
	})
	for k, q := range questions {
		r := &d.Registries[q.registry]
		got := answers[k]
		for _, w := range got.answer.Warnings {
			a.warn(w.Text, w.Hint)
		}
		var re *registry.Error
		if errors.As(got.err, &re) {
			// One endpoint of several may be a cache that has not got the image yet.
			if away(re.Kind) || len(r.Endpoints) > 1 && re.Kind == registry.MissingImage {
				a.warn(re.Error()+" (asked from this machine)", re.Hint)
				continue
			}
			return &exitError{ExitFailed, got.err, re.Hint}
		} else if got.err != nil {
			return got.err
		}
		if r.Auth != nil && r.Auth.Accepts == config.AcceptsUnknown {
			r.Auth.Accepts = got.answer.Accepts
		}
		// A token-only endpoint decides for the registry: what works there works
		// on one that takes Basic too.
		if r.Auth != nil && got.answer.Accepts == config.AcceptsToken {
			r.Auth.Accepts = config.AcceptsToken
		}
	}
	return nil
}

// away are the failures that may be this machine's and not the nodes'.
func away(k registry.Kind) bool {
	return slices.Contains([]registry.Kind{registry.Unreachable, registry.Timeout, registry.DNS}, k)
}

// imagesOf are the verify images that the registry serves.
func imagesOf(d config.Desired, r config.Registry) (images []registry.Image) {
	for _, ref := range d.VerifyImages {
		i, err := config.ParseImage(ref)
		if err != nil {
			continue // Load has checked them
		}
		if owner, ok := d.RegistryFor(i.Host); !ok || owner.Host != r.Host {
			continue
		}
		reference := i.Tag
		if i.Digest != "" {
			reference = i.Digest
		}
		images = append(images, registry.Image{Path: i.Path, Reference: reference})
	}
	return images
}
