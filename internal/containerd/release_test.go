package containerd

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseRelease(t *testing.T) {
	cases := []struct{ text, want, suffix string }{
		{"1.6.20~ds1", "1.6.20", "~ds1"},
		{"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", "1.6.20", "~ds1"},
		{"containerd github.com/containerd/containerd/v2 v2.4.2 ", "2.4.2", ""},
		{"containerd github.com/containerd/containerd/v2 2.4.2+unknown ", "2.4.2", "+unknown"},
		{"containerd github.com/k3s-io/containerd v1.7.23-k3s2", "1.7.23", "-k3s2"},
		{"containerd github.com/containerd/containerd/v2 v2.4.0-beta.0 0a1b2c", "2.4.0", "-beta.0"},
	}
	for _, tc := range cases {
		r, err := ParseRelease(tc.text)
		if err != nil || r.String() != tc.want || r.Suffix != tc.suffix {
			t.Errorf("%q: got %s%s, %v", tc.text, r, r.Suffix, err)
		}
	}
	for _, text := range []string{"", "v2", "1.6", "containerd", "99999.1.1"} {
		if r, err := ParseRelease(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, r)
		}
	}
	if got := (Release{}).String(); got != "unknown" {
		t.Errorf("zero release prints %q", got)
	}
}

func TestReleaseOrder(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) Release {
		n := rapid.IntRange(0, 3)
		return Release{Major: n.Draw(t, "major"), Minor: n.Draw(t, "minor"), Patch: n.Draw(t, "patch"), Suffix: rapid.SampledFrom([]string{"", "-x"}).Draw(t, "suffix")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := gen.Draw(t, "a"), gen.Draw(t, "b"), gen.Draw(t, "c")
		if a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%s and %s", a, b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%s, %s, %s", a, b, c)
		}
		if a.AtLeast(b.Major, b.Minor, b.Patch) != (a.Compare(b) >= 0) {
			t.Fatalf("%s at least %s", a, b)
		}
	})
}

// Both sides of every bound.
func TestFeatures(t *testing.T) {
	features := map[string]func(Release) bool{
		"merges deeply":     Release.MergesPluginsDeeply,
		"transfer service":  Release.HasTransferService,
		"default pair":      Release.DefaultConfigPathIsPair,
		"baked pair":        Release.BakesDefaultConfigPath,
		"_default":          Release.HasDefaultHost,
		"override_path":     Release.HasOverridePath,
		"dial_timeout":      Release.HasDialTimeout,
		"referrers":         Release.HasReferrers,
		"loopback by https": Release.KnowsTLSOfLoopback,
		"IPv6 references":   Release.TakesIPv6References,
		"needs host table":  Release.NeedsHostTable,
		"header to tokens":  Release.SendsHeaderToTokenService,
		"configs.tls":       Release.HasConfigsTLS,
		"recreates pods":    Release.RecreatesPodsOnRestart,
		"reads version 3":   func(r Release) bool { return r.MaxConfigVersion() >= 3 },
		"reads version 4":   func(r Release) bool { return r.MaxConfigVersion() >= 4 },
		"reads version 5":   func(r Release) bool { return r.MaxConfigVersion() >= 5 },
		"reads no version2": func(r Release) bool { return r.MaxConfigVersion() < 2 },
	}
	cases := []struct{ feature, no, yes string }{
		{"merges deeply", "1.7.35", "2.0.0"},
		{"transfer service", "2.0.14", "2.1.0"},
		{"default pair", "2.1.9", "2.2.0"},
		{"baked pair", "2.1.9", "2.2.0"},
		{"baked pair", "2.2.2", "2.2.1"},
		{"_default", "1.6.16", "1.6.17"},
		{"_default", "1.5.18", "1.7.0"},
		{"override_path", "1.5.18", "1.6.0"},
		{"dial_timeout", "2.0.14", "2.1.0"},
		{"dial_timeout", "1.7.35", "2.1.0"},
		{"referrers", "2.1.9", "2.2.0"},
		{"loopback by https", "1.6.24", "1.6.25"},
		{"loopback by https", "1.7.7", "1.7.8"},
		{"IPv6 references", "1.6.36", "1.7.0"},
		{"needs host table", "1.7.32", "1.7.31"},
		{"needs host table", "2.0.0", "1.6.39"},
		{"header to tokens", "2.0.14", "2.1.0"},
		{"configs.tls", "2.0.0", "1.7.35"},
		{"recreates pods", "1.6.8", "1.6.9"},
		{"recreates pods", "1.6.13", "1.6.12"},
		{"reads version 3", "1.7.35", "2.0.0"},
		{"reads version 4", "2.2.9", "2.3.0"},
	}
	for _, tc := range cases {
		for text, want := range map[string]bool{tc.no: false, tc.yes: true} {
			r, err := ParseRelease(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := features[tc.feature](r); got != want {
				t.Errorf("%s on %s: %v", tc.feature, text, got)
			}
		}
	}
	for _, text := range []string{"1.5.8", "2.4.2"} {
		r, _ := ParseRelease(text)
		if features["reads version 5"](r) || features["reads no version2"](r) {
			t.Errorf("%s reads up to version %d", text, r.MaxConfigVersion())
		}
	}
}
