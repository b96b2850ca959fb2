package kubespray

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

func imported(t *testing.T, files map[string]string) (string, []Caution) {
	t.Helper()
	v, err := Read(inventoryOf(t, files))
	if err != nil {
		t.Fatal(err)
	}
	im, err := Import(v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := config.Marshal(im.Config)
	if err != nil {
		t.Fatal(err)
	}
	_, registries, _ := strings.Cut(string(b), "  registries:\n")
	return registries, im.Warnings
}

func TestImport(t *testing.T) {
	const auth = "      auth:\n        username: admin\n        password:\n          env: PULLWAY_PASSWORD_192_168_21_9\n"
	const plain = "    - host: 192.168.21.9\n      endpoints:\n        - url: http://192.168.21.9\n"
	cases := []struct {
		name, text, want string
		warnings         int
	}{
		{"the guide", guide, plain + auth, 1},
		{"2.31", "containerd_registries_mirrors:\n  - prefix: docker.io\n    mirrors:\n      - {host: https://registry-1.docker.io, capabilities: [pull, resolve]}\n  - prefix: 192.168.21.9\n    server: http://192.168.21.9\n    mirrors:\n      - host: http://192.168.21.9\n        capabilities: [pull, resolve]\n        header: {Authorization: [\"Basic {{ (u + ':' + p) | b64encode }}\"]}\n",
			plain + strings.Replace(auth, "admin", "USERNAME", 1), 2},
		{"a mirror", "containerd_registries_mirrors:\n  - prefix: docker.io\n    mirrors:\n      - {host: https://harbor.example.com/v2/proxy, capabilities: [pull], override_path: true, skip_verify: true}\n",
			"    - host: docker.io\n      endpoints:\n        - url: https://harbor.example.com/v2/proxy\n          capabilities: [pull]\n          tls:\n            insecureSkipVerify: true\n          overridePath: true\n", 0},
		{"only the mirror", "containerd_registries_mirrors:\n  - prefix: docker.io\n    server: https://m\n    mirrors:\n      - {host: https://m, capabilities: [pull, resolve]}\n",
			"    - host: docker.io\n      endpoints:\n        - url: https://m\n      fallback: none\n", 0},
		{"a vaulted password", "p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\ncontainerd_registries: {192.168.21.9: \"http://192.168.21.9\"}\ncontainerd_registry_auth:\n  - {registry: 192.168.21.9, username: admin, password: \"{{ p }}\"}\n",
			plain + "      auth:\n        username: admin\n        password:\n          ansibleVault:\n            file: FILE\n            key: p\n", 0},
		{"auth of a mirror's host", "containerd_registries_mirrors:\n  - prefix: docker.io\n    mirrors:\n      - {host: https://m, capabilities: [pull, resolve]}\ncontainerd_registry_auth:\n  - {registry: m, username: u, password: p}\n",
			"    - host: docker.io\n      endpoints:\n        - url: https://m\n      auth:\n        username: u\n        password:\n          env: PULLWAY_PASSWORD_DOCKER_IO\n", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, warnings := imported(t, map[string]string{"group_vars/all/containerd.yml": c.text})
			if i := strings.Index(got, "file: /"); i >= 0 {
				rest := got[i:]
				got = got[:i] + "file: FILE" + rest[strings.IndexByte(rest, '\n'):]
			}
			if d := cmp.Diff(c.want, got); d != "" || len(warnings) != c.warnings {
				t.Errorf("%s\n%+v, want %d warnings", d, warnings, c.warnings)
			}
			if strings.Contains(got, "Harbor12345") {
				t.Error("a password in clear")
			}
		})
	}
}

func TestImportWantsNodesThatAreAlike(t *testing.T) {
	v, err := Read(inventoryOf(t, map[string]string{"host_vars/node2.yml": guide}))
	if err != nil {
		t.Fatal(err)
	}
	var differ *DifferError
	if _, err := Import(v); !errors.As(err, &differ) || differ.Other != "node2" {
		t.Fatalf("Import = %v, want a *DifferError", err)
	}
}

// What Render writes, Import reads as the same registries and endpoints.
func TestImportReadsWhatRenderWrites(t *testing.T) {
	for _, r := range Releases() {
		d := harbor()
		d.Registries = append(d.Registries, config.Registry{Host: "docker.io", Fallback: v1alpha1.FallbackUpstream,
			Endpoints: []config.Endpoint{{URL: "https://harbor.example.com", Capabilities: []string{"pull", "resolve"}}}})
		d.Registries[0].Auth = nil
		out := Render(r.Profile, d, fresh(majorOf(r.Profile)))
		if len(out.Problems) > 0 {
			continue
		}
		got, _ := imported(t, map[string]string{"group_vars/all/containerd.yml": written(t, out, "")})
		for _, reg := range d.Registries {
			if !strings.Contains(got, "- host: "+reg.Host+"\n") || !slices.ContainsFunc(reg.Endpoints, func(e config.Endpoint) bool { return strings.Contains(got, "- url: "+e.URL+"\n") }) {
				t.Errorf("%s: %s is not there:\n%s", r.Version, reg.Host, got)
			}
		}
	}
}
