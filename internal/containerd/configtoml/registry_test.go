package configtoml

import (
	"slices"
	"strings"
	"testing"
)

func TestRegistryHostsDirs(t *testing.T) {
	pair := "/etc/containerd/certs.d:/etc/docker/certs.d"
	v3 := "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '" + pair + "'\n"
	mirrors := "version = 2\n" + v2 + ".registry.mirrors.x]\nendpoint = ['http://x']\n"
	cases := []struct {
		reason, release, config string
		dirs                    []string
		note                    string
	}{
		{"unset before 2.2: nothing is read", "1.7.35", "version = 2\n", nil, "config_path is not set"},
		{"unset since 2.2: a pair, read as one name", "2.4.2", "version = 3\n", nil, "taken for one name"},
		{"no file at all", "2.4.2", "-", nil, "taken for one name"},
		{"a pair before the transfer service", "2.0.5", v3, []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"}, "several directories"},
		{"a pair with the transfer service", "2.1.3", v3, nil, "taken for one name"},
		{"a pair with local pulls again", "2.4.2", v3 + "[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = true\n", []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"}, "use_local_image_pull"},
		{"an unrelated setting switches to local pulls", "2.4.2", v3 + "[plugins.'io.containerd.cri.v1.images']\nmax_concurrent_downloads = 5\n", []string{"/etc/containerd/certs.d", "/etc/docker/certs.d"}, "max_concurrent"},
		{"mirrors keep the default away", "2.4.2", mirrors, nil, "not set"},
		{"old table in a file of version 3 is ignored", "2.2.3", "version = 3\n" + v2 + ".registry]\nconfig_path = '/c'\n", nil, "taken for one name"},
		{"and honoured by 2.3", "2.3.5", "version = 3\n" + v2 + ".registry]\nconfig_path = '/c'\n", []string{"/c"}, ""},
		{"file without version on 2.0 is not migrated", "2.0.5", v2 + ".registry]\nconfig_path = '/c'\n", nil, "not set"},
		{"and migrated by 2.3", "2.3.5", v2 + ".registry]\nconfig_path = '/c'\n", []string{"/c"}, ""},
		{"from the oldest name too", "2.4.2", "[plugins.cri.registry]\nconfig_path = '/c'\n", []string{"/c"}, ""},
		{"but not in a file of version 4", "2.4.2", "version = 4\n" + v2 + ".registry]\nconfig_path = '/c'\n", nil, "taken for one name"},
		{"file without version on 1.x is version 1", "1.6.20", "[plugins.cri.registry]\nconfig_path = '/c'\n", []string{"/c"}, ""},
	}
	for _, tc := range cases {
		f := files{root: tc.config}
		if tc.config == "-" {
			f = files{}
		}
		r := load(t, f, tc.release).Registry()
		if !slices.Equal(r.HostsDirs, tc.dirs) || !strings.Contains(r.HostsNote, tc.note) {
			t.Errorf("%s: %q (%s), want %q (…%s…)", tc.reason, r.HostsDirs, r.HostsNote, tc.dirs, tc.note)
		}
	}
}

func TestMergeRules(t *testing.T) {
	f := files{
		root:                            "version = 2\nimports = ['conf.d/*.toml']\n" + v2 + "]\nsandbox_image = 'p'\n" + v2 + ".registry]\nconfig_path = '/root'\n",
		"/etc/containerd/conf.d/a.toml": "version = 2\n" + v2 + "]\nenable_selinux = true\n",
	}
	for release, want := range map[string]string{"1.7.35": "", "2.0.5": "/root", "2.4.2": "/root"} {
		if got := load(t, f, release).Registry().ConfigPath; got != want {
			t.Errorf("%s: config_path %q, want %q: a drop-in replaces the table on 1.x and is merged on 2.x", release, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	both := "version = 2\n" + v2 + ".registry]\nconfig_path = '/c'\n" + v2 + ".registry.mirrors.x]\nendpoint = ['http://x']\n"
	tls := "version = 2\n" + v2 + ".registry.configs.x.tls]\ninsecure_skip_verify = true\n"
	cases := []struct {
		id, release, config string
		fatal               bool
	}{
		{"CFG001", "1.6.20", both, true},
		{"CFG001", "2.4.2", both, true},
		{"CFG002", "1.7.35", tls + v2 + ".registry]\nconfig_path = '/c'\n", true},
		{"CFG003", "2.2.1", "version = 2\n" + v2 + ".registry.mirrors.x]\nendpoint = ['http://x']\n", true},
		{"CFG004", "1.7.35", "version = 2\ndisabled_plugins = ['cri']\n", true},
		{"CFG005", "1.7.35", "version = 3\n", true},
		{"CFG007", "2.4.2", "version = 3\nx = \n", true},
		{"CFG008", "2.4.2", "version = 3\nimports = ['/etc/x.toml']\n", true},
		{"CFG010", "1.7.35", v2 + ".registry]\nconfig_path = '/c'\n", false},
		{"CFG011", "2.2.3", "version = 3\n" + v2 + ".registry]\nconfig_path = '/c'\n", false},
		{"CFG012", "1.7.35", "version = 2\n[plugin.cri]\nx = 1\n", false},
		{"CFG021", "1.7.35", "version = 2\n" + v2 + ".registry.configs.'http://x'.auth]\nusername = 'u'\n", false},
		{"CFG023", "2.0.5", tls, false},
		{"CFG027", "1.7.35", "version = 2\n" + v2 + ".registry.auths.'192.0.2.1:5000']\nusername = 'u'\n", true},
		{"CFG027", "1.7.35", "version = 2\n" + v2 + ".registry.auths.'h:5000']\nusername = 'u'\n", false},
	}
	for _, tc := range cases {
		found := load(t, files{root: tc.config}, tc.release).Problems()
		i := slices.IndexFunc(found, func(p Problem) bool { return p.ID == tc.id })
		if i < 0 || found[i].Fatal != tc.fatal || found[i].Text == "" || strings.Contains(found[i].Text, "\n") {
			t.Errorf("%s on %s: found %+v", tc.id, tc.release, found)
		}
	}
	for release, config := range map[string]string{
		"1.6.20": "version = 2\n" + v2 + ".registry]\nconfig_path = '/c'\n",
		"2.4.2":  "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/c'\n",
		"2.2.1":  "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/c'\n",
	} {
		if found := load(t, files{root: config}, release).Problems(); len(found) > 0 {
			t.Errorf("%s: a good file has %+v", release, found)
		}
	}
}

func TestCyclicImports(t *testing.T) {
	f := files{root: "version = 2\nimports = ['a.toml']\n", "/etc/containerd/a.toml": "imports = ['config.toml', 'a.toml']\n"}
	if got := len(load(t, f, "1.7.35").Files); got != 2 {
		t.Errorf("%d files, want 2", got)
	}
}
