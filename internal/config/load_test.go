package config

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/secret"
)

// TestBad has one file for each rule, with what is said about it beside it.
func TestBad(t *testing.T) {
	f := newFixture(t)
	for _, path := range specs(t, "bad") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(t.Context(), path, f.sources(), atTestNow())
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("no problems, but %v", err)
			}
			assertProblemsAreFit(t, ps)
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", listing(ps))
		})
	}
}

// TestGood has the desired state and the warnings of each file beside it.
func TestGood(t *testing.T) {
	f := newFixture(t)
	for _, path := range specs(t, "good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			l, err := Load(t.Context(), path, f.sources(), atTestNow())
			if err != nil {
				t.Fatal(err)
			}
			assertProblemsAreFit(t, l.Warnings)
			for i := range l.Desired.Registries { // the bytes are new in each run
				for j := range l.Desired.Registries[i].Endpoints {
					e := &l.Desired.Registries[i].Endpoints[j]
					if e.CA != nil {
						e.CA = []byte("CA")
					}
					if e.Cert != nil {
						e.Cert = []byte("Cert")
					}
				}
			}
			desired, err := json.MarshalIndent(l.Desired, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			rollout, err := json.Marshal(l.Rollout)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", string(desired)+"\n"+string(rollout)+"\n"+listing(l.Warnings))
		})
	}
}

func specs(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + folder + "/*.yaml")
	if err != nil || len(paths) < 5 {
		t.Fatalf("found %d specs, %v", len(paths), err)
	}
	return paths
}

func TestSecretsAreResolvedToTheVeryBytes(t *testing.T) {
	l, err := Load(t.Context(), "testdata/good/sources.yaml", newFixture(t).sources(), atTestNow())
	if err != nil {
		t.Fatal(err)
	}
	type credential struct{ User, Password string }
	var got []credential
	for _, r := range l.Desired.Registries {
		got = append(got, credential{r.Auth.Username, r.Auth.Password.Reveal()})
	}
	want := []credential{{"robot$docker", password}, {"robot$team+puller", nasty}, {"team+robot", "from the vault"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutSecretsAsksNobody(t *testing.T) {
	f := newFixture(t)
	src := f.sources()
	src.LookupEnv = func(name string) (string, bool) {
		if name != "HOME" {
			t.Errorf("asked for variable %s", name)
		}
		return "", false
	}
	src.Vault = nil
	l, err := Load(t.Context(), "testdata/good/full.yaml", src, WithoutSecrets(), atTestNow())
	if err != nil {
		t.Fatal(err)
	}
	if a := l.Desired.Registries[0].Auth; a == nil || !a.Password.IsZero() || a.Username != "robot$nodes" {
		t.Errorf("auth is %+v", a)
	}
	if !l.SecretsSkipped {
		t.Error("does not tell that secrets were skipped")
	}
	with, err := Load(t.Context(), "testdata/good/full.yaml", f.sources(), atTestNow())
	if err != nil {
		t.Fatal(err)
	}
	if with.Digest != l.Digest || len(l.Digest) != 64 {
		t.Errorf("digest is %q without and %q with secrets", l.Digest, with.Digest)
	}
}

func TestStdinAndMissingFile(t *testing.T) {
	const spec = "apiVersion: pullway.dev/v1alpha1\nkind: RegistryConfig\nspec: {registries: [{host: harbor}]}\n"
	for _, c := range []struct{ reason, path, stdin, want string }{
		{"a problem of stdin is told so", "-", spec, "stdin:3:22: spec.registries[0].host: "},
		{"an endless stdin ends", "-", strings.Repeat("x", MaxBytes+10), "stdin: is larger than 1048576 bytes"},
		{"a missing file is one line", "gone.yaml", "", "gone.yaml: cannot be read: file does not exist"},
	} {
		_, err := Load(t.Context(), c.path, newFixture(t).sources(), WithStdin(strings.NewReader(c.stdin)))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", c.reason, err, c.want)
		}
	}
	if _, err := Load(t.Context(), "-", secret.Sources{}); err == nil {
		t.Error("read from no standard input")
	}
}

// TestGarbageIsToldInBoundedTime keeps 1 MiB of each kind of mistake harmless.
func TestGarbageIsToldInBoundedTime(t *testing.T) {
	head := "apiVersion: pullway.dev/v1alpha1\nkind: RegistryConfig\n"
	fill := func(head, piece string) string {
		return head + strings.Repeat(piece, (MaxBytes-len(head)-2)/len(piece))
	}
	keys := []byte(fill("", "k"))
	for i := range keys { // lines of different keys
		switch i % 12 {
		case 6:
			keys[i] = ':'
		case 7:
			keys[i] = ' '
		case 11:
			keys[i] = '\n'
		default:
			keys[i] = 'a' + byte(i/12>>(i%12)&15)
		}
	}
	for name, spec := range map[string]string{
		"open brackets":   fill(head+"spec: ", "["),
		"open braces":     fill(head+"spec: ", "{a: "),
		"registries":      fill(head+"spec:\n  registries:\n", "  - {}\n"),
		"hosts":           fill(head+"spec:\n  registries:\n", "  - host: h\n"),
		"endpoints":       fill(head+"spec:\n  registries:\n  - endpoints:\n", "    - {}\n"),
		"images":          fill(head+"spec:\n  verify:\n    images:\n", "    - x\n"),
		"headers":         fill(head+"spec: {registries: [{host: a.b, endpoints: [{headers: {x: y", ", a: b"),
		"same keys":       fill(head, "abc: d\n"),
		"unknown keys":    head + string(keys[:MaxBytes-len(head)-12]) + "\n",
		"documents":       fill(head, "---\n"),
		"one long line":   fill(head+"spec: ", "x"),
		"one long host":   fill(head+"spec:\n  registries:\n  - host: ", "x."),
		"one long url":    fill(head+"spec:\n  registries:\n  - endpoints:\n    - url: http://h/", "x/"),
		"one long image":  fill(head+"spec:\n  verify:\n    images:\n    - ", "x/"),
		"one long key":    fill(head, "k") + ":",
		"question marks":  fill(head, "? "),
		"anchors":         fill(head+"spec:\n  registries:\n", "  - &a {}\n  - *a\n"),
		"question dashes": fill(head, "- "),
		"line ends":       fill(head, "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse(t.Context(), []byte(spec), "x.yaml", secret.Sources{})
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 || len(ps) > maxProblems+1 {
				t.Fatalf("%d problems, %.200v", len(ps), err)
			}
			assertProblemsAreFit(t, ps)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			} else if took > 300*time.Millisecond {
				t.Logf("took %v", took)
			}
		})
	}
}
