package kubespray

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"github.com/pullway/pullway/internal/kubespray"
)

var update = flag.Bool("update", false, "write the table that the real trees gave")

// tags: at least one for each way in which Kubespray has read registry variables.
// Debian's ansible-core 2.14 cannot load the roles of 2.17 and before (a module of
// their defaults is gone).
var tags = []string{"v2.18.0", "v2.18.2", "v2.20.0", "v2.21.0", "v2.22.2", "v2.23.3", "v2.24.3", "v2.26.1", "v2.27.1", "v2.28.1", "v2.29.1", "v2.30.0", "v2.31.0"}

const hostsYAML = `all:
  hosts: {node1: {ansible_host: 192.168.21.11}, node2: {ansible_host: 192.168.21.12}}
  children:
    kube_control_plane: {hosts: {node1: }}
    kube_node: {hosts: {node2: }}
    etcd: {hosts: {node1: }}
    k8s_cluster: {children: {kube_control_plane: , kube_node: }}
`

// inputs are contents of group_vars/all/containerd.yml.
var inputs = map[string]string{
	"the guide's insecure list":  "containerd_insecure_registries:\n  - \"192.168.21.9\"\n",
	"the guide's mirrors":        "containerd_registry_mirrors:\n  \"192.168.21.9\":\n    - \"http://192.168.21.9\"\n",
	"the guide's auths":          "containerd_registry_auths:\n  \"192.168.21.9\":\n    username: admin\n    password: Harbor12345\n",
	"insecure map":               "containerd_insecure_registries:\n  \"192.168.21.9\": http://192.168.21.9\n",
	"insecure empty list":        "containerd_insecure_registries: []\n",
	"insecure null":              "containerd_insecure_registries:\n",
	"registries map":             "containerd_registries:\n  \"192.168.21.9\": http://192.168.21.9\n",
	"registries list":            "containerd_registries:\n  - http://192.168.21.9\n",
	"mirrors list":               "containerd_registries_mirrors:\n  - prefix: 192.168.21.9\n    server: http://192.168.21.9\n    mirrors:\n      - host: http://192.168.21.9\n        capabilities: [pull, resolve]\n",
	"mirrors map":                "containerd_registries_mirrors:\n  192.168.21.9: http://192.168.21.9\n",
	"mirrors null":               "containerd_registries_mirrors:\n",
	"mirrors no capabilities":    "containerd_registries_mirrors:\n  - prefix: a\n    mirrors:\n      - host: https://b\n",
	"mirrors no mirrors":         "containerd_registries_mirrors:\n  - prefix: a\n",
	"mirrors none":               "containerd_registries_mirrors:\n  - prefix: a\n    server: https://b\n    mirrors: []\n",
	"mirrors one capability":     "containerd_registries_mirrors:\n  - prefix: a\n    mirrors:\n      - {host: https://b, capabilities: pull}\n",
	"mirrors header":             "containerd_registries_mirrors:\n  - prefix: a\n    server: https://a\n    mirrors:\n      - {host: https://b, capabilities: [pull, resolve], header: {X-Y: z}}\n",
	"mirrors header no mapping":  "containerd_registries_mirrors:\n  - prefix: a\n    server: https://a\n    mirrors:\n      - {host: https://b, capabilities: [pull, resolve], header: z}\n",
	"auth list":                  "containerd_registry_auth:\n  - registry: 192.168.21.9\n    auth: dTpw\n",
	"auth map":                   "containerd_registry_auth:\n  192.168.21.9: {username: u, password: p}\n",
	"auth null":                  "containerd_registry_auth:\n",
	"auth without registry":      "containerd_registry_auth:\n  - {username: u, password: p}\n",
	"auth without password":      "containerd_registry_auth:\n  - {registry: a, username: u}\n",
	"auth, a quote":              auth(`pa"ss`),
	"auth, a backslash":          auth(`pa\ss`),
	"auth, an apostrophe":        auth(`pa'ss`),
	"auth, open braces":          auth(`pa{{ss`),
	"auth, a line end":           auth("pa\nss"),
	"header, a quote":            header(`X"y`),
	"header, a backslash":        header(`X\y`),
	"header, an apostrophe":      header(`X'y`),
	"header, open braces":        header(`X{{y`),
	"header, a line end":         header("X\ny"),
	"config_path on":             "containerd_use_config_path: true\n",
	"config_path, insecure list": "containerd_use_config_path: true\ncontainerd_insecure_registries: []\n",
	"pinned 1.7":                 "containerd_version: 1.7.27\n",
}

// auth is a list with a password in clear, as the sample inventory has it.
func auth(password string) string {
	return fmt.Sprintf("containerd_registry_auth:\n  - {registry: 192.168.21.9, username: u, password: %s}\n", quoted(password))
}

func header(value string) string {
	return fmt.Sprintf("containerd_registries_mirrors:\n  - prefix: a\n    server: https://a\n    mirrors:\n      - {host: https://b, capabilities: [pull, resolve], header: {Authorization: %s}}\n", quoted(value))
}

// quoted is a text as JSON, and so YAML, has it.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always is JSON
	}
	return string(b)
}

// Row is what one tree made of one input, and what was said of it beforehand.
type Row struct {
	Release string `json:"release"`
	Commit  string `json:"commit"`
	Input   string `json:"input"`
	// Real is "fails: TASK", "ignored" (the files are as without it), "breaks: FILE"
	// (it is no TOML any more) or "written".
	Real string `json:"real"`
	// Said are the verdicts of kubespray.Check.
	Said []string `json:"said"`
}

