package kubespray

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

func list(entries ...Entry) Assignment {
	return Assignment{Variable: VarMirrors, ListKey: "prefix", Entries: entries}
}

func one(prefix, host string) Entry {
	return Entry{Key: prefix, Lines: []string{"- prefix: " + prefix + "  # pullway", "  mirrors:", "    - host: " + host, "      capabilities: [pull, resolve]"}}
}

func TestSet(t *testing.T) {
	cases := []struct {
		name, before string
		a            Assignment
		want         string
	}{
		{"an empty file", "", list(one("a", "http://a")), VarMirrors + ":\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n"},
		{"comments alone, no end of line", "---\n# sample\n#containerd_registries_mirrors: []", list(one("a", "http://a")),
			"---\n# sample\n#containerd_registries_mirrors: []\n" + VarMirrors + ":\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n"},
		{"an empty list", "x: 1\ncontainerd_registries_mirrors: []  # none\n\n# y is\ny: 2\n", list(one("a", "http://a")),
			"x: 1\n" + VarMirrors + ":\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n\n# y is\ny: 2\n"},
		{"others stay", "containerd_registries_mirrors:\n- prefix: docker.io   # theirs\n  mirrors:\n  - {host: \"https://m\", capabilities: ['pull']}\n# next\ny: 2\n", list(one("a", "http://a")),
			"containerd_registries_mirrors:\n- prefix: docker.io   # theirs\n  mirrors:\n  - {host: \"https://m\", capabilities: ['pull']}\n- prefix: a  # pullway\n  mirrors:\n    - host: http://a\n      capabilities: [pull, resolve]\n# next\ny: 2\n"},
		{"the first of two", "containerd_registries_mirrors:\n  - prefix: a\n    mirrors: []\n\n  # b is here\n  - prefix: b\n    mirrors: []\n", list(one("a", "http://a")),
			"containerd_registries_mirrors:\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n\n  # b is here\n  - prefix: b\n    mirrors: []\n"},
		{"taken out", "containerd_registries_mirrors:\n  - prefix: a\n    mirrors: []\n  - prefix: b\n    mirrors: []\n", list(Entry{Key: "a"}),
			"containerd_registries_mirrors:\n  - prefix: b\n    mirrors: []\n"},
		{"the last taken out", "containerd_registries_mirrors:  # all\n  - prefix: a\n    mirrors: []\nz: 1\n", list(Entry{Key: "a"}),
			"containerd_registries_mirrors: []  # all\nz: 1\n"},
		{"as wanted already, in another style", "containerd_registries_mirrors:\n  - {prefix: \"a\", mirrors: [{host: 'http://a', capabilities: [pull, resolve]}]}\n", list(one("a", "http://a")),
			"containerd_registries_mirrors:\n  - {prefix: \"a\", mirrors: [{host: 'http://a', capabilities: [pull, resolve]}]}\n"},
		{"Windows line ends", "x: 1\r\ny: 2\r\n", list(one("a", "http://a")), "x: 1\r\ny: 2\r\n" + VarMirrors + ":\r\n  - prefix: a  # pullway\r\n    mirrors:\r\n      - host: http://a\r\n        capabilities: [pull, resolve]\r\n"},
		{"before the end marker", "x: 1\n...\n", list(one("a", "http://a")), "x: 1\n" + VarMirrors + ":\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n...\n"},
		{"vault and Jinja elsewhere", "p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\nq: \"{{ p }}\"\n", Assignment{Variable: "pullway_secret", Lines: []string{"!vault |", "  $ANSIBLE_VAULT;1.1;AES256", "  3162"}},
			"p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\nq: \"{{ p }}\"\npullway_secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3162\n"},
		{"our own template changes", "containerd_registries_mirrors:\n  - prefix: a  # pullway\n    mirrors:\n      - host: \"{{ x }}\"\n", list(one("a", "http://a")),
			VarMirrors + ":\n  - prefix: a  # pullway\n    mirrors:\n      - host: http://a\n        capabilities: [pull, resolve]\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Set([]byte(c.before), c.a)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			again, err := Set(got, c.a)
			if err != nil || string(again) != string(got) {
				t.Errorf("a second time: %v\n%s", err, cmp.Diff(string(got), string(again)))
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		line int
	}{
		"a template":              {"x: 1\ncontainerd_registries_mirrors: \"{{ mine }}\"\n", 2},
		"a template in the entry": {"containerd_registries_mirrors:\n  - prefix: a\n    server: \"{{ s }}\"\n    mirrors: []\n", 3},
		"a vaulted value":         {"containerd_registries_mirrors:\n  - prefix: a\n    server: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      3061\n    mirrors: []\n", 3},
		"an encrypted file":       {"$ANSIBLE_VAULT;1.1;AES256\n3061\n", 1},
		"a tab":                   {"x: 1\n\ty: 2\n", 2},
		"an anchor":               {"containerd_registries_mirrors:\n  - &a\n    prefix: a\n    mirrors: []\nz: *a\n", 2},
		"one line":                {"containerd_registries_mirrors: [{prefix: b, mirrors: []}]\n", 1},
		"a map":                   {"containerd_registries_mirrors:\n  a: b\n", 1},
		"twice":                   {"containerd_registries_mirrors:\n  - prefix: a\n  - prefix: a\n", 3},
		"two documents":           {"x: 1\n---\ny: 1\n", 0},
		"a list of files":         {"- a\n", 1},
	} {
		_, err := Set([]byte(c.file), list(one("a", "http://a")))
		var e *EditError
		if !errors.As(err, &e) || e.Line != c.line || strings.Contains(e.Error(), "\n") {
			t.Errorf("%s: %v, want an *EditError at line %d", name, err, c.line)
		}
	}
}

// Whatever a file holds, an edit keeps every line that is not the variable's.
func TestSetKeepsTheRest(t *testing.T) {
	piece := rapid.SampledFrom([]string{"# a comment\n", "\n", "x: 1\n", "y:\n  - a\n  - {b: c}\n", "z: |\n  text: here\n\n  more\n", "v: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\n", "j: \"{{ k }}\"  # why\n", "m:\n    n: 'o'\n"})
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(label string) string {
			var b strings.Builder
			seen := map[string]bool{}
			for _, p := range rapid.SliceOfN(piece, 0, 6).Draw(rt, label) {
				if !seen[p] || p[0] == '#' || p == "\n" {
					b.WriteString(p)
				}
				seen[p] = true
			}
			return b.String()
		}
		before, after := draw("before"), ""
		variable := rapid.SampledFrom([]string{"", "containerd_registries_mirrors: []\n", "containerd_registries_mirrors:\n  - prefix: b\n    mirrors: []\n"}).Draw(rt, "variable")
		if variable != "" {
			after = strings.NewReplacer("x:", "x2:", "y:", "y2:", "z:", "z2:", "v:", "v2:", "j:", "j2:", "m:", "m2:").Replace(draw("after"))
		}
		out, err := Set([]byte(before+variable+after), list(one("a", "http://a")))
		if err != nil {
			rt.Fatal(err)
		}
		if !strings.HasPrefix(string(out), before) || !strings.HasSuffix(string(out), after) {
			rt.Fatalf("more than the variable changed:\n%s\n---\n%s", before+variable+after, out)
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{guide, "---\n", "a: [1,\n", "containerd_registries_mirrors:\n- prefix: a\n", "x: &a 1\ny: *a\n", "\ufeffx: 1\n", "? a\n: b\n", "containerd_registries_mirrors:\n -   prefix: a\n     mirrors: []\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		out, err := Set(file, list(one("a", "http://a")))
		if err != nil {
			return
		}
		var v map[string]yaml.Node
		if err := yaml.Unmarshal(out, &v); err != nil && yaml.Unmarshal(file, &v) == nil {
			t.Fatalf("the result is no YAML: %v\n%q\n%q", err, file, out)
		}
	})
}
