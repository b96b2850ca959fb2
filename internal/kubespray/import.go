package kubespray

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

// Imported is a specification made of an inventory's variables.
type Imported struct {
	Config   v1alpha1.RegistryConfig
	Warnings []Caution
}

// Caution is something that a person has to see to: one line, and what to do.
type Caution struct{ Text, Hint string }

// Import makes a specification of what an inventory's variables mean to say,
// whatever release reads them: the names of every line, and the three that the
// popular guide gives. Passwords never get into it: it names environment
// variables, or the vaulted variable, in their place. All nodes must have the
// same definitions.
func Import(v *Variables) (Imported, error) {
	if len(v.Nodes) == 0 {
		return Imported{}, fmt.Errorf("the inventory has no nodes")
	}
	node := v.Nodes[0]
	for _, other := range v.Nodes[1:] {
		if name := v.differs(node, other); name != "" {
			return Imported{}, &DifferError{Variable: name, One: node, Other: other}
		}
	}
	im := &importer{vars: v, node: node}
	im.old(VarRegistries, "https")
	im.old(VarInsecure, "http")
	im.old("containerd_registry_mirrors", "https")
	im.mirrors()
	im.auths(VarAuth)
	im.auths("containerd_registry_auths")
	im.out.Config = v1alpha1.RegistryConfig{APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind,
		Metadata: v1alpha1.Metadata{Name: config.DefaultName}, Spec: v1alpha1.Spec{Registries: im.registries}}
	return im.out, nil
}

// DifferError tells that two nodes would not get the same configuration.
type DifferError struct{ Variable, One, Other string }

// Error is one line.
func (e *DifferError) Error() string {
	return fmt.Sprintf("%s is not the same for %s and %s", e.Variable, e.One, e.Other)
}

// Hint says what to do.
func (e *DifferError) Hint() string {
	return "pick nodes that are alike with --limit, and make one specification for each kind"
}

// differs is the first variable that two nodes have from different places; "" when
// there is none.
func (v *Variables) differs(a, b string) string {
	for _, name := range append(slices.Clone(real), "containerd_registry_auths", "containerd_registry_mirrors") {
		x, y := v.Effective(a, name), v.Effective(b, name)
		if (x == nil) != (y == nil) || x != nil && (x.File != y.File || x.Line != y.Line) {
			return name
		}
	}
	return ""
}

type importer struct {
	vars       *Variables
	node       string
	registries []v1alpha1.Registry
	out        Imported
}

func (im *importer) warn(hint, format string, args ...any) {
	im.out.Warnings = append(im.out.Warnings, Caution{fmt.Sprintf(format, args...), hint})
}

// value is the YAML of a variable on the node, or nil.
func (im *importer) value(name string) (*yaml.Node, *Definition) {
	d := im.vars.Effective(im.node, name)
	if d == nil {
		return nil, nil
	}
	if d.Value == nil || d.Value.Kind == yaml.ScalarNode && d.Value.Tag != "!!null" {
		im.warn("write it as YAML under group_vars", "%s (%s) is a template or stands in an INI file, and was not read", name, d.At())
		return nil, nil
	}
	return d.Value, d
}

// registry is the one of that host, made if it is not there yet.
func (im *importer) registry(host string) *v1alpha1.Registry {
	if host == "_default" {
		host = config.AnyHost
	}
	for i := range im.registries {
		if im.registries[i].Host == host {
			return &im.registries[i]
		}
	}
	im.registries = append(im.registries, v1alpha1.Registry{Host: host})
	return &im.registries[len(im.registries)-1]
}

// endpoint adds an endpoint that the registry does not have yet, and gives it.
func (im *importer) endpoint(r *v1alpha1.Registry, url string) *v1alpha1.Endpoint {
	url = strings.TrimSuffix(url, "/")
	for i := range r.Endpoints {
		if r.Endpoints[i].URL == url {
			return &r.Endpoints[i]
		}
	}
	r.Endpoints = append(r.Endpoints, v1alpha1.Endpoint{URL: url})
	return &r.Endpoints[len(r.Endpoints)-1]
}

