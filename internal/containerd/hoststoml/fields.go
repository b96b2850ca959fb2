package hoststoml

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The keys that an entry may have.
var fieldNames = []string{"capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"}

// fold finds which of names the key stands for, and whether the release reads
// it: the TOML library of 2.x takes any case, the one of 1.x all lower or all
// upper. A key of another case is a problem of its own.
func (p *parser) fold(n *node, names ...string) (name string, read bool) {
	for _, want := range names {
		switch {
		case n.key == want:
			return want, true
		case strings.EqualFold(n.key, want):
			read = p.rel.AtLeast(2, 0, 0) || n.key == strings.ToUpper(want)
			p.at(n, "HST026", "write it as "+want, "the key %q is not in lower case: some releases of containerd ignore it", n.key)
			return want, read
		}
	}
	return "", false
}

// field reads n, one key of the table of an entry, into h.
func (p *parser) field(h *Host, n, table *node) {
	name, read := p.fold(n, fieldNames...)
	if name == "" {
		p.unknown(n, table == p.tree.root)
		return
	}
	if !read {
		return
	}
	// Both headers of two tables are sent by 2.x, which adds the one to the other.
	if p.shadowed(n, table) && (name != "header" || !p.rel.AtLeast(2, 0, 0)) {
		p.kind(n, name)
		return
	}
	switch name {
	case "capabilities":
		p.capabilities(h, n)
	case "ca":
		h.CA = p.ca(n)
	case "client":
		h.Client = p.client(n)
	case "skip_verify":
		if v, ok := p.flag(n, name); ok {
			h.SkipVerify = &v
		}
	case "override_path":
		if !p.rel.HasOverridePath() {
			p.at(n, "HST009", "upgrade to 1.6", "containerd %s ignores override_path and adds /v2 to the path", p.rel)
			return
		}
		h.OverridePath, _ = p.flag(n, name)
	case "dial_timeout":
		p.dialTimeout(h, n)
	case "header":
		p.headers(h, n)
	}
}

// shadowed reports whether another key of the same table, which differs from n
// in case only, is the one that counts: the last one for the library of 2.x, the
// one in lower case for that of 1.x.
func (p *parser) shadowed(n, table *node) bool {
	later := false
	for _, c := range table.children {
		switch {
		case c == n:
			later = true
		case !strings.EqualFold(c.key, n.key):
		case p.rel.AtLeast(2, 0, 0) && later, !p.rel.AtLeast(2, 0, 0) && c.key == strings.ToLower(c.key):
			return true
		}
	}
	return false
}

// kind looks only at the kind of a value that the release does not go by: it
// decodes the whole file before it picks what counts, and a value of another
// kind discards the file there, too.
func (p *parser) kind(n *node, name string) {
	switch name {
	case "capabilities":
		p.words(n)
	case "skip_verify", "override_path":
		p.flag(n, name)
	case "dial_timeout":
		if p.knowsDialTimeout() {
			p.text(n, name)
		}
	case "header":
		if !n.table || n.arrayTable {
			p.headers(&Host{}, n)
		}
	}
}

// text reads a string, or discards the file.
func (p *parser) text(n *node, name string) (string, bool) {
	s, ok := n.value.(string)
	if !ok {
		p.discard(n, "HST002", "put it in quotes", "%s is not a string", name)
	}
	return s, ok
}

// flag reads a boolean, or discards the file.
func (p *parser) flag(n *node, name string) (v, ok bool) {
	v, ok = n.value.(bool)
	if !ok {
		p.discard(n, "HST002", "write true or false without quotes", "%s is not a boolean", name)
	}
	return v, ok
}

// texts turns a list into strings; ok is false when one is something else.
func texts(list []any) (all []string, ok bool) {
	all = make([]string, len(list))
	for i, v := range list {
		if all[i], ok = v.(string); !ok {
			return nil, false
		}
	}
	return all, true
}

// words reads the list of capabilities, or discards the file.
func (p *parser) words(n *node) (all []string, ok bool) {
	list, isList := n.value.([]any)
	all, ok = texts(list)
	if ok = ok && isList; !ok {
		p.discard(n, "HST002", `write capabilities = ["pull", "resolve"]`, "capabilities is not a list of strings")
	}
	return all, ok
}

