package hoststoml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
)

// Render writes the files of a registry's host directory: hosts.toml last, so
// that files written in this order never leave it naming one that is missing.
// The same input gives the same bytes. Errors are *Error.
func Render(reg config.Registry, opt Options) ([]Rendered, error) {
	d, err := FromRegistry(reg, opt)
	if err != nil {
		return nil, err
	}
	return d.Render(opt.Release)
}

// Render writes the files of the directory, hosts.toml last. What it writes
// means Document to this release, whatever Parse may have to say of its URLs. A
// document that the release could not read, or that holds a header which cannot
// be written, is an *Error.
func (d Directory) Render(rel containerd.Release) ([]Rendered, error) {
	var b strings.Builder
	b.WriteString(header + "\n")
	doc := &d.Document
	if doc.Server != "" {
		fmt.Fprintf(&b, "server = %s\n", quote(doc.Server))
	}
	secret, err := entry(&b, "", &doc.Root)
	if err != nil {
		return nil, err
	}
	if len(doc.Hosts) == 0 {
		// Releases up to 1.7.31 discard a file without any host table.
		b.WriteString("\n[host]\n")
	}
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		if !rel.AtLeast(2, 0, 0) && strings.ContainsAny(h.URL, `[]"\`) {
			return nil, &Error{Text: fmt.Sprintf("containerd %s cannot read endpoint %q as one of several: it takes no brackets in the name of a table", rel, shown(h.URL)), Hint: "use a host name in place of the IPv6 address, or upgrade to 2.0"}
		}
		if slices.ContainsFunc(doc.Hosts[:i], func(o Host) bool { return o.URL == h.URL }) {
			return nil, &Error{Text: fmt.Sprintf("endpoint %q is listed twice", shown(h.URL)), Hint: "remove one of them"}
		}
		table := "host." + quote(h.URL)
		fmt.Fprintf(&b, "\n[%s]\n", table)
		s, err := entry(&b, table+".", h)
		if err != nil {
			return nil, err
		}
		secret = secret || s
	}
	f := Rendered{Name: FileName, Data: []byte(b.String()), Mode: 0o644}
	if secret {
		f.Mode, f.Secret = 0o600, true
	}
	return append(append([]Rendered{}, d.Files...), f), nil
}

// entry writes the keys of one table, its header table last. It reports whether
// there was a header.
func entry(b *strings.Builder, prefix string, h *Host) (secret bool, err error) {
	if len(h.Capabilities) > 0 {
		fmt.Fprintf(b, "capabilities = %s\n", quoteList(h.Capabilities))
	}
	if h.CA != nil {
		fmt.Fprintf(b, "ca = %s\n", quoteList(h.CA))
	}
	if len(h.Client) > 0 {
		fmt.Fprintf(b, "client = %s\n", clientList(h.Client))
	}
	if h.SkipVerify != nil {
		fmt.Fprintf(b, "skip_verify = %t\n", *h.SkipVerify)
	}
	if h.OverridePath {
		b.WriteString("override_path = true\n")
	}
	if h.DialTimeout != "" {
		fmt.Fprintf(b, "dial_timeout = %s\n", quote(h.DialTimeout))
	}
	if len(h.Headers) == 0 {
		return false, nil
	}
	fmt.Fprintf(b, "\n[%sheader]\n", prefix)
	for i := 0; i < len(h.Headers); {
		name, values := h.Headers[i].Name, []string{}
		for ; i < len(h.Headers) && h.Headers[i].Name == name; i++ {
			values = append(values, h.Headers[i].Value.Reveal())
			if !validHeaderName(name) || !writable(values[len(values)-1]) {
				return false, &Error{Text: fmt.Sprintf("header %q cannot be written", name)}
			}
		}
		fmt.Fprintf(b, "%s = %s\n", key(name), quoteList(values))
	}
	return true, nil
}

func clientList(pairs [][2]string) string {
	all := make([]string, len(pairs))
	for i, p := range pairs {
		if all[i] = quoteList(p[:]); p[1] == "" {
			all[i] = quote(p[0])
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func quoteList(list []string) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = quote(s)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// quote writes a TOML basic string. Everything but printable ASCII is escaped,
// which both TOML libraries read alike; invalid UTF-8 becomes the replacement
// character, which callers rule out before.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// key writes a TOML key: bare where that is possible.
func key(s string) string {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return `"` + s + `"`
		}
	}
	return s
}
