//go:build e2e

package e2e

import (
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/test/lab"
)

// candidates are configurations as they are found on nodes; "*" stands for the
// table that a release reads. Paths are relative to the configuration's folder.
var candidates = map[string]map[string]string{
	"of an installer":         {"config.toml": "DEFAULT"},
	"tables in the old names": {"config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"p:1\"\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://m\"]\n"},
	"without a version":       {"config.toml": "[plugins.cri.registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://m\"]\n[metrics]\n  address = \"127.0.0.1:1\"\n"},
	"inline":                  {"config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nregistry = { config_path = \"\", headers = { X = [\"y\"] } }\n"},
	"dotted keys":             {"config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nregistry.config_path = \"/a:/b\"\nenable_selinux = false\n"},
	"a drop-in that has the CRI table": {
		"config.toml": "version = 2\nimports = [\"DIR/conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/root\"\n",
		"conf.d/99-nvidia.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  default_runtime_name = \"nvidia\"\n" +
			"[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n  runtime_type = \"io.containerd.runc.v2\"\n"},
}

// TestCandidates lets each release's own binary read what Change makes of
// configurations: it must accept them, with config_path as wanted, mirrors gone
// and everything else as it read it before.
func TestCandidates(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	for _, n := range l.Nodes() {
		rel, err := containerd.ParseRelease(n.Spec.Containerd)
		if err != nil {
			t.Fatal(err)
		}
		for name, files := range candidates {
			t.Run(n.Spec.Containerd+"/"+name, func(t *testing.T) {
				dir := "/root/candidate/" + strings.ReplaceAll(name, " ", "-")
				c := candidate{t: t, node: n, dir: dir, files: map[string]string{}}
				for p, text := range files {
					text = strings.ReplaceAll(text, "DIR", dir)
					if text == "DEFAULT" {
						text = lab.DefaultContainerdConfig(n.Spec.Containerd)
					}
					c.files[path.Join(dir, p)] = text
				}
				before := c.dump()
				tree, err := configtoml.Load(c, path.Join(dir, "config.toml"), rel)
				if err != nil {
					t.Fatal(err)
				}
				changes, err := configtoml.Change(tree, configtoml.Wanted{ConfigPath: "/etc/containerd/certs.d", DropMirrors: true, DropTLS: true})
				if err != nil {
					t.Fatal(err)
				}
				for _, change := range changes {
					c.files[change.Path] = string(change.After)
				}
				after := c.dump()
				if reg := registryOf(after); reg["config_path"] != "/etc/containerd/certs.d" || len(table(reg, "mirrors")) > 0 {
					t.Errorf("containerd reads %v", reg)
				}
				registryOf(before)
				// 1.x lists what it imported in no fixed order.
				delete(before, "imports")
				delete(after, "imports")
				if !reflect.DeepEqual(before, after) {
					t.Errorf("something else changed:\n%v\n%v", before, after)
				}
			})
		}
	}
}

// candidate is a configuration on a node, and a configtoml.Source of it.
type candidate struct {
	t     *testing.T
	node  *lab.Node
	dir   string
	files map[string]string
}

func (c candidate) ReadFile(p string) ([]byte, error) {
	if s, ok := c.files[p]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (c candidate) Glob(pattern string) (all []string, err error) {
	for p := range c.files {
		if ok, _ := path.Match(pattern, p); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// dump is what the node's containerd makes of the files.
func (c candidate) dump() map[string]any {
	c.t.Helper()
	for p, text := range c.files {
		if _, err := c.node.Exec(c.t.Context(), "mkdir -p "+path.Dir(p)); err != nil {
			c.t.Fatal(err)
		}
		if err := c.node.WriteFile(c.t.Context(), p, []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	out, err := c.node.Exec(c.t.Context(), "cd / && containerd -c "+c.dir+"/config.toml config dump 2>/dev/null")
	if err != nil {
		c.t.Fatal(err)
	}
	var m map[string]any
	if err := toml.Unmarshal([]byte(out), &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// registryOf takes the registry settings out of a dump.
func registryOf(m map[string]any) map[string]any {
	plugins := table(m, "plugins")
	for _, name := range []string{"io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"} {
		if reg := table(table(plugins, name), "registry"); reg != nil {
			delete(table(plugins, name), "registry")
			return reg
		}
	}
	return nil
}

func table(m map[string]any, key string) map[string]any {
	t, _ := m[key].(map[string]any)
	return t
}
