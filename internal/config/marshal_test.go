package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/api/v1alpha1"
)

// readBack decodes without checking, so that any text can be tried.
func readBack(t rapid.TB, b []byte) v1alpha1.RegistryConfig {
	root, p := document(b)
	if p != nil {
		t.Fatalf("%s\n%s", p, b)
	}
	cfg, d := decode(root)
	if len(d.problems) > 0 {
		t.Fatalf("%v\n%s", d.problems, b)
	}
	return cfg
}

func TestMarshalReadsBackAsTheSame(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[ -~]{1,12}`), rapid.SampledFrom([]string{
		"true", "null", "~", "1", "0x10", "1e3", "2001-01-01", "yes", "<<", "=", "- a", "a: b", "# c", "*", "&a", "!b", "a\nb", "a\r\nb", " a ", "ü", "'", `"`, "\u2028", "\ufeff", "%", "@", "`", "[", "{",
	}))
	rapid.Check(t, func(t *rapid.T) {
		canary := rapid.IntRange(-1, 9).Draw(t, "canary")
		cfg := v1alpha1.RegistryConfig{
			APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind, Metadata: v1alpha1.Metadata{Name: text.Draw(t, "name")},
			Spec: v1alpha1.Spec{
				Registries: []v1alpha1.Registry{
					{
						Host: text.Draw(t, "host"), Fallback: v1alpha1.Fallback(text.Draw(t, "fallback")),
						Endpoints: []v1alpha1.Endpoint{{
							URL: text.Draw(t, "url"), Capabilities: []v1alpha1.Capability{v1alpha1.Capability(text.Draw(t, "capability"))},
							TLS: &v1alpha1.TLS{CAFile: text.Draw(t, "ca"), InsecureSkipVerify: true}, OverridePath: rapid.Bool().Draw(t, "override"),
							Headers: map[string]string{text.Draw(t, "header"): text.Draw(t, "value"), "b": "c"},
						}},
						Auth: &v1alpha1.Auth{
							Username: text.Draw(t, "username"),
							Password: v1alpha1.SecretSource{AnsibleVault: &v1alpha1.AnsibleVaultRef{File: text.Draw(t, "file"), Key: text.Draw(t, "key")}},
						},
					},
					{Host: "b"},
				},
				Verify:  v1alpha1.Verify{Images: []string{text.Draw(t, "image")}},
				Rollout: v1alpha1.Rollout{Canary: &canary, MaxUnavailable: rapid.SampledFrom([]v1alpha1.IntOrPercent{"", "3", "10%", "007", "x"}).Draw(t, "max")},
			},
		}
		b, err := Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cfg, readBack(t, b)); diff != "" {
			t.Fatalf("%s\n%s", diff, b)
		}
	})
}

func TestMarshalIsStableAndClean(t *testing.T) {
	zero := 0
	b, err := Marshal(v1alpha1.RegistryConfig{
		APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind,
		Spec: v1alpha1.Spec{
			Registries: []v1alpha1.Registry{{
				Host: "*", Endpoints: []v1alpha1.Endpoint{{
					URL: "https://192.0.2.1", Capabilities: []v1alpha1.Capability{"pull", "resolve"}, TLS: &v1alpha1.TLS{},
					Headers: map[string]string{"X-B": "2", "X-A": "one\ntwo"},
				}},
				Auth: &v1alpha1.Auth{Username: "robot$nodes", Password: v1alpha1.SecretSource{Env: "P"}},
			}},
			Rollout: v1alpha1.Rollout{Canary: &zero, MaxUnavailable: "3"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: pullway.dev/v1alpha1
kind: RegistryConfig
spec:
  registries:
    - host: '*'
      endpoints:
        - url: https://192.0.2.1
          capabilities: [pull, resolve]
          headers:
            X-A: "one\ntwo"
            X-B: "2"
      auth:
        username: robot$nodes
        password:
          env: P
  rollout:
    canary: 0
    maxUnavailable: 3
`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
	if b, err := Marshal(v1alpha1.RegistryConfig{}); err != nil || string(b) != "{}\n" {
		t.Errorf("nothing is rendered as %q, %v", b, err)
	}
}

