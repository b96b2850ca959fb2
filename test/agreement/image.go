package agreement

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
)

// images makes an image for each repository and tag that is asked for, so that no pull
// finds anything that an earlier one has fetched.
type images struct {
	mu    sync.Mutex
	blobs map[string]blob
}

type blob struct{ mediaType, data string }

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// Multi is the first element of repositories whose images are for two platforms.
const Multi = "multi"

// top gives the digest that a tag names.
func (m *images) top(repo, tag string) string {
	one := m.manifest(repo+":"+tag, "amd64")
	if !strings.HasPrefix(repo, Multi+"/") {
		return one
	}
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[`, indexType)
	for i, arch := range []string{"arm64", "amd64"} {
		if i > 0 {
			text += ","
		}
		d := m.manifest(repo+":"+tag, arch)
		b, _ := m.blob(d)
		text += fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":%q}}`, manifestType, d, len(b.data), arch)
	}
	return m.put(indexType, text+"]}")
}

func (m *images) manifest(key, arch string) string {
	// An empty archive with the key behind its end, which no reader looks at.
	layer := string(make([]byte, 1024)) + key + arch
	config := fmt.Sprintf(`{"architecture":%q,"os":"linux","config":{"Labels":{"key":%q}},"rootfs":{"type":"layers","diff_ids":[%q]}}`, arch, key, digest(layer))
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		manifestType, configType, digest(config), len(config), layerType, digest(layer), len(layer))
	m.put(layerType, layer)
	m.put(configType, config)
	return m.put(manifestType, text)
}

func (m *images) put(mediaType, data string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[string]blob{}
	}
	m.blobs[digest(data)] = blob{mediaType, data}
	return digest(data)
}

func (m *images) blob(digest string) (blob, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[digest]
	return b, ok
}

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

// ByDigest is the reference of the image that REPO:TAG would name, by its digest.
func ByDigest(repo, tag string) string { return new(images).top(repo, tag) }
