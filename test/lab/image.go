package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is an image to be made and pushed: a static program that waits for a
// signal, in several layers of which no two images share one.
type Image struct {
	// Repo and Tag, such as "library/test-image" and "latest".
	Repo, Tag string
	// Layers besides the one with the program; 0 means two.
	Layers int
	// LayerSize of each of them in bytes of incompressible content; 0 means 64 KiB.
	LayerSize int
}

// DefaultImages are what the guide pulls, and one of a project of its own.
func DefaultImages() []Image {
	return []Image{{Repo: "library/test-image", Tag: "latest"}, {Repo: "team/app", Tag: "v1"}}
}

// Push makes the image and pushes it, and gives its digest. The same Image has
// the same digest everywhere.
func (r *Registry) Push(ctx context.Context, img Image) (string, error) {
	image, err := img.build(r.lab.state.App)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	opts := []name.Option{name.StrictValidation}
	if !r.Spec.TLS {
		opts = append(opts, name.Insecure)
	}
	ref, err := name.NewTag(r.Image(img.Repo, img.Tag), opts...)
	if err != nil {
		return "", err
	}
	transport, err := r.transport()
	if err != nil {
		return "", err
	}
	defer transport.CloseIdleConnections()
	auth := authn.Anonymous
	if user, password, ok := r.anyUser(); ok {
		auth = authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	}
	if err := remote.Write(ref, image, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(auth)); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	return digest.String(), nil
}

// build makes the image out of the program and content drawn from the reference.
func (img Image) build(app string) (v1.Image, error) {
	program, err := os.ReadFile(app)
	if err != nil {
		return nil, err
	}
	ref := img.Repo + ":" + img.Tag
	label := file{"etc/lab-image", []byte(ref + "\n"), 0o644}
	layers := [][]file{{label, {"app", program, 0o755}}}
	count, size := img.Layers, img.LayerSize
	if count == 0 {
		count = 2
	}
	if size == 0 {
		size = 64 << 10
	}
	random := rand.NewChaCha8(sha256.Sum256([]byte(ref)))
	for i := range count {
		content := make([]byte, size)
		_, _ = random.Read(content)
		layers = append(layers, []file{{fmt.Sprintf("data/layer%d", i+1), content, 0o644}})
	}
	image := v1.Image(empty.Image)
	for _, files := range layers {
		b := archive(files)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	cfg, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", runtime.GOARCH
	cfg.Config.Entrypoint = []string{"/app"}
	return mutate.ConfigFile(image, cfg)
}

type file struct {
	name string
	body []byte
	mode int64
}

// archive makes a tar with folders, and the same bytes each time.
func archive(files []file) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	seen := map[string]bool{}
	for _, f := range files {
		if d := path.Dir(f.name); d != "." && !seen[d] {
			seen[d] = true
			_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
		}
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: time.Unix(0, 0)})
		_, _ = w.Write(f.body)
	}
	_ = w.Close() // a buffer takes everything
	return b.Bytes()
}

// transport reaches the registry in the lab's network.
func (r *Registry) transport() (*http.Transport, error) {
	tls, err := r.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &http.Transport{DialContext: r.lab.DialContext, TLSClientConfig: tls}, nil
}

// Image is the reference of a repository's tag in this registry.
func (r *Registry) Image(repo, tag string) string {
	return r.Spec.Reference() + "/" + repo + ":" + tag
}