func (p *parser) capabilities(h *Host, n *node) {
	all, ok := p.words(n)
	if !ok {
		return
	}
	for _, c := range all {
		low := strings.ToLower(c)
		switch {
		case low == "referrers" && !p.rel.HasReferrers():
			p.discard(n, "HST011", "leave referrers out", "containerd %s does not know the capability referrers", p.rel)
		case !slices.Contains([]string{"pull", "resolve", "push", "referrers"}, low):
			p.discard(n, "HST002", "use pull, resolve and push", "unknown capability %q", c)
		default:
			h.Capabilities = append(h.Capabilities, low)
		}
	}
}

func (p *parser) ca(n *node) []string {
	var files []string
	switch v := n.value.(type) {
	case string:
		files = []string{v}
	case []any:
		var ok bool
		if files, ok = texts(v); !ok {
			p.discard(n, "HST002", "name the files", "ca is not a list of strings")
			return nil
		}
	default:
		p.discard(n, "HST002", "name the file in quotes", "ca is neither a string nor a list of strings")
		return nil
	}
	if slices.Contains(files, "") {
		p.at(n, "HST014", "name a PEM file", "ca names no file, so every pull of this registry fails")
	}
	return files
}

func (p *parser) client(n *node) [][2]string {
	const hint = `write client = [["cert.pem", "key.pem"]]`
	pairs := [][2]string{}
	switch v := n.value.(type) {
	case string:
		return [][2]string{{v, ""}}
	case []any:
		flat := 0
		for _, e := range v {
			switch e := e.(type) {
			case string:
				flat++
				pairs = append(pairs, [2]string{e, ""})
			case []any:
				pair, ok := texts(e)
				if !ok || len(pair) != 2 {
					p.discard(n, "HST013", hint, "client has a pair that is not two file names")
					return nil
				}
				pairs = append(pairs, [2]string{pair[0], pair[1]})
			default:
				p.discard(n, "HST002", hint, "client has an element that is neither a file name nor a pair of them")
				return nil
			}
		}
		if flat == 2 && len(v) == 2 {
			p.at(n, "HST013", hint, "client lists two files side by side, which containerd reads as two files that hold a certificate and a key each")
		}
	default:
		p.discard(n, "HST002", hint, "client is neither a string nor a list")
		return nil
	}
	if len(pairs) == 0 {
		return nil
	}
	return pairs
}

// knowsDialTimeout is wider than HasDialTimeout: it counts the releases that
// read the key and misbehave.
func (p *parser) knowsDialTimeout() bool { return p.rel.AtLeast(2, 0, 7) }

func (p *parser) dialTimeout(h *Host, n *node) {
	if !p.knowsDialTimeout() {
		p.at(n, "HST001", "upgrade to 2.1, or leave it out", "containerd %s ignores dial_timeout and waits 30s", p.rel)
		return
	}
	s, ok := p.text(n, "dial_timeout")
	if !ok || s == "" {
		return
	}
	if _, err := time.ParseDuration(s); err != nil {
		p.discard(n, "HST002", "write a number and a unit, such as 2s", "dial_timeout %q is not a duration", s)
		return
	}
	h.DialTimeout = s
	if !p.rel.HasDialTimeout() && strings.HasPrefix(h.URL, "http://") {
		p.at(n, "HST006", "leave dial_timeout out, or upgrade to 2.1", "containerd %s tries https first at an http host that has dial_timeout", p.rel)
	}
}

// unknown reports a key that containerd does not have.
func (p *parser) unknown(n *node, root bool) {
	where := "a host table"
	if root {
		where = "the root table"
	}
	switch key := strings.ToLower(n.key); {
	case key == "server":
		p.at(n, "HST017", "move server above the first [host] line", "server stands inside a host table, where containerd ignores it")
	case key == "host" && !root:
		p.at(n, "HST001", `write every host as [host."URL"]`, "a host inside a host is ignored")
	case forkOnly[key] != "":
		p.at(n, "HST020", forkOnly[key], "containerd ignores %q: only modified releases know it", n.key)
	default:
		hint := suggestions[key]
		if hint == "" {
			hint = "the keys are server, capabilities, ca, client, skip_verify, header, override_path and dial_timeout"
		}
		p.at(n, "HST001", hint, "unknown key %q in %s is ignored", clip(n.key), where)
	}
}

// clip keeps a key short enough for one line.
func clip(s string) string {
	if len(s) > 64 {
		return fmt.Sprintf("%.64s…", s)
	}
	return s
}
