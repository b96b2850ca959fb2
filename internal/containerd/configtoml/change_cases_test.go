package configtoml

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/secret"
)

const dropIn = "/etc/containerd/conf.d/a.toml"

// Each case is a way in which an edit went wrong, or could. after is the file
// that changes; "" stands for no change at all.
func TestChangeInTheRightPlace(t *testing.T) {
	me := []HostAuth{{"h", "u", secret.New("p")}}
	imports := "imports = ['/etc/containerd/conf.d/*.toml']\n"
	cases := []struct {
		reason, release string
		files           files
		want            Wanted
		file, after     string
	}{
		// A comma before the brace stops 1.6.20: "trailing comma at the end of inline table".
		{"two members at the end of an inline table", "1.6.20", files{root: "version = 2\n" + v2 + "]\nregistry = { config_path = '/c', auths = { 'https://a' = {}, 'https://b' = {} }, mirrors = { x = {endpoint = []} } }\n"},
			Wanted{DropMirrors: true, DropAuths: []string{"a", "b"}}, root,
			"version = 2\n" + v2 + "]\nregistry = { config_path = '/c', auths = {  } }\n"},
		{"the last two of three", "1.6.20", files{root: "version = 2\n" + v2 + "]\nregistry.auths = { 'https://c' = {}, 'https://a' = {}, 'https://b' = {} }\n"},
			Wanted{DropAuths: []string{"a", "b"}}, root,
			"version = 2\n" + v2 + "]\nregistry.auths = { 'https://c' = {} }\n"},
		{"the empty table of config default is no reason to restart", "1.7.35", files{root: "version = 2\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n  " + v2 + ".registry.mirrors]\n"},
			certsD, "", ""},
		{"the version that the last file names decides on 1.x", "1.7.35", files{root: imports + "[plugins.cri]\nsandbox_image = 'p'\n", dropIn: "version = 2\n"},
			certsD, root, imports + "[plugins.cri]\nsandbox_image = 'p'\n\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"the last drop-in keeps its say on 1.x when its mirrors go", "1.7.35", files{root: imports + "version = 2\n" + v2 + ".registry]\nconfig_path = '/other'\n", dropIn: "version = 2\n" + v2 + ".registry.mirrors.x]\nendpoint = ['y']\n"},
			Wanted{DropMirrors: true}, dropIn, "version = 2\n\n" + v2 + ".registry]\n"},
		{"no version where short plugin names would be refused with it", "2.2.3", files{root: "disabled_plugins = [\"aufs\"]\n"},
			certsD, root, "disabled_plugins = [\"aufs\"]\n\n" + v3 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"the same since 2.3", "2.4.2", files{root: "disabled_plugins = [\"aufs\"]\n"},
			certsD, root, "disabled_plugins = [\"aufs\"]\n\n" + v3 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"a root that a drop-in puts to sleep", "2.2.3", files{root: imports + "version = 2\n" + v2 + ".registry]\nconfig_path = '/c'\n", dropIn: "version = 3\n" + v3 + "]\nmax_concurrent_downloads = 3\n"},
			certsD, dropIn, "version = 3\n" + v3 + "]\nmax_concurrent_downloads = 3\n\n" + v3 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"a table of that name elsewhere", "2.4.2", files{root: "version = 3\n[registry]\n"},
			certsD, root, "version = 3\n[registry]\n\n" + v3 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
		{"an auths entry would win over the credential", "1.7.35", files{root: "version = 2\n" + v2 + ".registry.auths.\"https://h/v1/\"]\n  username = \"old\"\n"},
			Wanted{SetConfigAuth: me}, root, "version = 2\n\n" + v2 + ".registry.configs.h.auth]\n  username = \"u\"\n  password = \"p\"\n"},
		{"a host that keeps nothing goes with its tls", "2.4.2", files{root: "version = 3\n" + v3 + ".registry]\nconfig_path = '/c'\n" + v3 + ".registry.configs.\"h\"]\n" + v3 + ".registry.configs.\"h\".tls]\nca_file = 'x'\n"},
			Wanted{DropTLS: true}, root, "version = 3\n" + v3 + ".registry]\nconfig_path = '/c'\n"},
		{"the credential of the file that wins", "2.4.2", files{root: imports + "version = 3\n" + v3 + ".registry]\nconfig_path = '/c'\n", dropIn: "version = 3\n" + v3 + ".registry.configs.h.auth]\n  username = 'old'\n  identitytoken = 'x'\n"},
			Wanted{SetConfigAuth: me}, dropIn, "version = 3\n" + v3 + ".registry.configs.h.auth]\n  password = \"p\"\n  username = \"u\"\n"},
	}
	for _, tc := range cases {
		tr := load(t, tc.files, tc.release)
		changes, err := Change(tr, tc.want)
		if err != nil {
			t.Errorf("%s: %v", tc.reason, err)
			continue
		}
		switch {
		case tc.file == "" && len(changes) > 0:
			t.Errorf("%s: %s changes:\n%s", tc.reason, changes[0].Path, changes[0].After)
		case tc.file == "":
		case len(changes) != 1 || changes[0].Path != tc.file || string(changes[0].After) != tc.after || len(changes[0].Reasons) == 0:
			t.Errorf("%s: got %q, want %s:\n%q", tc.reason, changes, tc.file, tc.after)
		}
	}
}

