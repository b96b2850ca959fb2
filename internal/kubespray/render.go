package kubespray

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/secret"
)

// Rendering is what a profile's variables have to say for a desired state.
type Rendering struct {
	// Assignments in the order in which they are written.
	Assignments []Assignment
	// Secrets are variables that have to be written vaulted before the others.
	Secrets []SecretVariable
	// Problems are what this release's variables cannot say: nothing is written
	// while there is one.
	Problems []Problem
	// Notes are what comes out differently from what pullway apply alone would do.
	Notes []string
}

// SecretVariable is a vaulted scalar that the other variables refer to by Jinja.
type SecretVariable struct {
	Name  string
	Value secret.Value
}

// Problem is something that has no variable: one line, and what can be done.
type Problem struct {
	Host string `json:"host"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Target is the containerd that the variables are for.
type Target struct {
	// Major is 1 or 2; 0 when unknown.
	Major int
	// ConfigDir is containerd_cfg_dir, such as /etc/containerd.
	ConfigDir string
	// Set reports whether a variable is set in the inventory already: setting a list
	// for the first time takes the role's default entries away.
	Set func(variable string) bool
}

// HostsDir is the folder of the host directories that Kubespray writes.
func (t Target) HostsDir() string { return path.Join(t.ConfigDir, "certs.d") }

// Render turns a desired state into this profile's variables, and only those that
// it reads. It is pure; secrets are in Secrets alone.
func Render(p Profile, d config.Desired, t Target) Rendering {
	r := &renderer{profile: p, target: t}
	switch {
	case p.Mirrors:
		r.mirrors(d)
	case p.Registries:
		r.maps(d)
	default:
		r.problem("", "upgrade Kubespray, or let pullway apply do it over SSH", "this release has its registries inside containerd_config, which is not written")
	}
	r.auths(d)
	return r.out
}

type renderer struct {
	profile Profile
	target  Target
	out     Rendering
}

func (r *renderer) problem(host, hint, format string, args ...any) {
	r.out.Problems = append(r.out.Problems, Problem{Host: host, Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *renderer) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(r.out.Notes, n) {
		r.out.Notes = append(r.out.Notes, n)
	}
}

// byHeader reports whether credentials go into hosts.toml as a header.
func (r *renderer) byHeader() bool { return r.profile.HeaderAuth(r.target.Major) }

// mirrors renders containerd_registries_mirrors and its switch.
func (r *renderer) mirrors(d config.Desired) {
	if r.profile.ConfigPath == ConfigPathSwitch {
		r.out.Assignments = append(r.out.Assignments, Assignment{Variable: VarUseConfigPath, Lines: []string{"true"}})
	}
	a := Assignment{Variable: VarMirrors, ListKey: "prefix"}
	for _, reg := range d.Registries {
		a.Entries = append(a.Entries, Entry{Key: hoststoml.DirName(reg.Host), Lines: r.mirrorEntry(reg)})
	}
	if !r.target.Set(VarMirrors) && !slices.ContainsFunc(d.Registries, func(reg config.Registry) bool { return reg.Host == "docker.io" }) {
		a.Entries = append(a.Entries, Entry{Key: "docker.io", Lines: []string{
			"- prefix: docker.io  # Kubespray's own default, which setting this list would take away",
			"  mirrors:", "    - host: https://registry-1.docker.io", "      capabilities: [pull, resolve]", "      skip_verify: false"}})
	}
	r.out.Assignments = append(r.out.Assignments, a)
}

// mirrorEntry renders one registry.
func (r *renderer) mirrorEntry(reg config.Registry) []string {
	lines := []string{"- prefix: " + scalar(hoststoml.DirName(reg.Host)) + "  " + marker}
	server, extra := r.server(reg)
	if server != "" {
		lines = append(lines, "  server: "+scalar(server))
	}
	lines = append(lines, "  mirrors:")
	for _, e := range reg.Endpoints {
		lines = append(lines, indented(r.mirror(reg, e), 4)...)
	}
	if extra != "" {
		lines = append(lines, indented(r.mirror(config.Registry{Host: reg.Host}, config.Endpoint{URL: extra}), 4)...)
	}
	return lines
}

// server is where a pull goes when every mirror failed, and, where this release
// has no such key, the mirror that stands for it.
func (r *renderer) server(reg config.Registry) (server, extra string) {
	last := reg.Endpoints[len(reg.Endpoints)-1].URL
	std := "https://" + hoststoml.DirName(reg.Host)
	server, extra = r.profile.Template().Upstream(reg)
	switch {
	case reg.Host == config.AnyHost && reg.Fallback == v1alpha1.FallbackUpstream:
		r.problem(reg.Host, "set fallback: none, or name each registry", "Kubespray always writes a server, and the registry that an image names cannot be one for \"*\"")
	case server != std:
		return server, extra
	case reg.Fallback == v1alpha1.FallbackUpstream || last == std:
	case reg.Host == config.AnyHost:
		r.problem(reg.Host, "use Kubespray 2.25 or later", "this release writes server = \"https://_default\"")
	case slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return hostOf(e.URL) != reg.Host }):
		r.problem(reg.Host, "set fallback: upstream, or use Kubespray 2.25 or later (server)", "this release cannot keep containerd from asking %s when the endpoints fail", std)
	default:
		r.note("%s: when %s fails, containerd asks %s too: this release has no server key", reg.Host, last, std)
	}
	return "", extra
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// mirror renders one endpoint, from the dash on.
func (r *renderer) mirror(reg config.Registry, e config.Endpoint) []string {
	capabilities := e.Capabilities
	if len(capabilities) == 0 {
		capabilities = []string{"pull", "resolve"}
	}
	lines := []string{"- host: " + scalar(e.URL), "  capabilities: [" + strings.Join(capabilities, ", ") + "]"}
	// The template of 2.23 writes the key only where it is set; later ones always do.
	if e.InsecureSkipVerify || !r.profile.Key("override_path") {
		lines = append(lines, fmt.Sprintf("  skip_verify: %t", e.InsecureSkipVerify))
	}
	if e.OverridePath {
		if !r.profile.Key("override_path") {
			r.problem(reg.Host, "use Kubespray 2.24 or later", "this release has no override_path")
		}
		lines = append(lines, "  override_path: true")
	}
	if e.DialTimeout > 0 {
		r.note("%s: dialTimeout is left out: no Kubespray has a variable for it", reg.Host)
	}
	lines = append(lines, r.certificates(reg, e)...)
	return append(lines, r.headers(reg, e)...)
}

// headers renders the endpoint's own headers and its credential.
func (r *renderer) headers(reg config.Registry, e config.Endpoint) []string {
	byName := map[string]string{}
	if reg.Auth != nil && r.byHeader() {
		byName["Authorization"] = `["Basic {{ ` + r.secretOf(reg) + ` | b64encode }}"]`
	}
	for _, h := range e.Headers {
		switch {
		case !r.profile.Key("header"):
			r.problem(reg.Host, "use Kubespray 2.29 or later", "this release has no variable for the header %s", h.Name)
		case strings.ContainsAny(h.Value.Reveal(), "\"\\\n\r"):
			r.problem(reg.Host, "give it another value", "header %s holds a quote, a backslash or a line break, which Kubespray pastes into TOML unescaped", h.Name)
		case strings.Contains(h.Name, "."):
			r.problem(reg.Host, "", "header %s has a dot, of which Kubespray's template would make a nested table", h.Name)
		default:
			name := variableName("pullway_header_" + reg.Host + "_" + h.Name)
			r.secret(name, h.Value)
			byName[h.Name] = `["{{ ` + name + ` }}"]`
		}
	}
	// In the order in which they stand in a hosts.toml of ours: see hoststoml.Template.
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		lines = append(lines, "    "+scalar(name)+": "+byName[name])
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"  header:"}, lines...)
}

// certificates renders the paths of the endpoint's certificates on the nodes.
func (r *renderer) certificates(reg config.Registry, e config.Endpoint) []string {
	if len(e.CA) == 0 && len(e.Cert) == 0 {
		return nil
	}
	if !r.profile.Key("ca") {
		r.problem(reg.Host, "use Kubespray 2.28 or later, or let the nodes' own certificate store trust it", "this release has no variable for certificates")
		return nil
	}
	dir := r.target.HostsDir() + "/" + hoststoml.DirName(reg.Host)
	names, err := hoststoml.CertificateNames(e)
	if err != nil {
		r.problem(reg.Host, "", "%s", err)
		return nil
	}
	r.note("%s: certificates are named by path, and Kubespray does not copy them: pullway apply --kubespray puts them there", reg.Host)
	var lines []string
	if names.CA != "" {
		lines = append(lines, fmt.Sprintf("  ca: [%q]", dir+"/"+names.CA))
	}
	if names.Cert != "" {
		key := ""
		if names.Key != "" {
			key = dir + "/" + names.Key
		}
		lines = append(lines, fmt.Sprintf("  client: [[%q, %q]]", dir+"/"+names.Cert, key))
	}
	return lines
}

// secretOf is the variable that holds a registry's user:password.
func (r *renderer) secretOf(reg config.Registry) string {
	name := variableName("pullway_auth_" + reg.Host)
	r.secret(name, secret.New(reg.Auth.Username+":"+reg.Auth.Password.Reveal()))
	return name
}

func (r *renderer) secret(name string, v secret.Value) {
	if !slices.ContainsFunc(r.out.Secrets, func(s SecretVariable) bool { return s.Name == name }) {
		r.out.Secrets = append(r.out.Secrets, SecretVariable{Name: name, Value: v})
	}
}

// variableName makes a name that Ansible takes of any text.
func variableName(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; isWord(c) {
			b.WriteByte(c)
		} else if c == '*' {
			b.WriteString("any")
		} else {
			b.WriteByte('_')
		}
	}
	return strings.ToLower(b.String())
}

// scalar writes a text as one YAML scalar, in quotes where it needs them.
func scalar(s string) string {
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s})
	if err != nil || strings.Count(string(out), "\n") != 1 {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(string(out), "\n")
}
