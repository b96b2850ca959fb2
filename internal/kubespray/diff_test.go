package kubespray

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMask(t *testing.T) {
	const file = `x: 1
containerd_registry_auths:
  "192.168.21.9":
    username: admin
    password: Harbor12345
containerd_registry_auth:
  - {registry: a, username: u, password: "hunter2"}
  - registry: b
    auth: aHVudGVyMg==
  - registry: c
    auth: "{{ p | b64encode }}"
files_repo: http://me:hunter2@repo
pullway_auth_a: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  3061
api_token: |
  hunter2
y: 2
`
	want := strings.NewReplacer("Harbor12345", "***", `"hunter2"`, "***", "aHVudGVyMg==", "***", "me:hunter2@", "me:***@", "  $ANSIBLE_VAULT;1.1;AES256", "  ***", "  3061", "  ***", "  hunter2", "  ***").Replace(file)
	if d := cmp.Diff(want, string(Mask([]byte(file)))); d != "" {
		t.Error(d)
	}
}

func TestDiffShowsThatOnlySecretsChange(t *testing.T) {
	c := FileChange{Path: "f", Before: []byte("password: a\n"), After: []byte("password: b\n")}
	if got := c.Diff(); got != "(only secret values change)\n" {
		t.Errorf("%q", got)
	}
}
