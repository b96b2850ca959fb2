package kubespray

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unknown judges a name that no release reads.
func (s *subject) unknown() {
	if engine := otherEngines[s.Name]; engine != "" {
		s.say(nil, Ignored, s.instead(), "it is %s's, and containerd does not read it", engine)
		return
	}
	near, _ := Nearest(strings.ToLower(s.Name))
	why := "no release of Kubespray has a variable of this name, and Ansible says nothing about unknown ones"
	if near != "" {
		why += "; the nearest real name is " + near
		if !s.profile.reads(near, s.major()) {
			why += ", which this release ignores as well"
		}
	}
	s.say(nil, Ignored, s.instead(), "%s", why)
}

// instead says what this profile reads for what the subject seems to be about.
func (s *subject) instead() string {
	if strings.Contains(strings.ToLower(s.Name), "auth") {
		return s.authInstead()
	}
	return s.mirrorsInstead("http")
}

// mirrorsInstead is how this profile is told of a registry that speaks scheme.
func (s *subject) mirrorsInstead(scheme string) string {
	host := s.host()
	url := scheme + "://" + host
	switch {
	case s.profile.Mirrors:
		server := ""
		if s.profile.Server {
			server = "    server: " + url + "\n"
		}
		return fmt.Sprintf("%s:\n  - prefix: %s\n%s    mirrors:\n      - host: %s\n        capabilities: [pull, resolve]", VarMirrors, host, server, url)
	case s.profile.Insecure == InsecureMap && scheme == "http":
		return fmt.Sprintf("%s:\n  %q: %s", VarInsecure, host, url)
	case s.profile.Registries:
		return s.registriesInstead(scheme)
	}
	return "this release has no such variable: upgrade Kubespray, or let pullway apply do it"
}

// registriesInstead is how containerd_registries is told of a registry.
func (s *subject) registriesInstead(scheme string) string {
	return fmt.Sprintf("%s:\n  %q: %s://%s", VarRegistries, s.host(), scheme, s.host())
}

// host is the registry that the subject's value names first, or the word HOST.
func (s *subject) host() string {
	if found := hostIn(s.Value, 0); found != "" {
		return found
	}
	return "HOST"
}

var hostPort = regexp.MustCompile(`^(?:https?://)?([A-Za-z0-9.-]*[.:][A-Za-z0-9.:-]*)$`)

// hostIn looks for a host[:port] among the keys and scalars of a value.
func hostIn(n *yaml.Node, depth int) string {
	if n == nil || depth > maxNesting {
		return ""
	}
	if n.Kind == yaml.ScalarNode {
		if m := hostPort.FindStringSubmatch(n.Value); m != nil && n.Tag != "!vault" {
			return m[1]
		}
		return ""
	}
	for i, c := range n.Content {
		secret := n.Kind == yaml.MappingNode && i%2 == 1 && slices.Contains([]string{"username", "password", "auth"}, n.Content[i-1].Value)
		if found := hostIn(c, depth+1); found != "" && !secret {
			return found
		}
	}
	return ""
}

// authInstead is how this profile is told of a credential.
func (s *subject) authInstead() string {
	if s.profile.Key("header") && s.major() != 1 {
		return s.mirrorsInstead("http") + "\n        header:\n          Authorization: [\"Basic {{ (registry_user + ':' + registry_password) | b64encode }}\"]"
	}
	if _, ok := s.profile.CarriesAuth(s.major()); ok {
		return fmt.Sprintf("%s:\n  - registry: %s\n    auth: \"{{ (registry_user + ':' + registry_password) | b64encode }}\"", VarAuth, s.host())
	}
	if s.profile.Auth == AuthOnly1x {
		return "this line has no variable that gives containerd 2.x a credential: use imagePullSecrets, pullway apply, or Kubespray 2.29 and later (header)"
	}
	return "this release has no such variable: use imagePullSecrets, pullway apply, or a later Kubespray"
}

// useConfigPath judges the switch.
func (s *subject) useConfigPath() {
	switch s.profile.ConfigPath {
	case ConfigPathSwitch:
	case ConfigPathAlways:
		s.say(nil, Ignored, "remove it", "config_path is always set since 2.27, and nothing reads this switch")
	default:
		s.say(nil, Ignored, "remove it", "this release has no such switch (it came with 2.22)")
	}
}

// pinned judges a containerd release that the checkout's templates do not fit.
func (s *subject) pinned() {
	if s.major() != 1 || len(s.profile.RuntimeKeys) == 0 {
		return
	}
	if d := s.vars.Effective(s.node, VarRuncRuntime); d != nil && d.Value != nil && hasKeys(d.Value, s.profile.RuntimeKeys) {
		return
	}
	s.say(nil, Fails, fmt.Sprintf("pin 2.x, or set %s whole, with %s: \"\" beside the role's own keys", VarRuncRuntime, strings.Join(s.profile.RuntimeKeys, `: "" and `)),
		"containerd 1.x uses config-v1.toml.j2, which needs %s of %s, and this release's default lacks them", strings.Join(s.profile.RuntimeKeys, " and "), VarRuncRuntime)
}

func hasKeys(m *yaml.Node, keys []string) bool {
	for _, k := range keys {
		if value(m, k) == nil {
			return false
		}
	}
	return true
}

// extraArgs warns of registry tables that are pasted into config.toml.
func (s *subject) extraArgs() {
	if s.Value == nil || !strings.Contains(s.Value.Value, "registry") {
		return
	}
	text := s.Value.Value
	switch {
	case !s.profile.ExtraArgs:
		s.say(nil, Ignored, "", "this release does not paste it into config.toml")
	case s.major() == 2 && strings.Contains(text, "io.containerd.grpc.v1.cri"):
		s.say(nil, Ignored, `write the table as [plugins."io.containerd.cri.v1.images".registry…]`, "containerd 2.x with configuration version 3 does not read tables of io.containerd.grpc.v1.cri")
	case s.configPath() && strings.Contains(text, ".mirrors"):
		s.say(nil, Breaks, "put the mirrors into "+VarMirrors, "mirrors beside config_path: containerd runs and CRI does not load")
	default:
		s.say(nil, Warning, "", "pasted into config.toml as it is; nothing checks it")
	}
}

// value is what a mapping has under a key; nil when it has none.
func value(m *yaml.Node, key string) *yaml.Node {
	_, v := entry(m, key)
	return v
}

func entry(m *yaml.Node, key string) (k, v *yaml.Node) {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			k, v = m.Content[i], follow(m.Content[i+1])
		}
	}
	return k, v
}
