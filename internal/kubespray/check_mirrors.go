package kubespray

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mirrors judges containerd_registries_mirrors.
func (s *subject) mirrors() {
	v := s.Value
	switch {
	case !s.profile.Mirrors:
		s.say(nil, Ignored, s.mirrorsInstead("http"), "this release does not read it (it came with 2.23)")
	case v == nil || s.templated():
	case isNull(v):
		s.say(nil, Fails, "remove it, or give a list", "it is empty, and the tasks need a list")
	case v.Kind != yaml.SequenceNode:
		s.say(nil, Fails, s.mirrorsInstead("http"), "a map where a list is read: the tasks fail, after config.toml was written")
	default:
		s.prefixes(v)
	}
}

func (s *subject) prefixes(list *yaml.Node) {
	first := map[string]*yaml.Node{}
	for _, e := range list.Content {
		e = follow(e)
		if e.Kind == yaml.ScalarNode && isJinja(e.Value) {
			continue
		}
		prefix := value(e, "prefix")
		if e.Kind != yaml.MappingNode || prefix == nil {
			s.say(e, Fails, s.mirrorsInstead("http"), "an entry has no `prefix`")
			continue
		}
		if before := first[prefix.Value]; before != nil {
			s.duplicate(prefix, before)
		}
		first[prefix.Value] = prefix
		s.prefix(e, prefix)
	}
}

func (s *subject) duplicate(prefix, before *yaml.Node) {
	if s.configPath() {
		s.say(prefix, Breaks, "put all mirrors of a prefix into one entry", "prefix %q stands on line %d already; the last entry's hosts.toml wins, without a word", prefix.Value, before.Line)
		return
	}
	s.say(prefix, Breaks, "put all mirrors of a prefix into one entry", "prefix %q stands on line %d already; config.toml declares its table twice, and containerd cannot read it", prefix.Value, before.Line)
}

// prefix judges one entry of the list.
func (s *subject) prefix(e, prefix *yaml.Node) {
	s.tomlSafe(prefix, "prefix")
	if strings.Contains(prefix.Value, "://") || strings.Contains(prefix.Value, "/") {
		s.say(prefix, Breaks, "write host[:port] as in image references", "prefix %q is no host[:port]; it becomes a folder that containerd never looks into", prefix.Value)
	}
	server := value(e, "server")
	s.server(e, prefix, server)
	mirrors := value(e, "mirrors")
	switch {
	case mirrors == nil || isNull(mirrors):
		s.say(e, Fails, "mirrors: []", "entry %q has no `mirrors`", prefix.Value)
	case mirrors.Kind == yaml.ScalarNode && isJinja(mirrors.Value):
	case mirrors.Kind != yaml.SequenceNode:
		s.say(mirrors, Fails, "", "`mirrors` of %q is no list", prefix.Value)
	case len(mirrors.Content) == 0 && !s.configPath():
		s.say(mirrors, Breaks, "", "`mirrors` of %q is empty, and config.toml gets an endpoint \"\"", prefix.Value)
	default:
		for _, m := range mirrors.Content {
			s.mirror(follow(m), prefix.Value)
		}
	}
	s.strangers(e, []string{"prefix", "server", "mirrors"})
}

// server judges the way out when every mirror fails.
func (s *subject) server(e, prefix, server *yaml.Node) {
	plain := false
	if m := value(e, "mirrors"); m != nil {
		for _, one := range m.Content {
			if h := value(follow(one), "host"); h != nil && strings.HasPrefix(h.Value, "http://") && strings.TrimPrefix(h.Value, "http://") == prefix.Value {
				plain = true
			}
		}
	}
	switch {
	case server != nil && !s.profile.Server:
		s.say(server, Ignored, "use Kubespray 2.25 or later", "this release does not read `server` of an entry; it is https://%s", prefix.Value)
	case server != nil && !isJinja(server.Value) && !strings.Contains(server.Value, "://"):
		s.say(server, Breaks, "write the URL with http:// or https://", "`server` of %q has no scheme", prefix.Value)
	case server == nil && prefix.Value == "_default" && s.configPath():
		s.say(prefix, Breaks, "server: https://REGISTRY", "without `server` this line writes server = \"https://_default\", which is nowhere")
	case server == nil && plain && s.profile.Server && s.configPath():
		s.say(prefix, Warning, "server: http://"+prefix.Value, "without `server` the way out is https://%s: each failing pull is tried there too, and its error hides the first", prefix.Value)
	}
	s.tomlSafe(server, "server")
}

