package configtoml

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/secret"
)

// files is a Source of a few files in memory.
type files map[string]string

func (f files) ReadFile(p string) ([]byte, error) {
	s, ok := f[p]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(s), nil
}

func (f files) Glob(pattern string) (all []string, err error) {
	for p := range f {
		if ok, err := path.Match(pattern, p); err != nil {
			return nil, err
		} else if ok {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all, nil
}

const root = "/etc/containerd/config.toml"

func load(t testing.TB, f files, release string) *Tree {
	t.Helper()
	rel, err := containerd.ParseRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(f, root, rel)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

var certsD = Wanted{ConfigPath: "/etc/containerd/certs.d", DropMirrors: true, DropTLS: true}

const v2 = `[plugins."io.containerd.grpc.v1.cri"`

func TestChange(t *testing.T) {
	cases := []struct {
		name, release string
		before        string
		want          Wanted
		after         string
	}{
		{"no file on 1.x", "1.6.20", "-", certsD,
			"version = 2\n\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"no file on 2.x", "2.4.2", "-", certsD,
			"version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"empty file on 2.x", "2.2.3", "", certsD,
			"version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"version 1", "1.6.20", "root = \"/data\"\n", certsD,
			"root = \"/data\"\n\n[plugins.cri.registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"value in place, quote style of the rest kept", "1.7.35", "version = 2\n" + v2 + ".registry]\n\tconfig_path = '' # unset\n\tx = 'y'\n", certsD,
			"version = 2\n" + v2 + ".registry]\n\tconfig_path = \"/etc/containerd/certs.d\" # unset\n\tx = 'y'\n"},
		{"colon pair", "2.4.2", "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n", certsD,
			"version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"already as wanted", "2.4.2", "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '/etc/containerd/certs.d'\n", certsD, "="},
		{"header without key", "1.6.20", "version = 2\n  " + v2 + ".registry] # here\n    # nothing yet\n[grpc]\n", certsD,
			"version = 2\n  " + v2 + ".registry] # here\n    config_path = \"/etc/containerd/certs.d\"\n    # nothing yet\n[grpc]\n"},
		{"only sub-tables, which go", "1.6.20", "version = 2\n# ours\n" + v2 + ".registry.mirrors]\n  " + v2 + ".registry.mirrors.\"docker.io\"]\n    # inside\n    endpoint = [\n      \"https://m\", # first\n    ]\n# about grpc\n[grpc]\n  address = \"x\"\n", certsD,
			"version = 2\n# ours\n# about grpc\n[grpc]\n  address = \"x\"\n\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"tls goes, auth stays", "1.7.35", "version = 2\n" + v2 + ".registry.configs.\"r:5000\".tls]\n  insecure_skip_verify = true\n" + v2 + ".registry.configs.\"r:5000\".auth]\n  username = \"u\"\n", certsD,
			"version = 2\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n\n" + v2 + ".registry.configs.\"r:5000\".auth]\n  username = \"u\"\n"},
		{"inline table", "1.7.35", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nregistry = { mirrors = { \"a\" = { endpoint = [\"http://a\"] } }, headers = { X = [\"1\"] } }\n", certsD,
			"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nregistry = { config_path = \"/etc/containerd/certs.d\", headers = { X = [\"1\"] } }\n"},
		{"dotted keys", "1.7.35", "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  registry.headers.X = [\"1\"]\n  sandbox_image = \"p\"\n", certsD,
			"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  registry.headers.X = [\"1\"]\n  registry.config_path = \"/etc/containerd/certs.d\"\n  sandbox_image = \"p\"\n"},
		{"Windows line ends and a byte order mark", "1.6.20", "\xef\xbb\xbfversion = 2\r\n" + v2 + ".registry]\r\n  x = 1\r\n", certsD,
			"\xef\xbb\xbfversion = 2\r\n" + v2 + ".registry]\r\n  config_path = \"/etc/containerd/certs.d\"\r\n  x = 1\r\n"},
		{"no line end at the end", "1.6.20", "version = 2\n[grpc]\n  gid = 0", certsD,
			"version = 2\n[grpc]\n  gid = 0\n\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"version 4", "2.4.2", "version = 4\n", certsD,
			"version = 4\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"old table in a new file, which 2.3 would wake up", "2.2.3", "version = 3\n" + v2 + ".registry.mirrors.\"x\"]\n  endpoint = [\"http://x\"]\n", certsD,
			"version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"old table that 2.3 honours in a new file", "2.4.2", "version = 3\n" + v2 + ".registry]\n  config_path = \"/a:/b\"\n", certsD,
			"version = 3\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"file without version on 2.3 and later", "2.4.2", "[plugins.cri.registry.mirrors.x]\n  endpoint = [\"http://x\"]\n", certsD,
			"version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"credential added", "1.6.20", "version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n",
			Wanted{ConfigPath: "/c", SetConfigAuth: []HostAuth{{"h:1", "u", secret.New("p\"\\\n$()ü")}}},
			"version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n\n" + v2 + ".registry.configs.\"h:1\".auth]\n  username = \"u\"\n  password = \"p\\\"\\\\\\n$()ü\"\n"},
		{"credential replaced", "1.6.20", "version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.h.auth]\n    auth = \"b64\"\n    username = \"old\"\n",
			Wanted{ConfigPath: "/c", SetConfigAuth: []HostAuth{{"h", "u", secret.New("p")}}},
			"version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.h.auth]\n    password = \"p\"\n    username = \"u\"\n"},
		{"auths entry and configs auth go", "1.7.35", "version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n" + v2 + ".registry.auths.\"http://h\"]\n  username = \"u\"\n" + v2 + ".registry.configs.h.auth]\n  password = \"x\"\n",
			Wanted{ConfigPath: "/c", DropAuths: []string{"h"}, DropConfigAuth: []string{"h"}},
			"version = 2\n" + v2 + ".registry]\n  config_path = \"/c\"\n"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := files{root: tc.before}
			if tc.before == "-" {
				f = files{}
			}
			tree := load(t, f, tc.release)
			changes, err := Change(tree, tc.want)
			if err != nil {
				t.Fatal(err)
			}
			if tc.after == "=" {
				if len(changes) > 0 {
					t.Fatalf("changed:\n%s", changes[0].After)
				}
				return
			}
			if len(changes) != 1 {
				t.Fatalf("%d files changed, want 1", len(changes))
			}
			if diff := cmp.Diff(tc.after, string(changes[0].After)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(changes[0].Reasons) == 0 {
				t.Error("a change without reason")
			}
			f[root] = string(changes[0].After)
			if again, err := Change(load(t, f, tc.release), tc.want); err != nil || len(again) > 0 {
				t.Errorf("a second change: %v, %v", again, err)
			}
		})
	}
}

func TestChangeEditsTheFileThatWins(t *testing.T) {
	dropIn := "/etc/containerd/conf.d/99-nvidia.toml"
	base := "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n" + v2 + ".registry]\n  config_path = \"\"\n"
	nvidia := "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  default_runtime_name = \"nvidia\"\n"
	f := files{root: base, dropIn: nvidia}
	for release, file := range map[string]string{"1.7.35": dropIn, "2.0.5": root} {
		changes, err := Change(load(t, f, release), certsD)
		if err != nil || len(changes) != 1 || changes[0].Path != file {
			t.Errorf("%s: changes %v, error %v; want one change of %s", release, changes, err, file)
		}
	}
}

func TestChangeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"syntax error":   "version = 2\n[plugins\n",
		"duplicate keys": "version = 2\nversion = 2\n",
	} {
		_, err := Change(load(t, files{root: text}, "1.7.35"), certsD)
		if err == nil || !strings.HasPrefix(err.Error(), root+":") {
			t.Errorf("%s: error %v, want one that names file and line", name, err)
		}
	}
}
