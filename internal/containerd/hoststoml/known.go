package hoststoml

import "strings"

// suggestions maps keys that people write in hosts.toml to what they meant.
var suggestions = map[string]string{
	"plain_http":           "write the host with http:// for plain HTTP",
	"insecure":             "write skip_verify = true, or the host with http:// for plain HTTP",
	"insecure_skip_verify": "write skip_verify = true",
	"skipverify":           "write skip_verify = true",
	"tls":                  "write ca, client and skip_verify in the table itself",
	"tls_verify":           "write skip_verify",
	"ca_file":              "write ca",
	"cacert":               "write ca",
	"cert_file":            `write client = [["cert.pem", "key.pem"]]`,
	"key_file":             `write client = [["cert.pem", "key.pem"]]`,
	"endpoint":             `write every endpoint as [host."URL"]`,
	"endpoints":            `write every endpoint as [host."URL"]`,
	"mirror":               `write every mirror as [host."URL"]`,
	"mirrors":              `write every mirror as [host."URL"]`,
	"hosts":                `write [host."URL"]`,
	"headers":              "write header",
	"username":             "hosts.toml takes no user name; write an Authorization header",
	"password":             "hosts.toml takes no password; write an Authorization header",
	"proxy":                "set HTTPS_PROXY in containerd's unit",
	"timeout":              "write dial_timeout, which needs containerd 2.1",
	"capability":           "write capabilities",
}

// forkOnly are keys that modified releases of containerd have.
var forkOnly = map[string]string{
	"rewrite":              "only k3s and RKE2 know rewrite; use override_path with the path in the URL",
	"auth":                 "only Deckhouse knows auth; write an Authorization header",
	"credential_domain":    "write an Authorization header",
	"credential_helper":    "write an Authorization header",
	"disable_default_host": "set server to the mirror to keep containerd from the upstream",
}

// notRegistries are names that people write for Docker Hub and that serve HTML.
var notRegistries = map[string]bool{"docker.io": true, "index.docker.io": true, "hub.docker.com": true, "www.docker.com": true}

// tokenOnly are public registries that take a token and never Basic.
var tokenOnly = map[string]bool{"registry-1.docker.io": true, "docker.io": true, "ghcr.io": true, "registry.gitlab.com": true, "quay.io": true, "nvcr.io": true}

// publicRegistry reports whether everybody's images are there, so that an
// unverified connection to it is never meant.
func publicRegistry(host string) bool {
	switch host {
	case "mcr.microsoft.com", "public.ecr.aws", "registry.k8s.io", "gcr.io", "k8s.gcr.io", "registry.access.redhat.com", "registry.redhat.io":
		return true
	}
	return tokenOnly[host] || strings.HasSuffix(host, ".gcr.io")
}
