package rules

import "testing"

func TestObserved(t *testing.T) {
	head := func(where string, credential bool) Asked {
		return Asked{Method: "HEAD", Where: where, ByTag: true, Credential: credential}
	}
	get := func(where string) Asked { return Asked{Method: "GET", Where: where} }
	for _, tc := range []struct {
		reason string
		pulled bool
		asked  []Asked
		want   string
	}{
		{"nobody was reached", false, nil, "failed; asked nobody"},
		{"one host does it all", true, []Asked{head("a", false), get("a"), get("a")}, "pulled; asked a"},
		{"asked again with a credential", true, []Asked{head("a", false), head("a", true), get("a")}, "pulled; asked a (credential)"},
		{"the next one", true, []Asked{head("a", false), head("b", false), get("b")}, "pulled; asked a, b"},
		{"one comes twice, another between", false, []Asked{head("a", false), head("b", false), head("a", false)}, "failed; asked a, b, a"},
		{"content from one that may not resolve", true, []Asked{head("b", false), get("a"), get("b")}, "pulled; asked b, a"},
	} {
		if got := Observed(tc.pulled, tc.asked); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
	}
}

func TestParts(t *testing.T) {
	for path, want := range map[string][4]string{
		"/v2/team/app/manifests/v1":           {"/v2", "team/app", "manifests", "v1"},
		"/v2/hub/v2/team/app/blobs/sha256:0":  {"/v2/hub/v2", "team/app", "blobs", "sha256:0"},
		"/v2/":                                {},
		"/v2/app/manifests/v1":                {},
		"/v2/hub/team/app/manifests/sha256:0": {"/v2/hub", "team/app", "manifests", "sha256:0"},
	} {
		prefix, repo, kind, reference := parts(path)
		if got := [4]string{prefix, repo, kind, reference}; got != want && !(want == [4]string{} && repo == "") {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
