package containerd

import (
	"bytes"
	"path"
	"strings"
)

// Distribution says whose containerd a daemon is.
type Distribution struct {
	// Name is "plain" for a containerd of its own, else the product.
	Name string
	// SourceOfTruth is the file from which the product writes its configuration.
	SourceOfTruth string
	// Editable is false when the configuration file is written by the product at
	// each start, so that an edit would be lost.
	Editable bool
	// Hint says what to change instead.
	Hint string
	// Note names another program that wrote the file, which may write it again.
	Note string
}

// products are containerds that belong to something larger.
var products = []struct {
	name, mark, source, restart string
}{
	{"k3s", "/k3s", "/etc/rancher/k3s/registries.yaml", "restart k3s"},
	{"rke2", "/rke2", "/etc/rancher/rke2/registries.yaml", "restart rke2-server or rke2-agent"},
	{"k0s", "/k0s", "/etc/k0s/containerd.d/", "k0s reads it at once"},
	{"microk8s", "/snap/microk8s", "/var/snap/microk8s/current/args/certs.d", "microk8s reads it at each pull"},
}

// Recognise tells whose containerd this is from the path of its binary, of its
// configuration file and of its socket, and from the beginning of that file.
func Recognise(exe, configFile, address string, head []byte) Distribution {
	for _, p := range products {
		for _, place := range []string{exe, configFile, address} {
			if mentions(place, p.mark) {
				return Distribution{Name: p.name, SourceOfTruth: p.source,
					Hint: "write the registries into " + p.source + " (" + p.restart + ")"}
			}
		}
	}
	return Distribution{Name: "plain", SourceOfTruth: configFile, Editable: true, Note: note(configFile, head)}
}

// mentions reports whether a path has a part that begins as mark says.
func mentions(place, mark string) bool {
	place = path.Clean("/" + place)
	i := strings.Index(place, mark)
	if i < 0 {
		return false
	}
	rest := place[i+len(mark):]
	return rest == "" || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")
}

func note(configFile string, head []byte) string {
	if len(head) > 4096 {
		head = head[:4096]
	}
	lower := bytes.ToLower(head)
	switch {
	case bytes.Contains(lower, []byte("ansible managed")):
		return configFile + " is written by Ansible, which will write it again"
	case bytes.Contains(lower, []byte("nodeadm")):
		return configFile + " is written by nodeadm at boot"
	}
	return ""
}
