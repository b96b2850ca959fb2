package hoststoml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRules(t *testing.T) {
	const old, mid, cur = "1.6.20", "1.7.35", "2.4.2"
	tests := []struct {
		name     string
		file     string
		want     map[string]string // release -> "ID line[!]" of every problem, ! for discards
		mentions string            // in text or hint of one problem
	}{
		{"a good file is good everywhere", "server = \"https://harbor.example.com\"\ncapabilities = [\"pull\", \"resolve\"]\n\n[host]\n", map[string]string{"1.5.18": "", old: "", mid: "", cur: ""}, ""},
		{"unknown key", "plain_http = true\n[host]\n", map[string]string{old: "HST001 1", cur: "HST001 1"}, "http:// for plain HTTP"},
		{"unknown key without suggestion", "[host.\"https://m.example.com\"]\nwobble = 1\n", map[string]string{cur: "HST001 2"}, "the keys are"},
		{"password has no place", "[host.\"https://m.example.com\"]\npassword = \"hunter22\"\n", map[string]string{cur: "HST001 2"}, "Authorization header"},
		{"host in host", "[host.\"https://m.example.com\".host.\"https://n.example.com\"]\n", map[string]string{cur: "HST001 1"}, "ignored"},
		{"dial_timeout too early", "[host.\"https://m.example.com\"]\ndial_timeout = \"2s\"\n", map[string]string{old: "HST001 2", "2.0.6": "HST001 2", "2.0.7": "", cur: ""}, "30s"},
		{"syntax", "server = \"https://m.example.com\n[host]\n", map[string]string{old: "HST002 1!", cur: "HST002 1!"}, "not valid TOML"},
		{"empty file", "", map[string]string{old: "HST002 0!", cur: "HST002 0!"}, "docker-style"},
		{"byte order mark", "\ufeff[host]\n", map[string]string{old: "HST002 1", cur: "HST002 1!"}, "byte order mark"},
		{"quoted boolean", "skip_verify = \"true\"\n[host]\n", map[string]string{old: "HST002 1!", cur: "HST002 1!"}, "without quotes"},
		{"server is a number", "server = 5\n[host]\n", map[string]string{cur: "HST002 1!"}, "not a string"},
		{"capabilities is a string", "capabilities = \"pull\"\n[host]\n", map[string]string{cur: "HST002 1!"}, "list of strings"},
		{"unknown capability", "[host.\"https://m.example.com\"]\ncapabilities = [\"fly\"]\n", map[string]string{cur: "HST002 2!"}, `"fly"`},
		{"a host that 2.x does not try is decoded all the same", "[host.\"\"]\ncapabilities = [[\"pull\"]]\n", map[string]string{cur: "HST023 1,HST002 2!"}, "list of strings"},
		{"what such a host means does not matter", "[host.\"\"]\ncapabilities = [\"fly\"]\n", map[string]string{cur: "HST023 1"}, ""},
		{"the last of two keys counts", "[host.\"https://m.example.com\"]\ncapabilities = [\"fly\"]\nCAPABILITIES = [\"pull\"]\n", map[string]string{old: "HST002 2!,HST026 3", cur: "HST026 3"}, ""},
		{"a host table in capitals", "[HOST.\"https://m.example.com\"]\ncapabilities = [1]\n", map[string]string{mid: "HST026 1", cur: "HST026 1,HST023 1,HST002 2!"}, "lower case"},
		{"it adds to the table in small letters", "[host.\"https://m.example.com\"]\ncapabilities = [\"fly\"]\n[HOST.\"https://m.example.com\"]\ncapabilities = [\"pull\"]\n", map[string]string{cur: "HST026 3"}, ""},
		{"ca is a number", "ca = 5\n[host]\n", map[string]string{cur: "HST002 1!"}, "neither a string"},
		{"header is a number", "[host.\"https://m.example.com\".header]\nX = 1\n", map[string]string{cur: "HST002 2!"}, `"X"`},
		{"bad duration", "[host.\"https://m.example.com\"]\ndial_timeout = \"soon\"\n", map[string]string{mid: "HST001 2", cur: "HST002 2!"}, ""},
		{"URL that does not parse", "[host.\"https://a b\"]\n", map[string]string{cur: "HST002 1!"}, "not a URL"},
		{"array of tables", "[[host]]\n", map[string]string{cur: "HST002 1!"}, ""},
		{"key directly under host", "[host]\nskip_verify = true\n", map[string]string{old: "HST002 2!", cur: "HST002 2!"}, "above the first [host]"},
		{"two of them crash 1.x", "[host]\nskip_verify = true\nca = \"a\"\n", map[string]string{mid: "HST027 1,HST002 2!,HST002 3!", cur: "HST002 2!,HST002 3!"}, ""},
		{"no host table", "server = \"https://m.example.com\"\n", map[string]string{"1.5.18": "HST003 0!", old: "HST003 0!", "1.7.31": "HST003 0!", "1.7.32": "", cur: ""}, ""},
		{"no scheme", "[host.\"nix:32000\"]\n", map[string]string{cur: "HST004 1"}, "uses https"},
		{"http with TLS keys", "[host.\"http://m.example.com:5000\"]\nskip_verify = true\n", map[string]string{old: "HST006 1", cur: "HST006 1"}, "https first"},
		{"http with dial_timeout", "[host.\"http://m.example.com:5000\"]\ndial_timeout = \"2s\"\n", map[string]string{"2.0.7": "HST006 2", "2.0.14": "HST006 2", "2.1.0": ""}, ""},
		{"docker.io is no registry", "server = \"https://docker.io\"\n[host]\n", map[string]string{cur: "HST007 1"}, "registry-1.docker.io"},
		{"hub.docker.com as host", "[host.\"https://hub.docker.com\"]\n", map[string]string{cur: "HST007 1"}, "web page"},
		{"path without override_path", "[host.\"https://harbor.example.com/v2/hubcache\"]\n", map[string]string{cur: "HST008 1"}, "override_path = true"},
		{"path with override_path", "[host.\"https://harbor.example.com/v2/hubcache\"]\noverride_path = true\n", map[string]string{"1.5.18": "HST008 1,HST009 2", "1.6.0": "", cur: ""}, ""},
		{"plain path is fine", "[host.\"https://m.example.com/registry\"]\n", map[string]string{cur: ""}, ""},
		{"nothing resolves", "server = \"https://a.example.com\"\ncapabilities = [\"pull\"]\n[host.\"https://b.example.com\"]\ncapabilities = [\"pull\"]\n", map[string]string{cur: "HST010 0"}, "no resolve hosts"},
		{"the upstream resolves", "[host.\"https://b.example.com\"]\ncapabilities = [\"pull\"]\n", map[string]string{cur: ""}, ""},
		{"referrers", "[host.\"https://m.example.com\"]\ncapabilities = [\"pull\", \"resolve\", \"referrers\"]\n", map[string]string{old: "HST011 2!", "2.1.0": "HST011 2!", "2.2.0": "", cur: ""}, "referrers"},
		{"server is a host with other keys", "server = \"https://m.example.com\"\n[host.\"https://m.example.com:443\"]\nca = \"/ca.pem\"\n", map[string]string{cur: "HST012 2"}, "hides the real error"},
		{"server is a host with the same keys", "server = \"https://m.example.com\"\nca = \"/ca.pem\"\n[host.\"https://m.example.com\"]\nca = \"/ca.pem\"\n", map[string]string{cur: ""}, ""},
		{"flat client pair", "[host.\"https://m.example.com\"]\nclient = [\"a.cert\", \"a.key\"]\n", map[string]string{cur: "HST013 2"}, "side by side"},
		{"client triple", "[host.\"https://m.example.com\"]\nclient = [[\"a\", \"b\", \"c\"]]\n", map[string]string{cur: "HST013 2!"}, ""},
		{"empty CA name", "[host.\"https://m.example.com\"]\nca = \"\"\n", map[string]string{cur: "HST014 2"}, "PEM"},
		{"server inside a host", "[host.\"https://m.example.com\"]\nserver = \"https://n.example.com\"\n", map[string]string{cur: "HST017 2"}, "above the first [host]"},
		{"key inside a header table", "[header]\nserver = \"https://n.example.com\"\n[host]\n", map[string]string{cur: "HST017 2"}, "HTTP header"},
		{"header for Docker Hub", "[host.\"https://registry-1.docker.io\".header]\nauthorization = \"Basic eDp5\"\n", map[string]string{old: "HST019 1", "2.0.7": "HST019 1", "2.1.0": "", cur: ""}, "token"},
		{"rewrite of k3s", "[host.\"https://m.example.com\".rewrite]\n\"^x\" = \"y\"\n", map[string]string{cur: "HST020 1"}, "k3s"},
		{"auth of Deckhouse", "[host.\"https://m.example.com\".auth]\nusername = \"u\"\npassword = \"hunter22\"\n", map[string]string{cur: "HST020 1"}, "Deckhouse"},
		{"unverified public registry", "server = \"https://registry-1.docker.io\"\nskip_verify = true\n[host]\n", map[string]string{cur: "HST022 1"}, "not checked"},
		{"inline host", "[host]\n\"https://m.example.com\" = {capabilities = [\"pull\"]}\n", map[string]string{old: "HST023 2", cur: "HST023 2"}, "2.x ignores it"},
		{"dotted host", "host.\"https://m.example.com\".skip_verify = true\n", map[string]string{cur: "HST023 1"}, "2.x ignores it"},
		{"header table apart from its host", "[host.\"https://a.example.com\"]\n[host.\"https://b.example.com\"]\n[host.\"https://a.example.com\".header]\nX = \"y\"\n", map[string]string{mid: "HST024 3", cur: "HST024 3"}, "twice"},
		{"IPv6 in a table name", "[host.\"https://[fd00::1]:5000\"]\n", map[string]string{old: "HST025 1!", mid: "HST025 1!", cur: ""}, ""},
		{"escape in a table name", "[host.\"https://\\u0061.example.com\"]\n", map[string]string{mid: "HST025 1!", cur: ""}, ""},
		{"key in mixed case", "server = \"https://m.example.com\"\nSkip_Verify = true\n[host]\n", map[string]string{old: "HST026 2", cur: "HST026 2"}, "lower case"},
		{"header that cannot be sent", "[host.\"https://m.example.com\".header]\nX = \"a\\nb\"\n", map[string]string{cur: "HST028 2"}, "control characters"},
		{"capabilities without server", "capabilities = [\"pull\"]\n[host]\n", map[string]string{cur: "HST029 1"}, "no server"},
		{"host that starts with http", "server = \"httpbin.example.com:5000\"\n[host]\n", map[string]string{cur: "HST030 1"}, "misreads"},
		{"scheme in capitals", "[host.\"HTTPS://m.example.com\"]\n", map[string]string{cur: "HST030 1"}, "lower case"},
		{"URL without host", "[host.\"https://\"]\n", map[string]string{cur: "HST030 1"}, "no host"},
		{"password in the URL", "[host.\"https://u:hunter22@m.example.com\"]\n", map[string]string{cur: "HST031 1"}, "ignores user"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			found := tc.mentions == ""
			for rel, want := range tc.want {
				_, problems := Parse([]byte(tc.file), release(t, rel))
				if diff := cmp.Diff(want, brief(problems)); diff != "" {
					t.Errorf("containerd %s (-want +got):\n%s%v", rel, diff, problems)
				}
				for _, p := range problems {
					if strings.Contains(p.Text+p.Hint, "\n") || strings.Contains(p.Text+p.Hint, "hunter22") || p.Text == "" {
						t.Errorf("text %q hint %q", p.Text, p.Hint)
					}
					found = found || strings.Contains(p.Text+"\n"+p.Hint, tc.mentions)
				}
			}
			if !found {
				t.Errorf("no problem mentions %q", tc.mentions)
			}
		})
	}
}

