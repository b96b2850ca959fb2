package config

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/secret"
)

// Desired is what every node shall have: a checked RegistryConfig with defaults
// filled in, files read and secrets resolved. It prints and marshals with its
// secrets masked; Wire is the one way to send them.
type Desired struct {
	// Name is the configuration's metadata.name.
	Name string `json:"name"`
	// Registries in spec order; hosts are unique.
	Registries []Registry `json:"registries"`
	// VerifyImages are normalised references (docker.io/library/nginx:latest).
	VerifyImages []string `json:"verifyImages,omitempty"`
}

// Registry is one registry host with all defaults filled in.
type Registry struct {
	// Host is host[:port] as in image references (docker.io, never
	// index.docker.io), or "*".
	Host string `json:"host"`
	// Endpoints has at least one element.
	Endpoints []Endpoint `json:"endpoints"`
	// Fallback is upstream or none, never empty.
	Fallback v1alpha1.Fallback `json:"fallback"`
	// Auth is nil for an anonymous registry.
	Auth *Auth `json:"auth,omitempty"`
}

// Endpoint is one server, with its files' contents in place of their names.
type Endpoint struct {
	URL          string   `json:"url"`
	Capabilities []string `json:"capabilities"`
	// CA and Cert are PEM; Key is PEM and secret.
	CA                 []byte        `json:"ca,omitempty"`
	Cert               []byte        `json:"cert,omitempty"`
	Key                secret.Value  `json:"key"`
	InsecureSkipVerify bool          `json:"insecureSkipVerify,omitempty"`
	OverridePath       bool          `json:"overridePath,omitempty"`
	DialTimeout        time.Duration `json:"dialTimeout,omitempty"`
	// Headers are sorted by name.
	Headers []Header `json:"headers,omitempty"`
}

// Header is one HTTP header of an endpoint.
type Header struct {
	Name  string       `json:"name"`
	Value secret.Value `json:"value"`
}

// Auth is a resolved credential.
type Auth struct {
	Username string            `json:"username"`
	Password secret.Value      `json:"password"`
	Delivery v1alpha1.Delivery `json:"delivery"`
	// Accepts is what the registry was seen to take, asked from the operator's
	// side before nodes are planned. AcceptsUnknown makes the node ask itself.
	Accepts Accepts `json:"accepts,omitempty"`
}

// Accepts is how a registry takes a user name and password.
type Accepts string

// The values of Accepts.
const (
	// AcceptsUnknown: nobody could ask the registry.
	AcceptsUnknown Accepts = ""
	// AcceptsBasic: Basic credentials are good on /v2/ itself (Harbor, htpasswd,
	// Nexus, Artifactory).
	AcceptsBasic Accepts = "basic"
	// AcceptsToken: only a token from the token service is (Docker Hub, GHCR, GitLab).
	AcceptsToken Accepts = "token"
)

// secrets lists every secret of d in one fixed order.
func (d *Desired) secrets() []*secret.Value {
	var all []*secret.Value
	for i := range d.Registries {
		r := &d.Registries[i]
		for j := range r.Endpoints {
			e := &r.Endpoints[j]
			all = append(all, &e.Key)
			for k := range e.Headers {
				all = append(all, &e.Headers[k].Value)
			}
		}
		if r.Auth != nil {
			all = append(all, &r.Auth.Password)
		}
	}
	return all
}

// Wire is a Desired on its way to a node's engine. It holds secrets in clear:
// it is marshalled straight into the engine's standard input and nowhere else.
type Wire struct {
	Desired Desired  `json:"desired"`
	Secrets []string `json:"secrets"`
}

// ToWire prepares d for the engine's standard input.
func (d Desired) ToWire() Wire {
	w := Wire{Desired: d}
	for _, s := range d.secrets() {
		w.Secrets = append(w.Secrets, s.Reveal())
	}
	return w
}

// String prints the masked Desired, so that a Wire cannot leak through fmt.
func (w Wire) String() string {
	b, _ := json.Marshal(w.Desired)
	return string(b)
}

// GoString prints the same as String.
func (w Wire) GoString() string { return w.String() }

// FromWire puts the secrets back into their places. It fails when their number
// does not fit, which means that the two ends are of different builds.
func FromWire(w Wire) (Desired, error) {
	d := w.Desired
	slots := d.secrets()
	if len(slots) != len(w.Secrets) {
		return Desired{}, fmt.Errorf("desired state carries %d secrets, its registries have %d places for them", len(w.Secrets), len(slots))
	}
	for i, s := range slots {
		*s = secret.New(w.Secrets[i])
	}
	return d, nil
}
