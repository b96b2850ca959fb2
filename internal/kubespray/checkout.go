package kubespray

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxUp is how many folders above an inventory a checkout is looked for:
// inventory/mycluster/hosts.yaml is three below it.
const maxUp = 4

// FindCheckout is the Kubespray checkout that an inventory stands in, as
// KUBESPRAY/inventory/mycluster/hosts.yaml does; "" when there is none.
func FindCheckout(inventory string) string {
	dir, err := filepath.Abs(inventory)
	if err != nil {
		return ""
	}
	for range maxUp {
		dir = filepath.Dir(dir)
		if st, err := os.Stat(filepath.Join(dir, role, "templates")); err == nil && st.IsDir() {
			return dir
		}
	}
	return ""
}

// ProbeDir probes the checkout in a folder. Errors name the folder.
func ProbeDir(dir string) (Profile, error) {
	if _, err := os.Stat(dir); err != nil {
		return Profile{}, fmt.Errorf("%s: %s", dir, cause(err))
	}
	p, err := Probe(os.DirFS(dir))
	if err != nil {
		return p, fmt.Errorf("%s: %w", dir, err)
	}
	return p, nil
}