func TestStarter(t *testing.T) {
	for name, c := range map[string]struct {
		o     StarterOptions
		hosts string
		err   string
	}{
		"readme":    {o: StarterOptions{Registry: "http://192.168.21.9", Username: "admin", PasswordEnv: "HARBOR_PASSWORD", Images: []string{"192.168.21.9/library/test-image:latest"}}, hosts: "192.168.21.9"},
		"anonymous": {o: StarterOptions{Registry: "harbor.example.com:8443", CAFile: "harbor-ca.pem"}, hosts: "harbor.example.com:8443"},
		"mirrors": {o: StarterOptions{Registry: "https://harbor.example.com", Username: "robot$nodes", Mirrors: []StarterMirror{
			{"docker.io", "https://harbor.example.com/v2/hubcache"}, {"*", "http://192.0.2.1:5000"}}}, hosts: "harbor.example.com docker.io *"},
		"only a mirror":   {o: StarterOptions{Mirrors: []StarterMirror{{"index.docker.io", "http://192.0.2.1"}}}, hosts: "docker.io"},
		"odd user name":   {o: StarterOptions{Registry: "http://192.168.21.9", Username: `a'"#- {`}, hosts: "192.168.21.9"},
		"ipv6":            {o: StarterOptions{Registry: "http://[fd00::1]:5000"}, hosts: "[fd00::1]:5000"},
		"nothing":         {err: "the registry is missing"},
		"no user":         {o: StarterOptions{Registry: "http://192.168.21.9", PasswordEnv: "P"}, err: "the user name is missing"},
		"inline password": {o: StarterOptions{Registry: "http://192.168.21.9", Username: "a", PasswordEnv: "Harbor12345!"}, err: "the password's variable is not the name"},
		"url":             {o: StarterOptions{Registry: "ftp://192.168.21.9"}, err: "is neither http:// nor https://"},
		"user in url":     {o: StarterOptions{Registry: "http://admin:Harbor12345@192.168.21.9"}, err: "has a user name in it"},
		"short host":      {o: StarterOptions{Registry: "http://harbor"}, err: "is never a registry"},
		"mirror":          {o: StarterOptions{Mirrors: []StarterMirror{{"docker.io", "x"}, {"a/b", "http://x"}}}, err: `mirror of "a/b" "a/b" has a path`},
		"twice":           {o: StarterOptions{Registry: "http://192.168.21.9", Mirrors: []StarterMirror{{"192.168.21.9", "http://192.0.2.1"}}}, err: "stands in spec.registries[0] already"},
		"foreign image":   {o: StarterOptions{Registry: "http://192.168.21.9", Images: []string{"nginx"}}, err: "is no registry of this spec"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Starter(c.o)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), password) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			l, err := Parse(t.Context(), b, "pullway.yaml", newFixture(t).sources(), atTestNow())
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			var hosts []string
			for _, r := range l.Desired.Registries {
				hosts = append(hosts, r.Host)
				if c.o.Username != "" && strings.Contains(r.Endpoints[0].URL, l.Desired.Registries[0].Host) && (r.Auth == nil || r.Auth.Username != c.o.Username || r.Auth.Password.Reveal() != password) {
					t.Errorf("%s has the credential %+v", r.Host, r.Auth)
				}
			}
			if got := strings.Join(hosts, " "); got != c.hosts {
				t.Errorf("hosts are %s, want %s", got, c.hosts)
			}
			if c.o.CAFile != "" && l.Desired.Registries[0].Endpoints[0].CA == nil {
				t.Error("the CA was lost")
			}
			if name == "mirrors" {
				golden(t, "testdata/starter.yaml", string(b))
				if !l.Desired.Registries[1].Endpoints[0].OverridePath || l.Desired.Registries[2].Auth != nil {
					t.Errorf("mirrors are %+v", l.Desired.Registries[1:])
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, folder := range []string{"bad", "good"} {
		for _, path := range specs(f, folder) {
			b, err := newFixture(f).sources().ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(b) < 4<<10 {
				f.Add(b)
			}
		}
	}
	fix := newFixture(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(t.Context(), b, "x.yaml", fix.sources(), atTestNow())
		if err != nil {
			ps, ok := err.(Problems)
			if !ok || len(ps) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		// What was accepted can be rendered, and means the same then.
		out, err := Marshal(l.Config)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(t.Context(), out, "x.yaml", fix.sources(), atTestNow())
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(l.Desired, again.Desired); diff != "" || l.Digest != again.Digest {
			t.Fatalf("%s\n%s", diff, out)
		}
		if second, _ := Marshal(again.Config); !bytes.Equal(out, second) {
			t.Fatalf("rendered twice:\n%s\n%s", out, second)
		}
	})
}

func FuzzParseImage(f *testing.F) {
	for _, s := range []string{"nginx", "index.docker.io/a:b", "[fd00::1]:5000/a", "h:5/a@sha256:" + strings.Repeat("a", 64), "A/b", "", "a@b@c", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		im, err := ParseImage(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Fatalf("not one plain line: %q", err)
			}
			return
		}
		if again, err := ParseImage(im.String()); err != nil || again != im {
			t.Fatalf("%q is %+v, and then %+v, %v", s, im, again, err)
		}
	})
}
