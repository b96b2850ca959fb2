package kubespray

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/secret"
)

func harbor() config.Desired {
	return config.Desired{Name: "default", Registries: []config.Registry{{
		Host: "192.168.21.9", Fallback: v1alpha1.FallbackNone,
		Endpoints: []config.Endpoint{{URL: "http://192.168.21.9", Capabilities: []string{"pull", "resolve"}}},
		Auth:      &config.Auth{Username: "robot$nodes", Password: secret.New(`pa"ss\word`)},
	}}}
}

func fresh(major int) Target {
	return Target{Major: major, ConfigDir: "/etc/containerd", Set: func(string) bool { return false }}
}

func majorOf(p Profile) int {
	if strings.HasPrefix(p.Containerd, "2.") {
		return 2
	}
	return 1
}

// file writes all assignments into an empty file.
func written(t testing.TB, r Rendering, before string) string {
	t.Helper()
	out := []byte(before)
	var err error
	for _, s := range r.Secrets {
		if out, err = Set(out, Assignment{Variable: s.Name, Lines: []string{"!vault |", "  $ANSIBLE_VAULT;1.1;AES256", "  3061"}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range r.Assignments {
		if out, err = Set(out, a); err != nil {
			t.Fatal(err)
		}
	}
	return string(out)
}

func TestRenderTheGuidesRegistry(t *testing.T) {
	vault := "pullway_auth_192_168_21_9: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\n"
	dockerIO := "  - prefix: docker.io  # Kubespray's own default, which setting this list would take away\n    mirrors:\n      - host: https://registry-1.docker.io\n        capabilities: [pull, resolve]\n        skip_verify: false\n"
	mirror := "containerd_registries_mirrors:\n  - prefix: 192.168.21.9  # pullway\n    server: http://192.168.21.9\n    mirrors:\n      - host: http://192.168.21.9\n        capabilities: [pull, resolve]\n"
	auth := "containerd_registry_auth:\n  - registry: 192.168.21.9  # pullway\n    auth: \"{{ pullway_auth_192_168_21_9 | b64encode }}\"\n"
	cases := map[string]string{
		"2.31": vault + mirror + "        header:\n          Authorization: [\"Basic {{ pullway_auth_192_168_21_9 | b64encode }}\"]\n" + dockerIO,
		"2.27": vault + mirror + dockerIO + auth,
		"2.25": vault + "containerd_use_config_path: true\n" + mirror + dockerIO + auth,
		"2.23": vault + "containerd_use_config_path: true\n" + strings.Replace(mirror, "    server: http://192.168.21.9\n", "", 1) + "        skip_verify: false\n" + dockerIO + auth,
		"2.20": vault + "containerd_registries:\n  192.168.21.9: http://192.168.21.9  # pullway\n  docker.io: https://registry-1.docker.io  # Kubespray's own default, which setting this map would take away\n" + auth,
	}
	for version, want := range cases {
		p := profile(t, version)
		r := Render(p, harbor(), fresh(majorOf(p)))
		if len(r.Problems) > 0 {
			t.Errorf("%s: %+v", version, r.Problems)
			continue
		}
		if d := cmp.Diff(want, written(t, r, "")); d != "" {
			t.Errorf("%s: -want +got\n%s", version, d)
		}
	}
}

func TestRenderSaysWhatItCannot(t *testing.T) {
	with := func(change func(*config.Registry)) config.Desired {
		d := harbor()
		change(&d.Registries[0])
		return d
	}
	ca := func(r *config.Registry) {
		r.Endpoints[0].URL, r.Endpoints[0].CA = "https://192.168.21.9", []byte("PEM")
	}
	cases := []struct {
		name, version string
		major         int
		d             config.Desired
		says          string
	}{
		{"a credential on 2.28", "2.28", 2, harbor(), "no variable that gives its containerd a credential"},
		{"certificates before 2.28", "2.27", 1, with(ca), "no variable for certificates"},
		{"headers before 2.29", "2.27", 1, with(func(r *config.Registry) {
			r.Endpoints[0].Headers = []config.Header{{Name: "X", Value: secret.New("y")}}
		}), "no variable for the header X"},
		{"a quote in a header", "2.31", 2, with(func(r *config.Registry) {
			r.Endpoints[0].Headers = []config.Header{{Name: "X", Value: secret.New(`"`)}}
		}), "unescaped"},
		{"override_path before 2.24", "2.23", 1, with(func(r *config.Registry) { r.Endpoints[0].OverridePath = true }), "no override_path"},
		{"only the mirror before 2.25", "2.24", 1, with(func(r *config.Registry) { r.Host = "docker.io" }), "cannot keep containerd from asking https://docker.io"},
		{"self-signed on 2.21", "2.21", 1, with(func(r *config.Registry) { r.Endpoints[0].InsecureSkipVerify = true }), "skip the check"},
		{"before 2.16", "2.15", 1, harbor(), "containerd_config"},
	}
	for _, c := range cases {
		r := Render(profile(t, c.version), c.d, fresh(c.major))
		if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return strings.Contains(p.Text, c.says) }) {
			t.Errorf("%s: %+v, want %q", c.name, r.Problems, c.says)
		}
	}
}

// What Render writes, Check finds nothing wrong with, on every release.
func TestRenderPassesTheCheck(t *testing.T) {
	dir := t.TempDir()
	inventory := filepath.Join(dir, "hosts.yaml")
	vars := filepath.Join(dir, "group_vars", "all", "containerd.yml")
	if err := os.MkdirAll(filepath.Dir(vars), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inventory, []byte(hostsYAML), 0o644); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SampledFrom(Releases()).Draw(rt, "release").Profile
		d := drawDesired(rt)
		r := Render(p, d, fresh(majorOf(p)))
		if len(r.Problems) > 0 {
			return
		}
		text := written(t, r, "")
		if strings.Contains(text, "s3cret") {
			rt.Fatalf("a secret in clear:\n%s", text)
		}
		if err := os.WriteFile(vars, []byte(text), 0o644); err != nil {
			rt.Fatal(err)
		}
		v, err := Read(inventory)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		for _, f := range Check(p, v) {
			if f.Verdict.Bad() {
				rt.Fatalf("%s: %+v\n%s", p.Release, f, text)
			}
		}
		if again := written(t, r, text); again != text {
			rt.Fatalf("written twice it differs:\n%s", cmp.Diff(text, again))
		}
	})
}

