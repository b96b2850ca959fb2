package configtoml

import (
	"slices"
	"strings"
	"testing"
)

const v3 = `[plugins."io.containerd.cri.v1.images"`

// The severities were compared with `config dump` of 1.6.20, 1.7.35, 2.0.5 and
// 2.4.2 where it checks the rule: 1 is where these refuse the file.
func TestProblemsOfOneFile(t *testing.T) {
	cases := []struct {
		reason, release, config string
		id                      string // empty: nothing is wrong
		severity                int
	}{
		{"number for a string", "1.6.20", "version = 2\n" + v2 + ".registry.configs.x.auth]\nusername = 1\n", "CFG007", 1},
		{"list for a string", "2.4.2", "version = 3\n" + v3 + ".registry]\nconfig_path = ['x']\n", "CFG007", 1},
		{"string for a list", "2.0.5", "version = 3\n" + v3 + ".registry.mirrors.x]\nendpoint = 'y'\n", "CFG007", 1},
		{"number in a list", "1.7.35", "version = 2\n" + v2 + ".registry.mirrors.x]\nendpoint = [1]\n", "CFG007", 1},
		{"string for a table", "1.7.35", "version = 2\n" + v2 + ".registry]\nmirrors = 'y'\n", "CFG007", 1},
		{"string for a boolean", "1.7.35", "version = 2\n" + v2 + ".registry.configs.x.tls]\ninsecure_skip_verify = 'true'\n", "CFG007", 1},
		{"which 2.x does not look at", "2.4.2", "version = 2\n" + v2 + ".registry.configs.x.tls]\ninsecure_skip_verify = 'true'\n", "CFG023", 3},
		{"in a table that does not count", "2.2.3", "version = 3\n" + v2 + ".registry]\nconfig_path = ['x']\n" + v3 + ".registry]\nconfig_path = '/c'\n", "CFG011", 3},
		{"imports is no list", "2.4.2", "imports = 'y'\n", "CFG007", 1},
		{"version is no number", "1.7.35", "version = '2'\n", "CFG007", 1},
		{"byte order mark on 2.x", "2.0.5", "\xef\xbb\xbfversion = 2\n", "CFG007", 1},
		{"byte order mark on 1.x", "1.6.20", "\xef\xbb\xbfversion = 2\n", "", 0},
		{"version 3 where it is refused", "1.7.17", "version = 3\n", "CFG005", 1},
		{"version 3 where it is not looked at", "1.7.16", "version = 3\n", "CFG005", 3},
		{"version 3 where it is not looked at", "1.5.8", "version = 3\n", "CFG005", 3},
		{"short plugin name", "1.7.35", "version = 2\n[plugins.cri]\n", "CFG011", 1},
		{"short plugin name on 2.x", "2.2.3", "version = 2\n[plugins.cri.registry]\n" + v3 + ".registry]\nconfig_path = '/c'\n", "CFG011", 3},
		{"short name disabled", "1.7.35", "version = 2\ndisabled_plugins = ['aufs']\n", "CFG007", 1},
		{"short name disabled in a file without version", "2.2.3", "disabled_plugins = ['aufs']\n" + v3 + ".registry]\nconfig_path = '/c'\n", "", 0},
		{"CRI disabled as Docker's package has it", "1.7.35", "disabled_plugins = ['cri']\n", "CFG004", 2},
		{"bare host in auths", "1.7.35", "version = 2\n" + v2 + ".registry.auths.'gcr.io']\nusername = 'u'\n", "", 0},
		{"name of the registry instead of its host", "1.7.35", "version = 2\n" + v2 + ".registry.configs.'docker.io'.auth]\nusername = 'u'\n", "CFG022", 3},
		{"empty tls table beside config_path", "1.7.35", "version = 2\n" + v2 + ".registry]\nconfig_path = '/c'\n" + v2 + ".registry.configs.x.tls]\n", "CFG002", 2},
		{"empty mirrors table beside config_path", "1.7.35", "version = 2\n" + v2 + ".registry]\nconfig_path = '/c'\n" + v2 + ".registry.mirrors]\n", "", 0},
		{"explicit empty path on 2.2.1, version 3", "2.2.1", "version = 3\n" + v3 + ".registry]\nconfig_path = ''\n" + v3 + ".registry.mirrors.x]\nendpoint = ['y']\n", "", 0},
		{"explicit empty path on 2.2.1, version 2", "2.2.1", "version = 2\n" + v2 + ".registry]\nconfig_path = ''\n" + v2 + ".registry.mirrors.x]\nendpoint = ['y']\n", "CFG003", 2},
		{"pair with the transfer service", "2.1.3", "version = 3\n" + v3 + ".registry]\nconfig_path = '/a:/b'\n", "CFG015", 3},
		{"nothing set since 2.2", "2.4.2", "version = 3\n", "CFG015", 3},
		{"path of the transfer plugin", "2.0.5", "version = 3\n[plugins.'io.containerd.transfer.v1.local']\nconfig_path = '/c'\n", "CFG013", 3},
		{"required CRI makes it worse", "1.7.35", "version = 2\nrequired_plugins = ['io.containerd.grpc.v1.cri']\n" + v2 + ".registry]\nconfig_path = '/c'\n" + v2 + ".registry.mirrors.x]\nendpoint = ['y']\n", "CFG001", 1},
		{"too deep", "2.4.2", strings.Repeat("a.", 100) + "b = 1\n", "CFG007", 1},
		{"too deep in arrays", "2.4.2", "a = " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n", "CFG007", 1},
	}
	for _, tc := range cases {
		found := load(t, files{root: tc.config}, tc.release).Problems()
		if tc.id == "" {
			if len(found) > 0 {
				t.Errorf("%s on %s: %+v, want none", tc.reason, tc.release, found)
			}
			continue
		}
		i := slices.IndexFunc(found, func(p Problem) bool { return p.ID == tc.id })
		if i < 0 || found[i].Severity != tc.severity || found[i].Fatal != (tc.severity <= 2) || found[i].Pos.File != root {
			t.Errorf("%s on %s: %+v, want %s with severity %d", tc.reason, tc.release, found, tc.id, tc.severity)
		}
	}
}

func TestProblemsOfDropIns(t *testing.T) {
	const dropIn = "/etc/containerd/conf.d/a.toml"
	imports := "imports = ['/etc/containerd/conf.d/*.toml']\n"
	table := func(path string) string { return v2 + ".registry]\nconfig_path = '" + path + "'\n" }
	cases := []struct {
		reason, release, root, dropIn string
		id                            string
		severity                      int
		file                          string
	}{
		{"replaced on 1.x", "1.7.35", imports + "version = 2\n" + table("/a"), "version = 2\n" + table("/b"), "CFG018", 3, root},
		{"overridden on 2.x", "2.4.2", imports + "version = 2\n" + table("/a"), "version = 2\n" + table("/b"), "CFG019", 3, root},
		{"not imported", "2.4.2", "version = 3\n", "version = 3\n", "CFG020", 3, dropIn},
		{"higher version", "2.3.4", imports + "version = 3\n", "version = 4\n", "CFG006", 1, dropIn},
		{"higher version again allowed", "2.3.5", imports + "version = 3\n" + v3 + ".registry]\nconfig_path = '/c'\n", "version = 4\n", "", 0, ""},
		{"higher than a root without version", "2.3.4", imports + v3 + ".registry]\nconfig_path = '/c'\n", "version = 4\n", "", 0, ""},
		{"puts the root's tables to sleep", "2.2.3", imports + "version = 2\n" + table("/a"), "version = 3\n", "CFG006", 3, dropIn},
		{"and its table is told of", "2.2.3", imports + "version = 2\n" + table("/a"), "version = 3\n", "CFG011", 3, root},
		{"too high, then raised over", "2.2.3", imports + "version = 4\n", "root = '/x'\n", "CFG005", 1, root},
		{"too high, then lowered", "2.2.3", imports + "version = 4\n", "version = 3\n", "CFG006", 3, dropIn},
	}
	for _, tc := range cases {
		found := load(t, files{root: tc.root, dropIn: tc.dropIn}, tc.release).Problems()
		if tc.id == "" {
			if len(found) > 0 {
				t.Errorf("%s on %s: %+v, want none", tc.reason, tc.release, found)
			}
			continue
		}
		if !slices.ContainsFunc(found, func(p Problem) bool {
			return p.ID == tc.id && p.Severity == tc.severity && p.Pos.File == tc.file
		}) {
			t.Errorf("%s on %s: %+v, want %s with severity %d at %s", tc.reason, tc.release, found, tc.id, tc.severity, tc.file)
		}
	}
}

// TestHintOfTransferPath: the hint names the table that the file's own version has.
func TestHintOfTransferPath(t *testing.T) {
	for _, tc := range []struct{ release, version, table string }{
		{"2.0.14", "2", "io.containerd.grpc.v1.cri"},
		{"2.4.2", "2", "io.containerd.grpc.v1.cri"},
		{"2.2.3", "3", "io.containerd.cri.v1.images"},
		{"2.4.2", "4", "io.containerd.cri.v1.images"},
	} {
		tree := load(t, files{root: "version = " + tc.version + "\n[plugins.'io.containerd.transfer.v1.local']\nconfig_path = '/c'\n"}, tc.release)
		i := slices.IndexFunc(tree.Problems(), func(p Problem) bool { return p.ID == "CFG013" })
		if i < 0 || !strings.Contains(tree.Problems()[i].Hint, tc.table) {
			t.Errorf("%s, version %s: %+v, want a hint to %s", tc.release, tc.version, tree.Problems(), tc.table)
		}
	}
}