// mirror judges one mirror.
func (s *subject) mirror(m *yaml.Node, prefix string) {
	if m.Kind != yaml.MappingNode {
		if !isJinja(m.Value) {
			s.say(m, Fails, "- host: http://HOST\n  capabilities: [pull, resolve]", "a mirror of %q is no mapping", prefix)
		}
		return
	}
	host, capabilities := value(m, "host"), value(m, "capabilities")
	switch {
	case host == nil:
		s.say(m, Fails, "host: http://HOST", "a mirror of %q has no `host`", prefix)
	case !isJinja(host.Value) && !strings.Contains(host.Value, "://"):
		s.say(host, Breaks, "host: http://"+host.Value, "host %q has no scheme, and containerd speaks HTTPS to it", host.Value)
	}
	s.tomlSafe(host, "host")
	switch {
	case capabilities == nil || isNull(capabilities):
		hidden := ""
		if s.profile.HidesLogs {
			hidden = ", and its message is censored"
		}
		s.say(m, Fails, "capabilities: [pull, resolve]", "a mirror of %q has no `capabilities`: the task fails after config.toml was written%s", prefix, hidden)
	case capabilities.Kind == yaml.SequenceNode:
		for _, c := range capabilities.Content {
			s.capability(follow(c))
		}
	default:
		s.capability(capabilities)
	}
	s.header(value(m, "header"))
	s.strangers(m, append([]string{"host", "capabilities"}, s.profile.MirrorKeys...))
}

func (s *subject) capability(c *yaml.Node) {
	if c.Kind == yaml.ScalarNode && !isJinja(c.Value) && !slices.Contains([]string{"pull", "resolve", "push"}, c.Value) {
		s.say(c, Breaks, "capabilities: [pull, resolve]", "containerd knows no capability %q, and passes over the whole hosts.toml", c.Value)
	}
}

// header judges headers, whose names become bare TOML keys.
func (s *subject) header(h *yaml.Node) {
	if h == nil || !s.profile.Key("header") {
		return
	}
	if h.Kind != yaml.MappingNode {
		s.say(h, Fails, "header:\n  Authorization: [\"Basic …\"]", "`header` is no mapping")
		return
	}
	for i := 0; i+1 < len(h.Content); i += 2 {
		name, v := h.Content[i], follow(h.Content[i+1])
		if strings.ContainsFunc(name.Value, func(r rune) bool { return r > 127 || r != '-' && r != '_' && !isWord(byte(r)) }) {
			s.say(name, Breaks, "", "header %q becomes a bare TOML key, and has a letter that such a key cannot have", name.Value)
		}
		all := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			all = v.Content
		}
		for _, one := range all {
			s.tomlSafe(follow(one), "header")
		}
	}
}

// strangers tells of keys that the template does not read.
func (s *subject) strangers(m *yaml.Node, known []string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key := m.Content[i]
		if slices.Contains(known, key.Value) {
			continue
		}
		since := map[string]string{"override_path": "2.24", "server": "2.25", "ca": "2.28", "client": "2.28", "header": "2.29"}[key.Value]
		if since != "" {
			s.say(key, Ignored, "use Kubespray "+since+" or later", "this release does not read `%s` (it came with %s)", key.Value, since)
			continue
		}
		s.say(key, Ignored, "known are "+strings.Join(known, ", "), "no template reads `%s`, and nothing says so", key.Value)
	}
}
