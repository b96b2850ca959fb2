package plan

import (
	"github.com/pullway/pullway/internal/config"
)

// Provable tells whether the endpoints of a registry, as the plan m has them, can
// be proven on this node by a pull under the probe's name while everything else
// is still as it was observed; if not, why not. The probe brings its own
// hosts.toml and certificates, so it needs nothing of the plan's files but what
// containerd reads only when it starts.
func (m Made) Provable(o Observed, r config.Registry) (ok bool, why string) {
	now := o.Tree.Registry()
	switch {
	case !o.Running || !o.Healthy:
		return false, "CRI does not answer"
	case len(now.HostsDirs) != 1 || now.HostsDirs[0] != o.HostsDir:
		return false, "containerd does not read " + o.HostsDir + " yet"
	case len(o.unread()) > 0 || o.runsOnElse():
		return false, "containerd has not read its configuration as it is now"
	case !m.Node.Restart.Needed:
		return true, ""
	case r.Auth != nil && !m.Header[r.Host]:
		return false, "the credential of " + r.Host + " comes with the restart"
	}
	for _, host := range contacted(r) {
		for _, c := range now.Configs {
			if c.Host == host {
				return false, o.ConfigFile + " says something of " + host + " until the restart"
			}
		}
	}
	return true, ""
}
