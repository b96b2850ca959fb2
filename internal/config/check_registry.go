package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/api/v1alpha1"
)

func (c *checker) registries(all []v1alpha1.Registry) {
	const path = "spec.registries"
	if len(all) == 0 {
		c.missing(path, "name at least one registry")
		return
	}
	first := map[string]int{}
	for i, r := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.registry(at, r)
		name, _ := canonicalHost(r.Host)
		if j, double := first[name]; double && name != "" {
			c.problem(at+".host", fmt.Sprintf("%s stands in %s[%d] already", show(name), path, j), "put all endpoints of a host into one registry")
			continue
		}
		first[name] = i
	}
}

func (c *checker) registry(at string, r v1alpha1.Registry) {
	c.host(at+".host", r.Host)
	c.endpoints(at, r)
	if r.Fallback != "" {
		c.fault(at+".fallback", oneOf(r.Fallback, v1alpha1.FallbackUpstream, v1alpha1.FallbackNone))
	}
	if r.Auth != nil {
		c.auth(at+".auth", *r.Auth)
		c.manyServers(at+".auth", r)
	}
}

func (c *checker) host(at, host string) {
	if host == "" {
		c.missing(at, `write the host as it stands in image references, or "*"`)
		return
	}
	name, folded := canonicalHost(host)
	if f := checkRegistryHost(name); f != nil {
		c.fault(at, f)
		return
	}
	if folded {
		c.warn(at, fmt.Sprintf("%s is read as %s", show(host), name), "images of Docker Hub have the host docker.io, whatever a pod says")
	} else if strings.ToLower(host) != host {
		c.warn(at, show(host)+" has capital letters", "containerd takes it only for images that are written just so")
	}
}

func (c *checker) endpoints(at string, r v1alpha1.Registry) {
	if len(r.Endpoints) == 0 && r.Host == AnyHost {
		c.missing(at+".endpoints", `"*" has no host of its own to ask`)
	}
	if c.tooMany(at+".endpoints", len(r.Endpoints), maxEndpoints) {
		return
	}
	first := map[string]int{}
	resolves := false
	for i, e := range r.Endpoints {
		ep := fmt.Sprintf("%s.endpoints[%d]", at, i)
		c.endpoint(ep, e)
		u, f := parseEndpoint(e.URL)
		if f == nil {
			if j, double := first[u.String()]; double {
				c.problem(ep+".url", fmt.Sprintf("%s stands in endpoints[%d] already", show(e.URL), j), "")
			} else {
				first[u.String()] = i
			}
		}
		resolves = resolves || len(e.Capabilities) == 0 || c.unread(ep+".capabilities") || c.failed(ep+".capabilities") || slices.Contains(e.Capabilities, v1alpha1.CapabilityResolve)
	}
	// With an upstream to fall back to, the tags can be asked there.
	if len(r.Endpoints) > 0 && !resolves && r.Fallback == v1alpha1.FallbackNone {
		c.problem(at+".endpoints", "no endpoint has the capability resolve, so that no tag can be pulled", "give one endpoint [pull, resolve], or set fallback: upstream")
	}
}

// manyServers warns that one credential goes to several servers.
func (c *checker) manyServers(at string, r v1alpha1.Registry) {
	var hosts []string
	for _, e := range r.Endpoints[:min(len(r.Endpoints), maxEndpoints)] {
		if u, f := parseEndpoint(e.URL); f == nil && !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	if len(hosts) > 1 {
		c.warn(at, "the credential is sent to "+strings.Join(hosts, " and to "), "make sure that all of them may see it")
	}
}
