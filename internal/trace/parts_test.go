package trace

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func sha(c string) string { return "sha256:" + strings.Repeat(c, 64) }

var (
	oneManifest = fmt.Sprintf(`{"config":{"digest":%q},"layers":[{"digest":%q},{"digest":%q}]}`, sha("c"), sha("1"), sha("2"))
	oneIndex    = fmt.Sprintf(`{"manifests":[{"digest":%q,"platform":{"os":"linux","architecture":"arm64"}},{"digest":%q,"platform":{"os":"linux","architecture":"amd64"}}]}`, sha("a"), sha("d"))
)

// TestFetch follows the content of an image over three hosts, of which the first is for
// pulls only and the second names the manifest.
func TestFetch(t *testing.T) {
	hosts := map[string]string{"config.toml": current + withDir,
		"certs.d/docker.io/hosts.toml": "server = \"https://c.lan\"\n[host.\"https://a.lan\"]\ncapabilities = [\"pull\"]\n[host.\"https://b.lan\"]\n"}
	missing := Answer{Fault: "missing-image", Text: "has not the layer", Hint: "push it"}
	other := Answer{Fault: "other", Text: "answers other bytes", Then: ThenStops}
	for _, tc := range []struct {
		name   string
		first  Answer // of b, for the name
		data   string
		fetch  func(host string, p Part) Answer
		asked  string
		served bool
		text   string
	}{
		{"the one for pulls gives all", Answer{}, oneManifest, func(string, Part) Answer { return Answer{} }, "a/m a/1", true, "is served by https://b.lan/v2; its layers come from https://a.lan/v2."},
		{"the one that names it gives all", Answer{}, oneManifest, func(h string, _ Part) Answer {
			if h == "a" {
				return missing
			}
			return Answer{}
		}, "a/m b/m a/1 b/1", true, "is served by https://b.lan/v2."},
		{"an index", Answer{}, oneIndex, func(string, Part) Answer { return Answer{} }, "a/m a/d a/1", true, "is served"},
		{"no layers anywhere", Answer{}, oneManifest, func(_ string, p Part) Answer {
			if p.Layer {
				return missing
			}
			return Answer{}
		}, "a/m a/1 b/1 c/1", false, "names it, but no host gives its layers: https://a.lan/v2: has not the layer; https://b.lan/v2"},
		{"other bytes end it", Answer{}, oneManifest, func(string, Part) Answer { return other }, "a/m", false, "names it, and its manifest cannot be used: https://a.lan/v2: answers other bytes"},
		{"no image for the platform", Answer{}, `{"manifests":[{"digest":"` + sha("a") + `","platform":{"os":"windows","architecture":"amd64"}}]}`, func(string, Part) Answer { return Answer{} }, "a/m", false, "there is none for linux/amd64"},
		{"not to be read", Answer{}, `[`, func(string, Part) Answer { return Answer{} }, "a/m", false, "cannot be read"},
		{"a digest that is a path", Answer{}, `{"layers":[{"digest":"../../x"}]}`, func(string, Part) Answer { return Answer{} }, "a/m", false, "without sense"},
		{"indexes without end", Answer{}, `{"manifests":[{"digest":"` + sha("d") + `"}]}`, func(string, Part) Answer { return Answer{} }, "a/m a/d a/d a/d", false, "indexes only"},
		{"a dead host is not asked again", Answer{Fault: "unreachable", Text: "connection refused"}, oneManifest, func(h string, _ Part) Answer {
			if h == "a" {
				return missing
			}
			return Answer{}
		}, "a/m c/m a/1 c/1", true, "is served by https://c.lan/v2, after https://b.lan/v2 failed."},
		{"nor one that refused", Answer{Fault: "other", Text: "the token service answers 500", Steps: []Step{{Name: "token"}}}, oneManifest, func(h string, _ Part) Answer {
			if h == "a" {
				return missing
			}
			return Answer{}
		}, "a/m c/m a/1 c/1", true, "is served by https://c.lan/v2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr, ways := orderOf(t, "2.4.2", "nginx", hosts)
			tr.Ask(t.Context(), ways, func(_ context.Context, _ int, w Way) Answer {
				a := Answer{Digest: sha("m"), MediaType: "application/vnd.oci.image.manifest.v1+json"}
				if strings.Contains(w.Endpoint.URL, "b.lan") {
					a.Fault, a.Text, a.Steps = tc.first.Fault, tc.first.Text, tc.first.Steps
				}
				return a
			})
			var asked []string
			tr.Fetch(t.Context(), ways, "amd64", func(_ context.Context, i int, w Way, p Part) (Answer, []byte) {
				host := strings.TrimSuffix(strings.TrimPrefix(w.Endpoint.URL, "https://"), ".lan/v2")
				asked = append(asked, host+"/"+p.Digest[7:8])
				data := tc.data
				if p.Digest == sha("d") && data == oneIndex {
					data = oneManifest
				}
				return tc.fetch(host, p), []byte(data)
			})
			if got := strings.Join(asked, " "); got != tc.asked {
				t.Errorf("asked %s, want %s", got, tc.asked)
			}
			if v := tr.Verdict; v.Served != tc.served || !strings.Contains(v.Text, tc.text) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	served := &Verdict{Served: true, Text: "x"}
	hosts := []Host{{Answer: &Answer{Then: ThenServes, Digest: "sha256:1"}}}
	for _, tc := range []struct {
		name    string
		verdict *Verdict
		pull    Pull
		of      string
		agrees  string
		text    string
	}{
		{"both", served, Pull{Outcome: Pulled, Digest: "sha256:1", Fresh: true}, "", "true", "as the trace says"},
		{"its layers were there", served, Pull{Outcome: Pulled, Digest: "sha256:1"}, "", "true", "for the node has them"},
		{"another image", served, Pull{Outcome: Pulled, Digest: "sha256:2"}, "", "false", "another image was pulled"},
		{"the pull fails", served, Pull{Outcome: Failed}, "401", "false", "where the trace says that it is served: 401"},
		{"neither", &Verdict{}, Pull{Outcome: Failed}, "401", "true", "failed, as the trace says: 401"},
		{"the pull works", &Verdict{}, Pull{Outcome: Pulled}, "", "false", "nothing serves it"},
		{"none was made", served, Pull{Outcome: NotMade}, "the node has it", "none", "not pulled: the node has it"},
	} {
		tr := &Trace{Verdict: tc.verdict, Hosts: hosts}
		tr.Compare(tc.pull, tc.of)
		agrees := "none"
		if tr.Pull.Agrees != nil {
			agrees = fmt.Sprint(*tr.Pull.Agrees)
		}
		if agrees != tc.agrees || !strings.Contains(tr.Pull.Text, tc.text) {
			t.Errorf("%s: %s, %q", tc.name, agrees, tr.Pull.Text)
		}
	}
}
