package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/registry"
)

// mostImages is how many images the registries are asked about.
const mostImages = 1000

// atUpstream is how long the public registry behind a mirror may take: clusters that
// cannot reach it are many.
const atUpstream = 5 * time.Second

// inquiry is one endpoint and what it is asked for.
type inquiry struct {
	registry, url string
	endpoint      config.Endpoint
	auth          *config.Auth
	timeout       time.Duration
	images        []string
}

// inquiries are all endpoints of the specification, and the upstreams that they fall
// back to, each with the images that it is asked for.
func inquiries(d config.Desired, questions []impact.Question) (all []inquiry) {
	find := func(host, url string) *inquiry {
		i := slices.IndexFunc(all, func(q inquiry) bool { return q.registry == host && q.url == url })
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	for _, r := range d.Registries {
		for _, e := range r.Endpoints {
			all = append(all, inquiry{registry: r.Host, url: e.URL, endpoint: e, auth: r.Auth})
		}
	}
	for _, q := range questions {
		to := find(q.Registry, q.URL)
		if to == nil {
			to = find(config.AnyHost, q.URL)
		}
		if to == nil {
			all = append(all, inquiry{registry: q.Registry, url: q.URL, endpoint: config.Endpoint{URL: q.URL}, timeout: atUpstream})
			to = &all[len(all)-1]
		}
		to.images = append(to.images, q.Image)
	}
	return all
}

// lookUp asks every endpoint from this machine, once, what it has.
func lookUp(ctx context.Context, d config.Desired, questions []impact.Question) impact.Answers {
	type asked struct {
		endpoint impact.Endpoint
		found    map[impact.Question]impact.Found
	}
	all := inquiries(d, questions)
	answers := fleet.Each(ctx, all, 8, func(ctx context.Context, q inquiry) asked {
		var images []registry.Image
		for _, text := range q.images {
			i, err := config.ParseImage(text)
			if err == nil {
				images = append(images, registry.ImageOf(i))
			}
		}
		_, found, err := registry.Look(ctx, q.endpoint, q.auth, images, registry.Options{Proxy: true, Timeout: q.timeout})
		out := asked{endpoint: endpointOf(q.registry, q.url, err), found: map[impact.Question]impact.Found{}}
		for i, err := range found {
			host := q.registry
			if im, e := config.ParseImage(q.images[i]); e == nil {
				host = im.Host
			}
			f := foundOf(err)
			if f.Has {
				out.endpoint.Has++
			}
			out.endpoint.Images++
			out.found[impact.Question{Registry: host, URL: q.url, Image: q.images[i]}] = f
		}
		return out
	})
	out := impact.Answers{Found: map[impact.Question]impact.Found{}}
	for _, a := range answers {
		out.Endpoints = append(out.Endpoints, a.endpoint)
		for k, v := range a.found {
			out.Found[k] = v
		}
	}
	return out
}

// endpointOf is what became of asking an endpoint.
func endpointOf(host, url string, err error) impact.Endpoint {
	e := impact.Endpoint{Registry: host, URL: url, Asked: true, OK: err == nil}
	var re *registry.Error
	switch {
	case errors.As(err, &re):
		e.Error, e.Hint, e.Fault = re.Text, re.Hint, string(re.Kind)
	case err != nil:
		e.Error = err.Error()
	}
	return e
}

func foundOf(err error) impact.Found {
	var re *registry.Error
	switch {
	case err == nil:
		return impact.Found{Has: true}
	case errors.As(err, &re):
		return impact.Found{Login: re.Kind == registry.BadCredential, Fault: string(re.Kind), Error: re.Text}
	}
	return impact.Found{Error: err.Error()}
}
