package hoststoml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/containerd"
)

// effective says which servers containerd would ask for an image of host, one a
// line, in the words of the recordings under testdata/recorded:
// scheme, host, path, capabilities, skip, ca, certs=N, headers. The first line
// is "discarded" when the release throws the file away, and the only one is
// "crash" when it stops on it.
func effective(doc *Document, problems []Problem, host string, rel containerd.Release) string {
	entries, discarded, crashes := Entries(doc, problems, host, rel)
	out := ""
	switch {
	case crashes:
		return "crash\n"
	case discarded:
		out = "discarded\n"
	}
	for _, e := range entries {
		h, line := e.Host, ""
		if e.HTTPSFirst {
			line = " https-first"
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
		out += fmt.Sprintf("%s %s %s %s%s\n", e.Scheme, e.Address, e.Path, strings.Join(e.Capabilities, ","), line)
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