// old reads a list of hosts, or a map of name to URL or URLs.
func (im *importer) old(name, scheme string) {
	v, d := im.value(name)
	if v == nil {
		return
	}
	add := func(host, url *yaml.Node) {
		if isJinja(host.Value + url.Value) {
			im.warn("write it out", "%s (line %d of %s) holds a template, and was left out", name, host.Line, d.File)
			return
		}
		h, text := bareHost(host.Value), url.Value
		if !strings.Contains(text, "://") {
			text = scheme + "://" + text
		}
		if h == "docker.io" && text == "https://registry-1.docker.io" {
			return // the role's own default
		}
		im.endpoint(im.registry(h), text)
	}
	switch v.Kind {
	case yaml.SequenceNode:
		for _, e := range v.Content {
			if e = follow(e); e.Kind == yaml.ScalarNode {
				add(e, e)
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(v.Content); i += 2 {
			urls := []*yaml.Node{follow(v.Content[i+1])}
			if urls[0].Kind == yaml.SequenceNode {
				urls = urls[0].Content
			}
			for _, u := range urls {
				if u = follow(u); u.Kind == yaml.ScalarNode {
					add(v.Content[i], u)
				}
			}
		}
	}
}

// bareHost is host[:port] of what may be a URL.
func bareHost(s string) string {
	if _, after, ok := strings.Cut(s, "://"); ok {
		s = after
	}
	host, _, _ := strings.Cut(s, "/")
	return host
}

// mirrors reads containerd_registries_mirrors.
func (im *importer) mirrors() {
	v, d := im.value(VarMirrors)
	if v == nil || v.Kind != yaml.SequenceNode {
		return
	}
	for _, e := range v.Content {
		e = follow(e)
		prefix := value(e, "prefix")
		if prefix == nil || isJinja(prefix.Value) {
			im.warn("write it out", "an entry of %s (line %d of %s) has no plain prefix, and was left out", VarMirrors, e.Line, d.File)
			continue
		}
		im.mirrorEntry(e, prefix.Value)
	}
}

func (im *importer) mirrorEntry(e *yaml.Node, prefix string) {
	server := textOf(e, "server")
	var hosts []string
	all := value(e, "mirrors")
	if all != nil && prefix == "docker.io" && server == "" && len(all.Content) == 1 && textOf(follow(all.Content[0]), "host") == "https://registry-1.docker.io" {
		return // the role's own default
	}
	r := im.registry(bareHost(prefix))
	for i := 0; all != nil && i < len(all.Content); i++ {
		m := follow(all.Content[i])
		host := textOf(m, "host")
		if host == "" || isJinja(host) {
			im.warn("write it out", "a mirror of %s (line %d) has no plain host, and was left out", prefix, m.Line)
			continue
		}
		if !strings.Contains(host, "://") {
			host = "https://" + host
		}
		hosts = append(hosts, host)
		im.mirror(r, m, host)
	}
	std := "https://" + r.Host
	switch {
	case server == "" || isJinja(server) || server == std || r.Host == "docker.io" && server == "https://registry-1.docker.io":
	case slices.Contains(hosts, server):
		if bareHost(server) != r.Host {
			r.Fallback = v1alpha1.FallbackNone
		}
	default:
		im.endpoint(r, server)
		r.Fallback = v1alpha1.FallbackNone
	}
}

// mirror reads one mirror.
func (im *importer) mirror(r *v1alpha1.Registry, m *yaml.Node, host string) {
	ep := im.endpoint(r, host)
	if c := value(m, "capabilities"); c != nil && c.Kind == yaml.SequenceNode && len(c.Content) == 1 {
		ep.Capabilities = []v1alpha1.Capability{v1alpha1.Capability(c.Content[0].Value)}
	}
	ep.OverridePath = isTrue(textOf(m, "override_path"))
	if isTrue(textOf(m, "skip_verify")) && strings.HasPrefix(host, "https://") {
		ep.TLS = &v1alpha1.TLS{InsecureSkipVerify: true}
	}
	if ca := value(m, "ca"); ca != nil && strings.HasPrefix(host, "https://") {
		path := ca.Value
		if ca.Kind == yaml.SequenceNode && len(ca.Content) > 0 {
			path = ca.Content[0].Value
		}
		if ep.TLS == nil {
			ep.TLS = &v1alpha1.TLS{}
		}
		ep.TLS.CAFile = path
		im.warn("copy it to this machine, and name it there", "the CA of %s, %s, is a file on the nodes", host, path)
	}
	if value(m, "client") != nil {
		im.warn("add certFile and keyFile by hand", "%s has a client certificate, which was left out", host)
	}
	if h := value(m, "header"); h != nil && h.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(h.Content); i += 2 {
			if strings.EqualFold(h.Content[i].Value, "Authorization") {
				im.credential(r, "", follow(h.Content[i+1]))
				continue
			}
			im.warn("add it by hand", "%s is sent the header %s, which was left out", host, h.Content[i].Value)
		}
	}
}

// textOf is a plain value under a key, "" when there is none.
func textOf(m *yaml.Node, key string) string {
	if v := value(m, key); v != nil && v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
		return v.Value
	}
	return ""
}

