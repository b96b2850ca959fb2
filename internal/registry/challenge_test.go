package registry

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

type params = map[string]string

func TestParseChallenges(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []string
		want []challenge
	}{
		{"Harbor", []string{`Bearer realm="http://192.168.21.9/service/token",service="harbor-registry",scope="repository:team/app:pull"`},
			[]challenge{{"bearer", params{"realm": "http://192.168.21.9/service/token", "service": "harbor-registry", "scope": "repository:team/app:pull"}}}},
		{"a comma inside quotes", []string{`Bearer realm="https://h/t",scope="repository:a:pull,push"`},
			[]challenge{{"bearer", params{"realm": "https://h/t", "scope": "repository:a:pull,push"}}}},
		{"two in one header", []string{`Basic realm="x", Bearer realm="https://h/t", service=s`},
			[]challenge{{"basic", params{"realm": "x"}}, {"bearer", params{"realm": "https://h/t", "service": "s"}}}},
		{"two headers", []string{"Negotiate", `BASIC Realm = "a \"b\""`},
			[]challenge{{"negotiate", params{}}, {"basic", params{"realm": `a "b"`}}}},
		{"no quotes", []string{"Bearer realm=https://h/t?x"}, []challenge{{"bearer", params{"realm": "https://h/t?x"}}}},
		{"the first one counts", []string{`Bearer realm="a",realm="b"`}, []challenge{{"bearer", params{"realm": "a"}}}},
		{"token68", []string{`Negotiate YWJj==, Basic realm="x"`}, []challenge{{"negotiate", params{}}, {"basic", params{"realm": "x"}}}},
		{"Harbor, no such project", []string{""}, nil},
		{"no closing quote", []string{`Bearer realm="http://h`}, []challenge{{"bearer", params{}}}},
		{"rubbish", []string{`,,="",=`}, nil},
		{"too long", []string{"Bearer realm=" + strings.Repeat("x", maxChallengeBytes)}, nil},
	} {
		if diff := cmp.Diff(tc.want, parseChallenges(tc.in), cmp.AllowUnexported(challenge{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{
		`Bearer realm="https://h/t",service="s",scope="repository:a:pull,push"`, `Basic realm="harbor"`, "",
		`Negotiate a==, Basic realm="x\"y", Bearer`, `="`, `a b c=d,e="\`, "Bearer realm=\x1b[2J",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := parseChallenges([]string{s, s})
		if len(all) > maxChallenges {
			t.Fatalf("%d challenges", len(all))
		}
		for _, c := range all {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) || strings.ContainsAny(c.scheme, " \t,=\"") {
				t.Errorf("scheme %q", c.scheme)
			}
			for k, v := range c.params {
				if k == "" || len(v) > len(s) {
					t.Errorf("parameter %q=%q", k, v)
				}
			}
			if u, ok := realmURL(c.params["realm"]); ok && (u.Host == "" || u.User != nil || u.Scheme[:4] != "http") {
				t.Errorf("realm %v", u)
			}
		}
	})
}

// What is written by the rules is read back whole.
func FuzzChallengeRoundTrip(f *testing.F) {
	f.Add("https://h/t?a=b,c", `s"\ x`)
	f.Fuzz(func(t *testing.T, realm, service string) {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
		in := `Basic realm="x", Bearer realm="` + quote(realm) + `", service="` + quote(service) + `"`
		if len(in) > maxChallengeBytes {
			return
		}
		want := []challenge{{"basic", params{"realm": "x"}}, {"bearer", params{"realm": realm, "service": service}}}
		if diff := cmp.Diff(want, parseChallenges([]string{in}), cmp.AllowUnexported(challenge{})); diff != "" {
			t.Error(diff)
		}
	})
}
