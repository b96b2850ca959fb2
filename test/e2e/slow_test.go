//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/test/lab"
)

// slowEnv makes this test's program a slow way to the guide's registry at that
// address; see TestMain.
const slowEnv = "PULLWAY_E2E_SLOW"

// slowBytes is what it lets through of one layer in a second.
const slowBytes = 3 << 20

// slowWay passes everything on to the guide's registry, and layers slowly. Of a layer
// of a repository named stuck/… it passes nothing after its first half.
func slowWay(addr string) error {
	to, _ := url.Parse(harborURL)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodGet && strings.Contains(r.Request.URL.Path, "/blobs/") && r.ContentLength > 1<<20 {
			left := int64(1) << 60
			if strings.Contains(r.Request.URL.Path, "/stuck/") {
				left = r.ContentLength / 2
			}
			r.Body = &slowBody{r.Body, r.Request.Context(), left}
		}
		return nil
	}
	return http.ListenAndServe(addr, proxy)
}

type slowBody struct {
	io.ReadCloser
	ctx  context.Context
	left int64
}

func (b *slowBody) Read(p []byte) (int, error) {
	wait := time.Duration(0)
	if b.left <= 0 {
		wait = time.Hour
	}
	p = p[:min(len(p), 64<<10)]
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	select {
	case <-time.After(wait + time.Duration(n)*time.Second/slowBytes):
	case <-b.ctx.Done():
		return n, b.ctx.Err()
	}
	return n, err
}

// startSlow runs a slowWay in the lab's network.
func startSlow(t *testing.T, l *lab.Lab, addr string) { startSelf(t, l, slowEnv, addr) }

// startSelf runs this test's program as a server in the lab's network.
func startSelf(t *testing.T, l *lab.Lab, env, addr string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := l.Command(ctx, exe)
	cmd.Env = append(os.Environ(), env+"="+addr)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	within(t, 20*time.Second, "the server at "+addr+" listens", func() bool {
		c, err := l.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// blobBytes is what the registry has given out of layers and configurations.
func blobBytes(t *testing.T, l *lab.Lab, repo string) (sum int64) {
	t.Helper()
	for _, e := range entries(t, l.Registry(lab.Harbor)) {
		if e.Method == http.MethodGet && e.Status < 300 && strings.Contains(e.Path, "/"+repo+"/blobs/") {
			sum += e.Bytes
		}
	}
	return sum
}
