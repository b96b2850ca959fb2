package doctor

import "fmt"

// Asked is a host that a file names, and what it answered the node, without a
// credential.
type Asked struct {
	// File and Line name it, URL is its scheme and host.
	File string
	Line int
	URL  string
	// Mirror tells that it is another host than the one that the images name, and
	// Credential that the node has one for it.
	Mirror, Credential bool
	// BasicOnly: it lets nobody in without a password.
	BasicOnly bool
	// Fault is a word of internal/registry, Text one line; empty for a registry that
	// answers.
	Fault, Text string
}

// answers tells what the hosts of a running node answered it.
func (l *look) answers() {
	for _, a := range l.Live.Asked {
		f := Finding{Severity: S4, File: a.File, Line: a.Line, Text: fmt.Sprintf("%s, asked from this node: %s", a.URL, a.Text)}
		switch a.Fault {
		case "https-on-http":
			f.Rule, f.Hint = "HST005", "write http:// for this host, if plain HTTP is meant"
		case "http-on-https":
			f.Rule, f.Hint = "HST005", "write https:// for this host"
		case "dns":
			f.Rule, f.Hint = "RUN008", "use an address, or a name that the node resolves"
		case "san":
			f.Rule, f.Hint = "RUN009", "use a name of the certificate, or have it issued with this one"
		case "":
			if !a.BasicOnly || !a.Mirror || a.Credential {
				continue
			}
			f.Rule, f.Text = "AUT002", fmt.Sprintf("%s wants a password of everybody, and the node has none for it: pull secrets are found by the registry that the image names", a.URL)
			f.Hint = "write an Authorization header for it"
		default:
			continue
		}
		l.add(f)
	}
}
