package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// host looks at one host directory.
func (l *look) host(d *hostsDir, h *hostDir) {
	if h.kind != fs.ModeDir {
		return
	}
	if !h.has {
		l.withoutFile(d, h)
		return
	}
	file := path.Join(h.path, hoststoml.FileName)
	doc, problems := hoststoml.Parse(h.data, l.rel)
	discarded := false
	for _, p := range problems {
		f := Finding{Rule: p.ID, File: file, Line: p.Line, Column: p.Column, Text: p.Text, Hint: p.Hint}
		switch {
		case p.Discards:
			discarded, f.Severity = true, S3
		case p.ID == "HST026" && l.rel.AtLeast(2, 0, 0):
			f.Severity = Advice // it is read here
		}
		l.add(f)
	}
	if l.secrets(doc) {
		l.readable(file, h.mode)
	}
	if discarded {
		return
	}
	l.schemes(file, doc)
	l.certificates(file, h, doc)
	l.upstream(file, h, doc)
	l.mirrors(file, h, doc)
}

// withoutFile finds what stands in the place of a hosts.toml.
func (l *look) withoutFile(d *hostsDir, h *hostDir) {
	for _, e := range h.entries {
		low := strings.ToLower(e.Name)
		if e.Kind == 0 && strings.HasPrefix(low, "host") && (strings.HasSuffix(low, "ml") || strings.HasSuffix(low, ".txt")) {
			l.add(Finding{Rule: "HST015", File: path.Join(h.path, e.Name), Text: "is not read: the file has to be called " + hoststoml.FileName, Hint: "rename it"})
			return
		}
	}
	if len(h.entry(".crt", ".cert", ".key")) == 0 && h.name != hoststoml.DefaultName && hoststoml.DirName(hoststoml.HostOf(h.name)) != "" && d.has(hoststoml.DefaultName) && l.rel.HasDefaultHost() {
		l.add(Finding{Rule: "DIR005", File: h.path, Text: "holds no " + hoststoml.FileName + ": it means the upstream of " + hoststoml.HostOf(h.name) + ", and hides " + hoststoml.DefaultName, Hint: "remove the directory"})
	}
}

func (l *look) secrets(doc *hoststoml.Document) bool {
	return slices.ContainsFunc(entries(doc), func(h hoststoml.Host) bool {
		for _, x := range h.Headers {
			if strings.EqualFold(x.Name, "Authorization") && !x.Value.IsZero() {
				return true
			}
		}
		return false
	})
}

// entries are the hosts, then the server with the keys of the root table.
func entries(doc *hoststoml.Document) []hoststoml.Host {
	root := doc.Root
	root.URL = doc.Server
	return append(slices.Clone(doc.Hosts), root)
}

func (l *look) bad(file string, e hoststoml.Host, name, what string) {
	l.add(Finding{Rule: "HST014", File: file, Line: e.Line, Text: name + " " + what + ": every pull of this registry fails", Hint: "put the file there, in PEM"})
}

// schemes finds one host and port with two schemes.
func (l *look) schemes(file string, doc *hoststoml.Document) {
	seen := map[string]string{}
	for _, h := range entries(doc) {
		e, ok := hoststoml.EndpointOf(h.URL, h.OverridePath)
		if h.URL == "" || !ok || e.Host == hoststoml.WithoutPort(e.Host) {
			continue
		}
		if was := seen[e.Host]; was != "" && was != e.Scheme {
			l.add(Finding{Rule: "HST005", File: file, Line: h.Line, Text: fmt.Sprintf("%s is asked over http in one entry and over https in another: one of them fails", e.Host), Hint: "write the same scheme in both"})
			return
		}
		seen[e.Host] = e.Scheme
	}
}

// certificates loads what the entries name, as containerd does.
func (l *look) certificates(file string, h *hostDir, doc *hoststoml.Document) {
	named := map[string]bool{}
	open := func(host hoststoml.Host, name string) []byte {
		if name == "" {
			return nil // the file's own check tells
		}
		if !path.IsAbs(name) {
			name = path.Join(h.path, name)
		}
		name = path.Clean(name)
		named[name] = true
		data, err := l.files.ReadFile(name)
		switch {
		case err == nil:
			return data
		case errors.Is(err, ErrOutside): // there is no saying
		case absent(err):
			l.bad(file, host, name, "is not there")
		default:
			l.failed(name, err)
		}
		return nil
	}
	for _, e := range entries(doc) {
		for _, name := range e.CA {
			if data := open(e, name); data != nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
				l.bad(file, e, name, "holds no PEM certificate")
			}
		}
		for _, pair := range e.Client {
			cert := open(e, pair[0])
			key := cert
			if pair[1] != "" {
				key = open(e, pair[1])
			}
			if cert == nil || key == nil {
				continue
			}
			if _, err := tls.X509KeyPair(cert, key); err != nil {
				l.bad(file, e, pair[0], "and its key are no pair that can be loaded")
			}
		}
	}
	for _, name := range h.entry(".crt", ".cert") {
		if p := path.Join(h.path, name); !named[p] {
			l.add(Finding{Rule: "HST018", File: p, Text: "is not used: beside a " + hoststoml.FileName + " only what that names counts", Hint: fmt.Sprintf("write ca = %q into %s, or delete the file", name, hoststoml.FileName)})
		}
	}
}
