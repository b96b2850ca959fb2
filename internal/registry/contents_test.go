package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/protocol"
)

func digestOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func manifestOf(config string, layers ...int) string {
	all := []string{}
	for i, size := range layers {
		all = append(all, fmt.Sprintf(`{"digest":%q,"size":%d}`, digestOf(fmt.Sprint(i)), size))
	}
	return fmt.Sprintf(`{"config":{"digest":%q,"size":7},"layers":[%s]}`, digestOf(config), strings.Join(all, ","))
}

// documents serves manifests by tag or digest below /v2/team/app/, to who knows the password.
func documents(docs map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != basicOf(robot, password) {
			refuse(w, `Basic realm="r"`)
			return
		}
		ref, ok := strings.CutPrefix(r.URL.Path, "/v2/team/app/manifests/")
		switch doc, has := docs[ref]; {
		case !ok:
			_, _ = w.Write([]byte("{}"))
		case !has:
			http.NotFound(w, r)
		default:
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write([]byte(doc))
		}
	})
}

func TestContentsOf(t *testing.T) {
	index := func(platforms ...string) string {
		var all []map[string]any
		for i, p := range platforms {
			os, arch, _ := strings.Cut(p, "/")
			all = append(all, map[string]any{"digest": digestOf(fmt.Sprint(i + 1)), "platform": map[string]string{"os": os, "architecture": arch}})
		}
		b, _ := json.Marshal(map[string]any{"manifests": all})
		return string(b)
	}
	blobs := func(config string, sizes ...int64) (all []protocol.Blob) {
		all = append(all, protocol.Blob{Digest: digestOf(config), Size: 7})
		for i, s := range sizes {
			all = append(all, protocol.Blob{Digest: digestOf(fmt.Sprint(i)), Size: s})
		}
		return all
	}
	for name, c := range map[string]struct {
		docs map[string]string
		want []protocol.Contents
		err  string
	}{
		"a manifest": {docs: map[string]string{"v1": manifestOf("a", 10, 20)}, want: []protocol.Contents{{Blobs: blobs("a", 10, 20)}}},
		"an index": {docs: map[string]string{"v1": index("linux/amd64", "linux/arm64", "unknown/unknown"), digestOf("1"): manifestOf("a", 10), digestOf("2"): manifestOf("b", 11)},
			want: []protocol.Contents{{Arch: "amd64", Blobs: blobs("a", 10)}, {Arch: "arm64", Blobs: blobs("b", 11)}}},
		"an index of windows only":  {docs: map[string]string{"v1": index("windows/amd64")}, err: "has no image for linux"},
		"nothing":                   {docs: map[string]string{}, err: "has no image"},
		"a size below nothing":      {docs: map[string]string{"v1": manifestOf("a", -1)}, err: "make no sense"},
		"a size beyond all":         {docs: map[string]string{"v1": manifestOf("a", 1<<62)}, err: "make no sense"},
		"no JSON":                   {docs: map[string]string{"v1": "hello"}, err: "no JSON"},
		"something else altogether": {docs: map[string]string{"v1": `{"a":1}`}, err: "that is none"},
		"layers without end":        {docs: map[string]string{"v1": manifestOf("a", make([]int, maxBlobs+1)...)}, err: "that is none"},
	} {
		t.Run(name, func(t *testing.T) {
			ep, _ := serve(t, documents(c.docs))
			d := config.Desired{Registries: []config.Registry{{Host: "r.example.com", Endpoints: []config.Endpoint{ep}, Auth: good}}}
			got, err := ContentsOf(t.Context(), d, "r.example.com/team/app:v1", nil, Options{})
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestContentsWithPullSecrets: they are tried in order at the image's own host, and
// never sent to a mirror.
func TestContentsWithPullSecrets(t *testing.T) {
	ep, j := serve(t, documents(map[string]string{"v1": manifestOf("a", 10)}))
	host := strings.TrimPrefix(ep.URL, "http://")
	d := config.Desired{Registries: []config.Registry{{Host: host, Endpoints: []config.Endpoint{ep}}}}
	as := []config.Auth{*bad, *good}
	if _, err := ContentsOf(t.Context(), d, host+"/team/app:v1", as, Options{}); err != nil {
		t.Error(err)
	}
	sent := j.with("basic")
	d.Registries[0].Host = "mirrored.example.com"
	if _, err := ContentsOf(t.Context(), d, "mirrored.example.com/team/app:v1", as, Options{}); err == nil {
		t.Error("a mirror with a password gave an image to nobody")
	}
	if got := j.with("basic"); got != sent {
		t.Errorf("%d pull secrets were sent to a mirror", got-sent)
	}
}

// TestContentsByToken: a registry that gives tokens only is asked as containerd asks it.
func TestContentsByToken(t *testing.T) {
	ep, _ := serve(t, tokenOnly(""))
	d := config.Desired{Registries: []config.Registry{{Host: "r.example.com", Endpoints: []config.Endpoint{ep}, Auth: bad}}}
	if _, err := ContentsOf(t.Context(), d, "r.example.com/team/app:v1", nil, Options{}); kindOf(err) != BadCredential {
		t.Errorf("%v", err)
	}
	// With the right one it is heard of the manifest, which here is none.
	d.Registries[0].Auth = good
	if _, err := ContentsOf(t.Context(), d, "r.example.com/team/app:v1", nil, Options{}); err == nil || !strings.Contains(err.Error(), "manifest that is none") {
		t.Errorf("%v", err)
	}
}
