package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/registry"
)

// present is what the node's containerd is configured with now, in the form of a
// specification, with the headers that it sends: where its pulls come from. Client
// certificates are left out.
func present(o *observation) config.Desired {
	var d config.Desired
	for _, x := range exportOf(o).Registries {
		r := config.Registry{Host: x.Host}
		for _, e := range x.Endpoints {
			r.Endpoints = append(r.Endpoints, config.Endpoint{URL: e.URL, CA: e.CA, InsecureSkipVerify: e.InsecureSkipVerify, OverridePath: e.OverridePath, Headers: headersFor(o, x.Host, e.URL)})
		}
		if x.Fallback == string(v1alpha1.FallbackUpstream) && x.Host != config.AnyHost {
			r.Endpoints = append(r.Endpoints, config.Endpoint{URL: registry.Upstream(x.Host)})
		}
		r.Auth = authOf(o, r)
		d.Registries = append(d.Registries, r)
	}
	return d
}

// headersFor are the headers that hosts.toml has for an endpoint.
func headersFor(o *observation, host, url string) (all []config.Header) {
	for _, dir := range o.Hosts {
		i := slices.IndexFunc(dir.Files, func(f plan.HostFile) bool { return f.Name == hoststoml.FileName })
		if i < 0 || hostOfDir(dir.Name) != host {
			continue
		}
		doc, _ := hoststoml.Parse(dir.Files[i].Data, o.Release)
		if doc == nil {
			continue
		}
		root := doc.Root
		root.URL = doc.Server
		for _, h := range append(slices.Clone(doc.Hosts), root) {
			if h.URL == url && len(all) == 0 {
				for _, one := range h.Headers {
					all = append(all, config.Header{Name: one.Name, Value: one.Value})
				}
			}
		}
	}
	return all
}

// authOf is the credential that config.toml has for an endpoint of r.
func authOf(o *observation, r config.Registry) *config.Auth {
	t := o.Tree.Registry()
	for _, c := range append(slices.Clone(t.Configs), t.Auths...) {
		if c.Auth == nil || c.Auth.Username == "" {
			continue
		}
		_, host, found := strings.Cut(c.Host, "://")
		if !found {
			host = c.Host
		}
		for _, e := range r.Endpoints {
			if _, rest, _ := strings.Cut(e.URL, "://"); rest == host || strings.HasPrefix(rest, host+"/") {
				return &config.Auth{Username: c.Auth.Username, Password: c.Auth.Password}
			}
		}
	}
	return nil
}

// oneWithin bounds one request for a size.
const oneWithin = 4 * time.Second

// sizesFromHere asks how large an image is from the node, for what the operator's side
// could not tell: where the node pulls from now, then where the specification says.
// All questions together take at most askWithin.
//
// A registry that hangs must not cost the others their answer: oneWithin bounds one
// request.
func sizesFromHere(ctx context.Context, o *observation, req protocol.Request) (func(want protocol.Ahead) ([]protocol.Contents, error), context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	sources := []config.Desired{present(o)}
	logins := credentials(req.Prepull.Credentials)
	return func(want protocol.Ahead) ([]protocol.Contents, error) {
		if req.Desired != nil && len(sources) == 1 {
			desired, err := config.FromWire(*req.Desired)
			if err != nil {
				return nil, err
			}
			sources = append(sources, desired)
		}
		var as []config.Auth
		for _, i := range want.As {
			if i >= 0 && i < len(logins) {
				as = append(as, config.Auth{Username: logins[i].Username, Password: logins[i].Password})
			}
		}
		var first error
		for _, d := range sources {
			contents, err := registry.ContentsOf(ctx, d, want.Ref, as, registry.Options{Timeout: oneWithin})
			if err == nil {
				return contents, nil
			}
			if first == nil && !errors.Is(err, context.Canceled) {
				first = err
			}
		}
		return nil, first
	}, cancel
}
