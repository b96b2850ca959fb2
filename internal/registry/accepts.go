package registry

import (
	"context"
	"errors"
	"time"

	"github.com/pullway/pullway/internal/config"
)

// acceptsTimeout is short: other questions wait behind this one, and
// acceptsWithin is for all endpoints together.
const (
	acceptsTimeout = 3 * time.Second
	acceptsWithin  = 10 * time.Second
)

// Accepts asks the endpoints of r in order how they take r's credential and
// returns the first answer. It is AcceptsUnknown when there is no credential,
// when none of them tells, and when one refuses the password: that one is not
// tried again elsewhere, for all endpoints may be the same server. It uses no
// proxy and asks for the first image of verifyImages that r serves.
func Accepts(ctx context.Context, r config.Registry, verifyImages []string) config.Accepts {
	if r.Auth == nil {
		return config.AcceptsUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, acceptsWithin)
	defer cancel()
	images := imagesOf(r, verifyImages)
	for _, ep := range r.Endpoints {
		answer, err := Ask(ctx, ep, r.Auth, images, Options{Timeout: acceptsTimeout})
		var e *Error
		if answer.Credential == CredentialRefused || ctx.Err() != nil || errors.As(err, &e) && e.Kind == BadCredential {
			return config.AcceptsUnknown
		}
		if answer.Accepts != config.AcceptsUnknown {
			return answer.Accepts
		}
	}
	return config.AcceptsUnknown
}

// imagesOf is the first image that r serves, or none.
func imagesOf(r config.Registry, refs []string) []Image {
	for _, ref := range refs {
		i, err := config.ParseImage(ref)
		if err == nil && (r.Host == i.Host || r.Host == config.AnyHost) {
			return []Image{ImageOf(i)}
		}
	}
	return nil
}
