package registry

import "testing"

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{
		`Bearer realm="https://harbor.example.com/service/token",service="harbor-registry",scope="repository:team/app:pull"`,
		`Basic realm="harbor"`, ``, `Basic`, `Negotiate, Basic realm="a, b"`, `Bearer realm=unquoted,service="x\"y"`, `Bearer realm="open`, `,,,=`, `Bearer a=b=c, Basic`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := parseChallenges([]string{s, s})
		if len(all) > maxChallenges {
			t.Fatalf("%d challenges", len(all))
		}
		for _, c := range all {
			if c.scheme == "" {
				t.Fatalf("challenge without a scheme: %+v", c)
			}
		}
	})
}
