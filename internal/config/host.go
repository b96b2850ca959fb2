package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// AnyHost is the host that stands for every registry that is not named.
const AnyHost = "*"

// DockerHub is the name of Docker Hub in normalised image references, and
// dockerHubServer the server that answers for it. https://docker.io does not.
const (
	DockerHub       = "docker.io"
	dockerHubServer = "registry-1.docker.io"
)

// fault is what is wrong with one value, before it is known where it stands.
type fault struct{ text, hint string }

func faultf(format string, args ...any) *fault { return &fault{text: fmt.Sprintf(format, args...)} }

func (f *fault) hinted(format string, args ...any) *fault {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// Error makes a fault usable where there is no path to put it at.
func (f *fault) Error() string { return f.text }

// canonicalHost folds the other names of Docker Hub into the one that
// normalised references have.
func canonicalHost(host string) (name string, folded bool) {
	switch host {
	case "index.docker.io", dockerHubServer:
		return DockerHub, true
	}
	return host, false
}

// checkRegistryHost checks a host as it stands in image references.
func checkRegistryHost(host string) *fault {
	if host == AnyHost {
		return nil
	}
	if scheme, rest, ok := strings.Cut(host, "://"); ok {
		return faultf("%s has a scheme", show(host)).hinted("write %s here and %s://… in an endpoint's url", show(strings.TrimRight(rest, "/")), clip(scheme))
	}
	if strings.Contains(host, "@") {
		return faultf("%s has a user name", show(host)).hinted("user names belong into auth")
	}
	if h, _, ok := strings.Cut(host, "/"); ok {
		return faultf("%s has a path", show(host)).hinted("write %s; containerd has one configuration for each host", show(h))
	}
	if f := checkHostPort(host); f != nil {
		return f
	}
	// The first part of a reference is a host only when it looks like one.
	named, err := reference.ParseNormalizedNamed(host + "/a/b")
	if err != nil || reference.Domain(named) != host {
		return faultf("%s is never a registry in image references: %s/app means docker.io/%s/app", show(host), clip(host), clip(host)).
			hinted("add the domain or the port")
	}
	return nil
}

var (
	label    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	allDigit = regexp.MustCompile(`^[0-9.]*[0-9][0-9.]*$`)
)

// checkHostPort checks host[:port]: a DNS name, an IPv4 address or an IPv6
// address in brackets. It becomes a folder's name and a TOML key on nodes.
func checkHostPort(s string) *fault {
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return faultf("%s lacks a closing bracket", show(s))
		}
		var rest string
		host, rest = s[1:end], s[end+1:]
		if port, hasPort = strings.CutPrefix(rest, ":"); !hasPort && rest != "" {
			return faultf("%s has something other than a port after the bracket", show(s))
		}
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Zone() != "" || strings.Contains(host, ".") {
			return faultf("%s is not an IPv6 address in brackets", show(s))
		}
	} else {
		if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
			return faultf("%s is an IPv6 address without brackets", show(s)).hinted("write [%s]", s)
		}
		host, port, hasPort = strings.Cut(s, ":")
		if f := checkName(s, host); f != nil {
			return f
		}
	}
	if hasPort {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return faultf("%s has no port from 1 to 65535 after the colon", show(s))
		}
	}
	return nil
}

func checkName(whole, host string) *fault {
	if host == "" {
		return faultf("has no host")
	}
	if allDigit.MatchString(host) {
		if _, err := netip.ParseAddr(host); err != nil {
			return faultf("%s is not an IPv4 address", show(whole))
		}
		return nil
	}
	if len(host) > 253 {
		return faultf("host name of %d characters is too long", len(host))
	}
	for part := range strings.SplitSeq(host, ".") {
		if !label.MatchString(part) {
			return faultf("%s is not a host name", show(whole)).hinted("letters, digits, - and . make a host name; host[:port], [IPv6]:port")
		}
	}
	return nil
}
