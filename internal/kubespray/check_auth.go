package kubespray

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// auth judges containerd_registry_auth.
func (s *subject) auth() {
	v := s.Value
	switch {
	case s.profile.Auth == AuthNever:
		s.say(nil, Ignored, s.authInstead(), "this release does not read it (it came with 2.17)")
	case v != nil && v.Kind == yaml.SequenceNode && len(v.Content) == 0:
		// An empty list is the default.
	case s.profile.Auth == AuthOnly1x && s.major() == 2:
		s.say(nil, Ignored, s.authInstead(), "only the template for containerd 1.x reads it, and this release installs %s", s.scalar(VarVersion, s.profile.Containerd))
	case v == nil || s.templated():
	case isNull(v):
		s.say(nil, Fails, "remove it, or give a list", "it is empty, and the template needs a list")
	case v.Kind == yaml.MappingNode:
		s.say(nil, Ignored, s.authInstead(), "a map where a list is read: its keys have no `registry`, so the template passes over all of it")
	case v.Kind != yaml.SequenceNode:
		s.say(nil, Fails, s.authInstead(), "the template needs a list")
	default:
		for _, e := range v.Content {
			s.authEntry(follow(e))
		}
	}
}

func (s *subject) authEntry(e *yaml.Node) {
	registry := value(e, "registry")
	switch {
	case e.Kind != yaml.MappingNode || registry == nil:
		s.say(e, Ignored, s.authInstead(), "an entry without `registry` is passed over")
		return
	case strings.Contains(registry.Value, "://"):
		s.say(registry, Ignored, "write host[:port]", "the registry has a scheme, and containerd looks credentials up by host[:port]")
	}
	s.tomlSafe(registry, "registry")
	user, password, auth := value(e, "username"), value(e, "password"), value(e, "auth")
	switch {
	case user != nil && password != nil:
		s.tomlSafe(user, "user name")
		s.secretSafe(password)
	case auth != nil:
		s.tomlSafe(auth, "auth")
	default:
		s.say(e, Ignored, s.authInstead(), "an entry needs username and password, or auth: it is passed over")
	}
}

// secretSafe is tomlSafe for a password, with the way around it.
func (s *subject) secretSafe(n *yaml.Node) {
	switch {
	case n.Kind != yaml.ScalarNode:
	case neverEnds(n):
		// Judged with the whole variable.
	case n.Tag == "!vault" || isJinja(n.Value):
		s.say(n, Warning, s.authInstead(), "the password is pasted into TOML unescaped: one quote or backslash in it and containerd cannot read its configuration; `auth` in base64 has no such letters")
	case strings.ContainsAny(n.Value, "\"\\\n\r"):
		s.say(n, Breaks, s.authInstead(), "this password holds a quote, a backslash or a line break; Kubespray pastes it into TOML unescaped, and containerd cannot read its configuration")
	default:
		s.say(n, Warning, s.authInstead(), "the password stands in clear in this file")
	}
}
