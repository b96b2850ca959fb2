package kubespray

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

// maps renders containerd_registries and containerd_insecure_registries, maps of
// name to URLs (2.16 to 2.22). In config.toml they become mirrors, after which
// containerd always asks https://NAME as well.
func (r *renderer) maps(d config.Desired) {
	plain := Assignment{Variable: VarRegistries, Map: true}
	insecure := Assignment{Variable: VarInsecure, Map: true}
	for _, reg := range d.Registries {
		r.mapLimits(reg)
		// A mirror named "*" is for every registry without one of its own.
		e := Entry{Key: reg.Host, Lines: []string{scalar(reg.Host) + ": " + urlsOf(reg) + "  " + marker}}
		if r.needsInsecure(reg) {
			insecure.Entries = append(insecure.Entries, e)
			continue
		}
		plain.Entries = append(plain.Entries, e)
	}
	if len(plain.Entries) > 0 {
		if !r.target.Set(VarRegistries) && !slices.ContainsFunc(d.Registries, func(reg config.Registry) bool { return reg.Host == "docker.io" }) {
			plain.Entries = append(plain.Entries, Entry{Key: "docker.io", Lines: []string{`docker.io: https://registry-1.docker.io  # Kubespray's own default, which setting this map would take away`}})
		}
		r.out.Assignments = append(r.out.Assignments, plain)
	}
	if len(insecure.Entries) > 0 {
		r.out.Assignments = append(r.out.Assignments, insecure)
	}
}

// needsInsecure reports whether the registry needs skip_verify, which only the
// insecure variable gives. Plain HTTP does not: the scheme of the URL decides.
func (r *renderer) needsInsecure(reg config.Registry) bool {
	if !slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return e.InsecureSkipVerify }) {
		return false
	}
	if r.profile.Insecure != InsecureMap {
		r.problem(reg.Host, "use another Kubespray, or a certificate that the nodes trust", "this release cannot be told to skip the check of a certificate")
		return false
	}
	return true
}

// mapLimits tells what a map of URLs cannot say.
func (r *renderer) mapLimits(reg config.Registry) {
	for _, e := range reg.Endpoints {
		switch {
		case len(e.CA) > 0 || len(e.Cert) > 0:
			r.problem(reg.Host, "let the nodes' own certificate store trust it, or use Kubespray 2.28 or later", "this release has no variable for certificates")
		case len(e.Headers) > 0:
			r.problem(reg.Host, "use Kubespray 2.29 or later", "this release has no variable for headers")
		case e.OverridePath:
			r.problem(reg.Host, "use Kubespray 2.24 or later", "this release has no override_path")
		case len(e.Capabilities) == 1:
			r.problem(reg.Host, "give the endpoint both capabilities", "this release has no capabilities: each endpoint resolves and pulls")
		case e.DialTimeout > 0:
			r.note("%s: dialTimeout is left out: no Kubespray has a variable for it", reg.Host)
		}
	}
	if reg.Fallback != v1alpha1.FallbackNone || reg.Host == config.AnyHost {
		return
	}
	if slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return hostOf(e.URL) != reg.Host }) {
		r.problem(reg.Host, "set fallback: upstream", "this release cannot keep containerd from asking https://%s when the endpoints fail", reg.Host)
		return
	}
	r.note("%s: when its endpoint fails, containerd asks https://%s too: mirrors in config.toml cannot say otherwise", reg.Host, reg.Host)
}

func urlsOf(reg config.Registry) string {
	if len(reg.Endpoints) == 1 {
		return scalar(reg.Endpoints[0].URL)
	}
	all := make([]string, len(reg.Endpoints))
	for i, e := range reg.Endpoints {
		all[i] = strconv.Quote(e.URL)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// auths renders containerd_registry_auth, where credentials go by config.toml.
func (r *renderer) auths(d config.Desired) {
	if r.byHeader() {
		return
	}
	a := Assignment{Variable: VarAuth, ListKey: "registry"}
	for _, reg := range d.Registries {
		if reg.Auth == nil {
			continue
		}
		if !r.profile.reads(VarAuth, r.target.Major) || r.profile.Auth == AuthOnly1x && r.target.Major == 0 {
			r.problem(reg.Host, "use image pull secrets, Kubespray 2.29 or later (header), or pullway apply, again after each run of Kubespray",
				"this release has no variable that gives its containerd a credential")
			continue
		}
		name := r.secretOf(reg)
		for _, host := range authHosts(reg) {
			e := Entry{Key: host, Lines: []string{"- registry: " + scalar(host) + "  " + marker, `  auth: "{{ ` + name + ` | b64encode }}"`}}
			if !slices.ContainsFunc(a.Entries, func(o Entry) bool { return o.Key == host }) {
				a.Entries = append(a.Entries, e)
			}
		}
	}
	if len(a.Entries) > 0 {
		r.out.Assignments = append(r.out.Assignments, a)
	}
}

// authHosts are the hosts whose endpoints get the credential: containerd looks
// registry.configs up by the host that it talks to.
func authHosts(reg config.Registry) (hosts []string) {
	for _, e := range reg.Endpoints {
		if h := hostOf(e.URL); h != "" && !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}
