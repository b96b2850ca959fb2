package inventory

import (
	"strings"
	"testing"
)

// FuzzAdHoc: what ansible prints for each host.
func FuzzAdHoc(f *testing.F) {
	f.Add("node1 | SUCCESS => {\n    \"changed\": false,\n    \"msg\": {\"ansible_user\": \"root\", \"ansible_port\": 22}\n}\nnode2 | FAILED! => {}\n")
	f.Add(" | SUCCESS =>  | SUCCESS => {\"msg\":{\"a\":[1]}}")
	f.Add("x | SUCCESS => " + strings.Repeat("[", 20000))
	f.Fuzz(func(t *testing.T, out string) {
		for host, vars := range parseAdHoc([]byte(out)) {
			if strings.Contains(host, "\n") {
				t.Fatalf("host %q", host)
			}
			for name, v := range vars {
				if len(name)+len(v) > 8*len(out) {
					t.Fatalf("%q: %d bytes", name, len(v))
				}
			}
		}
	})
}
