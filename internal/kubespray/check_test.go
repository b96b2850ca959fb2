package kubespray

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hostsYAML = `all:
  hosts:
    node1: {ansible_host: 192.168.21.11}
    node2: {ansible_host: 192.168.21.12}
  children:
    kube_control_plane: {hosts: {node1: }}
    kube_node: {hosts: {node2: }}
    etcd: {hosts: {node1: }}
    k8s_cluster: {children: {kube_control_plane: , kube_node: }}
`

// guide is the file that the popular guide gives.
const guide = `---
# 私有仓库
containerd_insecure_registries:
  - "192.168.21.9"
containerd_registry_mirrors:
  "192.168.21.9":
    - "http://192.168.21.9"
containerd_registry_auths:
  "192.168.21.9":
    username: admin
    password: Harbor12345
`

// inventoryOf writes an inventory of files, "group_vars/all/containerd.yml" and the like.
func inventoryOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if _, ok := files["hosts.yaml"]; !ok {
		files["hosts.yaml"] = hostsYAML
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "hosts.yaml")
}

func profile(t *testing.T, version string) Profile {
	t.Helper()
	p, err := ForVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short gives findings as "LINE VARIABLE: VERDICT", with the file when it is not
// the usual one.
func short(findings []Finding) (all []string) {
	for _, f := range findings {
		name := ""
		if base := filepath.Base(f.File); base != "containerd.yml" {
			name = base + ":"
		}
		all = append(all, fmt.Sprintf("%s%d %s: %s", name, f.Line, f.Variable, f.Verdict))
	}
	return all
}

func check(t *testing.T, version string, files map[string]string) []Finding {
	t.Helper()
	v, err := Read(inventoryOf(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return Check(profile(t, version), v)
}

func TestCheckTheGuide(t *testing.T) {
	cases := map[string][]string{
		"2.31":   {"3 containerd_insecure_registries: ignored", "5 containerd_registry_mirrors: ignored", "8 containerd_registry_auths: ignored"},
		"2.27":   {"3 containerd_insecure_registries: ignored", "5 containerd_registry_mirrors: ignored", "8 containerd_registry_auths: ignored"},
		"2.20":   {"3 containerd_insecure_registries: fails the play", "5 containerd_registry_mirrors: ignored", "8 containerd_registry_auths: ignored"},
		"2.18.0": {"4 containerd_insecure_registries: breaks the node", "5 containerd_registry_mirrors: ignored", "8 containerd_registry_auths: ignored"},
		"2.21":   {"3 containerd_insecure_registries: fails the play", "5 containerd_registry_mirrors: ignored", "8 containerd_registry_auths: ignored"},
	}
	for version, want := range cases {
		got := check(t, version, map[string]string{"group_vars/all/containerd.yml": guide})
		if d := cmp.Diff(want, short(got)); d != "" {
			t.Errorf("%s:\n%s", version, d)
		}
		for _, f := range got {
			if f.Instead == "" || strings.Contains(f.Text+f.Instead, "Harbor12345") || len(f.Nodes) != 2 {
				t.Errorf("%s: %+v: want what to write instead, both nodes and no password", version, f)
			}
		}
	}
}

func TestCheckShapes(t *testing.T) {
	mirrors := func(entry string) string { return "containerd_registries_mirrors:\n" + entry }
	good := mirrors("  - prefix: 192.168.21.9\n    server: http://192.168.21.9\n    mirrors:\n      - host: http://192.168.21.9\n        capabilities: [pull, resolve]\n")
	cases := []struct {
		name, version, text string
		want                []string
	}{
		{"right", "2.31", good, []string{"1 containerd_registries_mirrors: takes effect"}},
		{"before 2.23", "2.22", good, []string{"1 containerd_registries_mirrors: ignored"}},
		{"server before 2.25", "2.24", good, []string{"3 containerd_registries_mirrors: ignored"}},
		{"no server", "2.27", mirrors("  - prefix: 192.168.21.9\n    mirrors:\n      - {host: http://192.168.21.9, capabilities: pull}\n"), []string{"2 containerd_registries_mirrors: warning"}},
		{"a map", "2.31", mirrors("  192.168.21.9: http://192.168.21.9\n"), []string{"1 containerd_registries_mirrors: fails the play"}},
		{"null", "2.31", mirrors(""), []string{"1 containerd_registries_mirrors: fails the play"}},
		{"no capabilities", "2.31", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n"), []string{"5 containerd_registries_mirrors: fails the play"}},
		{"no mirrors", "2.31", mirrors("  - prefix: a\n"), []string{"2 containerd_registries_mirrors: fails the play"}},
		{"duplicate prefix", "2.31", mirrors("  - {prefix: a, mirrors: []}\n  - {prefix: a, mirrors: []}\n"), []string{"3 containerd_registries_mirrors: breaks the node"}},
		{"quote", "2.31", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n        capabilities: pull\n        header: {Authorization: 'Basic \"x'}\n"), []string{"7 containerd_registries_mirrors: breaks the node"}},
		{"header name", "2.31", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n        capabilities: pull\n        header: {X.Y: z}\n"), []string{"7 containerd_registries_mirrors: breaks the node"}},
		{"header before 2.29", "2.28", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n        capabilities: pull\n        header: {X: z}\n"), []string{"7 containerd_registries_mirrors: ignored"}},
		{"_default", "2.31", mirrors("  - prefix: _default\n    mirrors: []\n"), []string{"2 containerd_registries_mirrors: breaks the node"}},
		{"unknown key", "2.31", mirrors("  - prefix: a\n    server: https://a\n    insecure: true\n    mirrors: []\n"), []string{"4 containerd_registries_mirrors: ignored"}},
		{"no scheme", "2.31", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - {host: b, capabilities: pull}\n"), []string{"5 containerd_registries_mirrors: breaks the node"}},
		{"a template", "2.31", "containerd_registries_mirrors: \"{{ my_mirrors }}\"\n", []string{"1 containerd_registries_mirrors: takes effect"}},
		{"auth on 2.28", "2.28", "containerd_registry_auth:\n  - {registry: a, username: u, password: p}\n", []string{"1 containerd_registry_auth: ignored"}},
		{"auth on 2.28 with 1.x", "2.28", "containerd_version: 1.7.27\ncontainerd_registry_auth:\n  - {registry: a, auth: dTpw}\n", []string{"2 containerd_registry_auth: takes effect"}},
		{"pinned 1.x on 2.30", "2.30", "containerd_version: 1.7.27\n", []string{"1 containerd_version: fails the play"}},
		{"auth as a map", "2.27", "containerd_registry_auth:\n  a: {username: u, password: p}\n", []string{"1 containerd_registry_auth: ignored"}},
		{"backslash in a password", "2.27", "containerd_registry_auth:\n  - {registry: a, username: u, password: 'p\\q'}\n", []string{"2 containerd_registry_auth: breaks the node"}},
		{"open braces in a password", "2.27", "containerd_registry_auth:\n  - {registry: a, username: u, password: 'p{{q'}\n", []string{"2 containerd_registry_auth: fails the play"}},
		{"an open comment in a password", "2.27", "containerd_registry_auth:\n  - {registry: a, username: u, password: 'p{{ x }}{#q'}\n", []string{"2 containerd_registry_auth: fails the play"}},
		{"open braces in a user name", "2.27", "containerd_registry_auth:\n  - registry: a\n    username: 'u{%'\n    password: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      3061\n", []string{"3 containerd_registry_auth: fails the play", "4 containerd_registry_auth: warning"}},
		{"braces that Ansible leaves alone", "2.27", "containerd_registry_auth:\n  - registry: a\n    username: u\n    password: !unsafe 'p{{q'\n", []string{"4 containerd_registry_auth: warning"}},
		{"open braces in a header", "2.31", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n        capabilities: pull\n        header: {Authorization: 'Basic {{x'}\n"), []string{"7 containerd_registries_mirrors: fails the play"}},
		{"open braces where nothing reads them", "2.28", mirrors("  - prefix: a\n    server: https://a\n    mirrors:\n      - host: https://b\n        capabilities: pull\n        header: {Authorization: 'Basic {{x'}\n"), []string{"7 containerd_registries_mirrors: fails the play", "7 containerd_registries_mirrors: ignored"}},
		{"open braces in a variable that nothing reads", "2.31", "containerd_registry_auth:\n  - {registry: a, username: u, password: 'p{{q'}\n", []string{"1 containerd_registry_auth: ignored"}},
		{"switch", "2.26", "containerd_use_config_path: true\n", []string{"1 containerd_use_config_path: takes effect"}},
		{"switch later", "2.27", "containerd_use_config_path: true\n", []string{"1 containerd_use_config_path: ignored"}},
		{"misspelt", "2.31", "containerd_registry_mirror: []\ncontainerd_registeries_mirrors: []\n", []string{"1 containerd_registry_mirror: ignored", "2 containerd_registeries_mirrors: ignored"}},
		{"docker", "2.31", "container_manager: docker\n" + good, []string{"2 containerd_registries_mirrors: ignored"}},
		{"docker's own", "2.31", "docker_insecure_registries: [a]\n", []string{"1 docker_insecure_registries: ignored"}},
		{"map of insecure", "2.20", "containerd_insecure_registries:\n  192.168.21.9: http://192.168.21.9\n", []string{"1 containerd_insecure_registries: takes effect"}},
		{"map without scheme", "2.20", "containerd_insecure_registries:\n  192.168.21.9: 192.168.21.9\n", []string{"2 containerd_insecure_registries: breaks the node"}},
		{"twice in a file", "2.31", "containerd_registry_auth: []\ncontainerd_registry_auth: []\n", []string{"1 containerd_registry_auth: shadowed", "2 containerd_registry_auth: takes effect"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, short(check(t, c.version, map[string]string{"group_vars/all/containerd.yml": c.text}))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCheckPlaces(t *testing.T) {
	auth := "containerd_registry_auth: []\n"
	cases := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"offline.yml wins", map[string]string{"group_vars/all/containerd.yml": auth, "group_vars/all/offline.yml": auth},
			[]string{"1 containerd_registry_auth: shadowed", "offline.yml:1 containerd_registry_auth: takes effect"}},
		{"a backup wins", map[string]string{"group_vars/all/containerd.yml": auth, "group_vars/all/containerd_backup.yml": auth},
			[]string{"1 containerd_registry_auth: shadowed", "containerd_backup.yml:1 containerd_registry_auth: takes effect"}},
		{"a .bak does not", map[string]string{"group_vars/all/containerd.yml": auth, "group_vars/all/containerd.yml.bak": auth},
			[]string{"1 containerd_registry_auth: takes effect"}},
		{"k8s_cluster made up", map[string]string{"hosts.yaml": "all:\n  children:\n    kube_control_plane: {hosts: {node1: }}\n    kube_node: {hosts: {node1: }}\n", "group_vars/k8s_cluster/containerd.yml": auth},
			[]string{"1 containerd_registry_auth: takes effect"}},
		{"nobody's folder", map[string]string{"group_vars/kube_nodes/containerd.yml": auth},
			[]string{"1 containerd_registry_auth: ignored"}},
		{"in the inventory", map[string]string{"hosts.yaml": hostsYAML + "  vars:\n    containerd_registry_auth: []\n"},
			[]string{"hosts.yaml:11 containerd_registry_auth: takes effect"}},
		{"a group that is none", map[string]string{"hosts.yaml": hostsYAML + "stray: 1\n"},
			[]string{"hosts.yaml:10 (the inventory): warning"}},
		{"encrypted", map[string]string{"group_vars/all/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"},
			[]string{"vault.yml:1 (the whole file): warning"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, short(check(t, "2.27", c.files))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReadBadInput(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a tab":    {"a: 1\n\tcontainerd_registry_auth: []\n", "containerd.yml:2: found a tab character that violates indentation"},
		"a list":   {"- a\n", "containerd.yml:1: a file of variables must be a mapping"},
		"two":      {"a: 1\n---\nb: 2\n", "containerd.yml: more than one YAML document"},
		"unclosed": {"a: [1\n", "containerd.yml:1: did not find expected ',' or ']'"},
	} {
		_, err := Read(inventoryOf(t, map[string]string{"group_vars/all/containerd.yml": c.text}))
		if err == nil || !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line that ends in %q", name, err, c.want)
		}
	}
}
