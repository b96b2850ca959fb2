package trace

import (
	"context"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	hosts := map[string]string{"config.toml": current + withDir,
		"certs.d/docker.io/hosts.toml": "server = \"https://c.lan\"\n[host.\"https://a.lan\"]\n[host.\"https://b.lan\"]\n"}
	dead := Answer{Fault: "unreachable", Text: "connection refused on port 443", Hint: "start it"}
	missing := Answer{Fault: "missing-image", Text: "has no image", Hint: "push it"}
	denied := Answer{Fault: "credential", Text: "does not give it without a user name and password", Hint: "x"}
	ok := Answer{}
	for _, tc := range []struct {
		name    string
		answers []Answer
		then    string
		served  bool
		text    string
		hint    string
	}{
		{"the first serves", []Answer{ok}, "serves", true, "is served by https://a.lan/v2.", ""},
		{"after a dead one", []Answer{dead, ok}, "next serves", true, "is served by https://b.lan/v2, after https://a.lan/v2 failed.", "https://a.lan/v2: start it"},
		{"after 404 and 401", []Answer{missing, denied, ok}, "next next serves", true, "after https://a.lan/v2 and https://b.lan/v2 failed.", "https://a.lan/v2: push it"},
		{"none", []Answer{dead, missing, dead}, "next next fails", false, "is not served. https://b.lan/v2: has no image; https://a.lan/v2: connection refused on port 443;", "push it"},
		{"no credential", []Answer{dead, missing, denied}, "next next fails", false, "https://c.lan/v2: does not give it", "give the pod a pull secret"},
		{"a redirect without an end", []Answer{{Fault: "other", Text: "answers 300", Then: ThenStops}}, "stops", false, "https://a.lan/v2: answers 300", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr, ways := orderOf(t, "2.4.2", "nginx", hosts)
			asked := 0
			tr.Ask(t.Context(), ways, func(context.Context, int, Way) Answer {
				asked++
				return tc.answers[asked-1]
			})
			var then []string
			for _, h := range tr.Hosts {
				if h.Answer != nil {
					then = append(then, string(h.Answer.Then))
				}
			}
			if got := strings.Join(then, " "); got != tc.then || asked != len(tc.answers) {
				t.Errorf("then %s, want %s; %d asked", got, tc.then, asked)
			}
			if v := tr.Verdict; v == nil || v.Served != tc.served || !strings.Contains(v.Text, tc.text) || !strings.HasPrefix(v.Hint, tc.hint) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestNobodyToAsk(t *testing.T) {
	tr, ways := orderOf(t, "2.4.2", "nginx", map[string]string{"config.toml": current + withDir,
		"certs.d/docker.io/hosts.toml": "server = \"https://c.lan\"\ncapabilities = [\"push\"]\n"})
	tr.Ask(t.Context(), ways, func(context.Context, int, Way) Answer {
		t.Error("a host without capabilities was asked")
		return Answer{}
	})
	if tr.Verdict == nil || tr.Verdict.Served || !strings.Contains(tr.Verdict.Text, "no resolve hosts") {
		t.Errorf("%+v", tr.Verdict)
	}
}
