package doctor_test

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
)

func TestExplain(t *testing.T) {
	for _, tc := range []struct{ reason, text, want string }{
		{"kubelet without CRI", `E1124 10:00:00 kubelet[1]: "Status from runtime service failed" err="rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"`, "CFG001"},
		{"containerd 1.x, in its log", "level=warning msg=\"failed to load plugin io.containerd.grpc.v1.cri\" error=\"invalid plugin config: `configs.tls` cannot be set when `config_path` is provided\"", "CFG002"},
		{"quotes that a log escaped", `error="failed to parse registry url \"https://a:b\" from ` + "`registry.auths`\"", "CFG027"},
		{"event of a pod", `Failed to pull image "r.lan:5000/app": rpc error: code = Unknown desc = failed to do request: Head "https://r.lan:5000/v2/app/manifests/latest": http: server gave HTTP response to HTTPS client`, "HST005"},
		{"CA that is not there", `failed to resolve reference "r.lan/app:1": unable to read CA cert "/etc/containerd/certs.d/r.lan/ca.pem": open: no such file or directory`, "HST014"},
		{"web page", `failed to resolve reference "docker.io/library/nginx:latest": unexpected media type text/html for sha256:0`, "HST007"},
		{"no resolve", `failed to resolve reference "docker.io/library/nginx:latest": no resolve hosts: not found`, "HST010"},
		{"address without SAN", `x509: cannot validate certificate for 192.168.21.9 because it doesn't contain any IP SANs`, "RUN009"},
		{"no such name", `dial tcp: lookup registry.kube-system.svc.cluster.local on 10.0.0.2:53: no such host`, "RUN008"},
		{"version too new", "containerd: expected containerd config version equal to or less than `3`, got `4`", "CFG005"},
		{"drop-in", "drop-in config version 4 higher than root config version 3", "CFG006"},
		{"log of a local pull", `msg="Found 'mirrors' in CRI config which is incompatible with transfer service. Falling back to local image pull mode."`, "RUN007"},
	} {
		found := doctor.Explain("unrelated line\n" + tc.text + "\n")
		if len(found) == 0 || found[0].Rule.ID != tc.want {
			t.Errorf("%s: %v, want %s first", tc.reason, ids(found), tc.want)
			continue
		}
		if found[0].Line != tc.text {
			t.Errorf("%s: found by line %q", tc.reason, found[0].Line)
		}
	}
	for _, text := range []string{"", "all is well", strings.Repeat("x", 1<<20), "\xff\xfe\x00"} {
		if found := doctor.Explain(text); len(found) > 0 {
			t.Errorf("%.20q: %v", text, ids(found))
		}
	}
}

// Every text that a page quotes is found again, for its rule or a likelier one.
func TestExplainKnowsItsPages(t *testing.T) {
	for _, r := range doctor.Catalogue() {
		for _, text := range r.Errors {
			if found := doctor.Explain(strings.ReplaceAll(text, "…", "something")); len(found) == 0 {
				t.Errorf("%s: %q is not found", r.ID, text)
			}
		}
	}
}

func ids(all []doctor.Match) (ids []string) {
	for _, m := range all {
		ids = append(ids, m.Rule.ID)
	}
	return ids
}

func FuzzExplain(f *testing.F) {
	f.Add("http: server gave HTTP response to HTTPS client")
	f.Add("error=\"failed to parse registry url \\\"x\\\" from `registry.auths`\"\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range doctor.Explain(text) {
			if m.Rule.ID == "" || strings.ContainsAny(m.Line, "\n") {
				t.Errorf("%+v", m)
			}
		}
	})
}
