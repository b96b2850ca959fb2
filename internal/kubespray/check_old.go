package kubespray

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// insecure judges containerd_insecure_registries.
func (s *subject) insecure() {
	instead := s.mirrorsInstead("http")
	v := s.Value
	switch s.profile.Insecure {
	case InsecureNone:
		s.say(nil, Ignored, instead, "this release does not read it (it was dropped in 2.23, without a word at run time)")
		return
	case InsecureBroken:
		if isNull(v) {
			s.say(nil, Fails, "remove it", "it is empty, and the template asks for its length")
			return
		}
		if v == nil || len(v.Content) == 0 && !s.templated() {
			return
		}
		s.say(nil, Fails, s.registriesInstead("http"),
			"2.21 writes a config.toml that containerd refuses (config_path beside mirrors: CRI does not load at its next restart), then fails the play")
		return
	}
	switch {
	case v == nil || s.templated():
	case s.profile.Insecure == InsecureList && v.Kind == yaml.SequenceNode && len(v.Content) > 0:
		for _, e := range v.Content {
			s.say(e, Breaks, s.registriesInstead("http"), "2.18.0 writes the endpoint without a scheme, and containerd speaks HTTPS to it")
		}
	case s.profile.Insecure == InsecureList && v.Kind == yaml.MappingNode:
		s.say(nil, Breaks, "give a list of host[:port], or use "+VarRegistries, "2.18.0 reads a list; of a map it takes the names alone")
	case v.Kind == yaml.SequenceNode && (len(v.Content) > 0 || s.profile.ConfigPath == ConfigPathSwitch && !s.configPath()):
		s.say(nil, Fails, instead, "a list where this release reads a map of name to URL: the template fails (list object has no attribute 'items')")
	case isNull(v):
		s.say(nil, Fails, "remove it, or give a map", "it is empty, and the template needs a map")
	case v.Kind == yaml.MappingNode:
		s.urls(v)
	}
}

// registries judges containerd_registries.
func (s *subject) registries() {
	v := s.Value
	switch {
	case !s.profile.Registries:
		why := "this release does not read it (it was dropped in 2.23)"
		if !s.profile.Mirrors {
			why = "this release does not read it (it came with 2.16)"
		}
		s.say(nil, Ignored, s.mirrorsInstead("https"), "%s", why)
	case s.configPath() && s.profile.ConfigPath == ConfigPathSwitch:
		s.say(nil, Ignored, "turn "+VarUseConfigPath+" off, or use Kubespray 2.23 and later with "+VarMirrors, "%s is on, and then this release reads only %s", VarUseConfigPath, VarInsecure)
	case v == nil || s.templated():
	case v.Kind != yaml.MappingNode:
		s.say(nil, Fails, s.registriesInstead("http"), "the template needs a map of name to URL")
	default:
		s.urls(v)
	}
}

// urls judges a map of name to URL.
func (s *subject) urls(m *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, v := m.Content[i], follow(m.Content[i+1])
		if strings.Contains(name.Value, "://") {
			s.say(name, Breaks, "write the name as it stands in image references: host[:port]", "the name %q has a scheme, and no image reference begins so", name.Value)
		}
		s.tomlSafe(name, "name")
		all := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			all = v.Content
		}
		for _, u := range all {
			if u = follow(u); u.Kind == yaml.ScalarNode && !isJinja(u.Value) && !strings.Contains(u.Value, "://") {
				s.say(u, Breaks, "write the URL with http:// or https://", "the URL of %q has no scheme, and containerd speaks HTTPS to it", name.Value)
			}
			s.tomlSafe(u, "URL")
		}
	}
}

// tomlSafe complains of a value that ends its quotes in the file it is pasted into.
func (s *subject) tomlSafe(n *yaml.Node, what string) {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!vault" || n.Tag != "!unsafe" && isJinja(n.Value) {
		return
	}
	if strings.ContainsAny(n.Value, "\"\\\n\r") {
		s.say(n, Breaks, "", "this %s holds a quote, a backslash or a line break; Kubespray pastes it into TOML unescaped, and containerd cannot read the file", what)
	}
}

func isNull(n *yaml.Node) bool { return n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
