package hoststoml

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/pullway/pullway/internal/containerd"
)

// effective says which servers containerd would ask for an image of host, one a
// line, in the words of the recordings under testdata/recorded:
// scheme, host, path, capabilities, skip, ca, certs=N, headers. The first line
// is "discarded" when the release throws the file away, and the only one is
// "crash" when it stops on it.
func effective(doc *Document, problems []Problem, host string, rel containerd.Release) string {
	all := "pull,resolve,push"
	if rel.HasReferrers() {
		all += ",referrers"
	}
	upstream := Host{URL: upstreamURL(host)}
	entries, out, discarded := append(slices.Clone(doc.Hosts), doc.Root), "", false
	for _, p := range problems {
		switch {
		case p.ID == "HST027":
			return "crash\n"
		case p.Discards:
			entries, out, discarded = []Host{upstream}, "discarded\n", true
		}
	}
	for i, h := range entries {
		if !discarded && i == len(entries)-1 {
			h.URL = doc.Server
		}
		t, _ := targetOf(h.URL, h.OverridePath)
		switch {
		case h.URL == "" && i < len(entries)-1:
			t = target{}
		case t.host == "" && i == len(entries)-1:
			t, _ = targetOf(upstream.URL, false)
			h.Capabilities = nil
		}
		caps := all
		if len(h.Capabilities) > 0 {
			caps = ""
			for _, c := range []string{"pull", "resolve", "push", "referrers"} {
				if slices.Contains(h.Capabilities, c) {
					caps += "," + c
				}
			}
			caps = caps[1:]
		}
		line := ""
		u := url.URL{Host: t.host}
		if t.scheme == "http" && h.hasTLS() && u.Port() != "80" && rel.AtLeast(1, 7, 24) {
			t.scheme, line = "https", " https-first"
		} else {
			if h.SkipVerify != nil && *h.SkipVerify {
				line += " skip"
			}
			if h.CA != nil {
				line += " ca"
			}
			if len(h.Client) > 0 {
				line += fmt.Sprintf(" certs=%d", len(h.Client))
			}
		}
		for j := 0; j < len(h.Headers); {
			name, values := h.Headers[j].Name, []string{}
			for ; j < len(h.Headers) && h.Headers[j].Name == name; j++ {
				values = append(values, h.Headers[j].Value.Reveal())
			}
			line += fmt.Sprintf(" %s=%q", name, values)
		}
		out += fmt.Sprintf("%s %s %s %s%s\n", t.scheme, t.host, t.path, caps, line)
	}
	return out
}

func release(t testing.TB, text string) containerd.Release {
	t.Helper()
	rel, err := containerd.ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}
