package config

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// maxReference bounds what is looked at; the longest valid reference is a host
// of 255, a path of 255, a tag of 128 and a digest.
const maxReference = 1024

// Image is an image reference in its full form, as containerd's CRI makes it of
// what stands in a pod: docker.io/library/nginx:latest for nginx.
type Image struct {
	// Host is docker.io, never index.docker.io.
	Host string `json:"host"`
	// Path is the repository without the host: library/nginx.
	Path string `json:"path"`
	// Tag is empty when there is a digest: containerd drops it then.
	Tag string `json:"tag,omitempty"`
	// Digest with its algorithm: sha256:…
	Digest string `json:"digest,omitempty"`
}

// ParseImage reads an image reference. A missing host is docker.io, a missing
// tag latest. The error is one line and holds the reference.
func ParseImage(ref string) (Image, error) {
	if len(ref) > maxReference {
		return Image{}, fmt.Errorf("image reference of %d bytes is too long", len(ref))
	}
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %s", show(ref), imageFault(ref))
	}
	im := Image{Host: reference.Domain(named), Path: reference.Path(named)}
	switch r := named.(type) {
	case reference.Digested:
		im.Digest = r.Digest().String()
	case reference.Tagged:
		im.Tag = r.Tag()
	}
	return im, nil
}

// imageFault guesses what is wrong; the parser itself says only "invalid
// reference format" for most mistakes.
func imageFault(ref string) string {
	switch {
	case ref == "":
		return "is empty"
	case strings.Contains(ref, "://"):
		return "has a scheme; an image reference is HOST/PATH:TAG"
	case strings.ContainsAny(ref, " \t\r\n"):
		return "has white space"
	case strings.HasSuffix(ref, "/") || strings.Contains(ref, "//"):
		return "has an empty path element"
	}
	if _, rest, ok := strings.Cut(ref, "/"); ok && strings.ToLower(rest) != rest {
		return "is not HOST/PATH:TAG; a path must be in lower case"
	}
	return "is not HOST/PATH:TAG or HOST/PATH@sha256:DIGEST"
}

// Name is the image without tag and digest.
func (i Image) Name() string { return i.Host + "/" + i.Path }

// String is the normalised reference.
func (i Image) String() string {
	if i.Digest != "" {
		return i.Name() + "@" + i.Digest
	}
	return i.Name() + ":" + i.Tag
}

// RegistryFor finds the registry that serves images of host: the one of that
// name, otherwise the one named "*".
func (d Desired) RegistryFor(host string) (Registry, bool) {
	var rest Registry
	var found bool
	for _, r := range d.Registries {
		switch r.Host {
		case host:
			return r, true
		case AnyHost:
			rest, found = r, true
		}
	}
	return rest, found
}
