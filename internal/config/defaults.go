package config

import (
	"maps"
	"slices"

	"github.com/pullway/pullway/api/v1alpha1"
)

// Defaults of the spec.
const (
	DefaultName           = "default"
	DefaultCanary         = 1
	DefaultMaxUnavailable = "10%"
	DefaultConfirmWithin  = "60s"
)

// Default fills in everything the spec leaves out. It changes none of cfg's own
// slices. Where a value is wrong it is left as it is, for Validate to find.
func Default(cfg v1alpha1.RegistryConfig) v1alpha1.RegistryConfig {
	setIfZero(&cfg.Metadata.Name, DefaultName)
	cfg.Spec.Registries = slices.Clone(cfg.Spec.Registries)
	for i := range cfg.Spec.Registries {
		defaultRegistry(&cfg.Spec.Registries[i])
	}
	r := &cfg.Spec.Rollout
	if r.Canary == nil {
		canary := DefaultCanary
		r.Canary = &canary
	}
	setIfZero(&r.MaxUnavailable, DefaultMaxUnavailable)
	setIfZero(&r.OnFailure, v1alpha1.RollbackWave)
	setIfZero(&r.ConfirmWithin, DefaultConfirmWithin)
	setIfZero(&r.ControlPlane, v1alpha1.ControlPlaneLast)
	return cfg
}

func defaultRegistry(r *v1alpha1.Registry) {
	host, _ := canonicalHost(r.Host)
	r.Endpoints = slices.Clone(r.Endpoints)
	if len(r.Endpoints) == 0 && host != AnyHost && checkRegistryHost(host) == nil {
		r.Endpoints = []v1alpha1.Endpoint{{URL: ownURL(host)}}
	}
	own := true
	for i := range r.Endpoints {
		e := &r.Endpoints[i]
		if len(e.Capabilities) == 0 {
			e.Capabilities = []v1alpha1.Capability{v1alpha1.CapabilityPull, v1alpha1.CapabilityResolve}
		}
		own = own && isOwn(host, e.URL)
	}
	if own {
		setIfZero(&r.Fallback, v1alpha1.FallbackNone)
	}
	setIfZero(&r.Fallback, v1alpha1.FallbackUpstream)
	if r.Auth != nil {
		a := *r.Auth
		setIfZero(&a.Delivery, v1alpha1.DeliveryAuto)
		r.Auth = &a
	}
}

// ownURL is where containerd asks for images of host when nobody tells it more.
func ownURL(host string) string {
	if host == DockerHub {
		host = dockerHubServer
	}
	return "https://" + host
}

// isOwn reports whether an endpoint is the host itself, over http or https.
func isOwn(host, endpoint string) bool {
	u, f := parseEndpoint(endpoint)
	if f != nil || u.Path != "" {
		return false
	}
	if host == DockerHub {
		host = dockerHubServer
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Host == host || u.Host == host+port || u.Host+port == host
}

func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
