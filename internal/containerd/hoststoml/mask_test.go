package hoststoml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMask(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"our own file", header + "\nserver = \"http://192.168.21.9\"\ncapabilities = [\"pull\", \"resolve\"]\n\n[header]\nAuthorization = [\"Basic cm9ib3Q6aHVudGVy\"]\n\n[host]\n",
			header + "\nserver = \"http://192.168.21.9\"\ncapabilities = [\"pull\", \"resolve\"]\n\n[header]\nAuthorization = ***\n\n[host]\n"},
		{"TLS keys stay", "[host.\"https://token.example.com\"]\n  ca = \"/etc/kubernetes/secrets/ca.pem\"\n  client = [[\"/a.pem\", \"/a.key\"]]\n  skip_verify = true\n  dial_timeout = \"2s\"\n  override_path = true\n",
			"[host.\"https://token.example.com\"]\n  ca = \"/etc/kubernetes/secrets/ca.pem\"\n  client = [[\"/a.pem\", \"/a.key\"]]\n  skip_verify = true\n  dial_timeout = \"2s\"\n  override_path = true\n"},
		{"header of a host", "[host.\"https://a\".header]\n  x-api-key = \"hunter22\"\n[host.'https://b']\n", "[host.\"https://a\".header]\n  x-api-key = ***\n[host.'https://b']\n"},
		{"header without a name that is known", "[header]\nSesame = \"open\"\n", "[header]\n***\n"},
		{"header over several lines", "[header]\nAuthorization = [\n  \"Basic abcdefgh\",\n]\n[host]\n", "[header]\nAuthorization = ***\n***\n***\n[host]\n"},
		{"dotted and inline headers", "header.Authorization = \"Basic abcdefgh\"\nheader = { Authorization = \"Basic abcdefgh\" }\n", "***\nheader = ***\n"},
		{"inline host", "[host]\n\"https://a\" = { header = { Authorization = \"Basic abcdefgh\" } }\n", "[host]\n***\n"},
		{"keys of other programs", "[host.\"https://a\".auth]\nusername = \"u\"\npassword = \"hunter22\"\n[host.\"https://b\"]\nca = \"x\"\n", "***\nusername = ***\npassword = ***\n[host.\"https://b\"]\nca = \"x\"\n"},
		{"password in a URL", "server = \"https://u:hunter22@a\"\n[host.\"https://u:hunter22@b\"]\nca = \"x\"\n", "server = ***\n***\nca = ***\n"},
		{"commented out", "# a mirror in the rack\n# Authorization = \"Basic abcdefgh\"\n# the password is hunter22\n", "# a mirror in the rack\n# ***\n# ***\n"},
		{"comment behind a value", "ca = \"x\" # token abcdefgh\n[host] # Basic abcdefgh\n", "ca = ***\n[host] # ***\n"},
		{"lists over lines", "ca = [\n  \"a.pem\",\n  \"b.pem\"\n]\nserver = \"https://a\"\n", "ca = [\n  \"a.pem\",\n  \"b.pem\"\n]\nserver = \"https://a\"\n"},
		{"list that never ends", "capabilities = [\n[header]\nAuthorization = [\"Basic abcdefgh\"]\n", "capabilities = [\n[header]\nAuthorization = ***\n"},
		{"header table that lost its bracket", "[header\nAuthorization = \"Basic abcdefgh\"\nX-Token: abcdefgh\n", "***\nAuthorization = ***\n***\n"},
		{"credential in a wrong place", "ca = \"Basic abcdefgh\"\n", "ca = ***\n"},
		{"the value again elsewhere", "server = \"https://hunter22.example.com\"\n[header]\nX-A = \"hunter22\"\n[host]\n", "***\n[header]\nX-A = ***\n[host]\n"},
		{"line ends of Windows", "[header]\r\nX-A = \"hunter22\"\r\n", "[header]\r\nX-A = ***\r\n"},
		{"nothing", "", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, string(Mask([]byte(tc.in)))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestOurs(t *testing.T) {
	for in, want := range map[string]bool{
		header + "\n": true, "# Managed by Pullway.\r\n": true, "": false, "\n" + header: false, "server = \"x\"\n" + header: false, "# managed by pullway.": false,
	} {
		if got := Ours([]byte(in)); got != want {
			t.Errorf("Ours(%q) = %t", in, got)
		}
	}
}

// A header value is put into a file that is then damaged in some place. Whatever
// is left of the file, the value is not in what is shown.
func FuzzMask(f *testing.F) {
	for shape := range uint8(9) {
		f.Add("cm9ib3QkbjpIYXJib3IxMjM0NQ==", shape, uint16(0), "")
		f.Add("kX7-p_9Qz/w+", shape, uint16(12), "\"\n")
		f.Add("hunter22hunter", shape, uint16(40), "[")
	}
	f.Fuzz(func(t *testing.T, value string, shape uint8, at uint16, junk string) {
		for _, c := range value {
			if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-", c) {
				return
			}
		}
		shapes := []string{
			"server = \"https://a\"\n[header]\nAuthorization = [\"Basic VALUE\"]\n[host]\n",
			"[host.\"https://a\"]\nca = \"a\"\n[host.\"https://a\".header]\nauthorization = \"Basic VALUE\"\n",
			"header.X = 'VALUE'\n[host]\n",
			"[host]\n\"https://a\" = {header = {Authorization = [\"Basic VALUE\", \"VALUE\"]}}\n",
			"[header]\nX = [\n  \"VALUE\",\n]\n[host.\"https://b\"]\nca = [\"c\"]\n",
			"[header]\nX = \"\"\"\nVALUE\"\"\"\n[host]\n",
			"[host.\"https://a\".auth]\npassword = \"VALUE\"\nusername = \"VALUE\"\n",
			"# Authorization = \"Basic VALUE\"\n[host]\n",
			"[header]\nAuthorization = \"Basic VALUE\" # Basic VALUE\n[host]\n",
		}
		template := shapes[int(shape)%len(shapes)]
		if len(value) < 8 || len(junk) > 20 || strings.Contains(template+junk+header, value) || strings.Contains(junk, "=") {
			return
		}
		// Damage stays outside of the word, so that it is still there to be found.
		cut := int(at) % (len(template) + 1)
		if i := strings.Index(template[max(0, cut-5):], "VALUE"); i >= 0 && i < 5 {
			cut = max(0, cut-5) + i
		}
		for _, file := range []string{template[:cut] + junk + template[cut:], template[cut:], template[:cut] + junk} {
			in := strings.ReplaceAll(file, "VALUE", value)
			if out := string(Mask([]byte(in))); strings.Contains(out, value) || strings.Count(out, "\n") != strings.Count(in, "\n") {
				t.Fatalf("%q in\n%s\nfrom\n%s", value, out, in)
			}
		}
	})
}