// auths reads credentials: a list with `registry`, or a map of registry to
// username and password as the guide has it.
func (im *importer) auths(name string) {
	v, _ := im.value(name)
	if v == nil {
		return
	}
	for _, it := range itemsOf(v) {
		host := textOf(it.value, "registry")
		if v.Kind == yaml.MappingNode {
			host = it.head.Value
		}
		if host == "" || isJinja(host) {
			continue
		}
		// The credential belongs to the registry one of whose endpoints this is.
		host = bareHost(host)
		r := im.byEndpoint(host)
		user, password := value(it.value, "username"), value(it.value, "password")
		if user == nil || password == nil {
			password = value(it.value, "auth")
			user = nil
		}
		name := ""
		if user != nil && !isJinja(user.Value) && user.Tag != "!vault" {
			name = user.Value
		}
		if password != nil {
			im.credential(r, name, password)
		}
	}
}

func (im *importer) byEndpoint(host string) *v1alpha1.Registry {
	if !slices.ContainsFunc(im.registries, func(r v1alpha1.Registry) bool { return r.Host == host }) {
		for i := range im.registries {
			if slices.ContainsFunc(im.registries[i].Endpoints, func(e v1alpha1.Endpoint) bool { return bareHost(e.URL) == host }) {
				return &im.registries[i]
			}
		}
	}
	return im.registry(host)
}

var reference = regexp.MustCompile(`^\s*\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\s*$`)

// credential notes where a registry's password comes from.
func (im *importer) credential(r *v1alpha1.Registry, user string, password *yaml.Node) {
	if r.Auth != nil {
		return
	}
	r.Auth = &v1alpha1.Auth{Username: user}
	if m := reference.FindStringSubmatch(password.Value); m != nil && user != "" {
		if d := im.vars.vaulted(im.node, m[1]); d != nil {
			r.Auth.Password = v1alpha1.SecretSource{AnsibleVault: &v1alpha1.AnsibleVaultRef{File: d.File, Key: m[1]}}
			return
		}
	}
	env := config.PasswordEnv(r.Host)
	r.Auth.Password = v1alpha1.SecretSource{Env: env}
	if user == "" {
		r.Auth.Username = "USERNAME"
		im.warn("write it under auth.username", "the user name for %s is not told (a template, or inside a base64 text)", r.Host)
	}
	im.warn("put it into the environment variable "+env, "the password for %s (line %d) is not taken over", r.Host, password.Line)
}

// vaulted finds a top-level variable of that name whose value is vaulted.
func (v *Variables) vaulted(node, name string) *Definition {
	for _, d := range slices.Backward(v.Vaulted[node]) {
		if d.Name == name {
			return &d
		}
	}
	return nil
}
