package hoststoml

import (
	"fmt"
	"path"
	"strings"

	"github.com/pullway/pullway/api/v1alpha1"
	"github.com/pullway/pullway/internal/config"
)

// Template is what the hosts.toml.j2 of one Kubespray line knows. Render with it
// gives the bytes that the line's own task gives for the variables of the same
// registry, so that a later run of Kubespray finds nothing to change.
//
// Source: roles/container-engine/containerd/templates/hosts.toml.j2, v2.23.0 on.
type Template struct {
	// Server: an entry's own server is read (2.25). Without it the server is always
	// https://PREFIX.
	Server bool `json:"server,omitempty"`
	// OverridePath: override_path is written, true or false (2.24).
	OverridePath bool `json:"overridePath,omitempty"`
	// Certificates: ca and client are written (2.28).
	Certificates bool `json:"certificates,omitempty"`
	// Header: headers are written (2.29).
	Header bool `json:"header,omitempty"`
}

// templateMode is the mode of the files that Kubespray's task writes.
const templateMode = 0o640

// Upstream is the server of a registry, and the URL that has to stand as a last
// mirror because the line cannot be told of a server.
func (t Template) Upstream(reg config.Registry) (server, mirror string) {
	std := "https://" + DirName(reg.Host)
	want := reg.Endpoints[len(reg.Endpoints)-1].URL
	if reg.Fallback == v1alpha1.FallbackUpstream {
		if want = std; reg.Host == "docker.io" {
			want = "https://registry-1.docker.io"
		}
	}
	switch {
	case t.Server || want == std:
		return want, ""
	case reg.Fallback == v1alpha1.FallbackUpstream:
		return std, want
	}
	return std, ""
}

// Render writes the files of a registry's host directory as Kubespray's task
// does, certificates first. dir is absolute. What the line has no key for must
// have been refused before; it is left out.
func (t Template) Render(reg config.Registry, dir string, headerAuth bool) ([]Rendered, error) {
	d := Directory{Name: DirName(reg.Host)}
	if d.Name == "" || len(reg.Endpoints) == 0 || !path.IsAbs(dir) {
		return nil, &Error{Text: fmt.Sprintf("registry %q cannot be written to %q", reg.Host, dir)}
	}
	server, last := t.Upstream(reg)
	var b strings.Builder
	secret := false
	fmt.Fprintf(&b, "server = \"%s\"\n", server)
	for _, e := range reg.Endpoints {
		var h Host
		if t.Certificates {
			if err := d.certificates(&h, e, dir); err != nil {
				return nil, err
			}
		}
		t.mirror(&b, e.URL, e.Capabilities, e.InsecureSkipVerify, e.OverridePath)
		if len(h.CA) > 0 {
			fmt.Fprintf(&b, "  ca = [\"%s\"]\n", h.CA[0])
		}
		if len(h.Client) > 0 {
			fmt.Fprintf(&b, "  client = [[\"%s\", \"%s\"]]\n", h.Client[0][0], h.Client[0][1])
		}
		written, err := t.headers(&b, reg, e, headerAuth)
		if err != nil {
			return nil, err
		}
		secret = secret || written
	}
	if last != "" {
		t.mirror(&b, last, nil, false, false)
	}
	return append(d.Files, Rendered{Name: FileName, Data: []byte(b.String()), Mode: templateMode, Secret: secret}), nil
}

func (t Template) mirror(b *strings.Builder, url string, capabilities []string, skip, override bool) {
	if len(capabilities) == 0 {
		capabilities = []string{"pull", "resolve"}
	}
	fmt.Fprintf(b, "[host.\"%s\"]\n  capabilities = [\"%s\"]\n  skip_verify = %t\n", url, strings.Join(capabilities, `","`), skip)
	if t.OverridePath {
		fmt.Fprintf(b, "  override_path = %t\n", override)
	}
}

// headers writes an endpoint's header table; Kubespray pastes values unescaped.
func (t Template) headers(b *strings.Builder, reg config.Registry, e config.Endpoint, headerAuth bool) (bool, error) {
	var auth *config.Auth
	if headerAuth && t.Header {
		auth = reg.Auth
	}
	var h Host
	if err := h.addHeaders(e, auth); err != nil || len(h.Headers) == 0 {
		return false, err
	}
	fmt.Fprintf(b, "  [host.\"%s\".header]\n", e.URL)
	for _, x := range h.Headers {
		if !t.Header || strings.ContainsAny(x.Value.Reveal(), `"\`) || strings.Contains(x.Name, ".") {
			return false, &Error{Text: fmt.Sprintf("header %q cannot be written as Kubespray writes it", x.Name)}
		}
		fmt.Fprintf(b, "    %s = [\"%s\"]\n", x.Name, x.Value.Reveal())
	}
	return true, nil
}