func brief(problems []Problem) string {
	var all []string
	for _, p := range problems {
		s := p.ID + " " + string(rune('0'+p.Line))
		if p.Discards {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, ",")
}

func TestParseKeepsBounds(t *testing.T) {
	rel := release(t, "2.4.2")
	if _, p := Parse([]byte(strings.Repeat("#\n", MaxSize)), rel); len(p) != 1 || p[0].Discards {
		t.Errorf("a file that is too large: %v", p)
	}
	for _, s := range []string{strings.Repeat("[", 9000), "a = " + strings.Repeat("[", 9000), strings.Repeat("a.", 9000) + "b = 1"} {
		if doc, _ := Parse([]byte(s), rel); doc == nil {
			t.Error("no document")
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"server = \"https://a.example.com\"\n[host]\n",
		"[host.\"http://a.example.com\".header]\nAuthorization = [\"Basic eDp5\"]\n",
		"host = {\"https://a\" = {client=[[\"a\",\"b\"]]}}\n", "\ufeff[host]\n", "[[host]]\n", "ca = [[1]]\n",
	} {
		f.Add([]byte(s), uint8(6), uint8(20))
	}
	f.Fuzz(func(t *testing.T, data []byte, minor, patch uint8) {
		for _, major := range []int{1, 2} {
			rel := release(t, "1.6.20")
			rel.Major, rel.Minor, rel.Patch = major, int(minor%10), int(patch%40)
			doc, problems := Parse(data, rel)
			if doc == nil {
				t.Fatal("no document")
			}
			again, more := Parse(data, rel)
			if diff := cmp.Diff(doc, again, sameHeaders) + cmp.Diff(problems, more); diff != "" {
				t.Fatalf("not the same twice: %s", diff)
			}
			discarded := false
			for _, p := range problems {
				discarded = discarded || p.Discards
				if p.Text == "" || p.ID == "" || strings.ContainsAny(p.Text+p.Hint, "\n\r") {
					t.Fatalf("problem %+v", p)
				}
			}
			if discarded {
				continue
			}
			// What is read can be written, and is read the same again.
			files, err := Directory{Name: "x", Document: *doc}.Render(rel)
			if err != nil {
				continue
			}
			second, _ := Parse(files[0].Data, rel)
			if doc.Server == "" {
				second.Root.Capabilities, doc.Root.Capabilities = nil, nil
			}
			if diff := cmp.Diff(doc, second, rereadOptions...); diff != "" {
				t.Fatalf("(-first +second)\n%s\n%s", diff, files[0].Data)
			}
		}
	})
}
