package containerd

// What a release can do. Bounds are from containerd's source at its tags; the
// file that decides is named at each.

// MaxConfigVersion is the highest `version` of config.toml that the release
// reads (version/version.go).
func (r Release) MaxConfigVersion() int {
	switch {
	case r.AtLeast(2, 3, 0):
		return 4
	case r.AtLeast(2, 0, 0):
		return 3
	default:
		return 2
	}
}

// MergesPluginsDeeply reports whether a drop-in's plugin table is merged key by
// key (2.x) or replaces the whole table of the same plugin (1.x).
// cmd/containerd/server/config/config.go, mergeConfig.
func (r Release) MergesPluginsDeeply() bool { return r.AtLeast(2, 0, 0) }

// HasTransferService reports whether CRI pulls go through the transfer service
// by default, which reads config_path as one directory name, colons included
// (core/transfer/registry/registry.go, since 2.1.0).
func (r Release) HasTransferService() bool { return r.AtLeast(2, 1, 0) }

// DefaultConfigPathIsPair reports whether an unset config_path means
// /etc/containerd/certs.d:/etc/docker/certs.d (since 2.2.0).
func (r Release) DefaultConfigPathIsPair() bool { return r.AtLeast(2, 2, 0) }

// BakesDefaultConfigPath reports whether the default pair is put into the
// configuration before validation, so that `mirrors` alone already loses CRI
// (2.2.0 and 2.2.1, containerd#12612).
func (r Release) BakesDefaultConfigPath() bool { return r.In(2, 2, 0, 1) }

// HasDefaultHost reports whether the _default directory is consulted
// (1.6.17, 1.7.0; containerd#8053).
func (r Release) HasDefaultHost() bool { return r.AtLeast(1, 6, 17) }

// HasOverridePath reports whether override_path is known (1.6.0).
func (r Release) HasOverridePath() bool { return r.AtLeast(1, 6, 0) }

// HasDialTimeout reports whether dial_timeout is known and safe to write. It is
// known since 2.0.7, but in all of 2.0 it turns an http endpoint to https first (seen
// on 2.0.14).
func (r Release) HasDialTimeout() bool { return r.AtLeast(2, 1, 0) }

// KnowsTLSOfLoopback reports whether a registry on this machine that nothing names is
// asked by https on the usual port; before, it is asked by http on every port.
func (r Release) KnowsTLSOfLoopback() bool { return r.AtLeast(1, 7, 8) || r.In(1, 6, 25, 1<<20) }

// TakesIPv6References reports whether the host of an image reference may be an IPv6
// address (1.7.0; 1.6.20 says "invalid reference format").
func (r Release) TakesIPv6References() bool { return r.AtLeast(1, 7, 0) }

// HasReferrers reports whether the capability "referrers" is known; an older
// release discards the whole file over it (2.2.0).
func (r Release) HasReferrers() bool { return r.AtLeast(2, 2, 0) }

// NeedsHostTable reports whether a hosts.toml without any host table is
// discarded (all 1.5, 1.6, and 1.7 up to 1.7.31; containerd#10027).
func (r Release) NeedsHostTable() bool { return !r.AtLeast(1, 7, 32) }

// SendsHeaderToTokenService reports whether a static Authorization header of
// hosts.toml also reaches the registry's token service (2.1.0, PR 11092).
func (r Release) SendsHeaderToTokenService() bool { return r.AtLeast(2, 1, 0) }

// HasConfigsTLS reports whether registry.configs.*.tls still exists (1.x only).
func (r Release) HasConfigsTLS() bool { return !r.AtLeast(2, 0, 0) }

// RecreatesPodsOnRestart reports whether a restart of containerd loses sandbox
// addresses, after which kubelet recreates every pod (1.6.9 to 1.6.12, containerd#7843).
func (r Release) RecreatesPodsOnRestart() bool { return r.In(1, 6, 9, 12) }
