package hoststoml

import (
	"fmt"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
)

// judge looks at the entries as a whole: their URLs, and how they fit together.
func (p *parser) judge(doc *Document) {
	rootKey := func(key string) *node {
		for _, n := range p.tree.root.children {
			if strings.EqualFold(n.key, key) {
				return n
			}
		}
		return &node{line: doc.Root.Line}
	}
	if doc.Server != "" {
		p.entry(rootKey("server"), doc.Server, &doc.Root)
	}
	if doc.Server == "" && len(doc.Root.Capabilities) > 0 {
		p.at(rootKey("capabilities"), "HST029", "set server too", "capabilities of the root table are ignored, because there is no server")
	}
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		n := p.tree.root.child("host").child(h.URL)
		p.entry(n, h.URL, h)
		if doc.Server != "" {
			p.twins(n, h, doc)
		}
	}
	p.reach(doc)
}

// entry judges one URL with the keys of its table.
func (p *parser) entry(n *node, text string, h *Host) {
	line := &node{line: n.line, col: n.col}
	t, ok := targetOf(text, h.OverridePath)
	if !ok {
		p.discard(line, "HST002", "write https://host[:port]", "%q is not a URL", shown(text))
		return
	}
	switch {
	case !explicit(text) && (strings.HasPrefix(text, "http") || strings.Contains(text, "://")):
		p.at(line, "HST030", "write http:// or https:// before it, in lower case", "containerd misreads %q, because it starts like a URL and is none", shown(text))
		return
	case !explicit(text):
		p.at(line, "HST004", "write http:// or https:// before it", "%q has no scheme, so containerd uses https", shown(text))
	}
	if t.host == "" {
		p.at(line, "HST030", "write https://host[:port]", "%q names no host", shown(text))
		return
	}
	if u, err := url.Parse(text); err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		p.at(line, "HST031", "write a credential as an Authorization header", "containerd ignores user, password, query and fragment of %q", shown(strings.SplitN(text, "?", 2)[0]))
	}
	p.path(line, text, t, h)
	p.tls(line, text, t, h)
	if notRegistries[t.name()] {
		p.at(line, "HST007", "write https://registry-1.docker.io", "%s is not the registry of Docker Hub; it answers with a web page", t.name())
	}
	if !p.rel.SendsHeaderToTokenService() && tokenOnly[t.name()] && slices.ContainsFunc(headerNames(h), func(s string) bool { return strings.EqualFold(s, "Authorization") }) {
		p.at(line, "HST019", "use image pull secrets, or upgrade to 2.1", "%s takes a token only, and containerd %s does not send the header to its token service", t.name(), p.rel)
	}
}

func (p *parser) path(n *node, text string, t target, h *Host) {
	if !h.OverridePath && strings.Contains(path.Clean(strings.TrimSuffix(t.path, "/v2")), "/v2/") {
		p.at(n, "HST008", "set override_path = true", "containerd adds /v2 to the path of %q once more and asks for %s/…", shown(text), clip(t.path))
	}
}

func (p *parser) tls(n *node, text string, t target, h *Host) {
	if t.scheme == "http" && h.hasTLS() {
		p.at(n, "HST006", "remove ca, client and skip_verify, or write https://", "%q has TLS keys: newer releases try https first there, older ones ignore the keys", shown(text))
	}
	if h.SkipVerify != nil && *h.SkipVerify && publicRegistry(t.name()) {
		p.at(n, "HST022", "remove skip_verify", "the certificate of the public registry %s is not checked", t.name())
	}
}

// twins finds a host that comes again as server with other TLS keys.
func (p *parser) twins(n *node, h *Host, doc *Document) {
	root := doc.Root
	root.URL = doc.Server
	if t, ok := targetOf(h.URL, h.OverridePath); !ok || t.host == "" || !sameServer(*h, root) {
		return
	}
	if !reflect.DeepEqual(h.CA, root.CA) || !reflect.DeepEqual(h.Client, root.Client) || !reflect.DeepEqual(h.SkipVerify, root.SkipVerify) {
		p.at(n, "HST012", "repeat ca, client and skip_verify above the first [host] line", "host %q is the server too, which is tried again with other TLS keys and hides the real error", shown(h.URL))
	}
}

// reach finds files in which nothing can serve a tag, or a digest.
func (p *parser) reach(doc *Document) {
	all := doc.Hosts
	root := doc.Root
	if doc.Server == "" {
		root = Host{}
	}
	all = append(slices.Clone(all), root)
	for _, want := range []string{"pull", "resolve"} {
		if !slices.ContainsFunc(all, func(h Host) bool {
			return len(h.Capabilities) == 0 || slices.Contains(h.Capabilities, want)
		}) {
			p.add(Problem{ID: "HST010", Text: fmt.Sprintf("no entry has the capability %s, so pulls fail with \"no %s hosts\"", want, want), Hint: "add it to one entry"})
		}
	}
}

// sortProblems puts them into file order, those without a place last, each once.
func sortProblems(all []Problem) []Problem {
	key := func(p Problem) int {
		if p.Line == 0 {
			return 1 << 30
		}
		return p.Line
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		if d := key(a) - key(b); d != 0 {
			return d
		}
		return a.Column - b.Column
	})
	return slices.Compact(all)
}
