package doctor

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// hostOfImage is the registry that a reference names; false for one without.
func hostOfImage(image string) (string, bool) {
	host, _, ok := strings.Cut(image, "/")
	return host, ok && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// dirFor finds the host directory that is read for a registry.
func (l *look) dirFor(host string) *hostDir {
	for _, d := range l.dirs {
		if name, found := hoststoml.Lookup(d.has, host, l.rel); found {
			i := slices.IndexFunc(d.hosts, func(h hostDir) bool { return h.name == name })
			if i >= 0 {
				return &d.hosts[i]
			}
		}
	}
	return nil
}

// onThisMachine finds images of a registry on this machine that are asked for over
// https, because there are host directories and none for it.
func (l *look) onThisMachine() {
	reads := len(l.reg.HostsDirs) > 0 || l.rel.HasTransferService() && !l.reg.LocalPull
	told := map[string]bool{}
	for _, image := range l.images {
		host, ok := hostOfImage(image)
		if !ok || told[host] || !reads || !loopback(hoststoml.WithoutPort(host)) || l.dirFor(host) != nil {
			continue
		}
		told[host] = true
		// With a port, plain HTTP is tried after https; older releases ask by it alone.
		if host != hoststoml.WithoutPort(host) || !l.rel.AtLeast(1, 7, 7) && !l.rel.In(1, 6, 25, 999) {
			continue
		}
		l.at("RUN006", l.reg.ConfigPathAt, fmt.Sprintf("%s is asked over https for the image %s, since host directories are read; without them it is plain HTTP", host, image),
			fmt.Sprintf("write a host directory %s with server = \"http://%s\", if plain HTTP is meant", host, host))
	}
}

func loopback(name string) bool {
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// sandbox finds a sandbox image that may want a credential which containerd has not:
// it pulls it by itself, without pull secrets.
func (l *look) sandbox() {
	host, ok := hostOfImage(l.reg.SandboxImage)
	if !ok || hoststoml.PublicRegistry(hoststoml.WithoutPort(host)) || isPublic(host) || l.Live != nil && slices.Contains(l.Live.Images, l.reg.SandboxImage) {
		return
	}
	contacted := []string{host}
	if d := l.dirFor(host); d != nil && d.has {
		doc, _ := hoststoml.Parse(d.data, l.rel)
		if l.secrets(doc) {
			return
		}
		for _, e := range entries(doc) {
			if at, ok := hoststoml.EndpointOf(e.URL, e.OverridePath); ok {
				contacted = append(contacted, at.Host)
			}
		}
	}
	hasAuth := func(c configtoml.HostConfig) bool {
		return c.Auth != nil && slices.ContainsFunc(contacted, func(h string) bool { return configtoml.SameHost(c.Host, h) })
	}
	known := slices.ContainsFunc(l.reg.Configs, hasAuth) || slices.ContainsFunc(l.reg.Auths, hasAuth)
	switch {
	case known && l.rel.In(2, 0, 0, 0) && l.reg.ConfigPath != "":
		l.at("AUT003", configtoml.Pos{}, "containerd 2.0.0 does not use registry.configs for the sandbox image "+l.reg.SandboxImage+" beside config_path", "upgrade to 2.0.1, or have the image on the node beforehand")
	case !known:
		l.at("AUT003", configtoml.Pos{}, "containerd pulls the sandbox image "+l.reg.SandboxImage+" by itself, without pull secrets: "+host+" has to take everybody", "if it does not, write an Authorization header for it into hosts.toml, or have the image on the node beforehand")
	}
}

// isPublic knows the registries of sandbox images that take everybody.
func isPublic(host string) bool {
	return slices.Contains([]string{"registry.k8s.io", "k8s.gcr.io", "gcr.io", "quay.io", "ghcr.io", "mcr.microsoft.com", "public.ecr.aws", "registry.aliyuncs.com"}, host) || strings.HasSuffix(host, ".pkg.dev")
}

// searched is where a shell of root looks for programs.
var searched = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// anotherBinary finds a containerd that a shell finds before the one of the unit.
func (l *look) anotherBinary() {
	if !path.IsAbs(l.unit.exec) || path.Base(l.unit.exec) != "containerd" {
		return
	}
	for _, dir := range searched {
		name := path.Join(dir, "containerd")
		if st, err := l.files.Stat(name); err != nil || st.Kind != 0 && st.Kind != fs.ModeSymlink {
			continue
		}
		// /bin may be a link to /usr/bin.
		if strings.TrimPrefix(name, "/usr") != strings.TrimPrefix(l.unit.exec, "/usr") {
			l.add(Finding{Rule: "RUN002", File: name, Text: fmt.Sprintf("is what containerd means on the command line, and the unit runs %s", l.unit.exec),
				Hint: "ask " + l.unit.exec + " config dump, or take the other one away"})
		}
		return
	}
}