// Whatever way a configuration is written in, the change gives what is wanted,
// takes nothing that is not about registries, adds no comma that old readers
// refuse, and has nothing left to do the second time.
func TestChangeOfAnyForm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		release := rapid.SampledFrom([]string{"1.5.8", "1.6.20", "1.7.35", "2.0.5", "2.2.0", "2.2.3", "2.3.4", "2.4.2"}).Draw(rt, "release")
		version := rapid.SampledFrom([]int{2, 3}).Draw(rt, "version")
		plugin := `plugins."io.containerd.grpc.v1.cri"`
		if version == 3 {
			plugin = `plugins.'io.containerd.cri.v1.images'`
		}
		if version == 3 && strings.HasPrefix(release, "1.") {
			return
		}
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "eol")
		var members []string
		for _, m := range []string{"config_path = '/a:/b'", "mirrors = { x = { endpoint = [ 'y' ] } }", "configs = { h = { tls = { ca_file = 'c' }, auth = { username = 'old', auth = 'z' } } }", "auths = { 'https://h' = { username = 'a' } }", "headers = { X = ['1'] }"} {
			if rapid.Bool().Draw(rt, m) {
				members = append(members, m)
			}
		}
		members = rapid.Permutation(members).Draw(rt, "order")
		lines := []string{"# first", map[int]string{2: "version = 2", 3: "version = 3"}[version] + " # v", ""}
		switch rapid.IntRange(0, 2).Draw(rt, "form") {
		case 0:
			lines = append(lines, "["+plugin+"]", "  registry = { "+strings.Join(members, ", ")+" } # reg")
		case 1:
			lines = append(lines, "  ["+plugin+".registry] # reg")
			for _, m := range members {
				lines = append(lines, "    "+m+" # m")
			}
		default:
			lines = append(lines, "["+plugin+"]")
			for _, m := range members {
				lines = append(lines, "registry."+m)
			}
		}
		lines = append(lines, "# last", "[timeouts]", "  a = \"1s\"")
		text := strings.Join(lines, eol)
		want := Wanted{ConfigPath: "/w", DropMirrors: true, DropTLS: true, SetConfigAuth: []HostAuth{{"h", "me", secret.New("p\"\\\nü")}}}
		tr := load(t, files{root: text}, release)
		changes, err := Change(tr, want)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		after := string(changes[0].After)
		at := 0
		for _, l := range lines {
			if strings.Contains(l, "{") || strings.Contains(l, "config_path") || l == "" {
				continue // may change
			}
			i := strings.Index(after[at:], l)
			if i < 0 {
				rt.Fatalf("line %q is lost or moved:\n%s\nbefore:\n%s", l, after, text)
			}
			at += i + len(l)
		}
		if strings.Contains(strings.ReplaceAll(after, " ", ""), ",}") {
			rt.Fatalf("comma before a brace:\n%s", after)
		}
		if eol == "\r\n" && strings.Count(after, "\n") != strings.Count(after, "\r\n") {
			rt.Fatalf("mixed line ends:\n%q", after)
		}
		next, err := Overlay(tr, changes)
		if err != nil {
			rt.Fatal(err)
		}
		if r := next.Registry(); len(r.HostsDirs) != 1 || r.HostsDirs[0] != "/w" || len(r.Auths) > 0 {
			rt.Fatalf("hosts directories %q, auths %d:\n%s", r.HostsDirs, len(r.Auths), after)
		}
		if again, err := Change(next, want); err != nil || len(again) > 0 {
			rt.Fatalf("not done the first time (%v):\n%s", err, after)
		}
	})
}
