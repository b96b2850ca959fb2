package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// export tells the node's present registry configuration, from the host
// directories that containerd reads and from the legacy tables that it honours.
// Secrets stay here: only their presence is told.
func (e *Engine) export(ctx context.Context) (*protocol.Reply, error) {
	e.tell(protocol.StepObserve, "")
	o, err := observe(ctx, e.store, e.bus)
	if err != nil {
		return nil, err
	}
	defer o.close()
	return &protocol.Reply{Export: exportOf(o)}, nil
}

// exportOf is the registry configuration of what was observed.
func exportOf(o *observation) *protocol.Export {
	x := exporter{release: o.Release, registry: o.Tree.Registry(), out: &protocol.Export{Facts: plan.FactsOf(o.Observed)}}
	for _, p := range o.Tree.Problems() {
		x.warn(p.ID, p.Hint, "%s:%d: %s", p.Pos.File, p.Pos.Line, p.Text)
	}
	if slices.Contains(x.registry.HostsDirs, o.HostsDir) {
		for _, d := range o.Hosts {
			x.hostDir(filepath.Join(o.HostsDir, d.Name), d)
		}
	} else if len(o.Hosts) > 0 {
		x.warn("dormant", "", "%s holds host directories that containerd does not read; they are left out", o.HostsDir)
	}
	x.legacy()
	x.credentials()
	return x.out
}

type exporter struct {
	release  containerd.Release
	registry configtoml.Registry
	out      *protocol.Export
}

func (x *exporter) warn(id, hint, format string, args ...any) {
	x.out.Warnings = append(x.out.Warnings, plan.Notice{ID: id, Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (x *exporter) hostDir(path string, d plan.HostDir) {
	i := slices.IndexFunc(d.Files, func(f plan.HostFile) bool { return f.Name == hoststoml.FileName })
	if i < 0 {
		x.warn("docker-style", "name the registry in the new specification by hand", "%s has no hosts.toml and is left out", path)
		return
	}
	doc, problems := hoststoml.Parse(d.Files[i].Data, x.release)
	for _, p := range problems {
		x.warn(p.ID, p.Hint, "%s:%d: %s", filepath.Join(path, hoststoml.FileName), p.Line, p.Text)
	}
	if doc == nil || slices.ContainsFunc(problems, func(p hoststoml.Problem) bool { return p.Discards }) {
		return
	}
	x.document(hostOfDir(d.Name), path, doc, filepath.Join(path, hoststoml.FileName))
}

// hostOfDir is the registry host that a host directory's name stands for.
func hostOfDir(name string) string {
	if name == hoststoml.DefaultName {
		return "*"
	}
	if rest, found := strings.CutSuffix(name, "_"); found {
		if i := strings.LastIndexByte(rest, '_'); i > 0 {
			return rest[:i] + ":" + rest[i+1:]
		}
	}
	return name
}

func (x *exporter) document(host, dir string, doc *hoststoml.Document, source string) {
	r := protocol.ExportRegistry{Host: host, Fallback: "upstream", Source: source}
	for _, h := range doc.Hosts {
		r.Endpoints = append(r.Endpoints, x.endpoint(dir, h, &r))
	}
	// An upstream with keys of its own, or the only one there is, has to be named
	// as an endpoint, or its keys would be lost.
	root := doc.Root
	keys := root.CA != nil || root.Client != nil || root.SkipVerify != nil || len(root.Headers) > 0
	if doc.Server != "" && (!isUpstream(host, doc.Server) || keys || len(doc.Hosts) == 0) {
		root.URL = doc.Server
		if !slices.ContainsFunc(doc.Hosts, func(h hoststoml.Host) bool { return h.URL == doc.Server }) {
			r.Endpoints = append(r.Endpoints, x.endpoint(dir, root, &r))
		}
		r.Fallback = "none"
	}
	if len(r.Endpoints) > 0 {
		x.out.Registries = append(x.out.Registries, r)
	}
}

func isUpstream(host, server string) bool {
	return server == "https://"+host || host == "docker.io" && server == "https://registry-1.docker.io"
}

func (x *exporter) endpoint(dir string, h hoststoml.Host, r *protocol.ExportRegistry) protocol.ExportEndpoint {
	e := protocol.ExportEndpoint{URL: h.URL, OverridePath: h.OverridePath, DialTimeout: h.DialTimeout, HasClientKey: len(h.Client) > 0}
	if !strings.Contains(e.URL, "://") {
		e.URL = "https://" + e.URL
	}
	for _, c := range h.Capabilities {
		if c == "pull" || c == "resolve" {
			e.Capabilities = append(e.Capabilities, c)
		}
	}
	if h.SkipVerify != nil {
		e.InsecureSkipVerify = *h.SkipVerify
	}
	for _, ca := range h.CA {
		e.CA = append(e.CA, x.certificate(dir, ca)...)
	}
	for _, hd := range h.Headers {
		if strings.EqualFold(hd.Name, "authorization") {
			r.HasPassword = true
			r.Username = basicUser(hd.Value.Reveal())
			continue
		}
		e.HeaderNames = append(e.HeaderNames, hd.Name)
	}
	return e
}

func (x *exporter) certificate(dir, name string) []byte {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		x.warn("unreadable-ca", "", "%s is named as a CA file and cannot be read", name)
		return nil
	}
	return b
}

// legacy adds what mirrors and tls tables say, through the same conversion that
// a plan uses.
func (x *exporter) legacy() {
	source := map[string]string{}
	for _, c := range x.registry.Configs {
		if c.TLS != nil {
			source[hoststoml.DirName(c.Host)] = fmt.Sprintf("%s:%d", c.At.File, c.At.Line)
		}
	}
	for _, m := range x.registry.Mirrors {
		source[hoststoml.DirName(m.Host)] = fmt.Sprintf("%s:%d", m.At.File, m.At.Line)
	}
	dirs, problems := plan.LegacyDirectories(x.registry, x.release)
	for _, p := range problems {
		x.warn(p.ID, p.Hint, "%s", p.Text)
	}
	for _, d := range dirs {
		host := hostOfDir(d.Name)
		known := slices.ContainsFunc(x.out.Registries, func(r protocol.ExportRegistry) bool { return r.Host == host })
		if !known {
			doc := d.Document
			x.document(host, "/", &doc, source[d.Name])
		}
	}
}

// credentials marks the registries for whose endpoints config.toml has a password.
func (x *exporter) credentials() {
	for _, c := range append(slices.Clone(x.registry.Configs), x.registry.Auths...) {
		if c.Auth == nil {
			continue
		}
		host := c.Host
		if _, rest, found := strings.Cut(host, "://"); found {
			host = rest
		}
		user := c.Auth.Username
		if user == "" {
			user = basicUser("Basic " + c.Auth.Auth.Reveal())
		}
		used := false
		for i := range x.out.Registries {
			r := &x.out.Registries[i]
			for _, e := range r.Endpoints {
				if _, rest, _ := strings.Cut(e.URL, "://"); strings.HasPrefix(rest+"/", host+"/") {
					r.Username, r.HasPassword, used = user, true, true
				}
			}
		}
		if !used {
			x.out.Registries = append(x.out.Registries, protocol.ExportRegistry{Host: host, Fallback: "none",
				Endpoints: []protocol.ExportEndpoint{{URL: "https://" + host}}, Username: user, HasPassword: true,
				Source: fmt.Sprintf("%s:%d", c.At.File, c.At.Line)})
		}
	}
}
