package hoststoml

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pullway/pullway/internal/containerd"
)

// MaxSize is the largest file that Parse reads, in bytes. containerd has no
// limit; a file of this size is not a hosts.toml.
const MaxSize = 256 << 10

// parser collects what one release makes of one file.
type parser struct {
	rel      containerd.Release
	tree     *tree
	problems []Problem
}

// Parse reads a hosts.toml the way the release does and tells everything that
// this release would ignore, reject or misread. The Document holds what the
// release goes by; when a Problem discards the file, containerd goes by nothing
// of it and the Document is only what could be read. It is never nil. A zero
// Release is taken for the oldest. Problems are in file order, those of the
// whole file last.
//
// Syntax is judged by the TOML library of containerd 2.4, plus what is told
// apart here of the older one in 1.x. Not told: a date on its own, the escapes
// \e and \xHH, and a comma at the end of an inline table, which discard the file
// on 1.x; and a few slips that 1.x lets pass, such as a lone carriage return.
func Parse(data []byte, rel containerd.Release) (*Document, []Problem) {
	p := &parser{rel: rel}
	doc := &Document{}
	switch {
	case len(data) == 0:
		p.add(Problem{ID: "HST002", Text: "the file is empty, so containerd reads docker-style *.crt and *.cert files instead", Hint: "write the file, or remove the directory", Discards: true})
		return doc, p.problems
	case len(data) > MaxSize:
		p.add(Problem{ID: "HST002", Text: fmt.Sprintf("the file has %d bytes, more than the %d that are looked at", len(data), MaxSize)})
		return doc, p.problems
	}
	if text, found := bytes.CutPrefix(data, []byte("\ufeff")); found && !rel.AtLeast(2, 0, 0) {
		data = text // the older library skips it, the newer one takes it for a bad key
		p.add(Problem{ID: "HST002", Line: 1, Column: 1, Text: "the file starts with a byte order mark, over which containerd 2.x discards it", Hint: "save it as UTF-8 without byte order mark"})
	}
	var any map[string]any
	if err := toml.Unmarshal(data, &any); err != nil {
		p.add(syntaxProblem(err))
		return doc, p.problems
	}
	p.tree = newTree(data, rel.AtLeast(2, 0, 0))
	p.document(doc)
	p.judge(doc)
	return doc, sortProblems(p.problems)
}

// syntaxProblem keeps only the place of a syntax error: the library's text may
// quote the file, and the file may hold a password.
func syntaxProblem(err error) Problem {
	pr := Problem{ID: "HST002", Text: "the file is not valid TOML, so containerd ignores it and asks the upstream directly", Hint: "mend the syntax at this place", Discards: true}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		pr.Line, pr.Column = de.Position()
	}
	return pr
}

func (p *parser) add(pr Problem) { p.problems = append(p.problems, pr) }

