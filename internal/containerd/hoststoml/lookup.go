package hoststoml

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
)

// DefaultName is the directory for registries that have none of their own.
const DefaultName = "_default"

// LookupNames returns the directory names under which containerd looks for the
// host of a normalised image reference (docker.io, never index.docker.io), in
// its order: host_port_, host:port, _default. The first that exists is used,
// even when it is empty (config_unix.go, hostPaths).
func LookupNames(host string) []string {
	var names []string
	if i := strings.LastIndex(host, ":"); i > 0 {
		names = append(names, host[:i]+"_"+host[i+1:]+"_")
	}
	return append(names, host, DefaultName)
}

// Lookup returns the name that the release uses for host, asking has whether a
// name exists under the hosts directory. Releases before 1.6.17 do not know
// _default.
func Lookup(has func(name string) bool, host string, rel containerd.Release) (name string, found bool) {
	for _, n := range LookupNames(host) {
		if n == DefaultName && !rel.HasDefaultHost() {
			continue
		}
		if has(n) {
			return n, true
		}
	}
	return "", false
}

// HostOf turns the name of a host directory back into the host that it answers for.
func HostOf(name string) string {
	if rest, ok := strings.CutSuffix(name, "_"); ok {
		if i := strings.LastIndex(rest, "_"); i > 0 {
			return rest[:i] + ":" + rest[i+1:]
		}
	}
	return name
}

// WithoutPort is the name of a host[:port].
func WithoutPort(host string) string {
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		return host[:i]
	}
	return host
}

// A host of an image reference: names and addresses as the reference grammar of
// the distribution project has them, and IPv6 addresses in brackets.
var hostRE = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$`)

// DirName returns the directory name that Pullway writes for a registry host:
// host or host:port as it is, and _default for "*". It returns "" for anything
// that is not a registry host; what it returns is one path element of at most
// 255 bytes, never "." or "..", without separators and control characters.
func DirName(host string) string {
	if host == "*" {
		return DefaultName
	}
	if len(host) > 255 {
		return ""
	}
	m := hostRE.FindStringSubmatch(host)
	if m == nil {
		return ""
	}
	if m[1] != "" {
		if port, err := strconv.Atoi(m[1]); err != nil || port < 1 || port > 65535 {
			return ""
		}
	}
	return host
}