func drawDesired(rt *rapid.T) config.Desired {
	d := config.Desired{Name: "default"}
	for _, host := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"192.168.21.9", "harbor.example.com:8443", "docker.io", "*", "[fd00::1]:5000"}), 1, 3, rapid.ID).Draw(rt, "hosts") {
		r := config.Registry{Host: host, Fallback: rapid.SampledFrom([]v1alpha1.Fallback{v1alpha1.FallbackNone, v1alpha1.FallbackUpstream}).Draw(rt, "fallback")}
		for _, url := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"http://192.168.21.9", "https://harbor.example.com:8443", "https://harbor.example.com/v2/proxy"}), 1, 3, rapid.ID).Draw(rt, "urls") {
			e := config.Endpoint{URL: url, Capabilities: []string{"pull", "resolve"}}
			if strings.HasPrefix(url, "https") && rapid.Bool().Draw(rt, "ca") {
				e.CA = []byte("PEM")
			}
			e.OverridePath = rapid.Bool().Draw(rt, "override")
			if rapid.Bool().Draw(rt, "timeout") {
				e.DialTimeout = time.Second
			}
			r.Endpoints = append(r.Endpoints, e)
		}
		if rapid.Bool().Draw(rt, "auth") {
			r.Auth = &config.Auth{Username: "robot$nodes", Password: secret.New("s3cret")}
		}
		d.Registries = append(d.Registries, r)
	}
	return d
}

func TestSetMaps(t *testing.T) {
	a := Assignment{Variable: VarRegistries, Map: true, Entries: []Entry{{Key: "a", Lines: []string{"a: http://a  # pullway"}}}}
	for before, want := range map[string]string{
		"":                            "containerd_registries:\n  a: http://a  # pullway\n",
		"containerd_registries: {}\n": "containerd_registries:\n  a: http://a  # pullway\n",
		"containerd_registries:\n  \"docker.io\": \"https://m\"\n  a: https://a\nx: 1\n": "containerd_registries:\n  \"docker.io\": \"https://m\"\n  a: http://a  # pullway\nx: 1\n",
		"containerd_registries:\n    b:\n      - http://b\n":                             "containerd_registries:\n    b:\n      - http://b\n    a: http://a  # pullway\n",
		"containerd_registries:\n  'a': 'http://a'\n":                                    "containerd_registries:\n  'a': 'http://a'\n",
	} {
		got, err := Set([]byte(before), a)
		if err != nil || string(got) != want {
			t.Errorf("%q: %v\n%s", before, err, cmp.Diff(want, string(got)))
		}
	}
}
