package cri

import "testing"

// TestRegistryConfig: what containerd 1.x puts into its verbose status is read but
// for its credentials, and what 2.x puts there tells nothing.
func TestRegistryConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		config, path string
		ok           bool
	}{
		"1.x with a path":           {`{"containerd":{},"registry":{"configPath":"/etc/containerd/certs.d","mirrors":null,"configs":null}}`, "/etc/containerd/certs.d", true},
		"1.x without one":           {`{"registry":{"configPath":"","configs":{"r":{"auth":{"username":"u","password":"p"}}}}}`, "", true},
		"2.x":                       {`{"containerd":{"runtimes":{}},"containerdRootDir":"/var/lib/containerd"}`, "", false},
		"a registry without a path": {`{"registry":{}}`, "", false},
		"another type":              {`{"registry":{"configPath":7}}`, "", false},
		"no JSON":                   {`nothing`, "", false},
		"nothing":                   {``, "", false},
	} {
		r, ok := registryConfig(tc.config)
		if ok != tc.ok || r.ConfigPath != tc.path {
			t.Errorf("%s: %q %v", name, r.ConfigPath, ok)
		}
	}
}
