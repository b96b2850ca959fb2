package rules

import (
	"crypto/sha256"
	"fmt"
	"sync"
)

// images makes an image for each repository and tag that is asked for, so that every
// byte that is fetched tells for which pull.
type images struct {
	mu sync.Mutex
	// blobs by digest, and the pull that each is of.
	blobs map[string]blob
}

type blob struct{ key, mediaType, data string }

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// manifest gives the digest of the image of a key.
func (m *images) manifest(key string) string {
	// An empty archive with the key behind its end, which no reader looks at.
	layer := string(make([]byte, 1024)) + key
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Labels":{"key":%q}},"rootfs":{"type":"layers","diff_ids":[%q]}}`, key, digest(layer))
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		manifestType, configType, digest(config), len(config), layerType, digest(layer), len(layer))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[string]blob{}
	}
	for _, b := range []blob{{key, layerType, layer}, {key, configType, config}, {key, manifestType, text}} {
		m.blobs[digest(b.data)] = b
	}
	return digest(text)
}

func (m *images) blob(digest string) (blob, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[digest]
	return b, ok
}

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
