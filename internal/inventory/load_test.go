package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func builtIn() Options {
	return Options{Reader: ReaderBuiltIn, Home: "/home/ops", Env: func(k string) string { return "env-" + k }}
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names gives the name of each node, in order.
func names(nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}

func TestLoadFixtures(t *testing.T) {
	for path, want := range map[string][]string{
		"builder":                 {"node1", "node2", "node3"},
		"sample227/inventory.ini": {"node1", "node2", "node03", "node04", "node05"},
		"old/hosts.ini":           {"master1", "workera", "workerc"},
		"both":                    {"a", "b"},
		"onlyini":                 {"only"},
		"onlylocal/hosts.yml":     {"localhost"},
		"plain/hosts.ini":         {"lone.example.com", "web1.example.com", "web2.example.com", "quoted-name", "2001:db8::5", "2001:db8::6"},
	} {
		t.Run(path, func(t *testing.T) {
			got, err := Load(context.Background(), "testdata/"+path, builtIn())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, names(got.Nodes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadConnection(t *testing.T) {
	got, err := Load(context.Background(), "testdata/sample227/inventory.ini", builtIn())
	if err != nil {
		t.Fatal(err)
	}
	want := []Node{
		{Name: "node2", Host: "192.0.2.22", Port: 2223, User: "cluster", Become: true, ControlPlane: true,
			Groups: []string{"etcd", "k8s_cluster", "kube_control_plane", "kube_node", "workers"}},
		{Name: "node03", Host: "node03", Port: 2223, User: "worker", Become: true,
			SSHArgs: []string{"-o", "ProxyCommand=ssh -W %h:%p jump.example.com", "-C"},
			Groups:  []string{"k8s_cluster", "kube_node", "workers"}},
	}
	if diff := cmp.Diff(plainNodes(want), plainNodes(got.Nodes[1:3])); diff != "" {
		t.Error(diff)
	}
	got, err = Load(context.Background(), "testdata/plain/hosts.ini", builtIn())
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Nodes[0].Password.Reveal(); p != "with space" {
		t.Errorf("password %q", p)
	}
	if n := got.Nodes[1]; n.Port != 2022 || n.BecomePassword.Reveal() != "web # kept, it is text" || n.BecomeUser != "root" {
		t.Errorf("web1 is %s", plainNode(n))
	}
	if n := got.Nodes[4]; n.Host != "2001:db8::5" || n.Port != 2024 {
		t.Errorf("IPv6 host is %s", plainNode(n))
	}
}

func TestLoadDirectoryWithBothForms(t *testing.T) {
	got, err := Load(context.Background(), "testdata/both", builtIn())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "inventory.ini: passed over") {
		t.Errorf("warnings %q", got.Warnings)
	}
}

func TestLoadRefuses(t *testing.T) {
	big := strings.Repeat("# a long comment\n", maxFile/16)
	bomb := "a: &a {hosts: {x: }}\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " {children: {" + p + "1: *" + p + ", " + p + "2: *" + p + ", " + p + "3: *" + p + ", " + p + "4: *" + p + ", " + p + "5: *" + p + ", " + p + "6: *" + p + "}}\n"
	}
	for name, tc := range map[string]struct{ file, text, want string }{
		"tab":                     {"h.yaml", "all:\n\thosts:\n", "h.yaml:2: not valid YAML"},
		"duplicate host":          {"h.yaml", "all:\n  hosts:\n    a: {}\n    b: {}\n    a: {}\n", `h.yaml:5: key "a" stands here and in line 3`},
		"duplicate hosts":         {"h.yaml", "all:\n  hosts: {a: }\n  hosts: {b: }\n", `h.yaml:3: key "hosts" stands here and in line 2`},
		"list of hosts":           {"h.yaml", "all:\n  hosts:\n  - a\n", `h.yaml:3: hosts of group "all" must be a mapping, found a list`},
		"list":                    {"h.yaml", "- a\n", "h.yaml:1: an inventory must be a mapping of groups, found a list"},
		"host with a value":       {"h.yaml", "all:\n  hosts:\n    a: 192.0.2.1\n", `h.yaml:3: host "a" must be followed by a mapping`},
		"child is a value":        {"h.yaml", "all:\n  children:\n    g: 7\n", `h.yaml:3: group "g" must be a mapping`},
		"empty YAML":              {"h.yaml", "# nothing\n", "h.yaml: the file is empty"},
		"no host":                 {"h.yaml", "all: {}\n", "h.yaml: the inventory names no host"},
		"empty kube groups":       {"h.yaml", "kube_node: {hosts: {}}\n", `h.yaml: group "kube_node" has no hosts`},
		"cycle in YAML":           {"h.yaml", "a:\n  children:\n    b:\n      children:\n        a:\n", `h.yaml:4: group "b" cannot be a child of "a"`},
		"own child":               {"h.ini", "[a:children]\na\n", `h.ini:2: group "a" cannot be a child of "a"`},
		"cycle in INI":            {"h.ini", "[a:children]\nb\n[b:children]\na\n", `h.ini:4: group "a" cannot be a child of "b"`},
		"unknown child":           {"h.ini", "[k8s_cluster:children]\nkube_node\n", `h.ini:2: section [k8s_cluster:children] names group "kube_node", which is not defined`},
		"vars of unknown group":   {"h.ini", "a\n[g:vars]\nx=1\n", `h.ini:2: section [g:vars] names group "g"`},
		"section with space":      {"h.ini", "[kube node]\n", `h.ini:1: invalid section "[kube node]"`},
		"section type":            {"h.ini", "[a:host]\n", "h.ini:1: section [a:host] has an unknown type"},
		"open quote":              {"h.ini", "a ansible_password='secret\n", "h.ini:1: host line cannot be split into words: a quote is not closed"},
		"word without value":      {"h.ini", "a ansible_password=my secret\n", `h.ini:1: word 2 after host "a" is not written as key=value`},
		"variable without value":  {"h.ini", "[g]\na\n[g:vars]\nsecret\n", `h.ini:4: variable of group "g" is not written as key=value`},
		"YAML in INI":             {"h.ini", "---\nall:\n", "is passed over"},
		"binary":                  {"h.ini", "a\n\x7fELF\x00\x01", "h.ini:2: not a text file: byte 0x00"},
		"latin 1":                 {"h.yaml", "all: \xe9\n", "h.yaml:1: not a text file: byte 0xe9"},
		"10 MB":                   {"h.ini", big, "h.ini: larger than 8 MiB"},
		"bad range":               {"h.ini", "node[20:1]\n", `h.ini:1: range "[20:1]" in "node[20:1]": the begin comes after the end`},
		"huge range":              {"h.ini", "node[1:2000000000]\n", "h.ini:1: range"},
		"huge ranges":             {"h.ini", "n[1:9999]-[1:9999]-[1:9999]\n", "h.ini:1: range"},
		"bad port":                {"h.ini", "a:99999\n", `h.ini:1: port "99999"`},
		"bad port variable":       {"h.ini", "a ansible_port=ssh\n", `h.ini:1: ansible_port of host "a" is not a port`},
		"bad become":              {"h.ini", "a ansible_become=perhaps\n", `h.ini:1: ansible_become of host "a" is neither yes nor no`},
		"host is an option":       {"h.ini", "a ansible_host=-oProxyCommand=x\n", `h.ini:1: ansible_host of host "a" is not an address`},
		"name is an option":       {"h.ini", "-oProxyCommand=x\n", `is not an address`},
		"windows":                 {"h.ini", "a ansible_connection=winrm\n", `h.ini:1: ansible_connection of host "a" is neither ssh nor local`},
		"template":                {"h.ini", "a ansible_host={{lookup('pipe','date')}}\n", `h.ini:1: ansible_host of host "a" has a template that only Ansible can evaluate`},
		"template refers to none": {"h.yaml", "all:\n  hosts:\n    a: {ansible_host: '{{ ip }}'}\n", "h.yaml:3: ansible_host of host \"a\" has a template that only Ansible can evaluate: variable ip is not known here"},
		"template in a circle":    {"h.yaml", "all: {hosts: {a: {ansible_host: '{{ b }}', b: '{{ ansible_host }}'}}}\n", "refers to itself"},
		"vault":                   {"h.yaml", "all:\n  hosts:\n    a:\n      ansible_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        31\n", `h.yaml:4: ansible_password of host "a" is encrypted by ansible-vault`},
		"whole file vaulted":      {"h.yaml", "$ANSIBLE_VAULT;1.1;AES256\n31\n", "h.yaml:1: the inventory is encrypted by ansible-vault"},
		"plugin":                  {"h.yaml", "plugin: aws_ec2\n", "h.yaml:1: this configures an inventory plugin"},
		"list as user":            {"h.yaml", "all:\n  hosts:\n    a: {ansible_user: [x]}\n", `h.yaml:3: ansible_user of host "a" is a list or a mapping`},
		"alias bomb":              {"h.yaml", bomb, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{tc.file: tc.text})
			start := time.Now()
			got, err := Load(context.Background(), filepath.Join(dir, tc.file), builtIn())
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
			if name == "YAML in INI" || name == "alias bomb" {
				// Either refused or read; what counts is the time and one line.
				if err == nil {
					return
				}
				tc.want = ""
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("nodes %v, error %v, want *Error", got.Nodes, err)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret\"") || strings.Contains(err.Error(), "my ") {
				t.Errorf("error %q, want %q", err, tc.want)
			}
		})
	}
	t.Run("empty directory", func(t *testing.T) {
		dir := write(t, map[string]string{"group_vars/all.yml": "x: 1\n", ".hidden": "a"})
		if _, err := Load(context.Background(), dir, builtIn()); err == nil || !strings.Contains(err.Error(), "holds no inventory") {
			t.Error(err)
		}
	})
	t.Run("absent", func(t *testing.T) {
		if _, err := Load(context.Background(), "testdata/absent", builtIn()); err == nil || !strings.Contains(err.Error(), "testdata/absent: no such file") {
			t.Error(err)
		}
	})
	t.Run("bad group_vars", func(t *testing.T) {
		dir := write(t, map[string]string{"h.ini": "a\n", "group_vars/all.yml": "x: 1\n\ty: 2\n"})
		if _, err := Load(context.Background(), dir+"/h.ini", builtIn()); err == nil || !strings.Contains(err.Error(), "group_vars/all.yml:2: not valid YAML") {
			t.Error(err)
		}
	})
}

func TestDirectoryKeepsGoing(t *testing.T) {
	dir := write(t, map[string]string{"hosts.yaml": "all: {hosts: {a: }}\n", "artifacts/kubectl": "\x7fELF\x00", "notes": "two words here\n"})
	got, err := Load(context.Background(), dir, builtIn())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Nodes) != 1 || len(got.Warnings) != 2 {
		t.Errorf("nodes %v, warnings %q", names(got.Nodes), got.Warnings)
	}
}

// TestLoadIsBounded reads what is small on disk and unfolds to much.
func TestLoadIsBounded(t *testing.T) {
	var sections, children, pairs strings.Builder
	sections.WriteString("[top:children]\n")
	for i := range 300000 {
		fmt.Fprintf(&children, "[g%d]\n", i)
		fmt.Fprintf(&sections, "g%d\n", i)
		if i < 100000 {
			fmt.Fprintf(&pairs, " v%d=1", i)
		}
	}
	for name, tc := range map[string]struct{ text, want string }{
		"groups":    {children.String() + "a\n", "more than 5000 groups"},
		"children":  {sections.String(), "more than 5000 groups"},
		"variables": {"n[1:20000]" + pairs.String() + "\n", "more than 1000000 variables"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"h.ini": tc.text})
			start := time.Now()
			_, err := Load(context.Background(), filepath.Join(dir, "h.ini"), builtIn())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestLoadFleet reads 5,000 nodes with the variables of a Kubespray sample.
func TestLoadFleet(t *testing.T) {
	var many strings.Builder
	for i := range 400 {
		fmt.Fprintf(&many, "variable_%d: value\n", i)
	}
	dir := write(t, map[string]string{
		"h.ini":                      "[kube_control_plane]\ncp[1:3]\n[kube_node]\nnode[0001:5000] ansible_host=192.0.2.1\n",
		"group_vars/all/all.yml":     many.String(),
		"group_vars/k8s_cluster.yml": "ansible_user: ops\n",
	})
	got, err := Load(context.Background(), filepath.Join(dir, "h.ini"), builtIn())
	if err != nil || len(got.Nodes) != 5003 || got.Nodes[5002].User != "ops" || got.Nodes[5002].Name != "node5000" {
		t.Fatalf("%d nodes, error %v", len(got.Nodes), err)
	}
}

func TestTemplates(t *testing.T) {
	dir := write(t, map[string]string{"h.yaml": `
all:
  hosts:
    a.example.com:
      ansible_host: "{{ net }}.{{ last }}"
      net: 192.0.2
      last: "{{ missing | default('9') }}"
      ansible_user: "{{ lookup('env', 'OPS') }}"
      ansible_private_key_file: "{{ inventory_dir }}/id"
      ansible_ssh_pass: !unsafe "{{ kept }}"
      ansible_become_user: "{{ inventory_hostname_short }}"
      ansible_port: "{{ port }}"
      port: 22
`})
	got, err := Load(context.Background(), dir+"/h.yaml", builtIn())
	if err != nil {
		t.Fatal(err)
	}
	n := got.Nodes[0]
	if n.Host != "192.0.2.9" || n.User != "env-OPS" || n.IdentityFiles[0] != dir+"/id" || n.Password.Reveal() != "{{ kept }}" || n.BecomeUser != "a" || n.Port != 22 {
		t.Error(plainNode(n))
	}
}