// agrees reports whether what was said is what happened.
func (r Row) agrees() bool {
	said := func(v kubespray.Verdict) bool { return slices.Contains(r.Said, string(v)) }
	switch {
	case strings.HasPrefix(r.Real, "fails"):
		return said(kubespray.Fails)
	case strings.HasPrefix(r.Real, "breaks"):
		return said(kubespray.Breaks) && !said(kubespray.Fails)
	case r.Real == "ignored":
		return !said(kubespray.Fails) && !said(kubespray.Breaks) && (said(kubespray.Ignored) || len(r.Said) == 0 || strings.Contains(r.Input, "empty list") || strings.Contains(r.Input, "pinned"))
	}
	return !said(kubespray.Fails)
}

const table = "testdata/matrix.json"

// TestMatrix runs the real tasks of every release on every input, and compares
// what they did with what pullway kubespray check says of it. A part of the
// releases (-run TestMatrix/releases/v2.31.0) is compared with its part of the table.
func TestMatrix(t *testing.T) {
	repo, ok := Find()
	if !ok {
		t.Skip(Skipped)
	}
	dir := t.TempDir()
	byTag := make([][]Row, len(tags))
	t.Run("releases", func(t *testing.T) {
		for i, tag := range tags {
			t.Run(tag, func(t *testing.T) {
				t.Parallel()
				tree, err := repo.Extract(t.Context(), tag, dir)
				if err != nil {
					t.Fatal(err)
				}
				byTag[i] = release(t, repo, tag, tree)
				if err := os.RemoveAll(tree); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
	recorded := golden(t)
	for i, tag := range tags {
		if byTag[i] == nil && !t.Failed() { // it was not asked for
			byTag[i] = slices.DeleteFunc(slices.Clone(recorded), func(r Row) bool { return r.Release != tag[1:] })
		}
	}
	rows := slices.Concat(byTag...)
	for _, r := range rows {
		if !r.agrees() {
			t.Errorf("%s, %s: really %s, said %v", r.Release, r.Input, r.Real, r.Said)
		}
	}
	if *update {
		writeTable(t, rows)
		return
	}
	if d := cmp.Diff(recorded, rows); d != "" {
		t.Errorf("the table is not what the trees give (-table +trees):\n%s", d)
	}
}

func writeTable(t *testing.T, rows []Row) {
	t.Helper()
	b, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(table), 0o755), os.WriteFile(table, append(b, '\n'), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T) (rows []Row) {
	t.Helper()
	b, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// release runs all inputs on one tree.
func release(t *testing.T, repo Repository, tag, tree string) (rows []Row) {
	t.Helper()
	tasks, err := NewTasks(tree)
	if err != nil {
		t.Fatal(err)
	}
	commit, err := repo.Commit(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	without := outcome(t, tasks, "")
	if without.Failed != "" {
		t.Fatalf("%s fails without any variable: %s", tag, without.Log)
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		got := outcome(t, tasks, inputs[name])
		row := Row{Release: tag[1:], Commit: commit, Input: name, Real: "written", Said: said(t, tasks.Profile, inputs[name])}
		switch {
		case got.Failed != "":
			row.Real = "fails: " + got.Failed
		case maps.Equal(got.Files, without.Files):
			row.Real = "ignored"
		default:
			if name := noTOML(got.Files); name != "" {
				row.Real = "breaks: " + name
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// noTOML is the first file that containerd cannot parse.
func noTOML(files map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var any map[string]any
		if filepath.Ext(name) == ".toml" && toml.Unmarshal([]byte(files[name]), &any) != nil {
			return name
		}
	}
	return ""
}

func outcome(t *testing.T, tasks Tasks, vars string) Outcome {
	t.Helper()
	o, err := tasks.Local(t.Context(), inventory(t, vars), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func inventory(t *testing.T, vars string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"hosts.yaml": hostsYAML, "group_vars/all/containerd.yml": vars} {
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

func said(t *testing.T, p kubespray.Profile, vars string) (verdicts []string) {
	t.Helper()
	v, err := kubespray.Read(inventory(t, vars))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range kubespray.Check(p, v) {
		if !slices.Contains(verdicts, string(f.Verdict)) {
			verdicts = append(verdicts, string(f.Verdict))
		}
	}
	return verdicts
}

// TestMatrixAsRecorded holds what check says today against what the real trees
// did when the table was made; it needs no tree. With -update it writes what check
// says today, and leaves what the trees did.
func TestMatrixAsRecorded(t *testing.T) {
	rows := golden(t)
	if len(rows) != len(tags)*len(inputs) {
		t.Errorf("%d rows for %d releases and %d inputs: make the table anew", len(rows), len(tags), len(inputs))
	}
	for i := range rows {
		r := &rows[i]
		p, err := kubespray.ForVersion(r.Release)
		if err != nil {
			t.Fatal(err)
		}
		was := r.Said
		r.Said = said(t, p, inputs[r.Input])
		if !r.agrees() {
			t.Errorf("%s, %s: really %s, said %v", r.Release, r.Input, r.Real, r.Said)
		}
		if !*update && !slices.Equal(was, r.Said) {
			t.Errorf("%s, %s: check says %v, and said %v", r.Release, r.Input, r.Said, was)
		}
	}
	if *update {
		writeTable(t, rows)
	}
}
