package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
)

// Bounds of an image whose size is asked for.
const (
	maxManifests = 64
	maxBlobs     = 1024
	maxBlob      = 1 << 44 // 16 TiB; a larger one is not one
)

// architectures are those that there is an engine for.
var architectures = []string{"amd64", "arm64"}

// ContentsOf asks how large an image is: the blobs of its manifest for each of these
// architectures of linux, as the registry tells them without fetching any. It asks
// the endpoints that d has for the image's host, in order, and the host itself by
// https where d has none. as are pull secrets, tried in order before d's own credential
// or none; they go to the image's own host and to no mirror. The error is that of
// the last endpoint.
func ContentsOf(ctx context.Context, d config.Desired, ref string, as []config.Auth, opt Options) ([]protocol.Contents, error) {
	image, err := config.ParseImage(ref)
	if err != nil {
		return nil, err
	}
	r, ok := d.RegistryFor(image.Host)
	if !ok {
		r = config.Registry{Endpoints: []config.Endpoint{{URL: Upstream(image.Host)}}}
	}
	for _, ep := range r.Endpoints {
		var tries []*config.Auth
		if u, bad := url.Parse(ep.URL); bad == nil && u.Host == serverOf(image.Host) {
			for i := range as {
				tries = append(tries, &as[i])
			}
		}
		for _, auth := range append(tries, r.Auth) {
			var contents []protocol.Contents
			if contents, err = contentsAt(ctx, ep, auth, ImageOf(image), opt); err == nil {
				return contents, nil
			}
			var e *Error
			if !errors.As(err, &e) || e.Kind != BadCredential && e.Kind != NoRights {
				break
			}
		}
	}
	return nil, err
}

// Upstream is where a host of image references is, without any configuration.
func Upstream(host string) string { return "https://" + serverOf(host) }

func serverOf(host string) string {
	if host == config.DockerHub {
		return "registry-1.docker.io"
	}
	return host
}

func contentsAt(ctx context.Context, ep config.Endpoint, auth *config.Auth, i Image, opt Options) ([]protocol.Contents, error) {
	a, err := newAsker(ep, auth, opt)
	if err != nil {
		return nil, err
	}
	defer a.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, maxTimeouts*a.timeout)
	defer cancel()
	if err := a.greet(ctx); err != nil {
		return nil, err
	}
	doc, err := a.document(ctx, i)
	if err != nil {
		return nil, err
	}
	if len(doc.Manifests) == 0 {
		blobs, err := doc.blobs()
		if err != nil {
			return nil, a.fail(NotARegistry, hintURL, "%s", err)
		}
		return []protocol.Contents{{Blobs: blobs}}, nil
	}
	var all []protocol.Contents
	for _, m := range doc.Manifests[:min(len(doc.Manifests), maxManifests)] {
		if m.Platform.OS != "linux" || !slices.Contains(architectures, m.Platform.Architecture) || !strings.HasPrefix(m.Digest, "sha256:") {
			continue
		}
		one, err := a.document(ctx, Image{i.Path, m.Digest})
		if err != nil {
			return nil, err
		}
		blobs, err := one.blobs()
		if err != nil {
			return nil, a.fail(NotARegistry, hintURL, "%s", err)
		}
		all = append(all, protocol.Contents{Arch: m.Platform.Architecture, Blobs: blobs})
	}
	if len(all) == 0 {
		return nil, a.fail(MissingImage, "push one for linux", "has no image for linux under %q", i.Path+":"+i.Reference)
	}
	return all, nil
}

// document is a manifest or an index: what is needed of them has the same names.
type document struct {
	Config    sized   `json:"config"`
	Layers    []sized `json:"layers"`
	Manifests []struct {
		Digest   string `json:"digest"`
		Platform struct {
			OS           string `json:"os"`
			Architecture string `json:"architecture"`
		} `json:"platform"`
	} `json:"manifests"`
}

type sized struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// blobs checks what a registry says before anybody adds it up.
func (d document) blobs() ([]protocol.Blob, error) {
	if d.Config.Digest == "" || len(d.Layers) > maxBlobs {
		return nil, errors.New("answers with a manifest that is none")
	}
	var all []protocol.Blob
	for _, s := range append([]sized{d.Config}, d.Layers...) {
		if s.Size < 0 || s.Size > maxBlob || !digestLike(s.Digest) {
			return nil, errors.New("answers with a manifest whose sizes make no sense")
		}
		all = append(all, protocol.Blob{Digest: s.Digest, Size: s.Size})
	}
	return all, nil
}

func digestLike(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// document reads a manifest, with the credential or a token for it where one is asked for.
func (a *asker) document(ctx context.Context, i Image) (document, error) {
	at := &url.URL{Scheme: a.root.Scheme, Host: a.root.Host, Path: a.root.Path + "/" + i.Path + "/manifests/" + i.Reference}
	r, err := a.ask(ctx, http.MethodGet, at, a.basic)
	if err != nil {
		return document{}, err
	}
	if _, _, ok := a.bearer(r); ok && r.status == http.StatusUnauthorized {
		token, err := a.token(ctx, r, scope(i), a.basic)
		if err != nil {
			return document{}, err
		}
		if r, err = a.ask(ctx, http.MethodGet, at, token); err != nil {
			return document{}, err
		}
	}
	if err := a.verdict(r, i); err != nil {
		return document{}, err
	}
	var doc document
	if json.Unmarshal(r.body, &doc) != nil {
		return document{}, a.fail(NotARegistry, hintURL, "answers with a manifest that is no JSON")
	}
	return doc, nil
}
