package configtoml

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func (c *checker) registry() {
	rel := c.t.Release
	path, builtIn := c.t.configPath(&c.r)
	if len(c.r.Mirrors) > 0 && path != "" {
		id, why := "CFG001", "`mirrors` cannot be set when `config_path` is provided"
		if builtIn {
			id, why = "CFG003", fmt.Sprintf("containerd %s sets a config_path by itself, beside which `mirrors` cannot be set", rel)
		}
		c.add(Problem{ID: id, Pos: c.r.Mirrors[0].At, Severity: 2, Text: "containerd starts without CRI: " + why, Hint: "move the mirrors to hosts.toml and delete the table"})
	}
	tls := false
	for _, h := range c.r.Configs {
		switch {
		case h.TLS == nil || tls:
		case rel.HasConfigsTLS() && path != "":
			tls = true
			c.add(Problem{ID: "CFG002", Pos: h.At, Severity: 2, Text: "containerd starts without CRI: `configs.tls` cannot be set when `config_path` is provided", Hint: "put ca and skip_verify into hosts.toml"})
		case !rel.HasConfigsTLS():
			c.add(Problem{ID: "CFG023", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs.%q.tls is ignored since containerd 2.0", h.Host), Hint: "put ca and skip_verify into hosts.toml"})
		}
		c.configKey(h)
	}
	for _, a := range c.r.Auths {
		// Only what url.Parse refuses costs CRI. A bare host is taken as it is, and
		// "host:5000" for a scheme with no host.
		u, err := url.Parse(a.Host)
		switch {
		case err != nil:
			c.add(Problem{ID: "CFG027", Pos: a.At, Severity: 2, Text: fmt.Sprintf("containerd starts without CRI: registry.auths key %q is no URL", a.Host), Hint: "write it with http:// or https://"})
		case u.Scheme != "" && u.Host == "":
			c.add(Problem{ID: "CFG027", Pos: a.At, Severity: 3, Text: fmt.Sprintf("registry.auths key %q is read as a URL without a host and is never used", a.Host), Hint: "write it with http:// or https://"})
		}
	}
}

// configKey checks the host under registry.configs, which is compared with the
// host that is contacted.
func (c *checker) configKey(h HostConfig) {
	switch {
	case strings.Contains(h.Host, "://"):
		c.add(Problem{ID: "CFG021", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs key %q has a scheme and is never used", h.Host), Hint: "write host or host:port"})
	case h.Host == "docker.io" || h.Host == "index.docker.io":
		c.add(Problem{ID: "CFG022", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs key %q is never used: the host that is contacted is registry-1.docker.io", h.Host), Hint: "write registry-1.docker.io"})
	case h.Host == "auths" && h.Auth == nil && h.TLS == nil:
		c.add(Problem{ID: "CFG024", Pos: h.At, Severity: 3, Text: "configs.auths is taken for a host of that name", Hint: "it belongs under registry, as registry.auths"})
	case strings.ContainsAny(h.Host, "*?"):
		c.add(Problem{ID: "CFG022", Pos: h.At, Severity: 3, Text: fmt.Sprintf("configs key %q is never used: there are no patterns", h.Host), Hint: "write one table a host"})
	}
}

// hostsDirs tells when a hosts directory is configured and not read.
func (c *checker) hostsDirs() {
	if c.t.Release.HasTransferService() && len(c.r.HostsDirs) == 0 {
		if path, _ := c.t.configPath(&c.r); path != "" {
			at := c.r.ConfigPathAt
			if at.File == "" {
				at.File = c.t.Root
			}
			c.add(Problem{ID: "CFG015", Pos: at, Severity: 3, Text: "no hosts.toml is read: " + c.r.HostsNote, Hint: "set config_path to one directory"})
		}
	}
	decoy := []string{"plugins", "io.containerd.transfer.v1.local"}
	for i := range c.t.Files {
		f := &c.t.Files[i]
		if v, _ := text(lookup(f.values, decoy), "config_path"); v != "" && c.r.ConfigPath == "" {
			table := c.t.writable(f)
			if table == nil {
				table = tableFor(newVersion(c.t.Release))
			}
			c.add(Problem{ID: "CFG013", Pos: c.at(f, append(slices.Clone(decoy), "config_path")...), Severity: 3, Text: "config_path of the transfer plugin is not used for pulls by CRI", Hint: "set it in plugins." + bare(table[1]) + ".registry"})
		}
	}
}

// required makes what costs CRI cost containerd when CRI is required.
func (c *checker) required() {
	for i := range c.t.Files {
		for _, p := range list(c.t.Files[i].values, "required_plugins") {
			if p != pluginV2 && p != pluginV3 && p != pluginV1 {
				continue
			}
			for j := range c.found {
				if c.found[j].Severity == 2 {
					c.found[j].Severity = 1
				}
			}
			return
		}
	}
}