// at adds a problem at the place of n.
func (p *parser) at(n *node, id, hint, format string, args ...any) {
	p.add(Problem{ID: id, Line: n.line, Column: n.col, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// discard adds a problem that makes the release throw the file away.
func (p *parser) discard(n *node, id, hint, format string, args ...any) {
	p.add(Problem{ID: id, Line: n.line, Column: n.col, Text: fmt.Sprintf(format, args...) + ": the whole file is discarded", Hint: hint, Discards: true})
}

func (p *parser) document(doc *Document) {
	var hosts *node
	for _, n := range p.tree.root.children {
		if doc.Root.Line == 0 {
			doc.Root.Line = n.line
		}
		switch name, read := p.fold(n, "server"); {
		case name == "server":
			if s, ok := p.text(n, "server"); ok && read && !p.shadowed(n, p.tree.root) {
				doc.Server = s
			}
		case n.key == "host":
			hosts = n
		case strings.EqualFold(n.key, "host"):
			p.fold(n, "host")
		default:
			p.field(&doc.Root, n, p.tree.root)
		}
	}
	for _, n := range p.tree.cased {
		p.fold(n, "host")
	}
	if hosts == nil || !hosts.table {
		if p.rel.NeedsHostTable() {
			p.add(Problem{ID: "HST003", Text: fmt.Sprintf("there is no host table: containerd %s discards the whole file", p.rel), Hint: "add an empty line [host] at the end, or upgrade to 1.7.32", Discards: true})
		}
	}
	if hosts != nil {
		p.hosts(doc, hosts)
	}
}

// hosts reads the tables under host in the order in which the release tries them.
func (p *parser) hosts(doc *Document, hosts *node) {
	if !hosts.table || hosts.arrayTable {
		p.discard(hosts, "HST002", `write [host."https://mirror.example.com"]`, "host is not a table")
		return
	}
	scalars := 0
	for _, n := range hosts.children {
		if n.table && !n.arrayTable {
			continue
		}
		scalars++
		p.discard(n, "HST002", "keys of the server stand above the first [host] line", "%q under [host] is not a table", shown(n.key))
	}
	unread := p.unreadableNames()
	if scalars > 0 {
		if len(hosts.children) > 1 && !p.rel.AtLeast(2, 0, 0) && !unread {
			p.at(hosts, "HST027", "remove the keys that stand directly under [host]", "containerd %s crashes while it sorts the entries under [host], because not all of them are tables", p.rel)
		}
		return
	}
	ordered := p.order(hosts)
	for _, n := range hosts.children {
		if slices.Contains(ordered, n) {
			continue
		}
		for _, c := range n.children {
			if name, read := p.fold(c, fieldNames...); read {
				p.kind(c, name)
			}
		}
	}
	for _, n := range ordered {
		h := Host{URL: n.key, Line: n.line}
		for _, c := range n.children {
			p.field(&h, c, n)
		}
		doc.Hosts = append(doc.Hosts, h)
	}
}

// unreadableNames finds table lines over which the TOML library of 1.x stumbles:
// it ends the name at the first bracket, and does not undo escapes.
func (p *parser) unreadableNames() (found bool) {
	if p.rel.AtLeast(2, 0, 0) {
		return false
	}
	for _, t := range p.tree.tables {
		if strings.ContainsAny(t.raw, `[]\`) {
			found = true
			p.add(Problem{ID: "HST025", Line: t.line, Column: t.col, Text: fmt.Sprintf("containerd %s cannot read brackets or escapes in the name of a table: the whole file is discarded", p.rel), Hint: "use a host name in place of the IPv6 address", Discards: true})
		}
	}
	return found
}

// order returns the host tables as the release tries them. 1.x sorts all of
// them by line; 2.x goes by [host."URL"] lines only, and takes one that comes
// back after another for one more.
func (p *parser) order(hosts *node) []*node {
	headed, seen, last := []*node{}, map[string]bool{}, ""
	for _, t := range p.tree.tables {
		if t.parts[0] != "host" || len(t.parts) < 2 {
			continue
		}
		if t.parts[1] == last {
			continue
		}
		last = t.parts[1]
		n := hosts.child(last)
		if seen[last] {
			p.add(Problem{ID: "HST024", Line: t.line, Column: t.col, Text: fmt.Sprintf("the tables of host %q stand apart: containerd 2.x tries the host twice", shown(last)), Hint: "keep a host's tables together"})
			if !p.rel.AtLeast(2, 0, 0) {
				continue
			}
		}
		seen[last] = true
		headed = append(headed, n)
	}
	for _, n := range hosts.children {
		if !seen[n.key] {
			p.at(n, "HST023", `write it as [host."URL"]`, "host %q is not written as a table of its own: containerd 2.x ignores it, 1.x tries it in no fixed place", shown(n.key))
		}
	}
	if p.rel.AtLeast(2, 0, 0) {
		return headed
	}
	return hosts.children
}
