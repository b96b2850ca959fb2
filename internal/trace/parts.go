package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Part is a manifest or a layer, asked for by its digest.
type Part struct {
	// Layer tells a blob, of which the first byte is enough, from a manifest.
	Layer             bool
	Digest, MediaType string
}

// Fetcher asks the host of number i for a part, as containerd would. The data is that of a
// manifest.
type Fetcher func(ctx context.Context, i int, w Way, p Part) (Answer, []byte)

// maxParts bounds how deep an index goes: an index, its manifest, its layer, and one more.
const maxParts = 4

// Fetch goes on where Ask has found a host that names the manifest: it asks for the manifest
// and then for the first layer, and puts the verdict right. containerd asks every host for
// content, whatever its capabilities, from the first one on, and goes on after any
// failure (Fetch in core/remotes/docker/fetcher.go: 1.6 to 2.4). A host that could not
// be reached or refused the credential before is not asked again here. arch is that of
// the node, such as amd64.
func (t *Trace) Fetch(ctx context.Context, ways []Way, arch string, fetch Fetcher) {
	if t.Verdict == nil || !t.Verdict.Served {
		return
	}
	i := slices.IndexFunc(t.Hosts, func(h Host) bool { return h.Answer != nil && h.Answer.Then == ThenServes })
	part := Part{Digest: t.Hosts[i].Answer.Digest, MediaType: t.Hosts[i].Answer.MediaType}
	for range maxParts {
		data, ok := t.part(ctx, ways, part, fetch)
		if !ok {
			t.notFetched(t.Verdict.By, part)
			return
		}
		if part.Layer {
			t.fetched(i)
			return
		}
		next, err := part.next(data, arch)
		if err != nil {
			t.Verdict = &Verdict{Text: fmt.Sprintf("%s is not served. %s names it, but %s.", t.Image, t.Verdict.By, err), Hint: "push an image for the node's platform"}
			return
		}
		part = next
	}
	t.Verdict = &Verdict{Text: t.Image + " is not served: its index leads to indexes only.", Hint: "push the image again"}
}

// part asks the hosts for one part until one gives it.
func (t *Trace) part(ctx context.Context, ways []Way, p Part, fetch Fetcher) ([]byte, bool) {
	for i := range t.Hosts {
		h := &t.Hosts[i]
		if h.Answer != nil && h.Answer.Then != ThenServes && !worthAsking(h.Answer) {
			continue
		}
		if h.Content != nil && h.Content.Fault != "" && !worthAsking(h.Content) {
			continue
		}
		a, data := fetch(ctx, i, ways[i], p)
		switch {
		case a.Fault == "" && p.Layer:
			a.Then = ThenServes
		case a.Then == ThenStops, a.Fault == "":
		default:
			a.Then = ThenNext
		}
		h.take(a)
		if a.Fault == "" {
			return data, true
		}
		if a.Then == ThenStops {
			return nil, false
		}
	}
	return nil, false
}

// worthAsking: a host that could not be reached, or that refuses who asks, says the same
// again.
func worthAsking(a *Answer) bool {
	if slices.ContainsFunc(a.Steps, func(s Step) bool { return s.Name == "token" }) && a.Fault != "missing-image" {
		return false
	}
	return a.Fault == "missing-image" || a.Fault == "other" || a.Fault == "not-a-registry" || a.Fault == ""
}

// take adds what a host said of one more part.
func (h *Host) take(a Answer) {
	if h.Content != nil {
		a.Steps = append(h.Content.Steps, a.Steps...)
		a.Took += h.Content.Took
	}
	h.Content = &a
}

// fetched names who gives the layers, where it is another host than the one of the
// manifest.
func (t *Trace) fetched(names int) {
	for i := range t.Hosts {
		h := &t.Hosts[i]
		if h.Content == nil || h.Content.Then != ThenServes || i == names {
			continue
		}
		t.Verdict.Layers = h.where(h.Content)
		t.Verdict.Text = strings.TrimSuffix(t.Verdict.Text, ".") + "; its layers come from " + t.Verdict.Layers + "."
		return
	}
}

func (t *Trace) notFetched(by string, p Part) {
	what := "manifest"
	if p.Layer {
		what = "layers"
	}
	v := &Verdict{Text: fmt.Sprintf("%s is not served. %s names it, but no host gives its %s.", t.Image, by, what)}
	var said []string
	for i := range t.Hosts {
		h := &t.Hosts[i]
		if h.Content == nil || h.Content.Fault == "" {
			continue
		}
		said = append(said, h.where(h.Content)+": "+strings.TrimSuffix(h.Content.Text, "."))
		if v.Hint == "" || h.where(h.Content) == by {
			v.Hint = h.Content.Hint
		}
		if h.Content.Then == ThenStops {
			v.Text = fmt.Sprintf("%s is not served. %s names it, and its %s cannot be used.", t.Image, by, what)
		}
	}
	if len(said) > 0 {
		v.Text = strings.TrimSuffix(v.Text, ".") + ": " + strings.Join(said, "; ") + "."
	}
	t.Verdict = v
}

// where is the URL that answered.
func (h *Host) where(a *Answer) string {
	if a.HTTP {
		return "http" + strings.TrimPrefix(h.URL, "https")
	}
	return h.URL
}

// document is a manifest or an index: what is needed of them has the same names.
type document struct {
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
	// FSLayers are those of a schema 1 manifest.
	FSLayers []struct {
		BlobSum string `json:"blobSum"`
	} `json:"fsLayers"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Platform  *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// next is what containerd asks for after a manifest or an index: the manifest of the
// node's platform, or the first layer.
func (p Part) next(data []byte, arch string) (Part, error) {
	var d document
	if json.Unmarshal(data, &d) != nil {
		return Part{}, errors.New("gives a manifest that cannot be read")
	}
	if len(d.Manifests) > 0 {
		for _, want := range []string{arch, map[string]string{"amd64": "386", "arm64": "arm"}[arch]} {
			for _, m := range d.Manifests {
				if m.Platform == nil || m.Platform.OS == "linux" && m.Platform.Architecture == want {
					return Part{Digest: m.Digest, MediaType: m.MediaType}, valid(m.Digest)
				}
			}
		}
		return Part{}, fmt.Errorf("there is none for linux/%s in it", arch)
	}
	first := d.Config
	if len(d.Layers) > 0 {
		first = d.Layers[0]
	} else if len(d.FSLayers) > 0 {
		first = descriptor{Digest: d.FSLayers[0].BlobSum}
	}
	return Part{Layer: true, Digest: first.Digest, MediaType: first.MediaType}, valid(first.Digest)
}

// valid reports whether a digest may be a part of a URL.
func valid(digest string) error {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 32 || len(hex) > 128 || strings.Trim(hex, "0123456789abcdef") != "" || strings.Trim(algorithm, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return errors.New("gives a manifest without sense")
	}
	return nil
}
